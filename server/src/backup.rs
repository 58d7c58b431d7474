//! `backup` and `restore`: the record and the seats' files, while the server runs.
//!
//! Invariant: the record is taken first and in one moment, the files after it. Files are never
//! changed in place, so the backup holds every file that its record names, but for what a
//! participant deletes for good meanwhile; what is newer than the record is left over and harmless.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use domain::SeatId;

use crate::commands::DATABASE;
use crate::config::ServerConfig;
use crate::data_lock::DataLock;
use crate::secrets;

/// Says that a folder is a whole backup: it is written last.
const MARK: &str = "backup-of-comfy-multi";
const SEATS: &str = "seats";
/// Below a seat's folder: what is still arriving, and what can be made again.
const LEFT_OUT: [&str; 2] = ["incoming", "thumbs"];

/// Copies everything that must be kept to a folder that is not there yet.
pub async fn backup(config: ServerConfig, target: PathBuf) -> anyhow::Result<()> {
    let database = crate::commands::database(&config)?;
    fs::create_dir_all(target.parent().unwrap_or(Path::new(".")))?;
    match fs::create_dir(&target) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{} is there already: name a new folder", target.display())
        }
        made => made.with_context(|| format!("could not make {}", target.display()))?,
    }
    // It holds secrets.
    fs::set_permissions(&target, fs::Permissions::from_mode(0o700))?;
    store::snapshot(&database, &target.join(DATABASE)).await?;
    println!("record: copied");
    let data_dir = config.data_dir.clone();
    let folder = target.clone();
    let bytes = tokio::task::spawn_blocking(move || copy_files(&data_dir, &folder)).await??;
    println!("Everything is in {} ({} of files).", target.display(), app::format::bytes(bytes));
    Ok(())
}

fn copy_files(data_dir: &Path, target: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0_u64;
    for secret in [secrets::admin_password_file(data_dir), secrets::worker_token_file(data_dir)] {
        if let Some(name) = secret.file_name().filter(|_| secret.exists()) {
            fs::copy(&secret, target.join(name)).with_context(|| secret.display().to_string())?;
        }
    }
    let seats = data_dir.join(SEATS);
    fs::create_dir_all(target.join(SEATS))?;
    let mut found: Vec<SeatId> = Vec::new();
    for entry in entries(&seats)? {
        found.extend(
            entry.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse::<SeatId>().ok()),
        );
    }
    found.sort();
    for (number, seat) in found.iter().enumerate() {
        let copied = copy_seat(&seats.join(seat.to_string()), &target.join(SEATS).join(seat.to_string()))?;
        println!("{seat}: {} ({} of {})", app::format::bytes(copied), number + 1, found.len());
        bytes += copied;
    }
    fs::write(target.join(MARK), format!("comfy-multi {}\n", env!("CARGO_PKG_VERSION")))?;
    Ok(bytes)
}

fn copy_seat(from: &Path, to: &Path) -> anyhow::Result<u64> {
    fs::create_dir_all(to)?;
    let mut bytes = 0;
    for entry in entries(from)? {
        let Some(name) = entry.file_name() else { continue };
        if !LEFT_OUT.iter().any(|left_out| name == *left_out) {
            bytes += copy(&entry, &to.join(name))?;
        }
    }
    Ok(bytes)
}

/// A file or a folder with all that is in it; what vanishes meanwhile was deleted. Bytes copied.
fn copy(from: &Path, to: &Path) -> anyhow::Result<u64> {
    let gone = |error: &std::io::Error| error.kind() == ErrorKind::NotFound;
    let metadata = match fs::symlink_metadata(from) {
        Err(error) if gone(&error) => return Ok(0),
        metadata => metadata.with_context(|| from.display().to_string())?,
    };
    if metadata.is_dir() {
        fs::create_dir_all(to)?;
        let mut bytes = 0;
        for entry in entries(from)? {
            if let Some(name) = entry.file_name() {
                bytes += copy(&entry, &to.join(name))?;
            }
        }
        return Ok(bytes);
    }
    // Nothing of ours is anything else; a link would lead out of the seat's folder.
    if !metadata.is_file() {
        return Ok(0);
    }
    match fs::copy(from, to) {
        Err(error) if gone(&error) => return Ok(0),
        copied => copied.with_context(|| format!("could not copy {}", from.display()))?,
    };
    let times = fs::FileTimes::new().set_modified(metadata.modified()?);
    fs::File::options().write(true).open(to)?.set_times(times)?;
    Ok(metadata.len())
}

fn entries(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let listed = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed.with_context(|| folder.display().to_string())?,
    };
    listed.map(|entry| Ok(entry?.path())).collect()
}

/// Puts a backup in the place of the data folder, which must be empty or not there.
pub async fn restore(config: ServerConfig, source: PathBuf) -> anyhow::Result<()> {
    let data_dir = config.data_dir;
    ensure!(source.join(MARK).exists(), "{} is no backup, or one that was cut short", source.display());
    fs::create_dir_all(&data_dir).with_context(|| format!("could not make {}", data_dir.display()))?;
    fs::set_permissions(&data_dir, fs::Permissions::from_mode(0o700))?;
    let _lock = DataLock::take(&data_dir)?;
    for kept in [data_dir.join(DATABASE), data_dir.join(SEATS)] {
        ensure!(
            !kept.exists(),
            "DATA_DIR {} holds a workshop: move it away first, or set DATA_DIR to another folder",
            data_dir.display()
        );
    }
    let target = data_dir.clone();
    let bytes = tokio::task::spawn_blocking(move || -> anyhow::Result<u64> {
        let mut bytes = 0;
        for entry in entries(&source)? {
            if let Some(name) = entry.file_name().filter(|name| *name != MARK) {
                bytes += copy(&entry, &target.join(name))?;
            }
        }
        Ok(bytes)
    })
    .await??;
    println!("Restored {} to {}. Start the server.", app::format::bytes(bytes), data_dir.display());
    Ok(())
}
