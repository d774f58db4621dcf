//! Figures with their meaning: what is known to the byte, what is known from above, and what is known from below.

use std::ops::AddAssign;

use serde::{Serialize, Serializer};

use crate::clock::Timestamp;

/// Answers of apps, with the bytes of their bodies that were handed on to clients, by how much is known of their ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Left {
    /// Went out whole: the client could take every byte, and these are all.
    pub(super) whole: Part,
    /// Were broken off, by whomever: the client received no more than this, and less by no more than what was on its way.
    pub(super) cut: Part,
    /// Nothing is recorded of their ends.
    pub(super) unknown: Unknown,
}

/// Some answers, and bytes of theirs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Part {
    pub(super) answers: u64,
    pub(super) bytes: u64,
}

/// Answers without an end: under way when the record was read, or when the gate died.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Unknown {
    pub(super) answers: u64,
    /// Bytes that are known to have been handed on.
    pub(super) at_least: u64,
    /// Bytes that were declared, of those that declared them.
    pub(super) declared: u64,
    /// Answers that declared no length, of which nothing bounds the bytes.
    pub(super) undeclared: u64,
}

/// What somebody or something did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Tally {
    /// Requests that were let through to an app.
    pub(super) allowed: u64,
    /// Requests that were refused.
    pub(super) denied: u64,
    /// Requests for the gate's own pages, such as signing in.
    pub(super) own: u64,
    /// What apps answered.
    pub(super) left: Left,
    /// Requests that were let through and got no answer of an app: it failed, or the client had gone.
    pub(super) unanswered: u64,
    /// Bytes of bodies that were handed on to apps.
    pub(super) received: u64,
    /// Requests that may have handed on more than `received` says, as nothing is recorded of their ends.
    pub(super) received_unknown: u64,
    /// The first request.
    pub(super) first: Option<When>,
    /// The last request.
    pub(super) last: Option<When>,
}

/// A time that is RFC 3339 in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct When(pub(super) Timestamp);

impl Left {
    /// All bytes that are known to have been handed on.
    pub(super) fn bytes(&self) -> u64 {
        self.whole.bytes.saturating_add(self.cut.bytes).saturating_add(self.unknown.at_least)
    }

    /// All answers.
    pub(super) fn answers(&self) -> u64 {
        self.whole.answers + self.cut.answers + self.unknown.answers
    }

    /// By how many bytes the truth may lie above [`Left::bytes`]; `None` if nothing bounds it.
    pub(super) fn above(&self) -> Option<u64> {
        (self.unknown.undeclared == 0).then(|| self.unknown.declared.saturating_sub(self.unknown.at_least))
    }
}

impl Tally {
    /// All requests.
    pub(super) fn requests(&self) -> u64 {
        self.allowed + self.denied + self.own
    }

    /// Something happened at `at`.
    pub(super) fn saw(&mut self, at: When) {
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        self.last = Some(self.last.map_or(at, |last| last.max(at)));
    }
}

impl AddAssign for Left {
    fn add_assign(&mut self, other: Self) {
        self.whole += other.whole;
        self.cut += other.cut;
        self.unknown.answers += other.unknown.answers;
        self.unknown.at_least = self.unknown.at_least.saturating_add(other.unknown.at_least);
        self.unknown.declared = self.unknown.declared.saturating_add(other.unknown.declared);
        self.unknown.undeclared += other.unknown.undeclared;
    }
}

impl AddAssign for Part {
    fn add_assign(&mut self, other: Self) {
        self.answers += other.answers;
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.allowed += other.allowed;
        self.denied += other.denied;
        self.own += other.own;
        self.left += other.left;
        self.unanswered += other.unanswered;
        self.received = self.received.saturating_add(other.received);
        self.received_unknown += other.received_unknown;
        other.first.into_iter().chain(other.last).for_each(|at| self.saw(at));
    }
}

impl When {
    /// Reads a time of a line.
    pub(super) fn read(text: &str) -> Option<Self> {
        Some(Self(Timestamp(text.parse::<jiff::Timestamp>().ok()?.as_millisecond())))
    }
}

impl Serialize for When {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}
