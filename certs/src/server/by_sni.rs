//! Which certificate a client sees.

use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::ServerCertificate;

/// Chooses among certificates by the host that the client names in the handshake (SNI): one that names it exactly, else one whose
/// wildcard covers it, else the first.
///
/// The first certificate is for clients that name no host or an unknown one. It grants nothing: which app a request is for is
/// judged by its Host, and only where the certificate that was shown covers it.
#[derive(Clone, Debug)]
pub struct BySni {
    certificates: Vec<Arc<ServerCertificate>>,
    first: Arc<ServerCertificate>,
}

/// A gate without any certificate cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at least one server certificate is needed")]
pub struct NoServerCertificate;

impl BySni {
    /// Takes the certificates in the order of preference.
    ///
    /// # Errors
    /// [`NoServerCertificate`] if there is none.
    pub fn new(certificates: Vec<Arc<ServerCertificate>>) -> Result<Self, NoServerCertificate> {
        let first = certificates.first().cloned().ok_or(NoServerCertificate)?;
        Ok(Self { certificates, first })
    }

    /// All of them, in the order of preference.
    pub fn all(&self) -> &[Arc<ServerCertificate>] {
        &self.certificates
    }

    /// The certificate that a client sees which names this host. The handshake uses the same function, so after it this tells
    /// which certificate was shown.
    pub fn choose(&self, sni: Option<&str>) -> &Arc<ServerCertificate> {
        let Some(sni) = sni else { return &self.first };
        let host = sni.strip_suffix('.').unwrap_or(sni).to_ascii_lowercase();
        let exact = self.certificates.iter().find(|certificate| certificate.names.contains(&host));
        let or_wildcard = exact.or_else(|| self.certificates.iter().find(|certificate| certificate.covers(&host)));
        or_wildcard.unwrap_or(&self.first)
    }
}

impl ResolvesServerCert for BySni {
    fn resolve(&self, client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.choose(client_hello.server_name()).certified_key))
    }
}
