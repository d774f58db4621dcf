//! The one TLS setting that every host shares.

use std::fmt;
use std::sync::Arc;

use rustls::{DistinguishedName, ServerConfig};
use rustls_pki_types::CertificateDer;
use sekisho_certs::danger::ProvesPossession;
use sekisho_certs::server::{BySni, NoServerCertificate, ServerCertificate};

use super::resumption::Resumption;

/// How handshakes go: the same client authentication and resumption for every host, so that nothing can be carried from a lax
/// host to a strict one.
#[derive(Clone)]
pub struct TlsSettings {
    pub(super) config: Arc<ServerConfig>,
    pub(super) certificates: Arc<BySni>,
    pub(super) resumption: Resumption,
}

/// The settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsSettingsError {
    /// There is nothing to show.
    #[error(transparent)]
    NoCertificate(#[from] NoServerCertificate),
    /// The crypto provider lacks something.
    #[error("TLS cannot be set up: {0}")]
    Provider(#[from] rustls::Error),
}

impl TlsSettings {
    /// Shows one of `certificates`, chosen by SNI; asks for a client certificate, with `hints` as the names of those who may
    /// have signed it, since browsers offer nothing (or everything) without.
    ///
    /// # Errors
    /// [`TlsSettingsError`].
    pub fn new(
        certificates: Vec<Arc<ServerCertificate>>,
        hints: Vec<DistinguishedName>,
        resumption: &Resumption,
    ) -> Result<Self, TlsSettingsError> {
        let certificates = Arc::new(BySni::new(certificates)?);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_client_cert_verifier(Arc::new(ProvesPossession::new(hints)))
            .with_cert_resolver(Arc::clone(&certificates) as Arc<_>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.session_storage = resumption.store();
        config.send_tls13_tickets = 1;
        // Early data can be replayed by whoever saw it; nothing that is authenticated may come that way (RFC 8470).
        config.max_early_data_size = 0;
        Ok(Self { config: Arc::new(config), certificates, resumption: resumption.clone() })
    }

    /// The certificate that is shown to who asks for `host`.
    pub fn shown_at(&self, host: &str) -> Option<CertificateDer<'static>> {
        let shown = self.certificates.all().iter().find(|certificate| certificate.covers(host))?;
        shown.certified_key.cert.first().cloned()
    }

    /// The first name of each certificate, and when it ends, in seconds since the Unix epoch.
    pub fn expiries(&self) -> impl Iterator<Item = (String, u64)> {
        let name = |names: &[String]| names.first().cloned().unwrap_or_default();
        self.certificates.all().iter().map(move |certificate| (name(&certificate.names()), certificate.not_after.as_secs()))
    }
}

impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSettings").finish_non_exhaustive()
    }
}
