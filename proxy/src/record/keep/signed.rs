//! One form for all that is signed: a JSON object on one line, whose last field is the Ed25519 signature over all that stands
//! before it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::keys::{PublicKeys, SIGNATURE, SigningKey};

/// A line is not one that we signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// It does not end with a signature.
    #[error("it does not end with a signature")]
    NotSigned,
    /// The key that it names is not known.
    #[error("it names the key {0}, which is not among the known ones")]
    UnknownKey(String),
    /// It was changed, or somebody else signed it.
    #[error("its signature does not fit: it was changed, or was not signed by the key {0} that it names")]
    Forged(String),
}

/// `value` as a line without its end, signed. `None` if it is no JSON object.
pub(super) fn sign<T: Serialize>(value: &T, key: &SigningKey) -> Option<String> {
    let mut text = serde_json::to_string(value).ok()?;
    if text.pop() != Some('}') {
        return None;
    }
    let signature = key.sign(text.as_bytes());
    text.push_str(MARK);
    URL_SAFE_NO_PAD.encode_string(signature, &mut text);
    text.push_str("\"}");
    Some(text)
}

/// Whether the key `id` signed this line, given without its end.
///
/// # Errors
/// [`SignatureError`].
pub(super) fn check(line: &[u8], id: &str, keys: &PublicKeys) -> Result<(), SignatureError> {
    let (text, signature) = split(line).ok_or(SignatureError::NotSigned)?;
    match keys.verify(id, text, &signature) {
        None => Err(SignatureError::UnknownKey(id.to_owned())),
        Some(false) => Err(SignatureError::Forged(id.to_owned())),
        Some(true) => Ok(()),
    }
}

/// What was signed, and the signature.
fn split(line: &[u8]) -> Option<(&[u8], [u8; SIGNATURE])> {
    let (text, end) = line.split_at_checked(line.len().checked_sub(END)?)?;
    let written = end.strip_prefix(MARK.as_bytes())?.strip_suffix(b"\"}")?;
    let mut signature = [0; SIGNATURE];
    let read = URL_SAFE_NO_PAD.decode_slice(written, &mut signature).ok()?;
    (read == SIGNATURE).then_some((text, signature))
}

const MARK: &str = r#","signature":""#;
/// Bytes from the mark to the last brace; 64 bytes are 86 characters.
const END: usize = MARK.len() + 86 + 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_changed_byte_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let key = SigningKey::open(dir.path(), dir.path()).unwrap();
        let keys = PublicKeys::read(dir.path()).unwrap();
        let line = sign(&serde_json::json!({"a": 1, "b": "x"}), &key).unwrap();
        assert_eq!(check(line.as_bytes(), key.id(), &keys), Ok(()));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap()["b"], "x");
        for at in 0..line.len() {
            let mut changed = line.clone().into_bytes();
            changed[at] ^= 1;
            assert!(check(&changed, key.id(), &keys).is_err(), "byte {at}");
            assert!(check(&line.as_bytes()[..at], key.id(), &keys).is_err(), "cut to {at}");
        }
        let unknown = SignatureError::UnknownKey("other".into());
        assert_eq!(check(line.as_bytes(), "other", &keys), Err(unknown));
        assert!(sign(&[1], &key).is_none());
    }
}
