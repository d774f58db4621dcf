//! Server authentication by a pinned key instead of by public authorities.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use crate::fingerprint;

/// Accepts a server if its own key, or the key of a certificate that it shows *and that really issued its certificate*, has the
/// pinned SHA-256 (of the DER `SubjectPublicKeyInfo`).
///
/// # This is dangerous on purpose
/// With the server's own key pinned, its name and dates are not looked at: the pin says more than they do. With an issuer's key
/// pinned, the chain to it, the dates and the name are verified as usual; only where the issuer comes from differs.
///
/// A pin that matches merely *some* certificate on the wire proves nothing, since certificates are public: so the signatures from
/// the pinned issuer down to the leaf are checked, and the handshake proves the leaf's key.
#[derive(Debug)]
pub struct PinnedServer {
    pin: [u8; 32],
    algorithms: WebPkiSupportedAlgorithms,
}

impl PinnedServer {
    /// Trusts exactly the key with this fingerprint.
    pub fn new(pin: [u8; 32]) -> Self {
        Self { pin, algorithms: rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms }
    }

    fn is_pinned(&self, certificate: &CertificateDer<'_>) -> bool {
        fingerprint::public_key(certificate).is_ok_and(|key| key == self.pin)
    }

    fn issued_by(
        &self,
        anchor: &TrustAnchor<'_>,
        leaf: &EndEntityCert<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), webpki::Error> {
        let anchors = std::slice::from_ref(anchor);
        leaf.verify_for_usage(self.algorithms.all, anchors, chain, now, KeyUsage::server_auth(), None, None).map(drop)
    }
}

impl ServerCertVerifier for PinnedServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.is_pinned(end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        let leaf = EndEntityCert::try_from(end_entity).map_err(|_malformed| CertificateError::BadEncoding)?;
        let mut refusal = CertificateError::UnknownIssuer;
        for issuer in intermediates.iter().filter(|certificate| self.is_pinned(certificate)) {
            let Ok(anchor) = anchor_from_trusted_cert(issuer) else { continue };
            match self.issued_by(&anchor, &leaf, intermediates, now) {
                Ok(()) => {
                    return match leaf.verify_is_valid_for_subject_name(server_name) {
                        Ok(()) => Ok(ServerCertVerified::assertion()),
                        Err(_other_name) => Err(CertificateError::NotValidForName.into()),
                    };
                }
                Err(webpki::Error::CertExpired { .. }) => refusal = CertificateError::Expired,
                Err(webpki::Error::CertNotValidYet { .. }) => refusal = CertificateError::NotValidYet,
                Err(_not_issued) => {}
            }
        }
        Err(refusal.into())
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
