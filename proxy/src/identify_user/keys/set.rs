//! A provider's keys at one moment.

use serde_json::Value;

use super::super::json;
use super::algorithm::Algorithm;
use super::key::{Key, KeyProblem};

/// The usable keys of a JSON Web Key Set (RFC 7517, section 5).
#[derive(Debug, Default)]
pub struct KeySet {
    keys: Vec<Key>,
}

/// The document is not a key set that may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Not an object with an array `keys`.
    #[error("not a JSON Web Key Set")]
    Malformed,
    /// More keys than any provider has.
    #[error("more than {MAX_KEYS} keys")]
    TooMany,
    /// A symmetric key lies beside the public ones: whatever else the set says is not to be trusted either.
    #[error("it publishes a symmetric key")]
    Symmetric,
}

/// What a set has for a token.
#[derive(Clone, Copy, Debug)]
pub enum Found<'a> {
    /// The one key to verify it with.
    Key(&'a Key),
    /// No key of that id, or without an id no key of that algorithm: a newer set may have one.
    Unknown,
    /// The key is there, and not for this algorithm.
    NotPermitted,
    /// The token names no key, and several could be meant.
    Ambiguous,
}

impl KeySet {
    /// Reads a set. Keys that cannot be used are left out with a warning that names `provider`, and so are keys that share
    /// an id, since nothing says which one is meant.
    ///
    /// # Errors
    /// [`KeySetError`] if the whole document is of no use.
    pub fn parse(document: &[u8], provider: &str) -> Result<Self, KeySetError> {
        let members = json::object(document).map_err(|_not| KeySetError::Malformed)?;
        let Some(Value::Array(listed)) = members.get("keys") else { return Err(KeySetError::Malformed) };
        if listed.len() > MAX_KEYS {
            return Err(KeySetError::TooMany);
        }
        let mut keys = Vec::with_capacity(listed.len());
        for (position, jwk) in listed.iter().enumerate() {
            let key = jwk.as_object().ok_or(KeyProblem::Malformed("keys")).and_then(Key::from_jwk);
            match key {
                Ok(key) => keys.push(key),
                Err(KeyProblem::Symmetric) => return Err(KeySetError::Symmetric),
                Err(KeyProblem::NotForSignatures) => tracing::debug!(provider, position, "a key is not for signatures"),
                Err(problem) => tracing::warn!(provider, position, %problem, "a key of the provider is not used"),
            }
        }
        Ok(Self { keys: without_duplicates(keys, provider) })
    }

    /// The key for a token that names `id` (if any) and `algorithm`.
    pub fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Found<'_> {
        if let Some(id) = id {
            return match self.keys.iter().find(|key| key.id.as_deref() == Some(id)) {
                Some(key) if key.permits(algorithm) => Found::Key(key),
                Some(_) => Found::NotPermitted,
                None => Found::Unknown,
            };
        }
        let mut fitting = self.keys.iter().filter(|key| key.permits(algorithm));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Found::Key(key),
            (None, _) => Found::Unknown,
            (Some(_), Some(_)) => Found::Ambiguous,
        }
    }

    /// How many keys it has.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether nothing can be verified with it.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

fn without_duplicates(keys: Vec<Key>, provider: &str) -> Vec<Key> {
    let count = |id: &str| keys.iter().filter(|key| key.id.as_deref() == Some(id)).count();
    let doubled: Vec<Box<str>> = keys.iter().filter_map(|key| key.id.clone()).filter(|id| count(id) > 1).collect();
    if !doubled.is_empty() {
        tracing::warn!(provider, "keys of the provider that share a key id are not used");
    }
    keys.into_iter().filter(|key| key.id.as_ref().is_none_or(|id| !doubled.contains(id))).collect()
}

/// Far above what any provider publishes.
const MAX_KEYS: usize = 100;
