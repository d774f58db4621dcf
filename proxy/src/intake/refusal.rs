//! Why nothing of what was pushed was taken.

use std::time::Duration;

use http::StatusCode;

use crate::clock::whole_seconds;
use crate::store::StoreError;

/// A push of which nothing was taken. Its words are for whoever runs the source.
#[derive(Debug, thiserror::Error)]
pub enum IntakeRefusal {
    /// No token, or nobody's.
    #[error("this takes the token of a posture source, as `Authorization: Bearer …`")]
    Token,
    /// Too many tokens from there were nobody's.
    #[error("too many wrong tokens; try again in {} s", whole_seconds(*.retry_after))]
    Throttled {
        /// When the next one is looked at.
        retry_after: Duration,
    },
    /// Not in the source's format.
    #[error("the report cannot be read: {0}")]
    Malformed(String),
    /// The store failed, perhaps in the middle.
    #[error("the gate cannot take reports now")]
    Unavailable(#[source] StoreError),
}

impl IntakeRefusal {
    /// Status of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Token => StatusCode::UNAUTHORIZED,
            Self::Throttled { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Its word in the record and in problem JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Token => "posture_token",
            Self::Throttled { .. } => "posture_throttled",
            Self::Malformed(_) => "posture_malformed",
            Self::Unavailable(_) => "posture_unavailable",
        }
    }

    /// What whoever runs the source can do.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Token => "Send what stands in the source's `token_file`; after it was replaced, `sekisho reload`.",
            Self::Throttled { .. } => "Wait, and send the right token.",
            Self::Malformed(_) => "Send it as docs/posture.md describes it for the source's `format`.",
            Self::Unavailable(_) => "Send the same again in a while: what was taken already is not harmed by it.",
        }
    }

    /// For `Retry-After`.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after } => Some((*retry_after).max(Duration::from_secs(1))),
            _ => None,
        }
    }
}
