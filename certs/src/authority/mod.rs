//! Our own device authority: a small CA that signs nothing but device certificates.
//!
//! # The form of a device certificate
//! X.509 v3, signed with ECDSA P-256 and SHA-256:
//! - subject: `CN=<device id>`, for people and for browsers' lists; nothing is decided by it;
//! - subject alternative name: exactly one URI, `spiffe://<trust domain>/device/<device id>` (a SPIFFE ID), and nothing else:
//!   INVARIANT (one-uri-san);
//! - basic constraints `CA:false`, key usage `digitalSignature`, extended key usage `clientAuth`;
//! - a serial number of 158 random bits; valid from five minutes ago (clocks differ) until the wanted lifetime or the authority's end.
//!
//! Of the request, only the public key is taken.

mod create;
mod device_id;
mod folder;
mod issue;
mod request;
#[cfg(test)]
mod tests;

use rcgen::{Issuer, KeyPair};
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_parser::extensions::GeneralName;
use zeroize::Zeroizing;

pub use create::CreateError;
pub(crate) use create::date;
pub use device_id::{InvalidTrustDomain, device_of_uri, is_trust_domain, uri_of_device};
pub use folder::{CERTIFICATE, FolderError, KEY};
pub use issue::{IssueError, Issued};
pub use request::RequestError;

use crate::pem::{self, PemError};
use crate::trust::{DeviceTrust, IdSource, TrustError};
use crate::x509::{Validity, parse};

/// The authority with its key. Signs; keep it on the control runtime.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    trust_domain: String,
    not_before: UnixTime,
    not_after: UnixTime,
}

/// A new authority's files.
#[derive(Debug)]
pub struct Created {
    /// The certificate.
    pub cert_pem: String,
    /// The private key, PKCS#8. Write it with [`crate::files::create_private`].
    pub key_pem: Zeroizing<String>,
}

/// An authority's files that do not work together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The certificate cannot be read.
    #[error("authority certificate: {0}")]
    Certificate(#[from] PemError),
    /// There is not exactly one certificate.
    #[error("authority certificate: one is needed, {0} are there")]
    NotOne(usize),
    /// The certificate was not made by us: not a CA, or without its trust domain.
    #[error("authority certificate: not one of a Sekisho device authority")]
    Foreign,
    /// The key cannot be read.
    #[error("authority key: not a P-256 private key in PKCS#8 PEM")]
    Key,
    /// Certificate and key are not a pair.
    #[error("authority key: does not belong to the authority's certificate")]
    KeyDoesNotMatch,
}

impl Authority {
    /// Loads what [`Authority::create`] made.
    ///
    /// # Errors
    /// [`LoadError`], which never contains any part of the key.
    pub fn load(cert_pem: &str, key_pem: &str) -> Result<Self, LoadError> {
        let mut certificates = pem::certificates(cert_pem.as_bytes())?;
        let certificate = match certificates.len() {
            1 => certificates.pop().ok_or(LoadError::NotOne(0))?,
            several => return Err(LoadError::NotOne(several)),
        };
        let parsed = parse(&certificate).map_err(|_unreadable| LoadError::Foreign)?;
        let trust_domain = trust_domain(&parsed).ok_or(LoadError::Foreign)?.to_owned();
        let key = KeyPair::from_pem(key_pem).map_err(|_details| LoadError::Key)?;
        if key.algorithm() != &rcgen::PKCS_ECDSA_P256_SHA256 {
            return Err(LoadError::Key);
        }
        if parsed.public_key().subject_public_key.data.as_ref() != key.public_key_raw() {
            return Err(LoadError::KeyDoesNotMatch);
        }
        let Validity { not_before, not_after } = Validity::of(&parsed);
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(|_details| LoadError::Foreign)?;
        Ok(Self { issuer, certificate, trust_domain, not_before, not_after })
    }

    /// The authority's certificate: what devices and `sekisho ca show` get.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The same in PEM.
    pub fn certificate_pem(&self) -> String {
        pem::encode(&self.certificate)
    }

    /// The trust domain of its devices' names, as its certificate says; later changes of the configuration do not change it.
    pub fn trust_domain(&self) -> &str {
        &self.trust_domain
    }

    /// Its last second.
    pub fn not_after(&self) -> UnixTime {
        self.not_after
    }

    /// Trust in the devices of this authority, under the name that it has in the configuration.
    ///
    /// # Errors
    /// [`TrustError`]; it cannot happen with a certificate that [`Authority::load`] took.
    pub fn trust(&self, name: &str) -> Result<DeviceTrust, TrustError> {
        let id = IdSource::Builtin { trust_domain: self.trust_domain.as_str().into() };
        DeviceTrust::new(name, std::slice::from_ref(&self.certificate), &[], id)
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("trust_domain", &self.trust_domain).finish_non_exhaustive()
    }
}

/// A SPIFFE signing certificate carries its trust domain as its only URI: `spiffe://<trust domain>`.
fn trust_domain<'c>(authority: &'c x509_parser::certificate::X509Certificate<'_>) -> Option<&'c str> {
    let san = authority.subject_alternative_name().ok()??;
    match san.value.general_names.as_slice() {
        [GeneralName::URI(uri)] if authority.is_ca() => {
            uri.strip_prefix(device_id::SCHEME).filter(|name| device_id::is_trust_domain(name))
        }
        _ => None,
    }
}
