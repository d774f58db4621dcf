//! Whether an authority vouches, now, for the device that a proven certificate names.
//!
//! Arrives: the chain that a client showed, whose leaf key the handshake proved. Leaves: a [`VerifiedDevice`]. Refused: everything
//! else, each with its own [`CertificateRefusal`]. Nothing here waits.

mod crl;
mod extension;
mod identity;
mod leaf;
mod refusal;
mod root;
mod spiffe;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rustls::DistinguishedName;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath};

pub use extension::ExtensionValue;
pub use identity::IdSource;
pub use refusal::CertificateRefusal;

use crate::fingerprint;
use crate::x509::{Validity, parse, serial_hex};
use crl::Crls;
pub(crate) use root::{Root, chain_end};

/// An authority that vouches for devices: its roots, its revocation lists, and where its certificates name the device.
/// Immutable; new lists make a new one.
#[derive(Debug)]
pub struct DeviceTrust {
    name: Arc<str>,
    roots: Vec<Root>,
    anchors: Vec<TrustAnchor<'static>>,
    crls: Crls,
    id: IdSource,
    extensions: Vec<Arc<str>>,
}

/// A device that an authority vouches for. Made only by [`DeviceTrust::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedDevice {
    /// `name` of the authority.
    pub authority: Arc<str>,
    /// The name in the certificate: printable ASCII without spaces, 1 to 255 bytes. Unique only within the authority.
    pub id: String,
    /// The certificate's first second.
    pub not_before: UnixTime,
    /// The certificate's last second.
    pub not_after: UnixTime,
    /// The last second for which this verdict may be remembered: the earliest end of the certificate, of those above it, and of
    /// the revocation lists. After it, verify again.
    pub valid_until: UnixTime,
    /// SHA-256 of the certificate's public key.
    pub key_fingerprint: [u8; 32],
    /// The certificate's serial number, lower-case hex.
    pub serial_hex: String,
    /// Of the extensions that were [wanted](DeviceTrust::reading), those that are there, by their object identifiers.
    pub extensions: BTreeMap<Arc<str>, ExtensionValue>,
}

/// An authority that cannot be used as configured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// Without a root nothing is trusted; never a reason to trust the system's.
    #[error("no root certificate is given")]
    NoRoots,
    /// A root cannot be read.
    #[error("root certificate number {number} cannot be read")]
    RootUnreadable {
        /// Which one, counted from 1.
        number: usize,
    },
    /// A root is not a CA certificate.
    #[error(
        "root certificate number {number} is not an authority's (basic constraints without CA, or key usage without keyCertSign)"
    )]
    RootIsNoAuthority {
        /// Which one, counted from 1.
        number: usize,
    },
    /// A revocation list cannot be read.
    #[error("revocation list number {number} cannot be read")]
    CrlUnreadable {
        /// Which one, counted from 1.
        number: usize,
    },
    /// A revocation list would never go stale.
    #[error("revocation list number {number} has no next update")]
    CrlWithoutNextUpdate {
        /// Which one, counted from 1.
        number: usize,
    },
    /// A revocation list is a delta or speaks for other issuers.
    #[error("revocation list number {number} is a delta or indirect list; a complete one of the issuer is needed")]
    CrlPartial {
        /// Which one, counted from 1.
        number: usize,
    },
}

impl DeviceTrust {
    /// Trusts `roots` under `name`. If there are `crls`, every certificate of a chain (except the root) must be covered by one that
    /// is not stale; without any, revocation is not looked at.
    ///
    /// # Errors
    /// [`TrustError`] if anything in it is missing or malformed.
    pub fn new(
        name: &str,
        roots: &[CertificateDer<'_>],
        crls: &[CertificateRevocationListDer<'_>],
        id: IdSource,
    ) -> Result<Self, TrustError> {
        if roots.is_empty() {
            return Err(TrustError::NoRoots);
        }
        let roots = roots.iter().enumerate().map(|(at, der)| Root::read(at + 1, der)).collect::<Result<Vec<_>, _>>()?;
        let anchors = roots.iter().map(|root| root.anchor().clone()).collect();
        Ok(Self { name: name.into(), roots, anchors, crls: Crls::new(crls)?, id, extensions: Vec::new() })
    }

    /// The same, and what certificates say under these object identifiers (`1.3.6.1.…`) is read.
    #[must_use]
    pub fn reading(mut self, extensions: Vec<Arc<str>>) -> Self {
        self.extensions = extensions;
        self
    }

    /// The authority's name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The roots' subjects in DER: the hint for browsers which certificates to offer.
    pub fn root_subjects(&self) -> Vec<DistinguishedName> {
        self.anchors.iter().map(|anchor| DistinguishedName::in_sequence(&anchor.subject)).collect()
    }

    /// Judges a chain, leaf first, as of `now`. Only the leaf names the device; the others are hints for building a path.
    ///
    /// The cost is one signature check per certificate of the path, and one per revocation list that is asked: remember the answer
    /// by the leaf's fingerprint, not longer than [`VerifiedDevice::valid_until`].
    ///
    /// # Errors
    /// [`CertificateRefusal`].
    pub fn verify(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<VerifiedDevice, CertificateRefusal> {
        self.judge(chain, now, now)
    }

    /// As [`Self::verify`], and a certificate that ended at most `grace` ago is taken too. Nothing but the renewal of that certificate
    /// may be allowed because of it; the verdict is not to be remembered.
    ///
    /// Only the certificate itself may have ended: revocation lists and the authorities above it have to be good now.
    ///
    /// # Errors
    /// [`CertificateRefusal`].
    pub fn verify_for_renewal(
        &self,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
        grace: Duration,
    ) -> Result<VerifiedDevice, CertificateRefusal> {
        match self.verify(chain, now) {
            Err(CertificateRefusal::Expired { not_after })
                if now.as_secs().saturating_sub(not_after.as_secs()) <= grace.as_secs() =>
            {
                self.judge(chain, not_after, now)
            }
            outcome => outcome,
        }
    }

    /// The leaf's dates count as of `at`, everything else as of `now`.
    fn judge(&self, chain: &[CertificateDer<'_>], at: UnixTime, now: UnixTime) -> Result<VerifiedDevice, CertificateRefusal> {
        let (leaf, above) = chain.split_first().ok_or(CertificateRefusal::Malformed)?;
        let end_entity = EndEntityCert::try_from(leaf)?;
        let parsed = parse(leaf).map_err(|_unreadable| CertificateRefusal::Malformed)?;
        let validity = Validity::of(&parsed);
        let path = match self.path(&end_entity, above, at) {
            Ok(path) => path,
            Err(refusal) => return Err(self.explain(refusal, &end_entity, above, validity)),
        };
        leaf::is_for_clients(&parsed)?;
        let chain_end = chain_end(&self.roots, &path, now)?;
        // webpki has looked at these as of `at`, which may lie before their end.
        if chain_end < now {
            return Err(CertificateRefusal::AuthorityNotValid);
        }
        if at < now && self.crls.any_stale(now) {
            return Err(CertificateRefusal::CrlExpired);
        }
        let stale = self.crls.next_stale(now).unwrap_or(chain_end);
        Ok(VerifiedDevice {
            authority: Arc::clone(&self.name),
            id: self.id.read(&parsed)?,
            not_before: validity.not_before,
            not_after: validity.not_after,
            valid_until: validity.not_after.min(chain_end).min(stale),
            key_fingerprint: fingerprint::spki(parsed.public_key().raw),
            serial_hex: serial_hex(&parsed),
            extensions: extension::read(&parsed, &self.extensions),
        })
    }

    fn path<'p>(
        &'p self,
        leaf: &'p EndEntityCert<'p>,
        above: &'p [CertificateDer<'p>],
        at: UnixTime,
    ) -> Result<VerifiedPath<'p>, CertificateRefusal> {
        let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
        let lists = self.crls.refs();
        let revocation = crl::options(&lists);
        // `client_auth()` asks for the purpose only where a certificate limits its purposes; `leaf::is_for_clients` asks the leaf always.
        Ok(leaf.verify_for_usage(algorithms.all, &self.anchors, above, at, KeyUsage::client_auth(), revocation, None)?)
    }

    /// webpki looks at dates before it looks for the issuer: tells apart "ours, but too old" from "not ours anyway", and the
    /// leaf's dates from those above it.
    fn explain(
        &self,
        refusal: CertificateRefusal,
        leaf: &EndEntityCert<'_>,
        above: &[CertificateDer<'_>],
        validity: Validity,
    ) -> CertificateRefusal {
        let within = match refusal {
            CertificateRefusal::Expired { not_after } if not_after == validity.not_after => validity.not_after,
            CertificateRefusal::NotYetValid { not_before } if not_before == validity.not_before => validity.not_before,
            CertificateRefusal::Expired { .. } | CertificateRefusal::NotYetValid { .. } => {
                return CertificateRefusal::AuthorityNotValid;
            }
            other => return other,
        };
        match self.path(leaf, above, within) {
            Err(foreign @ (CertificateRefusal::UnknownAuthority | CertificateRefusal::BadSignature)) => foreign,
            _ => refusal,
        }
    }
}

/// Judges a chain by the first of several authorities that accepts it.
///
/// # Errors
/// If none does: the refusal of the authority that knows most about the certificate; [`CertificateRefusal::UnknownAuthority`]
/// if there are no authorities at all.
pub fn verify_any<'t>(
    authorities: impl IntoIterator<Item = &'t DeviceTrust>,
    chain: &[CertificateDer<'_>],
    now: UnixTime,
) -> Result<VerifiedDevice, CertificateRefusal> {
    let mut best = CertificateRefusal::UnknownAuthority;
    for authority in authorities {
        match authority.verify(chain, now) {
            Ok(device) => return Ok(device),
            Err(refusal) => best = best.more_helpful(refusal),
        }
    }
    Err(best)
}
