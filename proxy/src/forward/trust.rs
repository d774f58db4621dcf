//! The gate as a TLS client: which certificates of apps it trusts, and which it shows.

use std::fmt::Write as _;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sekisho_certs::{files, pem};

use crate::config::{App, UpstreamProtocol};

/// The client's side of TLS towards one app. Verification of the app's certificate cannot be turned off.
#[derive(Clone, Debug)]
pub(super) struct Trust {
    /// For the app's usual exchanges: offers `h2` or `http/1.1`, as configured.
    pub(super) usual: Arc<ClientConfig>,
    /// For WebSockets, which go over HTTP/1.1 always.
    pub(super) http1: Arc<ClientConfig>,
}

/// The system's root certificates, read at most once per load of the configuration.
#[derive(Debug, Default)]
pub(super) struct SystemRoots(Option<Result<Arc<RootCertStore>, String>>);

impl Trust {
    /// # Errors
    /// In words, with the app's name: no usable root certificate, or a client certificate that cannot be read or does not
    /// match its key.
    pub(super) fn build(app: &App, system: &mut SystemRoots) -> Result<Self, String> {
        let roots = if app.ca.is_empty() { system.get(&app.name)? } else { Arc::new(own_roots(app)?) };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|problem| format!("app `{}`: TLS versions: {problem}", app.name))?
            .with_root_certificates(roots);
        let mut http1 = match client_certificate(app)? {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder
                .with_client_auth_cert(chain, key)
                .map_err(|problem| format!("app `{}`: client_certificate: {problem}", app.name))?,
        };
        http1.alpn_protocols = vec![b"http/1.1".to_vec()];
        // Data to an app is never sent before its handshake is complete: early data could be replayed (RFC 8446, 8).
        http1.enable_early_data = false;
        let http1 = Arc::new(http1);
        let usual = match app.protocol {
            UpstreamProtocol::Http1 => Arc::clone(&http1),
            UpstreamProtocol::Http2 => {
                let mut config = ClientConfig::clone(&http1);
                config.alpn_protocols = vec![b"h2".to_vec()];
                Arc::new(config)
            }
        };
        Ok(Self { usual, http1 })
    }
}

impl SystemRoots {
    fn get(&mut self, app: &str) -> Result<Arc<RootCertStore>, String> {
        let loaded = self.0.get_or_insert_with(|| {
            let found = rustls_native_certs::load_native_certs();
            let mut roots = RootCertStore::empty();
            let (added, _unusable) = roots.add_parsable_certificates(found.certs);
            if added > 0 {
                return Ok(Arc::new(roots));
            }
            let mut words = String::from("the system has no usable root certificates");
            for problem in &found.errors {
                let _infallible = write!(words, "; {problem}");
            }
            Err(words)
        });
        loaded.clone().map_err(|problem| format!("app `{app}`: {problem}; set `ca` to the app's own root certificates"))
    }
}

fn own_roots(app: &App) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in &app.ca {
        roots
            .add(certificate.clone())
            .map_err(|problem| format!("app `{}`: ca: not usable as a root certificate: {problem}", app.name))?;
    }
    Ok(roots)
}

type ChainAndKey = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn client_certificate(app: &App) -> Result<Option<ChainAndKey>, String> {
    let Some(files_of) = &app.client_certificate else { return Ok(None) };
    let wrong = |file: &std::path::Path, problem: &dyn std::fmt::Display| {
        // The problem may name the file by itself; better twice than never.
        format!("app `{}`: client_certificate: {}: {problem}", app.name, file.display())
    };
    let text = files::read_public(&files_of.chain).map_err(|problem| wrong(&files_of.chain, &problem))?;
    let chain = pem::certificates(&text).map_err(|problem| wrong(&files_of.chain, &problem))?;
    let secret = files::read_secret(&files_of.key, files_of.readers).map_err(|problem| wrong(&files_of.key, &problem))?;
    let key = PrivateKeyDer::from_pem_slice(&secret).map_err(|problem| wrong(&files_of.key, &problem))?;
    Ok(Some((chain, key)))
}
