//! Why nobody was signed in or out.

use std::time::Duration;

use super::metrics::Outcome;
use super::query::BadQuery;
use super::wanted::StepUpProblem;
use crate::identify_user::UserRefusal;
use crate::identify_user::claims::{ClaimProblem, GroupsProblem};
use crate::identify_user::jws::JwsProblem;
use crate::inventory::UserId;
use crate::secret::NoRandomness;
use crate::store::SessionError;

/// A visit that led to nothing.
#[derive(Debug, thiserror::Error)]
pub enum SignInRefusal {
    /// Sessions are bound to devices.
    #[error("signing in needs a device that the gate knows")]
    NoDevice,
    /// A service asks, or somebody on its certificate.
    #[error("a service does not sign in, and nobody signs in with a service's certificate")]
    Service,
    /// The address does not take this method.
    #[error("this address does not take the method")]
    Method,
    /// The host is not the sign-in host, or the request lacks what it needs.
    #[error("the request is not one that signing in makes")]
    Malformed,
    /// A parameter twice.
    #[error(transparent)]
    Query(#[from] BadQuery),
    /// No provider is configured for sign-in.
    #[error("no identity provider is configured for signing in")]
    NoProvider,
    /// No such provider.
    #[error("no identity provider has this name")]
    UnknownProvider,
    /// `state` was never given, was used, or is too old.
    #[error("this attempt to sign in is over; please begin again")]
    UnknownAttempt,
    /// `state` was given to another browser or device.
    #[error("this attempt to sign in was begun in another browser")]
    OtherBrowser,
    /// `iss` on the callback is missing or another provider's (RFC 9207).
    #[error("the answer came from another identity provider")]
    OtherIssuer,
    /// `error=access_denied`.
    #[error("the identity provider did not let you in")]
    Declined,
    /// Any other `error`.
    #[error("the identity provider could not sign you in")]
    ProviderError,
    /// It cannot be reached.
    #[error("the identity provider cannot be reached")]
    ProviderDown,
    /// It cannot do what is needed: PKCE with S256, a kind of client secret, an endpoint.
    #[error("the identity provider lacks what signing in needs: {0}")]
    ProviderUnfit(&'static str),
    /// Its answer cannot be used.
    #[error("the identity provider's answer cannot be used: {0}")]
    ProviderAnswer(&'static str),
    /// It does not take the code (any more).
    #[error("the identity provider did not accept the code")]
    Code,
    /// The ID token cannot be believed.
    #[error("the ID token is refused: {0}")]
    IdToken(#[from] IdTokenProblem),
    /// The groups are missing, malformed or elsewhere.
    #[error(transparent)]
    Groups(GroupsProblem),
    /// The hand-over code is used, too old, or was made for another host, device or browser.
    #[error("the hand-over from the sign-in page is over; please open the page again")]
    HandOver,
    /// Somebody signed in again, but not as it was needed.
    #[error("signing in again was not enough: {problem}")]
    StepUp {
        /// What is wrong with it.
        problem: StepUpProblem,
        /// A form was waiting for it, and is let go.
        form: bool,
    },
    /// A kept form is used, too old, or of another person, device, host or browser.
    #[error("what you were sending is not kept any more")]
    FormGone,
    /// A form of another site.
    #[error("the request came from another site")]
    CrossSite,
    /// The session at the sign-in host is not for this request.
    #[error(transparent)]
    Session(UserRefusal),
    /// An administrator took this person's access away.
    #[error("access is suspended")]
    Suspended(UserId),
    /// Their sessions were ended, by the provider or by an administrator, after they began to sign in.
    #[error("you were signed out while you signed in; please begin again")]
    SignedOut(UserId),
    /// The code of a break-glass is wrong, used, late, or another device's.
    #[error("this code opens nothing")]
    BreakGlass,
    /// A device tried too many of them.
    #[error("too many codes were tried on this device")]
    BreakGlassThrottled {
        /// Until the next one is looked at.
        wait: Duration,
    },
    /// The session could not be begun or ended.
    #[error(transparent)]
    Store(SessionError),
    /// No randomness.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// An ID token that is not good enough (OpenID Connect Core 1.0, section 3.1.3.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenProblem {
    /// Its form, algorithm, key or signature.
    #[error(transparent)]
    Jws(#[from] JwsProblem),
    /// `typ` says that it is something else.
    #[error("it is another kind of token")]
    Kind,
    /// `iss`.
    #[error("it is of another issuer")]
    Issuer,
    /// `aud`.
    #[error("it is for another client")]
    Audience,
    /// An empty `aud`, which the standard has no use for and providers give to clients that were made without one.
    #[error("it is for nobody: its `aud` is empty")]
    Nobody,
    /// `azp`.
    #[error("it was made for another client")]
    AuthorizedParty,
    /// `nonce`.
    #[error("it is not of this attempt")]
    Nonce,
    /// `at_hash` or `c_hash`.
    #[error("it does not belong to the other things that came with it")]
    Hash,
    /// `sub` of userinfo is another's.
    #[error("the userinfo is of another person")]
    OtherSubject,
    /// The other claims.
    #[error(transparent)]
    Claims(ClaimProblem),
}

impl SignInRefusal {
    /// Label in the record and in metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::NoDevice => "sign_in_no_device",
            Self::Service => "sign_in_service",
            Self::Method => "sign_in_method",
            Self::Malformed | Self::Query(_) => "sign_in_malformed",
            Self::NoProvider => "sign_in_no_provider",
            Self::UnknownProvider => "sign_in_unknown_provider",
            Self::UnknownAttempt => "sign_in_unknown_attempt",
            Self::OtherBrowser => "sign_in_other_browser",
            Self::OtherIssuer => "sign_in_other_issuer",
            Self::Declined => "sign_in_declined",
            Self::ProviderError => "sign_in_provider_error",
            Self::ProviderDown => "sign_in_provider_down",
            Self::ProviderUnfit(_) => "sign_in_provider_unfit",
            Self::ProviderAnswer(_) => "sign_in_provider_answer",
            Self::Code => "sign_in_code",
            Self::IdToken(_) => "sign_in_id_token",
            Self::Groups(_) => "sign_in_groups",
            Self::HandOver => "sign_in_hand_over",
            Self::StepUp { .. } => "step_up_failed",
            Self::FormGone => "form_gone",
            Self::CrossSite => "sign_in_cross_site",
            Self::Session(refusal) => refusal.as_str(),
            Self::Suspended(_) => UserRefusal::Suspended.as_str(),
            Self::SignedOut(_) => "sign_in_signed_out",
            Self::BreakGlass => "sign_in_break_glass",
            Self::BreakGlassThrottled { .. } => "sign_in_break_glass_throttled",
            Self::Store(_) => "sign_in_store",
            Self::NoRandomness(_) => "sign_in_randomness",
        }
    }

    /// A session cookie of ours was copied to another device.
    pub fn is_theft(&self) -> bool {
        matches!(self, Self::Session(refusal) if refusal.is_theft())
    }

    /// Who it is that is refused, where that is known for sure.
    pub fn person(&self) -> Option<&UserId> {
        match self {
            Self::Suspended(user) | Self::SignedOut(user) => Some(user),
            _ => None,
        }
    }

    /// The browser is told to forget our session cookie.
    pub fn clears_cookie(&self) -> bool {
        matches!(self, Self::Session(refusal) if refusal.clears_cookie())
    }

    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Declined => Outcome::Declined,
            Self::ProviderDown | Self::ProviderError | Self::ProviderUnfit(_) | Self::ProviderAnswer(_) => Outcome::ProviderDown,
            Self::Store(SessionError::Store(_)) | Self::NoRandomness(_) => Outcome::Failed,
            _ => Outcome::Refused,
        }
    }
}

impl From<SessionError> for SignInRefusal {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Suspended(user) => Self::Suspended(user),
            SessionError::SignedOut(user) => Self::SignedOut(user),
            other => Self::Store(other),
        }
    }
}

impl From<ClaimProblem> for SignInRefusal {
    fn from(problem: ClaimProblem) -> Self {
        match problem {
            ClaimProblem::Groups(problem) => Self::Groups(problem),
            other => Self::IdToken(IdTokenProblem::Claims(other)),
        }
    }
}
