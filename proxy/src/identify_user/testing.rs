//! Keys, tokens and people for tests. Signing is another library's, so that it judges our verifying.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};
use rcgen::KeyPair;
use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::config::{IdentityProvider, KeySource, OidcClient};
use crate::identify_device::KnownDevice;
use crate::inventory::{DeviceStatus, samples};
use crate::secret::{Digest, Secret};

/// A provider's key pair.
pub(crate) struct Signer {
    pub(crate) id: &'static str,
    algorithm: Algorithm,
    key: EncodingKey,
    jwk: Value,
}

impl Signer {
    pub(crate) fn es256(id: &'static str) -> Self {
        let pem = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem();
        Self::new(id, Algorithm::ES256, EncodingKey::from_ec_pem(pem.as_bytes()).unwrap())
    }

    pub(crate) fn rsa(id: &'static str) -> Self {
        let pem = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap().serialize_pem();
        Self::new(id, Algorithm::RS256, EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap())
    }

    pub(crate) fn ed25519(id: &'static str) -> Self {
        let pair = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let key = EncodingKey::from_ed_pem(pair.serialize_pem().as_bytes()).unwrap();
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(pair.public_key_raw())});
        Self { id, algorithm: Algorithm::EdDSA, key, jwk }
    }

    fn new(id: &'static str, algorithm: Algorithm, key: EncodingKey) -> Self {
        let jwk = serde_json::to_value(Jwk::from_encoding_key(&key, algorithm).unwrap()).unwrap();
        Self { id, algorithm, key, jwk }
    }

    /// The same key, signing in another way.
    pub(crate) fn with(&self, algorithm: Algorithm) -> Self {
        Self { id: self.id, algorithm, key: self.key.clone(), jwk: self.jwk.clone() }
    }

    /// The public key, with its `kid` and without `alg`.
    pub(crate) fn jwk(&self) -> Value {
        let mut jwk = self.jwk.clone();
        let members = jwk.as_object_mut().unwrap();
        members.remove("alg");
        members.insert("kid".to_owned(), self.id.into());
        jwk
    }

    /// The usual header.
    pub(crate) fn header(&self) -> Value {
        json!({"alg": format!("{:?}", self.algorithm), "kid": self.id, "typ": "JWT"})
    }

    /// A token with the usual header.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_text(&self.header().to_string(), &claims.to_string())
    }

    /// A token with any header and payload, truly signed.
    pub(crate) fn sign_text(&self, header: &str, payload: &str) -> String {
        let message = format!("{}.{}", encode(header), encode(payload));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.key, self.algorithm).unwrap();
        format!("{message}.{signature}")
    }
}

pub(crate) fn encode(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// The key set of these.
pub(crate) fn jwks(signers: &[&Signer]) -> String {
    json!({"keys": signers.iter().map(|signer| signer.jwk()).collect::<Vec<_>>()}).to_string()
}

/// A provider with `groups` as its groups claim and `sekisho` as the client.
pub(crate) fn settings(name: &str, issuer: &str) -> IdentityProvider {
    IdentityProvider {
        name: name.into(),
        issuer: issuer.to_owned(),
        audience: None,
        keys: KeySource::Discovery,
        client: Some(OidcClient {
            offline_access: true,
            id: "sekisho".to_owned(),
            secret: Some(Secret::new("s3cret".to_owned())),
            readers: sekisho_certs::files::Readers::Owner,
            scopes: vec!["profile".to_owned(), "email".to_owned()],
        }),
        groups_claim: Some("groups".to_owned()),
        known_groups: None,
        claims: vec!["department".to_owned()],
        service_clients: BTreeSet::new(),
        terminal: None,
        mfa_acr: BTreeSet::from(["gold".to_owned()]),
        mfa_acr_values: Vec::new(),
        ca: Vec::new(),
        refresh: Duration::from_secs(15 * 60),
        keys_refresh: Duration::from_secs(600),
        keys_max_age: Duration::from_secs(24 * 3600),
        max_token_lifetime: None,
        hosts: Vec::new(),
    }
}

/// A device in use, on a connection that proved it.
pub(crate) fn device(name: &str) -> KnownDevice {
    let device = samples::device(name, DeviceStatus::Active);
    KnownDevice {
        facts: Digest::of(device.facts_json().as_bytes()),
        key: samples::key(name),
        device: Arc::new(device),
        certificate: Digest::of(format!("certificate of {name}").as_bytes()),
        not_after: Timestamp(i64::MAX),
        service: None,
    }
}
