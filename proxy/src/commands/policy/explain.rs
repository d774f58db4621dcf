//! `sekisho policy explain`: why something is, was, or would be decided as it is.

use std::path::PathBuf;

use clap::Args;

use super::hypothetical::AskedArgs;
use super::past;
use super::place::PlaceArgs;
use crate::commands::error::CommandError;

/// Say why a request was, or would be, decided as it is, and what would have to change
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes, with --request: 1 if the decision, made again, is not the recorded one, or the record was changed; 3 if something is missing.\n\n\
    Examples:\n  sekisho policy explain --user corp/ana --group staff --to wiki --fact device.managed=false\n  \
    sekisho policy explain --case policies/tests/wiki.toml\n  \
    sekisho policy explain --request f21d5dbc9a29ae935a92d17f7921509e"
)]
pub(super) struct ExplainCommand {
    /// The id of a request in the record, as pages, answers and `X-Request-Id` show it; with the policies and facts of that moment
    #[arg(long, value_name = "ID", conflicts_with = "AskedArgs")]
    request: Option<String>,
    /// The folder of the record, of a running gate or a copy; then no configuration is read
    #[arg(long, value_name = "DIR", requires = "request")]
    audit: Option<PathBuf>,
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    asked: AskedArgs,
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
        match &self.request {
            Some(request) => past::explain(request, self.audit.as_deref(), self.place.config(), self.json),
            None => self.asked.explain(&self.place, self.json),
        }
    }
}
