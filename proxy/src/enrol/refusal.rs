//! Why a device was not enrolled.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use sekisho_certs::authority::{IssueError, RequestError};

use super::attestation::AttestationRefusal;
use super::metrics::EnrolOutcome;
use crate::clock::whole_seconds;
use crate::config::Host;
use crate::identify_device::DeviceRefusal;
use crate::inventory::DeviceId;
use crate::store::{DeviceError, InvitationError, StoreError};

/// A device that was not enrolled. Its words are for the person at the device.
#[derive(Debug, thiserror::Error)]
pub enum EnrolRefusal {
    /// Not the JSON that we expect.
    #[error("the request is not one of `sekisho enroll`: a JSON object with `code` and `csr` is needed")]
    Malformed,
    /// A browser sent it. It shows its person's certificate to whatever page asks, and the page would get theirs for a key of its own.
    #[error("only the program `sekisho enroll` asks for certificates, and no page of a browser")]
    FromAPage,
    /// At another host than the gate's own.
    #[error("devices enrol and renew at {0} only")]
    OtherHost(Host),
    /// Too many attempts.
    #[error("too many attempts to enrol; try again in {} s", whole_seconds(*.retry_after))]
    Throttled {
        /// When the next one is heard.
        retry_after: Duration,
    },
    /// Unknown, used, expired: the same words for all, since only its owner should learn which.
    #[error("{CODE_REFUSED}")]
    CodeRefused,
    /// Used, and the device that it made is stopped because of this: the same words again.
    #[error("{CODE_REFUSED}")]
    CodeShownAgain,
    /// The certificate was renewed before, with another key.
    #[error(
        "this certificate was renewed before with another key, so there is a copy of it: device `{0}` is isolated; \
         tell your administrator now"
    )]
    CertificateCopied(DeviceId),
    /// The device is one person's, and their access was taken away.
    #[error("access of the person whose device this is is suspended, and so its certificate is not renewed")]
    OwnerSuspended,
    /// The certificate is of an authority that is not ours.
    #[error("certificates of the device authority `{0}` are renewed there, not here")]
    OtherAuthority(Arc<str>),
    /// The signing request is not acceptable.
    #[error("{0}")]
    Request(#[from] RequestError),
    /// It asked for a key in a TPM, and that was not proved.
    #[error("{0}")]
    Attestation(#[from] AttestationRefusal),
    /// The key is another device's.
    #[error("this key is enrolled already; a new enrolment needs a new key")]
    KeyTaken,
    /// The id that the invitation names was given to another device meanwhile.
    #[error("the id `{0}` that the invitation names is taken; ask for a new code")]
    IdTaken(DeviceId),
    /// The invitation is for an authority that is not configured any more.
    #[error("the invitation is for a device authority that this gate no longer has; ask for a new code")]
    AuthorityGone,
    /// The certificate could not be signed.
    #[error("the gate cannot sign certificates now: {0}")]
    CannotSign(IssueError),
    /// The store failed.
    #[error("the gate cannot enrol devices now; try again later")]
    Unavailable(#[source] StoreError),
    /// The system has no randomness.
    #[error("the gate cannot enrol devices now; try again later")]
    NoRandomness,
}

/// A certificate that was not renewed.
#[derive(Debug, thiserror::Error)]
pub enum RenewRefusal {
    /// The device may not ask, or not with this certificate.
    #[error(transparent)]
    Device(#[from] DeviceRefusal),
    /// As for any device that asks for a certificate.
    #[error(transparent)]
    Enrol(#[from] EnrolRefusal),
}

impl EnrolRefusal {
    /// Status of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Malformed | Self::Request(_) => StatusCode::BAD_REQUEST,
            Self::OtherHost(_) => StatusCode::NOT_FOUND,
            Self::Throttled { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::CodeRefused | Self::CodeShownAgain | Self::CertificateCopied(_) | Self::FromAPage | Self::OwnerSuspended => {
                StatusCode::FORBIDDEN
            }
            Self::Attestation(AttestationRefusal::Unknown | AttestationRefusal::Unavailable) => StatusCode::CONFLICT,
            Self::Attestation(_) => StatusCode::FORBIDDEN,
            Self::KeyTaken | Self::IdTaken(_) | Self::AuthorityGone | Self::OtherAuthority(_) => StatusCode::CONFLICT,
            Self::CannotSign(_) | Self::Unavailable(_) | Self::NoRandomness => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Its word in the record and in problem JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Malformed => "enrol_malformed",
            Self::FromAPage => "enrol_from_a_page",
            Self::OtherHost(_) => "enrol_other_host",
            Self::Throttled { .. } => "enrol_throttled",
            Self::CodeRefused | Self::CodeShownAgain => "enrol_code_refused",
            Self::CertificateCopied(_) => "enrol_certificate_copied",
            Self::OwnerSuspended => "enrol_owner_suspended",
            Self::OtherAuthority(_) => "enrol_other_authority",
            Self::Request(_) => "enrol_request_refused",
            Self::Attestation(AttestationRefusal::Endorsement(_)) => "enrol_endorsement_untrusted",
            Self::Attestation(AttestationRefusal::Unknown) => "enrol_attestation_unknown",
            Self::Attestation(AttestationRefusal::Unavailable) => "enrol_attestation_unavailable",
            Self::Attestation(_) => "enrol_attestation_refused",
            Self::KeyTaken => "enrol_key_taken",
            Self::IdTaken(_) => "enrol_id_taken",
            Self::AuthorityGone => "enrol_authority_gone",
            Self::CannotSign(_) => "enrol_cannot_sign",
            Self::Unavailable(_) => "enrol_unavailable",
            Self::NoRandomness => "enrol_no_randomness",
        }
    }

    /// For `Retry-After`.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after } => Some((*retry_after).max(Duration::from_secs(1))),
            _ => None,
        }
    }

    pub(super) fn outcome(&self) -> EnrolOutcome {
        match self {
            Self::Throttled { .. } => EnrolOutcome::Throttled,
            Self::CodeRefused => EnrolOutcome::CodeRefused,
            Self::CodeShownAgain => EnrolOutcome::CodeShownAgain,
            Self::CertificateCopied(_) => EnrolOutcome::Copied,
            Self::OtherAuthority(_) | Self::OwnerSuspended => EnrolOutcome::NotRenewable,
            Self::Attestation(_) => EnrolOutcome::AttestationRefused,
            Self::FromAPage => EnrolOutcome::FromAPage,
            Self::Malformed | Self::OtherHost(_) | Self::Request(_) | Self::KeyTaken | Self::IdTaken(_) | Self::AuthorityGone => {
                EnrolOutcome::RequestRefused
            }
            Self::CannotSign(_) | Self::Unavailable(_) | Self::NoRandomness => EnrolOutcome::Failed,
        }
    }
}

impl From<InvitationError> for EnrolRefusal {
    fn from(error: InvitationError) -> Self {
        match error {
            InvitationError::Unknown | InvitationError::Used { .. } | InvitationError::Expired { .. } => Self::CodeRefused,
            InvitationError::Device(DeviceError::IdTaken { id, .. }) => Self::IdTaken(id),
            InvitationError::Device(DeviceError::KeyTaken { .. }) => Self::KeyTaken,
            InvitationError::Device(DeviceError::Store(error)) | InvitationError::Store(error) => Self::Unavailable(error),
            InvitationError::NoRandomness(_) => Self::NoRandomness,
            // Enrolling never asks for these.
            InvitationError::Lifetime
            | InvitationError::Device(
                DeviceError::Unknown { .. } | DeviceError::WrongStatus { .. } | DeviceError::WrongKey { .. },
            ) => Self::CodeRefused,
        }
    }
}

/// Who shows a code second may be the one who was invited: the words tell them what to do if it was not they who used it.
const CODE_REFUSED: &str = "this enrolment code does not open anything: it may be mistyped, used already or expired; ask for a new \
    one, and if you were given this one and did not use it yourself, tell your administrator now";
