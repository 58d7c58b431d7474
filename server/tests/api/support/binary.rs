//! The binary's own commands.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Calls the binary on this data folder.
pub async fn call(data_dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_comfy-multi"));
    command.args(arguments).current_dir(data_dir).stdin(Stdio::null());
    command.env_clear().env("DATA_DIR", data_dir).env("SEATS", "3").env("ADMIN_PASSWORD", "instructor");
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
