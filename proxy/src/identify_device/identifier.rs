//! From a proven leaf to a device of the inventory.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::UnixTime;
use sekisho_certs::trust::{CertificateRefusal, DeviceTrust, VerifiedDevice, verify_any};

use super::known::{CertificateSays, KnownDevice};
use super::refusal::DeviceRefusal;
use super::service::CertifiedService;
use crate::clock::Timestamp;
use crate::config::Admit;
use crate::inventory::{DeviceId, DeviceStatus, Inventory, LiveDevice, foreign_device_id};
use crate::secret::Digest;
use crate::tls::ProvenLeaf;

/// Knows the device authorities of one configuration, with their roots and revocation lists. Immutable.
#[derive(Debug, Default)]
pub struct Identifier {
    authorities: Vec<Authority>,
}

/// A device authority.
#[derive(Debug)]
pub struct Authority {
    /// Its roots, lists and naming.
    pub trust: DeviceTrust,
    /// Which of its devices are let in; `None` for the built-in one, which enters them itself.
    pub admit: Option<Admit>,
    /// Its certificates name services.
    pub services: bool,
}

/// What an authority said of a certificate.
#[derive(Clone, Debug)]
pub(super) struct Vouched {
    device: VerifiedDevice,
    admit: Option<Admit>,
    id: DeviceId,
    service: Option<Arc<CertifiedService>>,
}

impl Identifier {
    /// With these authorities, asked in this order.
    pub fn new(authorities: Vec<Authority>) -> Self {
        Self { authorities }
    }

    /// The authority that the gate itself is.
    pub(super) fn own_authority(&self) -> Option<&Authority> {
        self.authorities.iter().find(|authority| authority.admit.is_none())
    }

    /// What the authorities say of the chain: signatures, dates, purpose, revocation, name. Costs signature checks.
    pub(super) fn vouch(&self, leaf: &ProvenLeaf, now: Timestamp) -> Result<Vouched, CertificateRefusal> {
        let at = UnixTime::since_unix_epoch(Duration::from_millis(u64::try_from(now.0).unwrap_or(0)));
        let device = verify_any(self.authorities.iter().map(|authority| &authority.trust), &leaf.chain, at)?;
        let authority = self.authorities.iter().find(|authority| *authority.trust.name() == device.authority);
        let authority = authority.ok_or(CertificateRefusal::UnknownAuthority)?;
        let id = match authority.admit {
            // Our own authority names devices as the inventory does.
            None => device.id.parse().map_err(|_foreign| CertificateRefusal::ForeignIdentity)?,
            Some(_) => foreign_device_id(&device.authority, &device.id),
        };
        let service = authority.services.then(|| {
            let ends = at_time(device.not_after);
            Arc::new(CertifiedService::new(&device.authority, &device.id, &id, &leaf.certificate, now, ends))
        });
        Ok(Vouched { device, admit: authority.admit, id, service })
    }
}

impl Vouched {
    /// The last moment for which it may be remembered.
    pub(super) fn valid_until(&self) -> Timestamp {
        at_time(self.device.valid_until)
    }

    /// What the certificate says beside the device's name.
    pub(super) fn says(&self) -> CertificateSays {
        CertificateSays {
            authority: Arc::clone(&self.device.authority),
            device: self.id.clone(),
            not_before: at_time(self.device.not_before),
            not_after: at_time(self.device.not_after),
            extensions: self.device.extensions.clone(),
        }
    }

    /// What the inventory says of the device now, and the device. `held` is the latter as it was before.
    pub(super) fn known(
        &self,
        leaf: &ProvenLeaf,
        taken: Option<&BTreeSet<Arc<str>>>,
        inventory: &Inventory,
        held: Option<&Arc<LiveDevice>>,
    ) -> Result<(KnownDevice, Arc<LiveDevice>), DeviceRefusal> {
        if inventory.is_behind() {
            return Err(DeviceRefusal::InventoryBehind);
        }
        if taken.is_some_and(|taken| !taken.contains(&self.device.authority)) {
            return Err(DeviceRefusal::AuthorityNotTaken(Arc::clone(&self.device.authority)));
        }
        let found = match held {
            Some(held) if held.device.id == self.id => inventory.device_again(held),
            _ => inventory.device(&self.id),
        };
        let Some(live) = found else {
            return Err(match self.admit {
                Some(Admit::Any) => {
                    DeviceRefusal::FirstSight { id: self.id.clone(), authority: Arc::clone(&self.device.authority) }
                }
                Some(Admit::Listed) | None => DeviceRefusal::Unlisted(self.id.clone()),
            });
        };
        let device = &live.device;
        let key = Digest(self.device.key_fingerprint);
        // A device with no listed key belongs to a foreign authority, which may renew its key whenever it likes.
        let own_key = if device.keys.is_empty() { self.admit.is_some() } else { device.keys.contains(&key) };
        if device.authority != self.device.authority || !own_key || key != leaf.key {
            return Err(DeviceRefusal::OtherKey(self.id.clone()));
        }
        match device.status {
            DeviceStatus::Active => {
                let known = KnownDevice {
                    device: Arc::clone(device),
                    facts: live.facts(),
                    certificate: leaf.certificate,
                    key,
                    not_after: at_time(self.device.not_after),
                    service: self.service.clone(),
                };
                Ok((known, live))
            }
            DeviceStatus::Pending => Err(DeviceRefusal::Pending(self.id.clone())),
            DeviceStatus::Quarantined => Err(DeviceRefusal::Quarantined(self.id.clone())),
            DeviceStatus::Retired => Err(DeviceRefusal::Retired(self.id.clone())),
        }
    }
}

fn at_time(time: UnixTime) -> Timestamp {
    Timestamp::from_secs(i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
}
