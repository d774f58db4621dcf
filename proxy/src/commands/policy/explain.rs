//! `sekisho policy explain`: why something is, or was, decided as it is.

use std::path::PathBuf;

use clap::Args;

use super::past;
use crate::commands::error::CommandError;

/// Say why a request was decided as it was, with the policies and the facts of that moment
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 1 if the decision, made again, is not the recorded one, or the record was changed; 3 if something is missing.\n\n\
    Example:\n  sekisho policy explain --request f21d5dbc9a29ae935a92d17f7921509e"
)]
pub(super) struct ExplainCommand {
    /// The id of a request in the record, as pages, answers and `X-Request-Id` show it
    #[arg(long, value_name = "ID")]
    request: String,
    /// The folder of the record, of a running gate or a copy; then no configuration is read
    #[arg(long, value_name = "DIR")]
    audit: Option<PathBuf>,
    /// The configuration: it names the folder of the record
    #[arg(long, value_name = "FILE", env = "SEKISHO_CONFIG", default_value = "sekisho.toml")]
    config: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl ExplainCommand {
    /// Explains it.
    ///
    /// # Errors
    /// [`CommandError`] in words, with the exit code.
    pub(super) fn run(self) -> Result<(), CommandError> {
        past::explain(&self.request, self.audit.as_deref(), &self.config, self.json)
    }
}
