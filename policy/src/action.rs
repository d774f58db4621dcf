//! What can be done: to an app, and to the gate itself.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is done. Each but the first four is asked of the gate itself, [`OWN_APP`], and of no other app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// GET, HEAD, OPTIONS.
    Read,
    /// POST, PUT, PATCH, DELETE and the further methods that the app lists.
    Write,
    /// A WebSocket or another tunnel.
    Connect,
    /// A public path, asked for by anybody.
    Public,
    /// Inviting a device for oneself.
    Enroll,
    /// Looking at devices, people and sessions.
    ViewInventory,
    /// Inviting a device for somebody.
    InviteDevice,
    /// Entering a device that another authority vouches for.
    AddDevice,
    /// Confirming a device that waits for it.
    ApproveDevice,
    /// Changing what is known of a device.
    SetDevice,
    /// Locking a device out.
    QuarantineDevice,
    /// Letting a device in again.
    ReleaseDevice,
    /// Taking a device out for good.
    RetireDevice,
    /// Ending sessions.
    EndSession,
    /// Locking a person out.
    SuspendUser,
    /// Letting a person in again.
    ResumeUser,
    /// Loading configuration and policies anew.
    Reload,
}

/// Which of the actions on the gate itself are asked at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnActions {
    /// [`Action::Enroll`]: people invite devices for themselves.
    pub self_service: bool,
    /// Those of the group `Action::"administer"`.
    pub administration: bool,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::Read,
        Self::Write,
        Self::Connect,
        Self::Public,
        Self::Enroll,
        Self::ViewInventory,
        Self::InviteDevice,
        Self::AddDevice,
        Self::ApproveDevice,
        Self::SetDevice,
        Self::QuarantineDevice,
        Self::ReleaseDevice,
        Self::RetireDevice,
        Self::EndSession,
        Self::SuspendUser,
        Self::ResumeUser,
        Self::Reload,
    ];

    /// How many of [`Action::ALL`], from the first on, are asked of apps.
    pub(crate) const OF_APPS: usize = 4;

    /// The name of it in policies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Connect => "connect",
            Self::Public => "public",
            Self::Enroll => "enroll",
            Self::ViewInventory => "viewInventory",
            Self::InviteDevice => "inviteDevice",
            Self::AddDevice => "addDevice",
            Self::ApproveDevice => "approveDevice",
            Self::SetDevice => "setDevice",
            Self::QuarantineDevice => "quarantineDevice",
            Self::ReleaseDevice => "releaseDevice",
            Self::RetireDevice => "retireDevice",
            Self::EndSession => "endSession",
            Self::SuspendUser => "suspendUser",
            Self::ResumeUser => "resumeUser",
            Self::Reload => "reload",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == name)
    }

    /// The one of this name, or those of the group of this name.
    pub fn named_or_in(name: &str) -> Vec<Self> {
        Self::ALL.into_iter().filter(|action| action.as_str() == name || action.is_in(name)).collect()
    }

    /// Its place in [`Action::ALL`].
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// A bit of its own.
    pub(crate) fn bit(self) -> ActionBits {
        1 << self.index()
    }

    /// Whether it belongs to the group `Action::"use"`.
    pub fn is_use(self) -> bool {
        matches!(self, Self::Read | Self::Write | Self::Connect)
    }

    /// Whether it belongs to the group `Action::"administer"`.
    pub fn is_administrative(self) -> bool {
        self.is_own() && self != Self::Enroll
    }

    /// Whether it is asked of the gate itself, and not of apps.
    pub fn is_own(self) -> bool {
        self.index() >= Self::OF_APPS
    }

    /// Whether a request for `app` can ask for it.
    pub fn is_asked_of(self, app: &str) -> bool {
        self.is_own() == (app == OWN_APP)
    }

    /// Whether it is in the group of this name.
    pub(crate) fn is_in(self, group: &str) -> bool {
        match group {
            USE => self.is_use(),
            ADMINISTER => self.is_administrative(),
            _ => false,
        }
    }
}

impl OwnActions {
    /// Whether any is asked.
    pub fn any(self) -> bool {
        self.self_service || self.administration
    }

    /// Whether this one is asked: those that apps are asked for always are.
    pub fn has(self, action: Action) -> bool {
        match action {
            Action::Enroll => self.self_service,
            other if other.is_own() => self.administration,
            _ => true,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A bit for each action, in the order of [`Action::ALL`].
pub(crate) type ActionBits = u32;

/// The group of those who administer the gate, as it is said at the gate itself: no identity provider puts anybody into it.
pub const ADMINISTRATORS: &str = "sekisho-administrators";

/// Whoever came in when nobody could sign in, on a device that was named for it: no identity provider can be called like this.
pub(crate) const BREAK_GLASS: &str = "sekisho/break-glass";

/// The app that stands for the gate itself: `App::"sekisho"`.
pub const OWN_APP: &str = "sekisho";
/// The group of all uses of an app.
pub(crate) const USE: &str = "use";
/// The group of what administrators do.
pub(crate) const ADMINISTER: &str = "administer";

// Every action has a bit.
const _: () = assert!(Action::ALL.len() <= ActionBits::BITS as usize);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_has_a_place_a_bit_and_a_name_of_its_own() {
        for (at, action) in Action::ALL.into_iter().enumerate() {
            assert_eq!(action.index(), at, "{action}");
            assert_eq!(Action::named(action.as_str()), Some(action));
            assert_eq!(serde_json::to_value(action).unwrap(), action.as_str());
        }
        assert_eq!(Action::ALL.map(Action::bit).into_iter().collect::<BTreeSet<_>>().len(), Action::ALL.len());
    }

    #[test]
    fn the_groups_hold_what_the_schema_says() {
        assert_eq!(Action::named_or_in("use"), [Action::Read, Action::Write, Action::Connect]);
        assert_eq!(Action::named_or_in("administer").len(), 12);
        assert_eq!(Action::named_or_in("enroll"), [Action::Enroll]);
        assert_eq!(Action::named_or_in("other"), []);
        for action in Action::ALL {
            let groups = [action.is_use(), action.is_administrative(), action == Action::Public, action == Action::Enroll];
            assert_eq!(groups.into_iter().filter(|is| *is).count(), 1, "{action}");
            assert_eq!(action.is_asked_of("wiki"), action.is_use() || action == Action::Public);
            assert_ne!(action.is_asked_of(OWN_APP), action.is_asked_of("wiki"));
        }
    }
}
