//! What a lever says.

use std::time::Instant;

use super::cause::Cause;
use super::mark::Mark;

/// What changed: which leases are asked about again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// This device.
    Device(Mark),
    /// This session.
    Session(Mark),
    /// This person.
    User(Mark),
    /// Policies, configuration, certificates or revocation lists: whatever was decided by earlier ones.
    World,
    /// Nobody can say what: all of them.
    Everything,
}

/// A lever that was pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// What changed.
    pub change: Change,
    /// Why, if asking again says no and nothing says it better.
    pub cause: Cause,
    /// When whoever pulled it began to: where the time that a cut takes is counted from.
    pub since: Instant,
}
