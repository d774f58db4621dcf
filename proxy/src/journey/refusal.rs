//! Every way in which a request is not let through, gathered from the rooms.

use std::time::Duration;

use crate::clock::ClockUnsure;
use crate::contain::Crowded;
use crate::decide::DecideRefusal;
use crate::enrol::{EnrolRefusal, RenewRefusal};
use crate::forward::ForwardError;
use crate::identify_device::DeviceRefusal;
use crate::identify_user::UserRefusal;
use crate::intake::IntakeRefusal;
use crate::read::{FramingRefusal, ReadRefusal};
use crate::record::RecordError;
use crate::route::RouteRefusal;
use crate::sign_in::{LogoutRefusal, SignInRefusal, StepUpRefusal};

use super::administering::AdministeringRefusal;
use super::belongings::BelongingsRefusal;
use super::control::ControlError;

/// Why a request is not let through.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Its framing is wrong.
    #[error(transparent)]
    Framing(#[from] FramingRefusal),
    /// It has no single reading.
    #[error(transparent)]
    Read(#[from] ReadRefusal),
    /// It is for nobody here.
    #[error(transparent)]
    Route(#[from] RouteRefusal),
    /// It does not come from a known device in use.
    #[error(transparent)]
    Device(#[from] DeviceRefusal),
    /// It does not come from a known person.
    #[error(transparent)]
    User(#[from] UserRefusal),
    /// Policy says no.
    #[error(transparent)]
    Decide(#[from] DecideRefusal),
    /// The app did not answer.
    #[error(transparent)]
    Forward(#[from] ForwardError),
    /// What happened cannot be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Too much of its kind is under way.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// Signing in did not work.
    #[error(transparent)]
    SignIn(#[from] SignInRefusal),
    /// A provider's logout was not done.
    #[error(transparent)]
    Logout(#[from] LogoutRefusal),
    /// Another sign-in is needed.
    #[error(transparent)]
    StepUp(#[from] StepUpRefusal),
    /// Enrolling did not work.
    #[error(transparent)]
    Enrol(#[from] EnrolRefusal),
    /// A person could not do with what is theirs what they asked for.
    #[error(transparent)]
    Belongings(#[from] BelongingsRefusal),
    /// What a posture source pushed was not taken.
    #[error(transparent)]
    Posture(#[from] IntakeRefusal),
    /// An administrator did not ask as it has to be.
    #[error(transparent)]
    Administering(#[from] AdministeringRefusal),
    /// Too many requests are under way.
    #[error(transparent)]
    Crowded(#[from] Crowded),
    /// The app's `rate_limit` is used up.
    #[error("more requests than the app's rate limit allows")]
    TooOften {
        /// Until there is a turn.
        wait: Duration,
    },
    /// Nobody knows what time it is.
    #[error(transparent)]
    Clock(#[from] ClockUnsure),
    /// No policy set is live.
    #[error("no policy set is live")]
    NoPolicies,
    /// The declared body is larger than the app takes.
    #[error("the body is larger than allowed")]
    BodyTooLarge,
    /// There is nothing at this address of ours.
    #[error("there is nothing here")]
    NothingHere,
    /// This address of ours takes another method.
    #[error("this address takes another method")]
    WrongMethod,
    /// The system has no randomness to give.
    #[error("the system gave no random bytes")]
    NoRandomness,
    /// A panic was caught on the way: a bug.
    #[error("the gate failed")]
    Panicked,
}

impl From<RenewRefusal> for Refusal {
    fn from(refusal: RenewRefusal) -> Self {
        match refusal {
            RenewRefusal::Device(why) => Self::Device(why),
            RenewRefusal::Enrol(why) => Self::Enrol(why),
        }
    }
}
