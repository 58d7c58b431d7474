//! `make soak`: lets a class work for hours, and sees whether the programs keep their size.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::Parser;
use drill::soak::{REPORT_NAME, SAMPLES_NAME, SoakOptions, ensure_sensible, soak, table};
use drill::world::{Programs, WorldOptions};

/// How long a soak takes where nothing else is said.
const USUAL_MINUTES: f64 = 10.0;

/// Runs a workshop of real processes, lets participants work in it, and judges whether memory,
/// handles, Redis and database grow by more than the jobs explain. Ends with 1 where they do.
#[derive(Parser)]
struct Arguments {
    /// Of a workshop, as long as people take.
    #[arg(long, default_value_t = 8.0)]
    hours: f64,
    /// How many times faster than people the participants are; 1 is real time. Not given: such
    /// that it takes ten minutes.
    #[arg(long)]
    compress: Option<f64>,
    #[arg(long, default_value_t = 20)]
    participants: u32,
    #[arg(long, default_value_t = 2)]
    workers: usize,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where report, samples, logs, database and files stay, until the next soak there.
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
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let folder = arguments.folder;
    make_folder(&folder)?;
    let usual = (arguments.hours * 60.0 / USUAL_MINUTES).max(1.0);
    let options = SoakOptions {
        world: WorldOptions {
            folder: folder.canonicalize()?,
            programs: Programs {
                shim: None,
                server: arguments.server,
                worker: arguments.worker,
                engine: std::env::current_exe()?.with_file_name("drill-engine"),
                redis: arguments.redis,
                frontend: arguments.frontend_dir,
                site: arguments.site_root,
                comfyui: None,
            },
            seats: arguments.participants,
            seed: arguments.seed,
            workers: arguments.workers,
            engine_fault_percent: 0,
        },
        hours: arguments.hours,
        compression: arguments.compress.unwrap_or(usual),
    };
    ensure_sensible(&options)?;
    let verdicts = soak(&options).await?;
    print!("{}", table(&verdicts));
    println!("report: {}", options.world.folder.join(REPORT_NAME).display());
    let is_good = verdicts.iter().all(|verdict| verdict.is_good);
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Empty, in place of an earlier soak's.
fn make_folder(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        ensure!(folder.join(SAMPLES_NAME).exists(), "{} is no soak's folder", folder.display());
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())
}
