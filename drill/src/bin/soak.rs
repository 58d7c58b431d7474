//! `make soak`: lets a class work for hours, and sees whether the programs keep their size.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use drill::arguments::{ProgramArguments, make_folder};
use drill::soak::{REPORT_NAME, SAMPLES_NAME, SoakOptions, ensure_sensible, soak, table};
use drill::world::WorldOptions;

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
    #[command(flatten)]
    programs: ProgramArguments,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let folder = make_folder(&arguments.folder, SAMPLES_NAME)?;
    let usual = (arguments.hours * 60.0 / USUAL_MINUTES).max(1.0);
    let options = SoakOptions {
        world: WorldOptions {
            folder,
            programs: arguments.programs.programs()?,
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
