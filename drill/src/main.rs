//! `make drill`: breaks a workshop in every way that it promises to survive, and counts.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::Parser;
use drill::run::{DrillOptions, LOG_NAME, drill};
use drill::world::{Programs, WorldOptions};

/// Runs a workshop of real processes, kills and cuts them at random moments, and accounts for
/// every job. Ends with 1 where a job was lost or doubled or recovery took too long.
#[derive(Parser)]
struct Arguments {
    /// What breaks, and when, follows from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[arg(long, default_value_t = 300)]
    jobs: u32,
    /// How much breaks. Not given: one for eight jobs.
    #[arg(long)]
    faults: Option<u32>,
    #[arg(long, default_value_t = 6)]
    seats: u32,
    /// Workers with a ComfyUI that breaks by itself, too.
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// How many of a hundred runs of those go wrong.
    #[arg(long, default_value_t = 4)]
    engine_faults: u64,
    /// Where logs, database and files stay, until the next drill there.
    #[arg(long)]
    folder: PathBuf,
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
    /// The compiled `drill/shim/adversity.c`. Not given: no disk is full and no clock wrong.
    #[arg(long)]
    shim: Option<PathBuf>,
    /// A real ComfyUI, which gets a worker of its own.
    #[arg(long)]
    comfyui_dir: Option<PathBuf>,
    #[arg(long, default_value = "python3")]
    comfyui_python: PathBuf,
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    comfyui_args: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let folder = arguments.folder;
    make_folder(&folder)?;
    let engine = std::env::current_exe()?.with_file_name("drill-engine");
    let comfyui = arguments.comfyui_dir.map(|dir| (dir, arguments.comfyui_python, arguments.comfyui_args));
    let options = DrillOptions {
        world: WorldOptions {
            folder: folder.canonicalize()?,
            programs: Programs {
                server: arguments.server,
                worker: arguments.worker,
                engine,
                redis: arguments.redis,
                frontend: arguments.frontend_dir,
                site: arguments.site_root,
                shim: arguments.shim,
                comfyui,
            },
            seats: arguments.seats,
            seed: arguments.seed,
            workers: arguments.workers,
            engine_fault_percent: arguments.engine_faults,
        },
        jobs: arguments.jobs,
        faults: arguments.faults.unwrap_or(arguments.jobs / 8),
    };
    let account = drill(&options).await?;
    print!("{account}");
    let folder = options.world.folder.display();
    println!("logs and records: {folder}; what happened when: {folder}/{LOG_NAME}");
    let faults = options.faults;
    println!(
        "the same again: scripts/drill --seed {} --jobs {} --faults {faults}",
        arguments.seed, options.jobs
    );
    Ok(if account.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Empty, in place of an earlier drill's.
fn make_folder(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        ensure!(folder.join(LOG_NAME).exists(), "{} is no drill's folder", folder.display());
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())
}
