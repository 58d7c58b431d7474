//! What the commands of this crate are told alike: where the programs are, and their folder.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;

use crate::world::Programs;

/// Where the programs of a workshop are.
#[derive(Debug, Args)]
pub struct ProgramArguments {
    #[arg(long)]
    server: PathBuf,
    #[arg(long)]
    worker: PathBuf,
    #[arg(long, default_value = "redis-server")]
    redis: PathBuf,
    /// The server's FRONTEND_DIR.
    #[arg(long)]
    frontend_dir: PathBuf,
    /// The server's SITE_ROOT.
    #[arg(long)]
    site_root: PathBuf,
}

impl ProgramArguments {
    /// The engine that breaks lies beside the command. No disk is full, and no ComfyUI real.
    pub fn programs(self) -> anyhow::Result<Programs> {
        Ok(Programs {
            server: self.server,
            worker: self.worker,
            engine: std::env::current_exe()?.with_file_name("drill-engine"),
            redis: self.redis,
            frontend: self.frontend_dir,
            site: self.site_root,
            shim: None,
            comfyui: None,
        })
    }
}

/// Empty, in place of what an earlier run of the same command left there, which is known by
/// its file of that name.
pub fn make_folder(folder: &Path, known_by: &str) -> anyhow::Result<PathBuf> {
    if folder.exists() {
        ensure!(
            folder.join(known_by).exists(),
            "{} holds no {known_by}: it is not of an earlier run",
            folder.display()
        );
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    Ok(folder.canonicalize()?)
}
