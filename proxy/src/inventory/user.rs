//! People, as the identity providers name them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A person: the configured provider's name and the `sub` that it gives them (OpenID Connect Core 1.0, section 2).
///
/// The e-mail address is never part of it: addresses are given to other people, subjects are not.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UserId {
    /// `name` of the `[[identity_provider]]`.
    pub provider: Arc<str>,
    /// The provider's `sub`, exactly as it came.
    pub subject: Arc<str>,
}

/// A claim that policies may read as a tag of the principal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ClaimValue {
    /// A JSON string.
    Text(String),
    /// A JSON array of strings.
    Texts(BTreeSet<String>),
}

/// The text does not name a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a person is written `provider/subject`")]
pub struct InvalidUserId;

impl FromStr for UserId {
    type Err = InvalidUserId;

    /// `provider/subject`. A provider's name has no `/`, a subject may.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some((provider, subject)) if !provider.is_empty() && !subject.is_empty() => {
                Ok(Self { provider: provider.into(), subject: subject.into() })
            }
            _ => Err(InvalidUserId),
        }
    }
}

impl fmt::Display for UserId {
    /// `provider/subject`, the form in which policies, the record and the commands name a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.subject)
    }
}
