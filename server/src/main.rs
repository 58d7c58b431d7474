use std::path::PathBuf;

use clap::{ArgGroup, Parser, Subcommand};
use domain::SeatId;
use server::config::ServerConfig;
use server::{backup, commands, doctor, remove_files, worker_tokens};

/// A ComfyUI for a whole workshop: one link each, one GPU for all.
///
/// Settings come from the environment and from `.env` in the working directory;
/// `.env.example` lists them.
#[derive(Parser)]
#[command(name = "comfy-multi", version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the workshop (the default).
    Serve,
    /// Print the seats' join links and how to sign in as the instructor.
    Links {
        /// Also the links by which participants get all their files without a session.
        #[arg(long)]
        take_home: bool,
    },
    /// Give a GPU machine a token of its own, which can be taken back alone.
    #[command(subcommand)]
    WorkerToken(WorkerTokenCommand),
    /// Look at everything that a workshop needs, and say how to mend what is wrong.
    Doctor,
    /// Remove for good what a seat, or everybody, made and brought: results, inputs, models,
    /// workflows, settings and jobs. Join links stay. Stop the server first.
    #[command(group = ArgGroup::new("whose").required(true).args(["seat", "all"]))]
    RemoveFiles {
        /// Whose, as `user001`.
        seat: Option<SeatId>,
        /// Everybody's.
        #[arg(long)]
        all: bool,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Copy the record and all seats' files to a new folder, while the server runs.
    Backup {
        /// It must not exist yet. It will hold secrets.
        folder: PathBuf,
    },
    /// Fill an empty DATA_DIR from a backup. Stop the server first.
    Restore {
        /// A folder that `backup` made.
        folder: PathBuf,
    },
}

#[derive(Subcommand)]
enum WorkerTokenCommand {
    /// Make one, and print what the machine needs. It is not shown again.
    Add {
        /// What the machine is called, on the instructor's page too.
        name: String,
    },
    /// Print who has one.
    List,
    /// Take one back. The machine is shut out at once; its jobs run again elsewhere.
    Revoke { name: String },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let config = ServerConfig::load()?;
    match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => {
            runtime::logging::init(&config.logging)?;
            commands::serve(config).await
        }
        Command::Links { take_home } => commands::print_links(config, take_home).await,
        Command::WorkerToken(WorkerTokenCommand::Add { name }) => worker_tokens::add(config, &name).await,
        Command::WorkerToken(WorkerTokenCommand::List) => worker_tokens::list(config).await,
        Command::WorkerToken(WorkerTokenCommand::Revoke { name }) => {
            worker_tokens::revoke(config, &name).await
        }
        Command::Doctor => doctor::doctor(config).await,
        Command::Backup { folder } => backup::backup(config, folder).await,
        Command::Restore { folder } => backup::restore(config, folder).await,
        Command::RemoveFiles { seat, all: _, yes } => remove_files::remove_files(config, seat, yes).await,
    }
}
