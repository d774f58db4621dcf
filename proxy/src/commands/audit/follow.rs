//! `sekisho audit follow`: the record as it grows.

use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use super::format::{FormatArgs, Out};
use super::people;
use super::place::RecordArgs;
use super::unknown::Asked;
use super::which::WhichArgs;
use crate::clock::Clock;
use crate::commands::error::CommandError;
use crate::commands::output::{note, plain};
use crate::record::read::{Follow, Span};

/// Requests and events as they are recorded, from now on, until interrupted
#[derive(Debug, Args)]
#[command(
    after_help = "A request is told when it is answered, and again when it ends; a short one once. One that began earlier is told when it ends. Ctrl-C ends it.\n\n\
    Examples:\n  sekisho audit follow --decision deny\n  sekisho audit follow --device ana-7k2q --json"
)]
pub(super) struct FollowCommand {
    #[command(flatten)]
    record: RecordArgs,
    #[command(flatten)]
    which: WhichArgs,
    #[command(flatten)]
    format: FormatArgs,
}

impl FollowCommand {
    /// Follows until interrupted, or until nobody reads any more.
    ///
    /// # Errors
    /// [`CommandError`] in words, with the exit code.
    pub(super) async fn run(self) -> Result<(), CommandError> {
        let now = Clock::system().now();
        let place = self.record.find()?;
        let users = people::ids(&place.folder, &self.which.user)?;
        let filter = self.which.filter(users);
        let asked = Asked::of(&self.which, &filter);
        let mut follow = Follow::begin(&place.folder, filter, now).map_err(CommandError::failed)?;
        // What nobody knows may come yet; who waits for it should know that it never came.
        if let Err(unknown) = asked.explain(&place, &Span::default()).await {
            note(&format!("{}; waiting for it\n", plain(&unknown.to_string())));
        }
        // Made once: a signal that comes while lines are written must not be missed.
        let mut interrupted = signal(SignalKind::interrupt()).map_err(CommandError::failed)?;
        let mut ended = signal(SignalKind::terminate()).map_err(CommandError::failed)?;
        let mut turn = interval(TURN);
        turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut writer = self.format.format().follower(&place.zone);
        let mut text = Vec::new();
        loop {
            tokio::select! {
                _ = turn.tick() => {}
                _ = interrupted.recv() => return Ok(()),
                _ = ended.recv() => return Ok(()),
            }
            let entries = follow.news().map_err(CommandError::failed)?;
            for entry in &entries {
                writer.entry(entry, &mut text)?;
            }
            writer.finish(&mut text);
            if text.is_empty() {
                continue;
            }
            let mut out = Out::new();
            let somebody_reads = out.write(&text)? && out.flush()?;
            if !somebody_reads {
                return Ok(());
            }
            text.clear();
        }
    }
}

/// How often the files are looked at.
const TURN: Duration = Duration::from_millis(100);
