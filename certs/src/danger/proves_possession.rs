//! Client authentication that proves possession of a key, and nothing else.

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

/// Asks every client for a certificate, requires none, and accepts **any** certificate whose key the client proves to have.
///
/// # This is dangerous on purpose
/// After a handshake with it, a peer certificate means "somebody holds this key" and not "this is a device of ours": it may be
/// self-made, expired, revoked or meant for something else. An ordinary verifier would end the handshake with a TLS alert, which
/// a browser shows as a broken site; we want to answer with a page that says what to do. So trust is judged for every request by
/// [`DeviceTrust::verify`](crate::trust::DeviceTrust::verify), which resumed sessions cannot skip either.
///
/// Only the leaf is proved. The other certificates of the chain are whatever the client chose to send.
#[derive(Debug)]
pub struct ProvesPossession {
    hints: Vec<DistinguishedName>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ProvesPossession {
    /// `hints`: DER subjects of the authorities whose devices we know ([`DeviceTrust::root_subjects`]). Browsers offer only
    /// certificates that these issued; an empty list makes them offer all.
    ///
    /// [`DeviceTrust::root_subjects`]: crate::trust::DeviceTrust::root_subjects
    pub fn new(hints: Vec<DistinguishedName>) -> Self {
        Self { hints, algorithms: rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms }
    }
}

impl ClientCertVerifier for ProvesPossession {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        // What cannot be read has no key to prove; an error here ends the handshake.
        ParsedCertificate::try_from(end_entity)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
