//! A trusted root.

use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::anchor_from_trusted_cert;

use super::TrustError;
use super::leaf::may_sign_certificates;
use crate::x509::{Validity, parse};

/// A root with its dates, which a trust anchor alone does not carry.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) anchor: TrustAnchor<'static>,
    validity: Validity,
    /// How many authorities may stand between it and a device (`pathLenConstraint`); `None`: any number.
    most_between: Option<u32>,
}

impl Root {
    pub(super) fn read(number: usize, der: &CertificateDer<'_>) -> Result<Self, TrustError> {
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

    /// Whether it is the root that this anchor was made of, or one with the same name and key.
    pub(super) fn is(&self, anchor: &TrustAnchor<'_>) -> bool {
        self.anchor.subject == anchor.subject && self.anchor.subject_public_key_info == anchor.subject_public_key_info
    }

    pub(super) fn is_valid(&self, now: UnixTime) -> bool {
        (self.validity.not_before..=self.validity.not_after).contains(&now)
    }

    pub(super) fn allows(&self, between: usize) -> bool {
        self.most_between.is_none_or(|most| u32::try_from(between).is_ok_and(|between| between <= most))
    }

    pub(super) fn not_after(&self) -> UnixTime {
        self.validity.not_after
    }
}
