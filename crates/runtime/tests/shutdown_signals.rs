//! Real signals. One test only, because signals reach the whole process.

#![allow(clippy::unwrap_used, reason = "a test that meets what it does not expect fails")]

use std::process::Command;
use std::time::Duration;

use runtime::Shutdown;

fn send(signal: &str) {
    let own = std::process::id().to_string();
    assert!(Command::new("kill").args([signal, &own]).status().unwrap().success());
}

#[tokio::test]
async fn the_first_signal_is_soft_and_the_second_hard() {
    let patience = Duration::from_secs(30);
    let shutdown = Shutdown::on_signals(Duration::from_secs(3600)).unwrap();
    send("-TERM");
    tokio::time::timeout(patience, shutdown.soft().cancelled()).await.expect("the first signal is heard");
    assert!(!shutdown.hard().is_cancelled());
    send("-INT");
    tokio::time::timeout(patience, shutdown.hard().cancelled()).await.expect("the second signal is heard");
}
