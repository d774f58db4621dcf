//! What a connection remembers of its certificate, so that signatures are not checked on every request.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sekisho_certs::trust::CertificateRefusal;

use super::identifier::{Identifier, Vouched};
use super::known::{CertificateSays, KnownDevice};
use super::refusal::DeviceRefusal;
use crate::clock::Timestamp;
use crate::inventory::{Inventory, LiveDevice};
use crate::tls::ProvenLeaf;

/// One per connection, thread-confined.
#[derive(Debug, Default)]
pub struct Memory {
    vouched: RefCell<Option<Remembered>>,
    known: RefCell<Option<Known>>,
}

#[derive(Debug)]
struct Remembered {
    generation: u64,
    at: Timestamp,
    outcome: Result<Vouched, CertificateRefusal>,
}

#[derive(Debug)]
struct Known {
    generation: u64,
    epoch: u64,
    since: Timestamp,
    until: Timestamp,
    device: KnownDevice,
    /// The inventory makes it for whoever shows the device; while it is held, all of them share it.
    live: Arc<LiveDevice>,
}

impl Memory {
    /// The device that this connection is, as of `now`. `generation` is the configuration's: a new one forgets everything.
    /// `taken` are the authorities whose devices the app takes; `None`: all.
    ///
    /// # Errors
    /// [`DeviceRefusal`].
    pub fn identify(
        &self,
        leaf: Option<&ProvenLeaf>,
        identifier: &Identifier,
        generation: u64,
        taken: Option<&BTreeSet<Arc<str>>>,
        inventory: &Inventory,
        now: Timestamp,
    ) -> Result<KnownDevice, DeviceRefusal> {
        let leaf = leaf.ok_or(DeviceRefusal::NoCertificate)?;
        // Read before the facts: a change that comes in between moves the epoch and is noticed next time.
        let epoch = inventory.trust_epoch();
        if let Some(known) = &*self.known.borrow()
            && known.generation == generation
            && known.epoch == epoch
            && now >= known.since
            && now <= known.until
            && !inventory.is_behind()
            && taken.is_none_or(|taken| taken.contains(&known.device.device.authority))
        {
            return Ok(known.device.clone());
        }
        self.vouch(leaf, identifier, generation, now);
        let vouched = self.vouched.borrow();
        let Some(Remembered { outcome, .. }) = &*vouched else { return Err(DeviceRefusal::NoCertificate) };
        let vouched = outcome.as_ref().map_err(|refusal| *refusal)?;
        let mut known = self.known.borrow_mut();
        let held = known.as_ref().map(|known| &known.live);
        let (device, live) = vouched.known(leaf, taken, inventory, held)?;
        *known = Some(Known { generation, epoch, since: now, until: vouched.valid_until(), device: device.clone(), live });
        Ok(device)
    }

    /// What the certificate that was judged last says of its device, beside its name.
    pub fn said(&self) -> Option<CertificateSays> {
        match &*self.vouched.borrow() {
            Some(Remembered { outcome: Ok(vouched), .. }) => Some(vouched.says()),
            _ => None,
        }
    }

    fn vouch(&self, leaf: &ProvenLeaf, identifier: &Identifier, generation: u64, now: Timestamp) {
        let still_holds = self.vouched.borrow().as_ref().is_some_and(|remembered| {
            // A clock that steps back makes what was remembered doubtful.
            remembered.generation == generation
                && now >= remembered.at
                && match &remembered.outcome {
                    Ok(vouched) => now <= vouched.valid_until(),
                    Err(_refused) => now.since(remembered.at) < REFUSAL_HOLDS,
                }
        });
        if !still_holds {
            let outcome = identifier.vouch(leaf, now);
            *self.vouched.borrow_mut() = Some(Remembered { generation, at: now, outcome });
        }
    }
}

/// A certificate that was refused is looked at again after this long, not on every request.
const REFUSAL_HOLDS: Duration = Duration::from_secs(5);
