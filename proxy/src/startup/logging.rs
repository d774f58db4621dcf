//! What operators read while the gate runs: text for people, JSON for machines. Never secrets, never queries.

use std::io::IsTerminal as _;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The logs could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is not one.
    #[error("`{0}` is not a log filter; write a level (error, warn, info, debug, trace) or `info,sekisho::forward=debug`")]
    Filter(String),
    /// Logs were set up before.
    #[error("logging was set up twice")]
    Twice,
}

/// Sets up logging to standard error for the whole process.
///
/// # Errors
/// [`LogError`].
pub fn start(filter: &str, format: LogFormat) -> Result<(), LogError> {
    let filter = EnvFilter::try_new(filter).map_err(|_malformed| LogError::Filter(filter.to_owned()))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(true);
    match format {
        LogFormat::Text => lines.compact().try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    }
    .map_err(|_already| LogError::Twice)
}
