//! What was found, ready to be shown.

use serde::{Serialize, Serializer};

use super::figures::{Left, Tally, When};
pub(super) use super::gather::{Cell, Cut, Example, Grid, Span};
use super::subject::Subject;
use crate::record::EventKind;

/// What a record says of a subject and a time. Lists are in the order in which they are shown.
#[derive(Debug)]
pub(super) struct Findings {
    pub(super) subject: Subject,
    pub(super) span: Span,
    pub(super) total: Tally,
    /// Requests that were under way when the time began: they are counted whole.
    pub(super) began_before: u64,
    /// Requests that went on after its end: they are counted whole, too.
    pub(super) ended_after: u64,
    pub(super) last_bytes: Option<When>,
    pub(super) last_allowed: Option<When>,
    pub(super) apps: Vec<AppRow>,
    pub(super) paths: Vec<PathLine>,
    /// Paths that found no room in memory, in sum.
    pub(super) further_paths: Option<PathLine>,
    pub(super) hours: Vec<HourRow>,
    pub(super) grid: Grid,
    /// By the numbers that the grid has for apps.
    pub(super) app_names: Vec<(u32, String)>,
    pub(super) sessions: Vec<SessionRow>,
    pub(super) users: Vec<UserRow>,
    pub(super) devices: Vec<DeviceRow>,
    pub(super) addresses: Vec<AddressRow>,
    pub(super) others: Vec<OtherRow>,
    pub(super) own: Vec<OwnRow>,
    pub(super) denied: Vec<DeniedLine>,
    pub(super) cuts: Vec<Cut>,
    pub(super) cuts_left_out: u64,
    pub(super) events: Vec<Happened>,
    pub(super) replays: Vec<Replay>,
    pub(super) notes_left_out: u64,
    pub(super) gaps: Vec<Gap>,
    pub(super) unreadable: u64,
    /// When the record begins, as far as it is still there.
    pub(super) record_begins: Option<When>,
    /// What holds of the subject when the record ends.
    pub(super) standing: Option<Standing>,
}

/// The last step that was taken against a subject or for it, in the whole record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Standing {
    pub(super) event: String,
    pub(super) at: When,
}

/// An app, and what was done to it.
#[derive(Debug, Serialize)]
pub(super) struct AppRow {
    /// Its name; absent for requests to hosts that are no app's.
    pub(super) app: Option<String>,
    #[serde(flatten)]
    pub(super) tally: Tally,
}

/// What was asked for, and what came of it.
#[derive(Debug, Serialize)]
pub(super) struct PathLine {
    pub(super) app: String,
    pub(super) method: String,
    pub(super) host: String,
    pub(super) path: String,
    pub(super) requests: u64,
    /// Statuses of the answers, and how often each.
    #[serde(serialize_with = "statuses")]
    pub(super) statuses: Vec<(u16, u64)>,
    /// The largest length that an answer declared.
    pub(super) length: Option<u64>,
    /// All bytes that are known to have been handed on.
    pub(super) bytes: u64,
    pub(super) left: Left,
    pub(super) unanswered: u64,
    pub(super) received: u64,
    pub(super) received_unknown: u64,
    pub(super) first: Option<When>,
    pub(super) last: Option<When>,
}

/// What happened with an app in an hour.
#[derive(Debug, Serialize)]
pub(super) struct HourRow {
    pub(super) from: When,
    pub(super) app: Option<String>,
    #[serde(flatten)]
    pub(super) cell: Cell,
}

/// A session, whose it is and on which device.
#[derive(Debug, Serialize)]
pub(super) struct SessionRow {
    pub(super) session: Option<String>,
    pub(super) user: Option<String>,
    pub(super) device: Option<String>,
    #[serde(flatten)]
    pub(super) tally: Tally,
}

/// A person.
#[derive(Debug, Serialize)]
pub(super) struct UserRow {
    pub(super) user: Option<String>,
    /// What facts call them: the e-mail address, or else the name.
    pub(super) name: Option<String>,
    #[serde(flatten)]
    pub(super) tally: Tally,
}

/// A device.
#[derive(Debug, Serialize)]
pub(super) struct DeviceRow {
    pub(super) device: Option<String>,
    pub(super) facts: Option<DeviceCard>,
    #[serde(flatten)]
    pub(super) tally: Tally,
}

/// What was last known of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct DeviceCard {
    pub(super) owner: Option<String>,
    pub(super) authority: String,
    pub(super) platform: String,
    pub(super) managed: bool,
    pub(super) shared: bool,
    pub(super) key_protection: String,
}

/// An address that requests came from.
#[derive(Debug, Serialize)]
pub(super) struct AddressRow {
    pub(super) address: Option<String>,
    #[serde(flatten)]
    pub(super) tally: Tally,
}

/// One of the same people on another device, or another person on one of the same devices.
#[derive(Debug, Serialize)]
pub(super) struct OtherRow {
    pub(super) user: String,
    pub(super) name: Option<String>,
    pub(super) device: String,
    pub(super) allowed: u64,
    pub(super) denied: u64,
    pub(super) first: Option<When>,
    pub(super) last: Option<When>,
    /// What speaks against the device, in words.
    pub(super) suspicious: Vec<String>,
}

/// Requests for one of the gate's own pages.
#[derive(Debug, Serialize)]
pub(super) struct OwnRow {
    pub(super) page: Option<String>,
    pub(super) requests: u64,
    pub(super) first: Option<When>,
    pub(super) last: Option<When>,
}

/// Refusals of one kind.
#[derive(Debug, Serialize)]
pub(super) struct DeniedLine {
    pub(super) app: Option<String>,
    pub(super) reason: String,
    pub(super) policies: Vec<String>,
    pub(super) times: u64,
    pub(super) first: Option<When>,
    pub(super) last: Option<When>,
    pub(super) examples: Vec<Example>,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Happened {
    pub(super) at: When,
    pub(super) event: String,
    pub(super) class: EventClass,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) device: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) session: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) app: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) detail: Option<String>,
}

/// What kind of event it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum EventClass {
    /// Somebody's access was given, changed or taken away.
    Lever,
    /// Something looks like theft or abuse.
    Signal,
    /// Somebody signed in or out, or could not.
    SignIn,
    /// About the whole gate.
    Gate,
    /// Of a later version.
    Other,
}

/// A session or token that another device showed than its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Replay {
    pub(super) at: When,
    pub(super) request: String,
    /// Who showed it.
    pub(super) device: Option<String>,
    pub(super) client: String,
    pub(super) app: Option<String>,
    pub(super) host: String,
    pub(super) path: String,
    /// Whose it is.
    pub(super) stolen_user: Option<String>,
    pub(super) stolen_session: Option<String>,
    pub(super) stolen_from: Option<String>,
}

/// Where the record does not tell everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "gap", rename_all = "snake_case")]
pub(super) enum Gap {
    /// It could not be written for a while. What is lost was refused.
    LinesLost { at: When, lost: u64 },
    /// A crash left a part of a line, which was cut off.
    Torn { at: When, segment: String, bytes: u64 },
    /// The gate died: answers under way then have no end.
    Died { at: When, segment: String },
}

impl Findings {
    /// Whether the record says nothing of the subject in that time.
    pub(super) fn is_empty(&self) -> bool {
        let about = |event: &Happened| self.subject.is(event.device.as_deref(), event.user.as_deref(), event.session.as_deref());
        self.total.requests() == 0 && self.replays.is_empty() && !self.events.iter().any(about)
    }
}

impl EventClass {
    /// Of the event of this name.
    pub(super) fn of(event: &str) -> Self {
        use EventKind as Kind;
        let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.as_str() == event) else { return Self::Other };
        match kind {
            Kind::DeviceInvited
            | Kind::DeviceEnrolled
            | Kind::DeviceAdded
            | Kind::DeviceApproved
            | Kind::DeviceOwned
            | Kind::DeviceRenewed
            | Kind::DeviceChanged
            | Kind::DeviceQuarantined
            | Kind::DeviceReleased
            | Kind::DeviceRetired
            | Kind::SessionEnded
            | Kind::FactsChanged
            | Kind::FactsRefused
            | Kind::UserSuspended
            | Kind::UserResumed
            | Kind::AdministratorAdded
            | Kind::AdministratorRemoved
            | Kind::BreakGlassBegun
            | Kind::BreakGlassUsed
            | Kind::BreakGlassEnded => Self::Lever,
            Kind::CredentialReplayed
            | Kind::CertificateCopied
            | Kind::CodeShownAgain
            | Kind::FormerKeyShown
            | Kind::TwoNetworks
            | Kind::DenialBurst => Self::Signal,
            Kind::SignedIn | Kind::SignInFailed | Kind::SignedOut => Self::SignIn,
            Kind::GateStarted
            | Kind::GateStopped
            | Kind::PoliciesLoaded
            | Kind::ConfigurationLoaded
            | Kind::ReloadRefused
            | Kind::ProviderLost
            | Kind::ProviderBack
            | Kind::ClockUnsure
            | Kind::ClockSure => Self::Gate,
        }
    }
}

impl Gap {
    /// When it was found.
    pub(super) fn at(&self) -> When {
        match self {
            Self::LinesLost { at, .. } | Self::Torn { at, .. } | Self::Died { at, .. } => *at,
        }
    }
}

fn statuses<S: Serializer>(statuses: &[(u16, u64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(statuses.iter().map(|(status, times)| (status.to_string(), times)))
}
