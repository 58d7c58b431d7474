//! The files of the private Redis: its password and its settings, readable by us alone.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{EmbeddedRedisOptions, RedisError};
use crate::{Secret, random};

/// Only the owner reads and writes.
const PRIVATE_FILE: u32 = 0o600;
const PRIVATE_DIRECTORY: u32 = 0o700;

/// What it takes to start the private Redis and to speak to it.
pub(super) struct PrivateSettings {
    pub(super) program: PathBuf,
    pub(super) port: u16,
    /// Absolute, as Redis itself names it.
    pub(super) directory: PathBuf,
    pub(super) file: PathBuf,
    password: Secret,
}

impl PrivateSettings {
    /// Makes the directory, the password (once) and the settings file (always anew).
    pub(super) fn prepare(options: &EmbeddedRedisOptions) -> Result<Self, RedisError> {
        let directory = &options.directory;
        DirBuilder::new()
            .recursive(true)
            .mode(PRIVATE_DIRECTORY)
            .create(directory)
            .map_err(|source| failed("made", directory, source))?;
        let directory = directory.canonicalize().map_err(|source| failed("found", directory, source))?;
        let password_file = directory.join("password");
        let password = password(&password_file).map_err(|source| failed("used", &password_file, source))?;
        let file = directory.join("redis.conf");
        let settings =
            Self { program: options.program.clone(), port: options.port, directory, file, password };
        write_private(&settings.file, &settings.text())
            .map_err(|source| failed("written", &settings.file, source))?;
        Ok(settings)
    }

    pub(super) fn url(&self) -> Secret {
        Secret::new(format!("redis://:{}@127.0.0.1:{}/", self.password.expose(), self.port))
    }

    /// The password goes here rather than on the command line, which everybody can list.
    fn text(&self) -> String {
        let directory = self.directory.display().to_string().replace('\\', "\\\\").replace('"', "\\\"");
        format!(
            "# Written by comfy-multi at each start.\n\
             bind 127.0.0.1\n\
             port {port}\n\
             protected-mode yes\n\
             requirepass {password}\n\
             dir \"{directory}\"\n\
             daemonize no\n\
             logfile \"\"\n\
             appendonly yes\n\
             appendfsync everysec\n\
             save \"\"\n\
             maxmemory-policy noeviction\n",
            port = self.port,
            password = self.password.expose(),
        )
    }
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> RedisError {
    RedisError::Directory { action, path: path.display().to_string(), source }
}

/// The password kept in the file, minted the first time.
fn password(file: &Path) -> io::Result<Secret> {
    match fs::read_to_string(file) {
        Ok(text) if !text.trim().is_empty() => Ok(Secret::new(text.trim())),
        Ok(_) => mint(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => mint(file),
        Err(error) => Err(error),
    }
}

fn mint(file: &Path) -> io::Result<Secret> {
    let password = random::hex_token();
    write_private(file, &password)?;
    Ok(Secret::new(password))
}

/// Replaces the file at once, and never lets anybody else open it.
fn write_private(file: &Path, text: &str) -> io::Result<()> {
    let unfinished = file.with_extension("new");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut writer = OpenOptions::new().write(true).create_new(true).mode(PRIVATE_FILE).open(&unfinished)?;
    writer.write_all(text.as_bytes())?;
    writer.sync_all()?;
    fs::rename(&unfinished, file)
}
