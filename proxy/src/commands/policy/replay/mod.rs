//! `sekisho policy replay`: what recorded requests would get under other policies.
//!
//! Arrives: a folder of new policies and a record. Leaves: who would lose or gain what, counted, with examples. Refused: policies
//! with mistakes. What cannot be decided again is told, and never counted as unchanged.

mod changes;
mod engine;
mod render;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use self::engine::{Outcome, Replay};
use super::place::{lines, policies};
use super::recorded;
use crate::clock::Clock;
use crate::commands::error::CommandError;
use crate::commands::output::{print, print_json};
use crate::commands::when::WhenArgs;

/// Decide recorded requests again under other policies: who would lose or gain what
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0, whatever would change, unless --fail-on says otherwise; 1 with --fail-on, and for policies with mistakes.\n\n\
    Example:\n  sekisho policy replay --since 7d --fail-on gain new-policies"
)]
pub(super) struct ReplayCommand {
    /// The new policies: a folder, or a configuration
    #[arg(value_name = "NEW")]
    new: PathBuf,
    #[command(flatten)]
    when: WhenArgs,
    /// The folder of the record, of a running gate or a copy; the apps are then those of each request's moment
    #[arg(long, value_name = "DIR")]
    audit: Option<PathBuf>,
    /// The configuration: it names the folder of the record, and the apps
    #[arg(long, value_name = "FILE", env = "SEKISHO_CONFIG", default_value = "sekisho.toml")]
    config: PathBuf,
    /// Exit with 1 if a request would change this way, or could not be decided again
    #[arg(long, value_name = "WHAT")]
    fail_on: Option<FailOn>,
    /// Print JSON, with every group
    #[arg(long)]
    json: bool,
}

/// Changes that fail the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Something that was refused would be allowed
    Gain,
    /// Something that was allowed would be refused
    Loss,
    /// Either
    Change,
}

impl ReplayCommand {
    /// Replays, and prints what would change.
    ///
    /// # Errors
    /// Exit code 1 for bad policies and by `--fail-on`; 3 when the record cannot be read.
    pub(super) fn run(self) -> Result<(), CommandError> {
        let new = policies(&self.new)?;
        let (folder, apps, zone) = recorded::find(self.audit.as_deref(), &self.config)?;
        let span = self.when.span(Clock::system().now(), &zone)?;
        let mut replay =
            Replay::new(&folder, &new, apps, span).map_err(|problems| CommandError::CheckFailed(lines(&problems)))?;
        replay.run().map_err(CommandError::failed)?;
        let count = replay.policies();
        let mut outcome = replay.outcome;
        let groups = std::mem::take(&mut outcome.changes).into_groups();
        if self.json {
            print_json(&render::as_json(&outcome, &groups, count))?;
        } else {
            print(&render::as_text(&outcome, &groups, count))?;
        }
        match self.fail_on.map(|what| what.fails(&outcome)) {
            Some(Some(why)) => Err(CommandError::CheckFailed(why)),
            Some(None) | None => Ok(()),
        }
    }
}

impl FailOn {
    /// What fails, in words. What could not be decided again may be anything, so it fails too.
    fn fails(self, outcome: &Outcome) -> Option<String> {
        let mut why = Vec::new();
        if matches!(self, Self::Gain | Self::Change) && outcome.gains > 0 {
            why.push(format!("{} that were refused would be allowed", outcome.gains));
        }
        if matches!(self, Self::Loss | Self::Change) && outcome.losses > 0 {
            why.push(format!("{} that were allowed would be refused", outcome.losses));
        }
        if outcome.undecided() > 0 {
            why.push(format!("{} could not be decided again", outcome.undecided()));
        }
        if outcome.decided == 0 && why.is_empty() {
            return Some("no recorded request could be decided again: nothing is known of the change".to_owned());
        }
        (!why.is_empty()).then(|| format!("of the recorded requests, {}", why.join("; ")))
    }
}
