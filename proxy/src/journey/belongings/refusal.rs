//! Why a person could not do with what is theirs what they asked for.

use std::time::Duration;

use http::StatusCode;

use crate::clock::whole_seconds;
use crate::store::{BelongingError, DeviceError, InvitationError, SessionError, StoreError};

/// Something at `/.sekisho/devices` that was not done. Its words are for the person.
#[derive(Debug, thiserror::Error)]
pub enum BelongingsRefusal {
    /// Only a browser that signed in here: a token that somebody shows is no person at a page.
    #[error("this is for people who signed in with a browser; a token does not open it")]
    NeedsSession,
    /// A service has nothing here.
    #[error("this is for people; a service has no devices and no sessions of its own")]
    Service,
    /// The page was made for another session.
    #[error("the page that this was sent from is of another session, or was open for too long")]
    StalePage,
    /// Not what our pages send.
    #[error("this is not what the page at /.sekisho/devices sends")]
    Malformed,
    /// It was asked for on a device that is not theirs.
    #[error("this can be done on a device of your own only, and this one is everybody's, or somebody else's")]
    OtherDevice,
    /// They did as much lately as one may.
    #[error("too much of this was done for you lately; try again in {} s", whole_seconds(*.wait))]
    Throttled {
        /// When the next act is heard.
        wait: Duration,
    },
    /// Nobody may invite for themselves.
    #[error("at this gate, people do not invite devices for themselves")]
    Off,
    /// Somebody else's, or nobody's.
    #[error("nothing of yours has this name; it may be gone already")]
    NotYours,
    /// As much as they may have.
    #[error("{0}")]
    Limit(BelongingError),
    /// The gate cannot say which key a device has to expect of it.
    #[error("the gate has no certificate to name in an enrolment code")]
    NoPin,
    /// The system has no randomness.
    #[error("the gate has no randomness now")]
    NoRandomness,
    /// The store failed.
    #[error("the gate cannot do this now")]
    Unavailable(#[source] StoreError),
}

impl BelongingsRefusal {
    /// Status of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Throttled { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::NeedsSession | Self::Service | Self::StalePage | Self::Off | Self::OtherDevice => StatusCode::FORBIDDEN,
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::NotYours => StatusCode::NOT_FOUND,
            Self::Limit(_) => StatusCode::CONFLICT,
            Self::NoPin | Self::NoRandomness | Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Its word in the record and in problem JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::NeedsSession => "self_service_needs_session",
            Self::Service => "self_service_not_a_person",
            Self::StalePage => "self_service_stale_page",
            Self::Malformed => "self_service_malformed",
            Self::Off => "self_service_off",
            Self::OtherDevice => "self_service_other_device",
            Self::Throttled { .. } => "self_service_throttled",
            Self::NotYours => "self_service_not_yours",
            Self::Limit(_) => "self_service_limit",
            Self::NoPin | Self::NoRandomness | Self::Unavailable(_) => "self_service_unavailable",
        }
    }

    /// What the person can do now.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::NeedsSession => "Open the page in a browser and sign in.",
            Self::Service => "Ask an administrator, or open it as a person: in a browser, on a device of yours.",
            Self::StalePage => "Open /.sekisho/devices anew, and do it there.",
            Self::Malformed => "Open /.sekisho/devices, and do it there.",
            Self::Off => "Ask your administrator for a code.",
            Self::OtherDevice => "Open /.sekisho/devices on a device of yours, or ask an administrator.",
            Self::Throttled { .. } => "Wait, then do it again.",
            Self::NotYours => "Open /.sekisho/devices anew: it shows what is yours now.",
            Self::Limit(BelongingError::InvitationLimit { .. }) => {
                "Use an open invitation, wait until it expires, or withdraw it at /.sekisho/devices."
            }
            Self::Limit(_) => "Retire a device that you do not use any more, or ask your administrator for a code.",
            Self::NoPin | Self::NoRandomness | Self::Unavailable(_) => {
                "Try again in a moment. If it goes on, tell an administrator the request id."
            }
        }
    }
}

impl From<StoreError> for BelongingsRefusal {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error)
    }
}

impl From<BelongingError> for BelongingsRefusal {
    fn from(error: BelongingError) -> Self {
        match error {
            BelongingError::NotYours => Self::NotYours,
            BelongingError::Store(error) | BelongingError::Invitation(InvitationError::Store(error)) => Self::Unavailable(error),
            BelongingError::Invitation(InvitationError::NoRandomness(_)) => Self::NoRandomness,
            // Of a new invitation that names no device, nothing else can be wrong.
            BelongingError::Invitation(_) => Self::Malformed,
            limit @ (BelongingError::InvitationLimit { .. } | BelongingError::DeviceLimit { .. }) => Self::Limit(limit),
        }
    }
}

impl From<DeviceError> for BelongingsRefusal {
    fn from(error: DeviceError) -> Self {
        match error {
            DeviceError::Store(error) => Self::Unavailable(error),
            // It was retired a moment ago.
            _ => Self::NotYours,
        }
    }
}

impl From<SessionError> for BelongingsRefusal {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Store(error) => Self::Unavailable(error),
            // It ended a moment ago.
            _ => Self::NotYours,
        }
    }
}
