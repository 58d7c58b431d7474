use clap::{Parser, Subcommand};
use server::commands;
use server::config::ServerConfig;

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
    Links,
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
        Command::Links => commands::print_links(config).await,
    }
}
