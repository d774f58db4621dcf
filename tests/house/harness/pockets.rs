//! What a client of TLS carries: a certificate that it shows, sessions that it resumes, and no doubts.

use std::sync::{Arc, Mutex};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientSessionStore, ResolvesClientCert, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, NamedGroup, SignatureScheme};

use super::authority::Identity;

/// The certificate that is shown.
#[derive(Debug, Default)]
pub(super) struct Wallet(Mutex<Option<Arc<CertifiedKey>>>);

/// Sessions, whatever server they are of.
#[derive(Debug, Default)]
pub(super) struct Purse {
    early: bool,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    tls12: Option<Tls12ClientSessionValue>,
    tls13: Vec<Tls13ClientSessionValue>,
}

/// Believes every server.
#[derive(Debug)]
pub(super) struct Gullible;

impl Wallet {
    /// Has this certificate from now on, or none.
    pub(super) fn show(&self, identity: Option<&Identity>) {
        *self.0.lock().unwrap() = identity.map(|identity| Arc::new(certified(identity)));
    }
}

impl Purse {
    /// One whose sessions are used for early data, whether the gate offered to take any or not.
    pub(super) fn hasty() -> Self {
        Self { early: true, ..Self::default() }
    }

    pub(super) fn empty(&self) {
        *self.held.lock().unwrap() = Held::default();
    }
}

fn certified(identity: &Identity) -> CertifiedKey {
    let chain = CertificateDer::pem_slice_iter(identity.chain.as_bytes()).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    // Not checked against each other: one may show another's chain.
    CertifiedKey::new(chain, default_provider().key_provider.load_private_key(key).unwrap())
}

impl ResolvesClientCert for Wallet {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.lock().unwrap().clone()
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl ClientSessionStore for Purse {
    fn set_kx_hint(&self, _server: ServerName<'static>, _group: NamedGroup) {}

    fn kx_hint(&self, _server: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _server: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.held.lock().unwrap().tls12 = Some(value);
    }

    fn tls12_session(&self, _server: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.held.lock().unwrap().tls12.clone()
    }

    fn remove_tls12_session(&self, _server: &ServerName<'static>) {
        self.held.lock().unwrap().tls12 = None;
    }

    fn insert_tls13_ticket(&self, _server: ServerName<'static>, mut value: Tls13ClientSessionValue) {
        if self.early {
            value._private_set_max_early_data_size(16 * 1024);
        }
        self.held.lock().unwrap().tls13.push(value);
    }

    fn take_tls13_ticket(&self, _server: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.held.lock().unwrap().tls13.pop()
    }
}

impl ServerCertVerifier for Gullible {
    fn verify_server_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _between: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}
