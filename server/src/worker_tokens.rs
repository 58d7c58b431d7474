//! `comfy-multi worker-token`: tokens of single workers, made and taken back by the operator.
//! The running server asks the same table, so nothing needs a restart.

use std::io::Write as _;

use anyhow::{bail, ensure};
use domain::Clock;
use runtime::{SystemClock, random};
use store::Store;
use workshop::worker_token_hash;

use crate::commands::database;
use crate::config::ServerConfig;

/// Lets people, and tools that look for leaked secrets, see what it is.
const PREFIX: &str = "cmw-";
/// In characters.
const LONGEST_NAME: usize = 40;

/// Makes a token for the worker of that name, and prints what goes into its `.env`.
pub async fn add(config: ServerConfig, name: &str) -> anyhow::Result<()> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    ensure!(
        (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(is_plain),
        "`{name}` is no name for a worker: use up to {LONGEST_NAME} letters, digits, `-`, `_` and `.`"
    );
    let store = Store::open(&database(&config)?).await?;
    let token = format!("{PREFIX}{}", random::base32_token(32));
    let is_new =
        store.add_worker_token(name, &worker_token_hash(&token), SystemClock::default().now()).await?;
    store.close().await;
    ensure!(is_new, "{name} has a token already; to make another: comfy-multi worker-token revoke {name}");
    print(&format!(
        "# For .env on {name}. The token is not shown again.\nSERVER_URL={}\nWORKER_NAME={name}\nWORKER_TOKEN={token}\n",
        config.public_url
    ))
}

/// Prints who has a token.
pub async fn list(config: ServerConfig) -> anyhow::Result<()> {
    let store = Store::open(&database(&config)?).await?;
    let tokens = store.worker_tokens().await?;
    store.close().await;
    let lines = tokens.iter().map(|token| format!("{}\n", token.name)).collect::<String>();
    print(if lines.is_empty() { "No worker has a token of its own.\n" } else { &lines })
}

/// Takes the worker's token back.
pub async fn revoke(config: ServerConfig, name: &str) -> anyhow::Result<()> {
    let store = Store::open(&database(&config)?).await?;
    let was_there = store.delete_worker_token(name).await?;
    store.close().await;
    if !was_there {
        bail!("{name} has no token; comfy-multi worker-token list prints who has");
    }
    print(&format!(
        "{name} is shut out. It still knows the address of Redis: change Redis' password too if you do not trust that machine.\n"
    ))
}

fn print(text: &str) -> anyhow::Result<()> {
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}
