//! Answers as JSON, and the one table from errors to statuses.

use bytes::Bytes;
use http::{Response, StatusCode, header};
use http_body_util::Full;
use serde::Serialize;

use super::wire::Problem;
use crate::store::{
    AdministratorError, DeviceError, InvitationError, NotOpen, PersonError, SessionError, SettingError, StoreError,
};

/// An answer.
pub type Answer = Response<Full<Bytes>>;

/// What could not be done.
#[derive(Debug)]
pub struct Refused {
    /// Status of the answer.
    pub status: StatusCode,
    /// Why, in words.
    pub problem: Problem,
}

impl Refused {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, problem: Problem { error: error.into(), problems: Vec::new() } }
    }

    pub(super) fn wrong(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    pub(super) fn not_reloaded(problems: Vec<String>) -> Self {
        let error = "nothing was reloaded, the gate goes on with what it has".to_owned();
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, problem: Problem { error, problems } }
    }

    pub(super) fn into_answer(self) -> Answer {
        json(self.status, &self.problem)
    }
}

/// A value as JSON.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    let (status, body) = match serde_json::to_vec(value) {
        Ok(body) => (status, body),
        Err(_unwritable) => (StatusCode::INTERNAL_SERVER_ERROR, br#"{"error":"the answer cannot be written as JSON"}"#.to_vec()),
    };
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    answer
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }
}

impl From<DeviceError> for Refused {
    fn from(error: DeviceError) -> Self {
        let status = match &error {
            DeviceError::Unknown { .. } => StatusCode::NOT_FOUND,
            DeviceError::IdTaken { .. }
            | DeviceError::KeyTaken { .. }
            | DeviceError::WrongStatus { .. }
            | DeviceError::WrongKey { .. } => StatusCode::CONFLICT,
            DeviceError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string())
    }
}

impl From<SettingError> for Refused {
    fn from(error: SettingError) -> Self {
        let status = match error {
            SettingError::Device(error) => return error.into(),
            SettingError::NotSet { .. } | SettingError::AliasTaken { .. } | SettingError::NoSuchAlias { .. } => {
                StatusCode::CONFLICT
            }
            SettingError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string())
    }
}

impl From<InvitationError> for Refused {
    fn from(error: InvitationError) -> Self {
        let status = match error {
            InvitationError::Device(error) => return error.into(),
            InvitationError::Lifetime => StatusCode::BAD_REQUEST,
            InvitationError::Unknown => StatusCode::NOT_FOUND,
            InvitationError::Used { .. } | InvitationError::Expired { .. } => StatusCode::CONFLICT,
            InvitationError::NoRandomness(_) | InvitationError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string())
    }
}

impl From<NotOpen> for Refused {
    fn from(error: NotOpen) -> Self {
        let status = match &error {
            NotOpen::Unknown { .. } => StatusCode::NOT_FOUND,
            NotOpen::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string())
    }
}

impl From<SessionError> for Refused {
    fn from(error: SessionError) -> Self {
        let status = match &error {
            SessionError::Unknown { .. } => StatusCode::NOT_FOUND,
            SessionError::Taken(_)
            | SessionError::DeviceNotInUse { .. }
            | SessionError::Suspended(_)
            | SessionError::SignedOut(_) => StatusCode::CONFLICT,
            SessionError::NoRandomness(_) | SessionError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string())
    }
}

impl From<AdministratorError> for Refused {
    fn from(error: AdministratorError) -> Self {
        let status = match &error {
            AdministratorError::Already(_) | AdministratorError::NotOne { .. } => StatusCode::CONFLICT,
            AdministratorError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string())
    }
}

impl From<PersonError> for Refused {
    fn from(error: PersonError) -> Self {
        let status = match &error {
            PersonError::Unknown { .. } => StatusCode::NOT_FOUND,
            PersonError::Ambiguous { .. } | PersonError::AlreadySuspended(_) | PersonError::NotSuspended { .. } => {
                StatusCode::CONFLICT
            }
            PersonError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string())
    }
}
