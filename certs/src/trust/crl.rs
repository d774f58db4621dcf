//! Revocation lists of an authority.

use rustls_pki_types::{CertificateRevocationListDer, UnixTime};
use webpki::{
    CertRevocationList, ExpirationPolicy, OwnedCertRevocationList, RevocationCheckDepth, RevocationOptions,
    RevocationOptionsBuilder, UnknownStatusPolicy,
};
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;

use super::TrustError;
use crate::x509::seconds;

/// The lists of one authority, the newest first.
#[derive(Debug, Default)]
pub(super) struct Crls {
    lists: Vec<CertRevocationList<'static>>,
    next_updates: Vec<UnixTime>,
}

struct Dated {
    this_update: i64,
    next_update: UnixTime,
    list: CertRevocationList<'static>,
}

impl Crls {
    /// Reads them. A list without `nextUpdate` is refused: it would never go stale (RFC 5280, 5.1.2.5 requires one).
    pub(super) fn new(ders: &[CertificateRevocationListDer<'_>]) -> Result<Self, TrustError> {
        let mut dated = ders.iter().enumerate().map(|(at, der)| Dated::read(at + 1, der)).collect::<Result<Vec<_>, _>>()?;
        // webpki asks the first list that speaks for a certificate: where an old and a new one lie side by side, the new one counts.
        dated.sort_by_key(|list| std::cmp::Reverse(list.this_update));
        let next_updates = dated.iter().map(|list| list.next_update).collect();
        Ok(Self { lists: dated.into_iter().map(|list| list.list).collect(), next_updates })
    }

    pub(super) fn refs(&self) -> Vec<&CertRevocationList<'static>> {
        self.lists.iter().collect()
    }

    /// Whether one of them is stale, whatever it speaks for.
    pub(super) fn any_stale(&self, now: UnixTime) -> bool {
        self.next_updates.iter().any(|&at| at <= now)
    }

    /// The next moment at which one of them goes stale, if any does after `now`.
    pub(super) fn next_stale(&self, now: UnixTime) -> Option<UnixTime> {
        self.next_updates.iter().filter(|&&at| at > now).min().copied()
    }
}

/// The strictest reading: every certificate of the chain, no unknown status, no stale list. `None` if there are no lists.
pub(super) fn options<'a>(lists: &'a [&'a CertRevocationList<'a>]) -> Option<RevocationOptions<'a>> {
    let builder = RevocationOptionsBuilder::new(lists).ok()?;
    let strict = builder
        .with_depth(RevocationCheckDepth::Chain)
        .with_status_policy(UnknownStatusPolicy::Deny)
        .with_expiration_policy(ExpirationPolicy::Enforce);
    Some(strict.build())
}

impl Dated {
    fn read(number: usize, der: &CertificateRevocationListDer<'_>) -> Result<Self, TrustError> {
        let unreadable = || TrustError::CrlUnreadable { number };
        let Ok(([], parsed)) = CertificateRevocationList::from_der(der.as_ref()) else { return Err(unreadable()) };
        let next_update = parsed.next_update().ok_or(TrustError::CrlWithoutNextUpdate { number })?;
        let list = OwnedCertRevocationList::from_der(der.as_ref()).map_err(|err| match err {
            webpki::Error::UnsupportedDeltaCrl | webpki::Error::UnsupportedIndirectCrl => TrustError::CrlPartial { number },
            _ => unreadable(),
        })?;
        Ok(Self {
            this_update: parsed.last_update().timestamp(),
            next_update: seconds(next_update.timestamp()),
            list: list.into(),
        })
    }
}
