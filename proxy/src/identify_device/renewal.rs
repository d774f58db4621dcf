//! Which device may ask for a new certificate: a listed one in use, also with a certificate that ended a while ago.

use std::time::Duration;

use rustls_pki_types::UnixTime;
use sekisho_certs::trust::CertificateRefusal;

use super::identifier::Identifier;
use super::known::Renewable;
use super::refusal::DeviceRefusal;
use crate::clock::Timestamp;
use crate::inventory::{DeviceStatus, Inventory};
use crate::secret::Digest;
use crate::tls::ProvenLeaf;

impl Identifier {
    /// The device that this certificate of our own authority names, if the certificate is good or ended at most `grace` ago, and the
    /// device is in use. Nothing but a renewal may rest on the answer, and nothing is remembered.
    ///
    /// Whether the key is still the device's is not asked: who lost the answer to a renewal may come back when it has left.
    ///
    /// # Errors
    /// [`DeviceRefusal`].
    pub fn for_renewal(
        &self,
        leaf: &ProvenLeaf,
        inventory: &Inventory,
        now: Timestamp,
        grace: Duration,
    ) -> Result<Renewable, DeviceRefusal> {
        if inventory.is_behind() {
            return Err(DeviceRefusal::InventoryBehind);
        }
        let at = UnixTime::since_unix_epoch(now.since(Timestamp(0)));
        let own = self.own_authority().ok_or(CertificateRefusal::UnknownAuthority)?;
        let device = own.trust.verify_for_renewal(&leaf.chain, at, grace)?;
        let id = device.id.parse().map_err(|_foreign| CertificateRefusal::ForeignIdentity)?;
        let Some(live) = inventory.device(&id) else { return Err(DeviceRefusal::Unlisted(id)) };
        let key = Digest(device.key_fingerprint);
        if live.device.authority != device.authority || key != leaf.key {
            return Err(DeviceRefusal::OtherKey(id));
        }
        match live.device.status {
            DeviceStatus::Active => Ok(Renewable { device: id, authority: device.authority, key }),
            DeviceStatus::Pending => Err(DeviceRefusal::Pending(id)),
            DeviceStatus::Quarantined => Err(DeviceRefusal::Quarantined(id)),
            DeviceStatus::Retired => Err(DeviceRefusal::Retired(id)),
        }
    }
}
