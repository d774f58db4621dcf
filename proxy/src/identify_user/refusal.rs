//! Why nobody is known.

use super::claims::{ClaimProblem, GroupsProblem};
use super::jws::JwsProblem;
use super::keys::NoKeys;
use crate::inventory::SessionOver;

/// A request whose user is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserRefusal {
    /// Neither our cookie nor a bearer token.
    #[error("nobody is signed in")]
    NoCredential,
    /// Our cookie's name with a value that we did not make, or twice.
    #[error("the session cookie is malformed")]
    MalformedCookie,
    /// The cookie opens nothing (any more).
    #[error("the session is not known")]
    UnknownSession,
    /// The session came to its end.
    #[error(transparent)]
    SessionOver(#[from] SessionOver),
    /// Its provider does not vouch for it any more.
    #[error("the identity provider does not vouch for this sign-in any more")]
    FactsRefused,
    /// Facts about the person are too old, and its provider gave nothing to ask again with.
    #[error("the sign-in has to be confirmed by the identity provider")]
    FactsExpired,
    /// Facts about the person are too old, and its provider cannot be asked.
    #[error("the identity provider cannot be reached to confirm the sign-in")]
    FactsStale,
    /// The cookie was given to another host.
    #[error("the session cookie belongs to another host")]
    OtherHost,
    /// The session or token is bound to another device: it was copied.
    #[error("the credential belongs to another device")]
    OtherDevice,
    /// The token is bound to a certificate that this device had before.
    #[error("the token is bound to an earlier certificate of this device")]
    OtherCertificate,
    /// The token was shown by another device, and is not taken any more.
    #[error("the token was shown by another device, and is not taken any more")]
    TokenStopped,
    /// An administrator took this person's access away.
    #[error("access is suspended")]
    Suspended,
    /// `Authorization: Bearer` without exactly one token.
    #[error("the Authorization header is malformed")]
    MalformedAuthorization,
    /// The token is not one that can be believed.
    #[error(transparent)]
    Token(#[from] JwsProblem),
    /// Its `typ` or its claims say that it is something else than an access token.
    #[error("the token is not an access token")]
    TokenKind,
    /// No configured provider has this issuer.
    #[error("the token's issuer is not one of the configured providers")]
    Issuer,
    /// It is for somebody else.
    #[error("the token is not meant for this gate")]
    Audience,
    /// Its claims do not do.
    #[error(transparent)]
    Claims(ClaimProblem),
    /// The groups are missing, malformed or elsewhere.
    #[error(transparent)]
    Groups(GroupsProblem),
    /// It is bound in a way that the gate cannot check.
    #[error("the token is bound in a way that this gate does not know")]
    Confirmation,
    /// The provider's keys cannot be had: closed until they can.
    #[error(transparent)]
    NoKeys(#[from] NoKeys),
}

impl UserRefusal {
    /// Label in metrics and the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoCredential => "no_credential",
            Self::MalformedCookie => "malformed_cookie",
            Self::UnknownSession => "unknown_session",
            Self::SessionOver(SessionOver::Ended) => "session_ended",
            Self::SessionOver(SessionOver::Expired) => "session_expired",
            Self::SessionOver(SessionOver::Idle) => "session_idle",
            Self::FactsRefused => "facts_refused",
            Self::FactsExpired => "facts_expired",
            Self::FactsStale => "facts_stale",
            Self::OtherHost => "other_host",
            Self::OtherDevice => "credential_replayed",
            Self::OtherCertificate => "token_other_certificate",
            Self::TokenStopped => "token_stopped",
            Self::Suspended => "user_suspended",
            Self::MalformedAuthorization => "malformed_authorization",
            Self::Token(JwsProblem::UnknownKey | JwsProblem::AmbiguousKey) => "token_unknown_key",
            Self::Token(JwsProblem::Algorithm) => "token_algorithm",
            Self::Token(JwsProblem::Signature) => "token_signature",
            Self::Token(JwsProblem::Malformed | JwsProblem::Critical) => "token_malformed",
            Self::TokenKind => "token_kind",
            Self::Issuer => "token_issuer",
            Self::Audience => "token_audience",
            Self::Claims(ClaimProblem::Expired) => "token_expired",
            Self::Claims(ClaimProblem::TooLong) => "token_lifetime",
            Self::Claims(ClaimProblem::NotYetValid) => "token_not_yet_valid",
            Self::Claims(ClaimProblem::Malformed(_)) => "token_claims",
            Self::Claims(ClaimProblem::Groups(_)) | Self::Groups(_) => "token_groups",
            Self::Confirmation => "token_confirmation",
            Self::NoKeys(_) => "provider_keys",
        }
    }

    /// Signing in cures it: a browser that navigates is sent there.
    pub fn sign_in_helps(self) -> bool {
        let unknown = matches!(self, Self::NoCredential | Self::MalformedCookie | Self::UnknownSession | Self::OtherHost);
        unknown || matches!(self, Self::SessionOver(_) | Self::FactsRefused | Self::FactsExpired)
    }

    /// The browser is told to forget our cookie.
    pub fn clears_cookie(self) -> bool {
        let unknown = matches!(self, Self::MalformedCookie | Self::UnknownSession | Self::OtherHost | Self::OtherDevice);
        unknown || matches!(self, Self::SessionOver(_) | Self::FactsRefused)
    }

    /// A credential was copied to where it does not belong: recorded and counted as theft.
    pub fn is_theft(self) -> bool {
        matches!(self, Self::OtherDevice)
    }

    /// The gate is unsure through no fault of the client.
    pub fn is_ours(self) -> bool {
        matches!(self, Self::NoKeys(_) | Self::FactsStale)
    }
}

impl From<ClaimProblem> for UserRefusal {
    fn from(problem: ClaimProblem) -> Self {
        match problem {
            ClaimProblem::Groups(problem) => Self::Groups(problem),
            other => Self::Claims(other),
        }
    }
}
