//! Signed tokens in compact form (RFC 7515, section 7.1), read strictly. Nothing in the header leads to a key by itself.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::json::{self, Members};
use super::keys::{Algorithm, Found, Key, KeySet, MAX_KEY_ID};

/// A token taken apart. Nothing in it is believed before [`Jws::verify`].
#[derive(Debug)]
pub struct Jws<'a> {
    /// What was signed.
    message: &'a [u8],
    signature: Vec<u8>,
    /// The header.
    pub header: Header,
    /// The members of the payload.
    pub payload: Members,
}

/// The header members that the gate looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// `alg`.
    pub algorithm: Algorithm,
    /// `kid`: a name to look up, never a path or an address.
    pub key_id: Option<String>,
    /// `typ`, lower-cased, without `application/`.
    pub kind: Option<String>,
}

/// A token that cannot be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwsProblem {
    /// Not three parts of base64url with a JSON object in each of the first two.
    #[error("the token is malformed")]
    Malformed,
    /// `alg` is missing, `none`, symmetric, or not for this key.
    #[error("the token's algorithm is not accepted")]
    Algorithm,
    /// It demands something that the gate does not know (`crit`, `b64`).
    #[error("the token demands an extension that is not known")]
    Critical,
    /// Its key is not in the provider's set.
    #[error("the token is signed with a key that the provider does not publish")]
    UnknownKey,
    /// It names no key, and the provider has several that fit.
    #[error("the token does not say which of the provider's keys signed it")]
    AmbiguousKey,
    /// The signature is not that key's.
    #[error("the token's signature is wrong")]
    Signature,
}

impl<'a> Jws<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// [`JwsProblem::Malformed`], [`JwsProblem::Algorithm`], [`JwsProblem::Critical`].
    pub fn parse(token: &'a str) -> Result<Self, JwsProblem> {
        Self::with(token, object)
    }

    /// The same for any kind of payload, as far as signatures go.
    pub(super) fn with(token: &'a str, payload: impl FnOnce(&str) -> Result<Members, JwsProblem>) -> Result<Self, JwsProblem> {
        if token.len() > MAX_TOKEN {
            return Err(JwsProblem::Malformed);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(JwsProblem::Malformed)?;
        let (header, claims) = message.split_once('.').ok_or(JwsProblem::Malformed)?;
        let signature = decode(signature)?;
        if signature.is_empty() {
            return Err(JwsProblem::Malformed);
        }
        let header = Header::parse(&object(header)?)?;
        Ok(Self { message: message.as_bytes(), signature, header, payload: payload(claims)? })
    }

    /// Whether one of `keys` signed it; which one, and how, follows from the keys.
    ///
    /// # Errors
    /// [`JwsProblem`]; [`JwsProblem::UnknownKey`] may be cured by newer keys.
    pub fn verify(&self, keys: &KeySet) -> Result<(), JwsProblem> {
        match self.key(keys)?.verifies(self.header.algorithm, self.message, &self.signature) {
            true => Ok(()),
            false => Err(JwsProblem::Signature),
        }
    }

    /// The key that it has to be signed with. Nothing of it is believed for that.
    ///
    /// # Errors
    /// [`JwsProblem`]; [`JwsProblem::UnknownKey`] may be cured by newer keys.
    pub fn key<'k>(&self, keys: &'k KeySet) -> Result<&'k Key, JwsProblem> {
        match keys.find(self.header.key_id.as_deref(), self.header.algorithm) {
            Found::Key(key) => Ok(key),
            Found::Unknown => Err(JwsProblem::UnknownKey),
            Found::NotPermitted => Err(JwsProblem::Algorithm),
            Found::Ambiguous => Err(JwsProblem::AmbiguousKey),
        }
    }
}

impl Header {
    fn parse(members: &Members) -> Result<Self, JwsProblem> {
        if members.contains_key("crit") || members.contains_key("b64") {
            return Err(JwsProblem::Critical);
        }
        let algorithm = match members.get("alg") {
            Some(Value::String(name)) => Algorithm::from_name(name).ok_or(JwsProblem::Algorithm)?,
            _ => return Err(JwsProblem::Algorithm),
        };
        let key_id = match members.get("kid") {
            None => None,
            Some(Value::String(id)) if (1..=MAX_KEY_ID).contains(&id.len()) => Some(id.clone()),
            Some(_) => return Err(JwsProblem::Malformed),
        };
        let kind = match members.get("typ") {
            None => None,
            Some(Value::String(kind)) => {
                let kind = kind.to_ascii_lowercase();
                Some(kind.strip_prefix("application/").map_or(kind.clone(), str::to_owned))
            }
            Some(_) => return Err(JwsProblem::Malformed),
        };
        Ok(Self { algorithm, key_id, kind })
    }
}

fn object(part: &str) -> Result<Members, JwsProblem> {
    json::object(&decode(part)?).map_err(|_not| JwsProblem::Malformed)
}

/// Strict: no padding, no other alphabet, no white space, no bits that are left over.
fn decode(part: &str) -> Result<Vec<u8>, JwsProblem> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_malformed| JwsProblem::Malformed)
}

/// The longest token that is looked at, in bytes.
pub const MAX_TOKEN: usize = 32 * 1024;
