//! What happens to the gate, its devices, sessions and people beside requests: levers, sign-ins, loads, signals of theft.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// One thing that happened. Written to the chain of the control runtime; fields that say nothing are left out.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct Event<K = EventKind> {
    /// RFC 3339, UTC.
    pub at: String,
    /// What happened.
    pub event: K,
    /// Who did it: `uid:1000 (ana)`, `user:corp/248289761001`, `device:ana-7k2q`,
    /// `administrator:corp/248289761001 (ana-7k2q)` or `system:upkeep`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The reason that they gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Id of the device that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The person that it is about, `provider/subject`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Public name of the session that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// The request in which it happened, as in its `access` line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// What else there is to know, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// An event as it is read: a word that this version does not know is kept as it is.
pub type EventLine = Event<String>;

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The gate opened.
    GateStarted,
    /// The gate closed in good order.
    GateStopped,
    /// A one-time code was made that lets a device enrol.
    DeviceInvited,
    /// A device got its certificate with such a code.
    DeviceEnrolled,
    /// A device of a foreign authority was entered.
    DeviceAdded,
    /// An administrator let a device in.
    DeviceApproved,
    /// A device that waited for its owner's e-mail address became theirs.
    DeviceOwned,
    /// A device got a certificate for a new key in place of an older one.
    DeviceRenewed,
    /// Something else is known of a device.
    DeviceChanged,
    /// A device was isolated.
    DeviceQuarantined,
    /// A quarantine was taken back.
    DeviceReleased,
    /// A device was taken out for good.
    DeviceRetired,
    /// A person signed in, and a session began.
    SignedIn,
    /// A person could not be signed in.
    SignInFailed,
    /// A person signed out.
    SignedOut,
    /// A session ended in another way.
    SessionEnded,
    /// The identity provider said something else about a person who is signed in.
    FactsChanged,
    /// The identity provider does not vouch for a session any more, which ended.
    FactsRefused,
    /// A person's access was taken away.
    UserSuspended,
    /// A person's access was given back.
    UserResumed,
    /// A person was put into the group of administrators.
    AdministratorAdded,
    /// A person was taken out of it.
    AdministratorRemoved,
    /// One device was let in without a provider, for a while: its code was given out.
    BreakGlassBegun,
    /// That code was used, and a session began.
    BreakGlassUsed,
    /// It is over, with what was begun by it.
    BreakGlassEnded,
    /// A policy set went live.
    PoliciesLoaded,
    /// A configuration went live.
    ConfigurationLoaded,
    /// What was to be loaded is wrong; what was live stays live.
    ReloadRefused,
    /// A session or a bound token was shown by another known device than its own.
    CredentialReplayed,
    /// A device's key was renewed twice, with different new keys.
    CertificateCopied,
    /// An enrolment code that was used was shown again, with another key.
    CodeShownAgain,
    /// A key was shown that its device had before, and has no more.
    FormerKeyShown,
    /// One device was active from two networks at the same time.
    TwoNetworks,
    /// A device was refused very often in a short time.
    DenialBurst,
    /// An identity provider does not answer when it is asked about sessions again.
    ProviderLost,
    /// It answers again.
    ProviderBack,
    /// The clock jumped: whatever rests on time is refused.
    ClockUnsure,
    /// The clock can be believed again.
    ClockSure,
}

impl Event {
    /// That happened then; nothing else is known of it yet.
    pub fn of(event: EventKind, at: Timestamp) -> Self {
        let at = at.to_string();
        Self { at, event, by: None, why: None, device: None, user: None, session: None, app: None, request: None, detail: None }
    }
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 38] = [
        Self::GateStarted,
        Self::GateStopped,
        Self::DeviceInvited,
        Self::DeviceEnrolled,
        Self::DeviceAdded,
        Self::DeviceApproved,
        Self::DeviceOwned,
        Self::DeviceRenewed,
        Self::DeviceChanged,
        Self::DeviceQuarantined,
        Self::DeviceReleased,
        Self::DeviceRetired,
        Self::SignedIn,
        Self::SignInFailed,
        Self::SignedOut,
        Self::SessionEnded,
        Self::FactsChanged,
        Self::FactsRefused,
        Self::UserSuspended,
        Self::UserResumed,
        Self::AdministratorAdded,
        Self::AdministratorRemoved,
        Self::BreakGlassBegun,
        Self::BreakGlassUsed,
        Self::BreakGlassEnded,
        Self::PoliciesLoaded,
        Self::ConfigurationLoaded,
        Self::ReloadRefused,
        Self::CredentialReplayed,
        Self::CertificateCopied,
        Self::CodeShownAgain,
        Self::FormerKeyShown,
        Self::TwoNetworks,
        Self::DenialBurst,
        Self::ProviderLost,
        Self::ProviderBack,
        Self::ClockUnsure,
        Self::ClockSure,
    ];

    /// The word for it in the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GateStarted => "gate_started",
            Self::GateStopped => "gate_stopped",
            Self::DeviceInvited => "device_invited",
            Self::DeviceEnrolled => "device_enrolled",
            Self::DeviceAdded => "device_added",
            Self::DeviceApproved => "device_approved",
            Self::DeviceOwned => "device_owned",
            Self::DeviceRenewed => "device_renewed",
            Self::DeviceChanged => "device_changed",
            Self::DeviceQuarantined => "device_quarantined",
            Self::DeviceReleased => "device_released",
            Self::DeviceRetired => "device_retired",
            Self::SignedIn => "signed_in",
            Self::SignInFailed => "sign_in_failed",
            Self::SignedOut => "signed_out",
            Self::SessionEnded => "session_ended",
            Self::FactsChanged => "facts_changed",
            Self::FactsRefused => "facts_refused",
            Self::UserSuspended => "user_suspended",
            Self::UserResumed => "user_resumed",
            Self::AdministratorAdded => "administrator_added",
            Self::AdministratorRemoved => "administrator_removed",
            Self::BreakGlassBegun => "break_glass_begun",
            Self::BreakGlassUsed => "break_glass_used",
            Self::BreakGlassEnded => "break_glass_ended",
            Self::PoliciesLoaded => "policies_loaded",
            Self::ConfigurationLoaded => "configuration_loaded",
            Self::ReloadRefused => "reload_refused",
            Self::CredentialReplayed => "credential_replayed",
            Self::CertificateCopied => "certificate_copied",
            Self::CodeShownAgain => "code_shown_again",
            Self::FormerKeyShown => "former_key_shown",
            Self::TwoNetworks => "two_networks",
            Self::DenialBurst => "denial_burst",
            Self::ProviderLost => "provider_lost",
            Self::ProviderBack => "provider_back",
            Self::ClockUnsure => "clock_unsure",
            Self::ClockSure => "clock_sure",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_written_as_its_word() {
        for kind in EventKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let event = Event { device: Some("lap-1".into()), ..Event::of(EventKind::DeviceRetired, Timestamp(0)) };
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(text, r#"{"at":"1970-01-01T00:00:00.000Z","event":"device_retired","device":"lap-1"}"#);
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
    }
}
