//! One signing key of a provider, parsed once and checked before it is ever used.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::algorithm::Algorithm;

/// A key with the algorithms that it may be used with. They follow from the key alone; a token only picks among them.
#[derive(Debug)]
pub struct Key {
    pub(super) id: Option<Box<str>>,
    verifiers: Vec<(Algorithm, ParsedPublicKey)>,
}

/// Why a key of a set is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyProblem {
    /// A member is missing, of the wrong type or not base64url.
    #[error("`{0}` is missing or malformed")]
    Malformed(&'static str),
    /// `use` or `key_ops` says that it is for something else.
    #[error("it is not for signatures")]
    NotForSignatures,
    /// A key type, curve or algorithm that is not accepted, or that does not fit the key.
    #[error("its type, curve or algorithm is not accepted")]
    NotAccepted,
    /// A symmetric key: whoever can read the set can sign with it.
    #[error("it is a symmetric key, and now everybody's")]
    Symmetric,
    /// An RSA modulus outside 2048 to 8192 bits, or an exponent that is even or below 3.
    #[error("its RSA modulus or exponent is out of bounds")]
    WeakRsa,
    /// Not a point of its curve.
    #[error("it is not a valid public key")]
    Invalid,
}

impl Key {
    /// From a JSON Web Key (RFC 7517).
    pub(super) fn from_jwk(jwk: &Map<String, Value>) -> Result<Self, KeyProblem> {
        let kty = text(jwk, "kty")?.ok_or(KeyProblem::Malformed("kty"))?;
        if kty == "oct" {
            return Err(KeyProblem::Symmetric);
        }
        if !for_signatures(jwk)? {
            return Err(KeyProblem::NotForSignatures);
        }
        let id = text(jwk, "kid")?;
        if id.is_some_and(|id| id.is_empty() || id.len() > MAX_KEY_ID) {
            return Err(KeyProblem::Malformed("kid"));
        }
        let named = match text(jwk, "alg")? {
            Some(name) => Some(Algorithm::from_name(name).ok_or(KeyProblem::NotAccepted)?),
            None => None,
        };
        let verifiers = match kty {
            "RSA" => rsa(jwk, named)?,
            "EC" => elliptic(jwk, named)?,
            "OKP" => edwards(jwk, named)?,
            _ => return Err(KeyProblem::NotAccepted),
        };
        Ok(Self { id: id.map(Into::into), verifiers })
    }

    /// Whether it may be used with `algorithm`.
    pub fn permits(&self, algorithm: Algorithm) -> bool {
        self.verifiers.iter().any(|(permitted, _)| *permitted == algorithm)
    }

    /// Whether `signature` is this key's over `message`; false for an algorithm that the key does not permit.
    pub fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.verifiers
            .iter()
            .find(|(permitted, _)| *permitted == algorithm)
            .is_some_and(|(_, key)| key.verify_sig(message, signature).is_ok())
    }
}

fn rsa(jwk: &Map<String, Value>, named: Option<Algorithm>) -> Result<Vec<(Algorithm, ParsedPublicKey)>, KeyProblem> {
    let (n, e) = (bytes(jwk, "n")?, bytes(jwk, "e")?);
    // Some providers pad integers with zero octets, which RFC 7518 forbids and which changes nothing.
    let (n, e) = (without_leading_zeros(&n), without_leading_zeros(&e));
    if !(2048..=8192).contains(&bits(n)) || !(2..=33).contains(&bits(e)) || e.last().is_none_or(|last| last % 2 == 0) {
        return Err(KeyProblem::WeakRsa);
    }
    rsa_algorithms(named)?
        .iter()
        .map(|&algorithm| {
            let parameters = algorithm.rsa_parameters().ok_or(KeyProblem::NotAccepted)?;
            let parsed = RsaPublicKeyComponents { n, e }.to_parsed_public_key(parameters);
            parsed.map(|key| (algorithm, key)).map_err(|_rejected| KeyProblem::Invalid)
        })
        .collect()
}

/// A key for `RS256` also verifies `PS256`: providers that sign in both ways with one key can name only one of them, and the
/// padding that is let in is the stronger one. Never the other way round, and never another hash.
fn rsa_algorithms(named: Option<Algorithm>) -> Result<&'static [Algorithm], KeyProblem> {
    use Algorithm::{Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
    Ok(match named {
        None => &[Rs256, Rs384, Rs512, Ps256, Ps384, Ps512],
        Some(Rs256) => &[Rs256, Ps256],
        Some(Rs384) => &[Rs384, Ps384],
        Some(Rs512) => &[Rs512, Ps512],
        Some(Ps256) => &[Ps256],
        Some(Ps384) => &[Ps384],
        Some(Ps512) => &[Ps512],
        Some(Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa) => return Err(KeyProblem::NotAccepted),
    })
}

fn elliptic(jwk: &Map<String, Value>, named: Option<Algorithm>) -> Result<Vec<(Algorithm, ParsedPublicKey)>, KeyProblem> {
    let (algorithm, parameters, length) = match text(jwk, "crv")? {
        Some("P-256") => (Algorithm::Es256, &ECDSA_P256_SHA256_FIXED, 32),
        Some("P-384") => (Algorithm::Es384, &ECDSA_P384_SHA384_FIXED, 48),
        Some(_) => return Err(KeyProblem::NotAccepted),
        None => return Err(KeyProblem::Malformed("crv")),
    };
    let (x, y) = (bytes(jwk, "x")?, bytes(jwk, "y")?);
    if x.len() != length || y.len() != length {
        return Err(KeyProblem::Invalid);
    }
    fits(named, algorithm)?;
    let point = [&[UNCOMPRESSED], x.as_slice(), y.as_slice()].concat();
    let key = ParsedPublicKey::new(parameters, point).map_err(|_rejected| KeyProblem::Invalid)?;
    Ok(vec![(algorithm, key)])
}

fn edwards(jwk: &Map<String, Value>, named: Option<Algorithm>) -> Result<Vec<(Algorithm, ParsedPublicKey)>, KeyProblem> {
    match text(jwk, "crv")? {
        Some("Ed25519") => {}
        Some(_) => return Err(KeyProblem::NotAccepted),
        None => return Err(KeyProblem::Malformed("crv")),
    }
    fits(named, Algorithm::EdDsa)?;
    let x = bytes(jwk, "x")?;
    if x.len() != 32 {
        return Err(KeyProblem::Invalid);
    }
    let key = ParsedPublicKey::new(&ED25519, x).map_err(|_rejected| KeyProblem::Invalid)?;
    Ok(vec![(Algorithm::EdDsa, key)])
}

fn fits(named: Option<Algorithm>, algorithm: Algorithm) -> Result<(), KeyProblem> {
    match named {
        Some(other) if other != algorithm => Err(KeyProblem::NotAccepted),
        _ => Ok(()),
    }
}

fn for_signatures(jwk: &Map<String, Value>) -> Result<bool, KeyProblem> {
    let by_use = text(jwk, "use")?.is_none_or(|purpose| purpose == "sig");
    let by_operations = match jwk.get("key_ops") {
        None => true,
        Some(Value::Array(operations)) => operations.iter().any(|operation| operation == "verify"),
        Some(_) => return Err(KeyProblem::Malformed("key_ops")),
    };
    Ok(by_use && by_operations)
}

fn text<'a>(jwk: &'a Map<String, Value>, member: &'static str) -> Result<Option<&'a str>, KeyProblem> {
    match jwk.get(member) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(KeyProblem::Malformed(member)),
    }
}

fn bytes(jwk: &Map<String, Value>, member: &'static str) -> Result<Vec<u8>, KeyProblem> {
    let text = text(jwk, member)?.ok_or(KeyProblem::Malformed(member))?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_malformed| KeyProblem::Malformed(member))
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// Of a number without leading zero octets.
fn bits(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

/// The longest `kid` that is looked at, in bytes.
pub const MAX_KEY_ID: usize = 256;

/// SEC 1, section 2.3.3.
const UNCOMPRESSED: u8 = 4;
