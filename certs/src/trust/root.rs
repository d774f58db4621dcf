//! A trusted root.

use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{VerifiedPath, anchor_from_trusted_cert};

use super::leaf::may_sign_certificates;
use super::{CertificateRefusal, TrustError};
use crate::x509::{Validity, parse};

/// A root with its dates, which a trust anchor alone does not carry.
#[derive(Debug)]
pub(crate) struct Root {
    anchor: TrustAnchor<'static>,
    validity: Validity,
    /// How many authorities may stand between it and a device (`pathLenConstraint`); `None`: any number.
    most_between: Option<u32>,
}

impl Root {
    pub(crate) fn read(number: usize, der: &CertificateDer<'_>) -> Result<Self, TrustError> {
        let parsed = parse(der).map_err(|_unreadable| TrustError::RootUnreadable { number })?;
        let anchor = anchor_from_trusted_cert(der).map_err(|_unreadable| TrustError::RootUnreadable { number })?.to_owned();
        if may_sign_certificates(&parsed) {
            let constraints = parsed.basic_constraints().ok().flatten();
            let most_between = constraints.and_then(|constraints| constraints.value.path_len_constraint);
            Ok(Self { anchor, validity: Validity::of(&parsed), most_between })
        } else {
            Err(TrustError::RootIsNoAuthority { number })
        }
    }

    /// What paths are built to.
    pub(crate) fn anchor(&self) -> &TrustAnchor<'static> {
        &self.anchor
    }

    /// Whether it is the root that this anchor was made of, or one with the same name and key.
    fn is(&self, anchor: &TrustAnchor<'_>) -> bool {
        self.anchor.subject == anchor.subject && self.anchor.subject_public_key_info == anchor.subject_public_key_info
    }

    fn is_valid(&self, now: UnixTime) -> bool {
        (self.validity.not_before..=self.validity.not_after).contains(&now)
    }

    fn allows(&self, between: usize) -> bool {
        self.most_between.is_none_or(|most| u32::try_from(between).is_ok_and(|between| between <= most))
    }

    fn not_after(&self) -> UnixTime {
        self.validity.not_after
    }
}

/// What webpki leaves out of a path that it found: the root's own dates and path length, and `keyCertSign` of the certificates between.
/// Returns the earliest end of those above the leaf.
pub(crate) fn chain_end(roots: &[Root], path: &VerifiedPath<'_>, now: UnixTime) -> Result<UnixTime, CertificateRefusal> {
    let roots = roots.iter().filter(|root| root.is(path.anchor()) && root.is_valid(now));
    let root = roots.max_by_key(|root| root.not_after()).ok_or(CertificateRefusal::AuthorityNotValid)?;
    let mut end = root.not_after();
    let mut between = 0;
    for authority in path.intermediate_certificates() {
        between += 1;
        let der = authority.der();
        let parsed = parse(&der).map_err(|_unreadable| CertificateRefusal::Malformed)?;
        if !may_sign_certificates(&parsed) {
            return Err(CertificateRefusal::ChainNotAllowed);
        }
        end = end.min(Validity::of(&parsed).not_after);
    }
    if root.allows(between) { Ok(end) } else { Err(CertificateRefusal::ChainNotAllowed) }
}
