//! Who changed something, and why.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use crate::inventory::{DeviceId, UserId};

/// Who asked for a change. Stored with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// An operator at the admin socket, by the user id that the kernel vouches for.
    Operator {
        /// The peer's uid (`SO_PEERCRED`).
        uid: u32,
        /// The name of that user, where the system knows one.
        name: Option<Arc<str>>,
    },
    /// A person, for what belongs to them: signing in and out.
    Person(UserId),
    /// An identity provider, for the sessions of its people; by its configured name.
    Provider(Arc<str>),
    /// A device, for what belongs to it: enrolling.
    Device(DeviceId),
    /// A source of facts about devices, by its name.
    Source(Arc<str>),
    /// An administrator at the gate's host, whom policy let do it.
    Administrator {
        /// Who.
        user: UserId,
        /// From which device.
        device: DeviceId,
    },
    /// The gate itself; which part of it.
    System(&'static str),
}

/// Who and why, as it goes into the change feed.
#[derive(Clone, Debug)]
pub(super) struct Note {
    pub(super) by: String,
    pub(super) why: String,
    /// When the registrar was asked: a note is made before anything is waited for.
    pub(super) since: Instant,
}

impl Note {
    pub(super) fn new(by: &Actor, why: &str) -> Self {
        Self { by: by.to_string(), why: one_line(why), since: Instant::now() }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator { uid, name: Some(name) } => write!(f, "uid:{uid} ({name})"),
            Self::Operator { uid, name: None } => write!(f, "uid:{uid}"),
            Self::Person(user) => write!(f, "user:{user}"),
            Self::Provider(name) => write!(f, "provider:{name}"),
            Self::Administrator { user, device } => write!(f, "administrator:{user} ({device})"),
            Self::Device(device) => write!(f, "device:{device}"),
            Self::Source(name) => write!(f, "source:{name}"),
            Self::System(part) => write!(f, "system:{part}"),
        }
    }
}

/// A reason is shown in listings and terminals: at most [`LONGEST_REASON`] characters, no control characters.
pub fn one_line(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_REASON).collect()
}

/// Characters of a reason that are kept.
pub const LONGEST_REASON: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_cannot_play_with_the_terminal() {
        assert_eq!(Actor::Operator { uid: 7, name: Some("ana".into()) }.to_string(), "uid:7 (ana)");
        assert_eq!(Actor::Source("mdm".into()).to_string(), "source:mdm");
        let note = Note::new(&Actor::Operator { uid: 7, name: None }, " lost\n\u{1b}[2J ");
        assert_eq!((note.by.as_str(), note.why.as_str()), ("uid:7", "lost  [2J"));
        assert_eq!(Note::new(&Actor::System("x"), &"é".repeat(600)).why.chars().count(), 500);
    }
}
