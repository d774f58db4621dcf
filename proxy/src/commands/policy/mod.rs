//! `sekisho policy`: write, test and understand policies before they are live.
//!
//! Arrives: a folder of policies and the apps that it is for. Leaves: what was asked for on standard output, and the exit code:
//! 1 if what was checked is not right. Refused: a folder with mistakes, all of them at once. Only `shadow`
//! talks to a gate.

mod diff;
mod explain;
mod fmt;
mod hypothetical;
mod junit;
mod past;
mod place;
mod prove;
mod recorded;
mod replay;
mod schema;
mod shadow;
mod test;

use clap::{Args, Subcommand};

use self::diff::DiffCommand;
use self::explain::ExplainCommand;
use self::fmt::FmtCommand;
use self::prove::ProveCommand;
use self::replay::ReplayCommand;
use self::schema::SchemaCommand;
use self::shadow::ShadowCommand;
use self::test::TestCommand;
use super::error::CommandError;

/// Write, test and understand policies before they are live.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sekisho policy test --config /etc/sekisho/sekisho.toml")]
pub struct PolicyCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Prove(ProveCommand),
    Explain(ExplainCommand),
    Replay(ReplayCommand),
    Test(TestCommand),
    Diff(DiffCommand),
    Fmt(FmtCommand),
    Schema(SchemaCommand),
    Shadow(ShadowCommand),
}

impl PolicyCommand {
    /// Does it.
    ///
    /// # Errors
    /// [`CommandError`] in words, with the exit code.
    pub fn run(self) -> Result<(), CommandError> {
        match self.what {
            What::Prove(command) => command.run(),
            What::Explain(command) => command.run(),
            What::Replay(command) => command.run(),
            What::Test(command) => command.run(),
            What::Diff(command) => command.run(),
            What::Fmt(command) => command.run(),
            What::Schema(command) => command.run(),
            What::Shadow(command) => command.run(),
        }
    }
}
