//! People, as the identity providers name them.

use std::collections::BTreeSet;
use std::fmt;
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

impl fmt::Display for UserId {
    /// `provider/subject`, the form in which policies, the record and the commands name a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.subject)
    }
}
