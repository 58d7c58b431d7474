//! What goes to the log and how it looks. Times are UTC.

use std::io::IsTerminal;
use std::str::FromStr;

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::time::SystemTime;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::Settings;

/// The shape of each log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object a line, for programs.
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("it is neither `text` nor `json`".to_owned()),
        }
    }
}

/// Libraries that wrap every request or task in words of their own. What LOG says of them wins.
const QUIETER: &str = "tower_sessions=warn,tower_sessions_core=warn,apalis_core=warn";

/// What is logged: `info`, or in detail `info,workshop=debug`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter(String);

impl FromStr for LogFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        EnvFilter::builder().parse(text).map_err(|error| error.to_string())?;
        Ok(Self(text.to_owned()))
    }
}

#[derive(Debug, Clone)]
pub struct LogOptions {
    pub filter: LogFilter,
    pub format: LogFormat,
}

impl LogOptions {
    /// From LOG and LOG_FORMAT.
    pub fn read(settings: &mut Settings) -> Self {
        Self { filter: settings.parsed("LOG"), format: settings.parsed("LOG_FORMAT") }
    }
}

/// Something else has set up the log of this process already.
#[derive(Debug, thiserror::Error)]
#[error("the log could not be set up")]
pub struct LoggingError(#[source] Box<dyn std::error::Error + Send + Sync>);

/// Sets up the log of the process, once. Lines go to standard error.
pub fn init(options: &LogOptions) -> Result<(), LoggingError> {
    let colours = std::io::stderr().is_terminal();
    build(options, std::io::stderr, colours).try_init().map_err(|error| LoggingError(error.into()))
}

/// What [`init`] sets up, with its lines going elsewhere and without colours: for tests.
pub fn subscriber(options: &LogOptions, writer: impl Writer) -> BoxedSubscriber {
    build(options, writer, false)
}

pub type BoxedSubscriber = Box<dyn Subscriber + Send + Sync>;

/// Makes something to write one line to.
pub trait Writer: for<'a> MakeWriter<'a> + Send + Sync + 'static {}

impl<T: for<'a> MakeWriter<'a> + Send + Sync + 'static> Writer for T {}

fn build(options: &LogOptions, writer: impl Writer, colours: bool) -> BoxedSubscriber {
    let filter = EnvFilter::new(format!("{QUIETER},{}", options.filter.0));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_timer(SystemTime)
        .with_writer(writer)
        .with_ansi(colours);
    match options.format {
        LogFormat::Text => Box::new(builder.compact().finish()),
        // The list of spans has the present one too.
        LogFormat::Json => Box::new(builder.json().flatten_event(true).with_current_span(false).finish()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_filters_are_refused() {
        assert!("info,workshop=debug".parse::<LogFilter>().is_ok());
        assert!("workshop=loud".parse::<LogFilter>().is_err());
    }
}
