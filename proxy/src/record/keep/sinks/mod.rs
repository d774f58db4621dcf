//! Where checkpoints go beside the disk of this machine, so that who takes the machine cannot rewrite its past.
//!
//! Arrives: checkpoints, each as it was made. Leaves: the same to each sink, in their order, every one at least once. Refused:
//! nothing; what a sink does not take waits in `checkpoints.jsonl` until it does. Nobody waits for a sink.

mod command;
mod delivery;
mod post;
mod syslog;

use std::path::PathBuf;
use std::time::Duration;

pub(super) use command::Command;
pub(super) use delivery::{Delivery, Made};
pub(super) use post::Post;
pub(super) use syslog::Syslog;

use crate::clock::Timestamp;
use crate::outbound::OutboundError;

/// A way out for checkpoints.
#[derive(Debug)]
pub(super) enum Sink {
    Command(Command),
    Syslog(Syslog),
    Post(Box<Post>),
}

/// The kinds of sinks, as metrics and the log call them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SinkKind {
    /// A program gets it on its standard input.
    Command,
    /// A syslog server gets it.
    Syslog,
    /// An https address gets it.
    Url,
}

/// A sink did not take a checkpoint. It gets it again later.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The program cannot be run.
    #[error("{} does not start: {source}", .program.display())]
    NotStarted {
        /// Which.
        program: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The program failed.
    #[error("{} ended with {status}{said}", .program.display())]
    Failed {
        /// Which.
        program: PathBuf,
        /// How it ended.
        status: std::process::ExitStatus,
        /// The beginning of what it said on standard error.
        said: String,
    },
    /// It took too long.
    #[error("{to} did not take it within {} s", .after.as_secs())]
    TimedOut {
        /// Who.
        to: String,
        /// How long was waited.
        after: Duration,
    },
    /// The syslog server cannot be reached.
    #[error("{to}: {source}")]
    Unreachable {
        /// Its address.
        to: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The https address cannot be reached.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    /// The https address said no.
    #[error("{host} answered {status}")]
    Refused {
        /// Whose address it is.
        host: String,
        /// What it answered.
        status: http::StatusCode,
    },
}

impl Sink {
    pub(super) fn kind(&self) -> SinkKind {
        match self {
            Self::Command(_) => SinkKind::Command,
            Self::Syslog(_) => SinkKind::Syslog,
            Self::Post(_) => SinkKind::Url,
        }
    }

    /// Hands a checkpoint over, given without the end of its line. `at` is when it was made.
    async fn send(&mut self, line: &str, at: Timestamp) -> Result<(), SinkError> {
        match self {
            Self::Command(command) => command.send(line).await,
            Self::Syslog(syslog) => syslog.send(line, at).await,
            Self::Post(post) => post.send(line).await,
        }
    }
}

impl SinkKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Command, Self::Syslog, Self::Url];

    /// The word for it in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Syslog => "syslog",
            Self::Url => "url",
        }
    }
}

/// For one checkpoint to be taken.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);
