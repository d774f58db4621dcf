//! Certificates that the gate itself shows, and which of them it shows to whom.

mod by_sni;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

pub use by_sni::{BySni, NoServerCertificate};

use crate::pem::{self, PemError};
use crate::x509::{Validity, parse};

/// A certificate chain of the gate with its key, checked against each other.
#[derive(Clone, Debug)]
pub struct ServerCertificate {
    /// For rustls.
    pub certified_key: Arc<CertifiedKey>,
    /// The certificate's last second.
    pub not_after: UnixTime,
    names: Arc<[String]>,
}

/// A certificate that the gate cannot show.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerCertificateError {
    /// The chain file cannot be read.
    #[error("certificate chain: {0}")]
    Chain(#[from] PemError),
    /// The key file holds no private key.
    #[error("no private key in it: PKCS#8, PKCS#1 or SEC1 in PEM is needed, without a passphrase")]
    NoKey,
    /// The key is of a kind that we cannot use.
    #[error(
        "the private key is of a kind that cannot be used: ECDSA (P-256, P-384, P-521), Ed25519 or RSA from 2048 bits is needed"
    )]
    UnusableKey,
    /// Certificate and key are not a pair.
    #[error("the private key does not belong to the first certificate of the chain")]
    KeyDoesNotMatch,
    /// Its subject alternative name has neither a DNS name nor an address; clients look at nothing else.
    #[error("the certificate names no host in its subject alternative name")]
    NoNames,
    /// It is for something else.
    #[error("the certificate is not for servers: its extended key usage lacks serverAuth")]
    NotForServers,
    /// It has ended.
    #[error("the certificate expired at {} (seconds since 1970)", .0.as_secs())]
    Expired(UnixTime),
    /// It has not begun.
    #[error("the certificate is not valid before {} (seconds since 1970)", .0.as_secs())]
    NotYetValid(UnixTime),
}

impl ServerCertificate {
    /// Reads a chain (leaf first) and its key, both PEM, and checks that they can be shown to clients now.
    ///
    /// # Errors
    /// [`ServerCertificateError`], which never contains any part of the key.
    pub fn from_pem(chain_pem: &[u8], key_pem: &[u8], now: UnixTime) -> Result<Self, ServerCertificateError> {
        let chain = pem::certificates(chain_pem)?;
        let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(|_details| ServerCertificateError::NoKey)?;
        Self::new(chain, key, now)
    }

    /// As [`Self::from_pem`], from what was already read.
    ///
    /// # Errors
    /// As [`Self::from_pem`].
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        now: UnixTime,
    ) -> Result<Self, ServerCertificateError> {
        let leaf = chain.first().ok_or(PemError::Nothing("certificate"))?;
        let parsed = parse(leaf).map_err(|_unreadable| PemError::Unreadable { kind: "certificate", number: 1 })?;
        let validity = Validity::of(&parsed);
        if now > validity.not_after {
            return Err(ServerCertificateError::Expired(validity.not_after));
        }
        if now < validity.not_before {
            return Err(ServerCertificateError::NotYetValid(validity.not_before));
        }
        if parsed.extended_key_usage().ok().flatten().is_some_and(|usage| !usage.value.server_auth && !usage.value.any) {
            return Err(ServerCertificateError::NotForServers);
        }
        let names = names(&parsed);
        if names.is_empty() {
            return Err(ServerCertificateError::NoNames);
        }
        let certified_key = certify(chain, key, &rustls::crypto::aws_lc_rs::default_provider())?;
        Ok(Self { certified_key: Arc::new(certified_key), not_after: validity.not_after, names: names.into() })
    }

    /// The hosts that it covers, lower case: DNS names, `*.` in front of those that stand for one more label, and addresses
    /// (IPv6 in brackets, as in URLs).
    pub fn names(&self) -> Arc<[String]> {
        Arc::clone(&self.names)
    }

    /// Whether it covers `host` (lower case, without port and trailing dot). A wildcard stands for exactly one label (RFC 9525).
    pub fn covers(&self, host: &str) -> bool {
        covers(&self.names, host)
    }
}

/// Whether any of a certificate's `names` is `host`; see [`ServerCertificate::covers`].
pub fn covers(names: &[String], host: &str) -> bool {
    names.iter().any(|name| name == host) || names.iter().any(|name| wildcard_covers(name, host))
}

/// `*.example` covers `a.example`, but neither `example` nor `a.b.example`.
fn wildcard_covers(name: &str, host: &str) -> bool {
    match (name.strip_prefix("*."), host.split_once('.')) {
        (Some(parent), Some((label, rest))) => !label.is_empty() && parent == rest,
        _ => false,
    }
}

fn certify(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, ServerCertificateError> {
    let key = provider.key_provider.load_private_key(key).map_err(|_details| ServerCertificateError::UnusableKey)?;
    let certified = CertifiedKey::new(chain, key);
    // Stricter than rustls: a key that cannot tell its public half is refused, too.
    certified.keys_match().map_err(|_mismatch| ServerCertificateError::KeyDoesNotMatch)?;
    Ok(certified)
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(san)) = certificate.subject_alternative_name() else { return Vec::new() };
    san.value.general_names.iter().filter_map(name).collect()
}

fn name(general: &GeneralName<'_>) -> Option<String> {
    match general {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        GeneralName::IPAddress(bytes) => {
            if let Ok(four) = <[u8; 4]>::try_from(*bytes) {
                return Some(std::net::Ipv4Addr::from(four).to_string());
            }
            let six = <[u8; 16]>::try_from(*bytes).ok()?;
            Some(format!("[{}]", std::net::Ipv6Addr::from(six)))
        }
        _ => None,
    }
}
