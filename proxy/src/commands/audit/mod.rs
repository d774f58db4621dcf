//! `sekisho audit`: ask the record.
//!
//! Arrives: the folder of the record, of a running gate or a copy. Leaves: what was asked for on standard output, and the exit code:
//! 1 if the record is not as it was written, 3 if something was asked about that nobody knows. Refused: a time or a name that makes
//! no sense, with what could have been meant. If interrupted, nothing has changed: the record is only read.

mod follow;
mod format;
mod ocsf;
mod people;
mod place;
mod query;
mod report;
mod rows;
#[cfg(test)]
mod testing;
mod unknown;
mod verify;
mod which;

use clap::{Args, Subcommand};

use self::follow::FollowCommand;
use self::query::QueryCommand;
use self::report::ReportCommand;
use self::verify::VerifyCommand;
use super::error::CommandError;

/// Ask the record who did what: of the running gate, or of a copied folder.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sekisho audit query --device ana-7k2q --since yesterday")]
pub struct AuditCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Query(QueryCommand),
    Follow(FollowCommand),
    Report(ReportCommand),
    Verify(VerifyCommand),
}

impl AuditCommand {
    /// Does it.
    ///
    /// # Errors
    /// [`CommandError`] in words, with the exit code.
    pub async fn run(self) -> Result<(), CommandError> {
        match self.what {
            What::Query(command) => command.run().await,
            What::Follow(command) => command.run().await,
            What::Report(command) => command.run().await,
            What::Verify(command) => command.run(),
        }
    }
}
