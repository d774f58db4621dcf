//! The provider's signing key: P-256, made at start, never written down.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::Serialize;
use serde_json::{Value, json};

use super::IdpError;
use crate::chance;

/// An ES256 key with its key id.
pub(crate) struct SigningKey {
    id: String,
    x: String,
    y: String,
    signing: EncodingKey,
    checking: DecodingKey,
}

impl SigningKey {
    /// A new key; its id is its thumbprint (RFC 7638).
    pub(crate) fn generate() -> Result<Self, IdpError> {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        let pkcs8 = pkcs8.map_err(|_unspecified| IdpError::NoKey)?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).map_err(|_bad| IdpError::NoKey)?;
        // An uncompressed point (SEC 1, 2.3.3): 4, then 32 bytes each of x and y.
        let [4, point @ ..] = pair.public_key().as_ref() else { return Err(IdpError::NoKey) };
        let (x, y) = point.split_at_checked(32).ok_or(IdpError::NoKey)?;
        let (x, y) = (chance::base64url(x), chance::base64url(y));
        let thumbprint = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        Ok(Self {
            id: chance::base64url(&chance::sha256(thumbprint.as_bytes())),
            checking: DecodingKey::from_ec_components(&x, &y)?,
            signing: EncodingKey::from_ec_der(pkcs8.as_ref()),
            x,
            y,
        })
    }

    /// The public part, as a JWK (RFC 7517).
    pub(crate) fn public(&self) -> Value {
        json!({ "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.id, "x": self.x, "y": self.y })
    }

    /// A signed token of the kind `typ` (`JWT`, or `at+jwt` for RFC 9068).
    pub(crate) fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String, IdpError> {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(typ.to_owned());
        header.kid = Some(self.id.clone());
        Ok(jsonwebtoken::encode(&header, claims, &self.signing)?)
    }

    /// The claims of a token that this key signed for `issuer`, of the kind `typ`; `expired` tokens count only where asked for.
    pub(crate) fn open(&self, token: &str, typ: &str, issuer: &str, expired: bool) -> Option<Value> {
        let mut rules = Validation::new(Algorithm::ES256);
        rules.set_issuer(&[issuer]);
        rules.set_required_spec_claims(&["exp", "iss"]);
        rules.validate_exp = !expired;
        rules.validate_aud = false;
        rules.leeway = 0;
        let opened = jsonwebtoken::decode::<Value>(token, &self.checking, &rules).ok()?;
        (opened.header.typ.as_deref() == Some(typ)).then_some(opened.claims)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}
