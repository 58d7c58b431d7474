//! `remove-files`: the end of a workshop, or of a seat's part in it.
//!
//! Invariant: files go before rows, so that what a stop in between leaves is removed by
//! the same command again; and no server runs meanwhile, whose open folders would be gone.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use anyhow::Context;
use domain::SeatId;
use store::Store;
use workshop::files::SeatFolders;

use crate::config::ServerConfig;
use crate::data_lock::DataLock;

/// Seats beyond the setting `SEATS` as well: it may have been lowered.
const ALL_SEATS: u16 = u16::MAX;

/// Removes all that these seats made and brought, or all seats if none is named. Join links stay.
pub async fn remove_files(
    config: ServerConfig,
    seat: Option<SeatId>,
    is_confirmed: bool,
) -> anyhow::Result<()> {
    let database = crate::commands::database(&config)?;
    let _lock = DataLock::take(&config.data_dir)?;
    let store = Store::open(&database).await?;
    let removed = remove(&config.data_dir, &store, seat, is_confirmed).await;
    store.close().await;
    removed
}

async fn remove(
    data_dir: &Path,
    store: &Store,
    seat: Option<SeatId>,
    is_confirmed: bool,
) -> anyhow::Result<()> {
    let known = store.seats(ALL_SEATS).await?.into_iter().map(|known| known.id);
    let seats: Vec<_> = known.filter(|known| seat.is_none_or(|seat| seat == *known)).collect();
    anyhow::ensure!(!seats.is_empty(), "there is no such seat");
    let folders = SeatFolders::open(data_dir).context("could not open the seats' folders")?;
    let mut bytes = 0_u64;
    for seat in &seats {
        bytes = bytes.saturating_add(folders.measure(*seat).await?.bytes());
    }
    let whose = seat.map_or_else(|| format!("all {} seats", seats.len()), |seat| seat.to_string());
    let what = format!("the files and jobs of {whose} ({})", app::format::bytes(bytes));
    if !is_confirmed && !is_wanted(&what)? {
        println!("Nothing was removed.");
        return Ok(());
    }
    for seat in &seats {
        folders.erase(*seat).await.with_context(|| format!("could not remove the files of {seat}"))?;
    }
    store.erase_seats(&seats).await?;
    println!("Removed {what}.");
    Ok(())
}

fn is_wanted(what: &str) -> anyhow::Result<bool> {
    let input = std::io::stdin();
    anyhow::ensure!(input.is_terminal(), "nobody can be asked here: add --yes to remove {what} for good");
    print!("Remove {what} for good? This cannot be undone. [y/N] ");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    input.read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
