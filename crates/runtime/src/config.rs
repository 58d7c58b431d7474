//! Settings of both binaries, from the environment and from `.env`.
//!
//! Invariants: the process's environment wins over `.env`; an empty value counts as not
//! set; nothing unknown in `.env` and no bad value is passed over; and all that is wrong
//! is told at once, naming the setting, its value (unless secret) and the reason.

mod dotenv;
mod table;
mod value;

use std::collections::HashMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

pub use table::{SETTINGS, Setting};

use crate::Secret;

/// Everything that is wrong with the settings.
#[derive(Debug, thiserror::Error)]
#[error("the settings cannot be used:{}", .problems.iter().map(|problem| format!("\n  - {problem}")).collect::<String>())]
pub struct ConfigError {
    pub problems: Vec<String>,
}

/// Reads settings one by one and remembers what was wrong with them.
///
/// A getter always returns something, the default in place of a bad value, so that the
/// caller reads on; [`Settings::finish`] then says whether any of it may be used.
pub struct Settings {
    process: HashMap<String, String>,
    file: HashMap<String, String>,
    problems: Vec<String>,
}

impl Settings {
    /// From `.env` in the working directory, if there is one, and the process's environment.
    pub fn load() -> Self {
        let (text, unreadable) = match std::fs::read_to_string(dotenv::FILE_NAME) {
            Ok(text) => (text, None),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => (String::new(), None),
            Err(error) => (String::new(), Some(format!("`{}` cannot be read: {error}", dotenv::FILE_NAME))),
        };
        // Others' variables need not be text; ours are checked by what they are read as.
        let process = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            Some((name, value.to_string_lossy().into_owned()))
        });
        let mut settings = Self::from_parts(&text, process);
        settings.problems.extend(unreadable);
        settings
    }

    /// From the text of a `.env` file and the variables of an environment.
    pub fn from_parts(dotenv_text: &str, process: impl IntoIterator<Item = (String, String)>) -> Self {
        let (file, problems) = dotenv::parse(dotenv_text);
        let process = process.into_iter().filter(|(name, _)| table::is_known(name)).collect();
        Self { process, file, problems }
    }

    /// Whether the settings that were read may be used.
    pub fn finish(self) -> Result<(), ConfigError> {
        if self.problems.is_empty() { Ok(()) } else { Err(ConfigError { problems: self.problems }) }
    }

    /// Something is wrong that only the reader of several settings can see.
    pub fn add_problem(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }

    /// A setting that has a default.
    pub fn text(&mut self, name: &str) -> String {
        self.given(name).unwrap_or_else(|| default_of(name).to_owned())
    }

    pub fn optional_text(&mut self, name: &str) -> Option<String> {
        self.given(name)
    }

    /// A setting that has a default, as a `T`.
    pub fn parsed<T>(&mut self, name: &str) -> T
    where
        T: FromStr<Err: Display>,
    {
        self.checked(name, |text| text.parse::<T>().map_err(|error| error.to_string()))
    }

    /// A whole number within bounds.
    pub fn number(&mut self, name: &str, bounds: RangeInclusive<u64>) -> u64 {
        self.checked(name, |text| value::number(text, &bounds))
    }

    pub fn seconds(&mut self, name: &str, bounds: RangeInclusive<u64>) -> Duration {
        Duration::from_secs(self.number(name, bounds))
    }

    pub fn port(&mut self, name: &str) -> u16 {
        self.checked(name, |text| match text.parse::<u16>() {
            Ok(port) if port > 0 => Ok(port),
            _ => Err("it is not a port from 1 to 65535".to_owned()),
        })
    }

    /// A size: a number of bytes, or one with `KiB`, `MiB` or `GiB` behind it.
    pub fn bytes(&mut self, name: &str) -> u64 {
        self.checked(name, value::bytes)
    }

    /// A size that need not be given.
    pub fn optional_bytes(&mut self, name: &str) -> Option<u64> {
        let text = self.given(name)?;
        value::bytes(&text).map_err(|reason| self.bad(name, &text, &reason)).ok()
    }

    pub fn path(&mut self, name: &str) -> PathBuf {
        PathBuf::from(self.text(name))
    }

    pub fn optional_path(&mut self, name: &str) -> Option<PathBuf> {
        self.given(name).map(PathBuf::from)
    }

    /// Words as in a shell: apart by spaces, kept together by quotes.
    pub fn words(&mut self, name: &str) -> Vec<String> {
        match self.given(name).map(|text| (value::words(&text), text)) {
            None => Vec::new(),
            Some((Ok(words), _)) => words,
            Some((Err(reason), text)) => {
                self.bad(name, &text, &reason);
                Vec::new()
            }
        }
    }

    /// An `http` or `https` address that has a default, without a slash at its end.
    pub fn url(&mut self, name: &str) -> String {
        self.checked(name, |text| value::url(text, &["http", "https"]))
    }

    pub fn optional_url(&mut self, name: &str) -> Option<String> {
        let text = self.given(name)?;
        value::url(&text, &["http", "https"]).map_err(|reason| self.bad(name, &text, &reason)).ok()
    }

    /// A secret, or the content of the file named by `NAME_FILE`.
    pub fn secret(&mut self, name: &str) -> Option<Secret> {
        debug_assert!(table::find(name).is_some_and(|setting| setting.is_secret), "{name} is no secret");
        let file_name = format!("{name}_FILE");
        // Where both are set, the process's environment wins as always; within one place it is an error.
        let found = [&self.process, &self.file].into_iter().find_map(|place| {
            let set = |name: &str| place.get(name).filter(|text| !text.is_empty()).cloned();
            let found = (set(name), set(&file_name));
            (found != (None, None)).then_some(found)
        });
        match found? {
            (Some(_), Some(_)) => {
                self.problems.push(format!("{name} and {file_name} are both set: keep one of them"));
                None
            }
            (Some(text), None) => Some(Secret::new(text)),
            (None, path) => self.secret_from_file(&file_name, &path?),
        }
    }

    /// A secret that is an address, with a check of its scheme.
    pub fn secret_url(&mut self, name: &str, schemes: &[&str]) -> Option<Secret> {
        let secret = self.secret(name)?;
        if let Err(reason) = value::url(secret.expose(), schemes) {
            self.bad(name, secret.expose(), &reason);
        }
        Some(secret)
    }

    /// A secret that must be there. `hint` says where to take it from.
    pub fn required_secret(&mut self, name: &str, hint: &str) -> Secret {
        let problems_before = self.problems.len();
        self.secret(name).unwrap_or_else(|| {
            if self.problems.len() == problems_before {
                self.problems.push(format!("{name} (or {name}_FILE) is not set: {hint}"));
            }
            Secret::new("")
        })
    }

    fn secret_from_file(&mut self, name: &str, path: &str) -> Option<Secret> {
        match std::fs::read_to_string(path) {
            Ok(text) if text.trim().is_empty() => {
                self.bad(name, path, "the file is empty");
                None
            }
            Ok(text) => Some(Secret::new(text.trim())),
            Err(error) => {
                self.bad(name, path, &format!("the file cannot be read: {error}"));
                None
            }
        }
    }

    fn given(&self, name: &str) -> Option<String> {
        debug_assert!(table::find(name).is_some(), "{name} is not in the table of settings");
        let set = |place: &HashMap<String, String>| place.get(name).filter(|text| !text.is_empty()).cloned();
        set(&self.process).or_else(|| set(&self.file))
    }

    fn checked<T>(&mut self, name: &str, check: impl Fn(&str) -> Result<T, String>) -> T {
        if let Some(text) = self.given(name) {
            match check(&text) {
                Ok(value) => return value,
                Err(reason) => self.bad(name, &text, &reason),
            }
        }
        check(default_of(name)).expect("the defaults in the table are valid")
    }

    fn bad(&mut self, name: &str, text: &str, reason: &str) {
        let is_secret = table::find(name).is_some_and(|setting| setting.is_secret);
        self.problems.push(if is_secret {
            format!("{name} is not valid: {reason}")
        } else {
            format!("{name}={text} is not valid: {reason}")
        });
    }
}

fn default_of(name: &str) -> &'static str {
    table::find(name)
        .and_then(|setting| setting.default)
        .expect("a setting read without an alternative has a default in the table")
}

#[cfg(test)]
mod tests;
