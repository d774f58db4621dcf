//! Whose report it is.

use clap::Args;
use serde::Serialize;

use crate::record::read::AccessLine;

/// The device, person or session that is asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "id", rename_all = "lowercase")]
pub(super) enum Subject {
    /// By its id.
    Device(String),
    /// As `provider/subject`.
    User(String),
    /// By its public name.
    Session(String),
}

/// The options that name it: exactly one.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct SubjectArgs {
    /// The device, by its id
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    /// The person, as `provider/subject`
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// The session, by its name in `sekisho session list`
    #[arg(long, value_name = "ID")]
    session: Option<String>,
}

impl SubjectArgs {
    /// Whom they name; `None` only if they name nobody, which the command line does not take.
    pub(super) fn subject(self) -> Option<Subject> {
        let Self { device, user, session } = self;
        device.map(Subject::Device).or_else(|| user.map(Subject::User)).or_else(|| session.map(Subject::Session))
    }
}

impl Subject {
    /// The word for what it is.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Device(_) => "device",
            Self::User(_) => "user",
            Self::Session(_) => "session",
        }
    }

    /// Its name.
    pub(super) fn id(&self) -> &str {
        let (Self::Device(id) | Self::User(id) | Self::Session(id)) = self;
        id
    }

    /// Whether a request was its.
    pub(super) fn made(&self, line: &AccessLine<'_>) -> bool {
        self.is(line.device.as_deref(), line.user.as_deref(), line.session.as_deref())
    }

    /// Whether these are its.
    pub(super) fn is(&self, device: Option<&str>, user: Option<&str>, session: Option<&str>) -> bool {
        match self {
            Self::Device(id) => device == Some(id),
            Self::User(id) => user == Some(id),
            Self::Session(id) => session == Some(id),
        }
    }
}
