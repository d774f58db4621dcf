//! Which device showed which certificate: to tell a stolen credential from one that a device got under its certificate before.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use papaya::HashMap;

use super::device::DeviceId;
use crate::secret::Digest;

/// The latest certificates that known devices showed, by `x5t#S256`. In memory only, and bounded.
#[derive(Debug, Default)]
pub struct ShownCertificates {
    devices: HashMap<Digest, DeviceId>,
    /// In the order in which they came. Only who writes takes it.
    order: Mutex<VecDeque<Digest>>,
}

impl ShownCertificates {
    /// The device showed it. Not to be called on a data core.
    pub fn note(&self, certificate: Digest, device: &DeviceId) {
        let devices = self.devices.pin();
        if devices.contains_key(&certificate) {
            return;
        }
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        if order.len() >= MOST
            && let Some(first) = order.pop_front()
        {
            devices.remove(&first);
        }
        order.push_back(certificate);
        devices.insert(certificate, device.clone());
    }

    /// Whose it is, if it was shown lately.
    pub fn device(&self, certificate: &Digest) -> Option<DeviceId> {
        self.devices.pin().get(certificate).cloned()
    }
}

/// About 6 MiB.
const MOST: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_known() {
        let shown = ShownCertificates::default();
        let device: DeviceId = "lap-1".parse().unwrap();
        let certificate = |number: usize| Digest::of(&number.to_le_bytes());
        for number in 0..=MOST {
            shown.note(certificate(number), &device);
            shown.note(certificate(number), &device);
        }
        assert_eq!(shown.device(&certificate(0)), None);
        assert_eq!(shown.device(&certificate(1)), Some(device.clone()));
        assert_eq!(shown.device(&certificate(MOST)), Some(device));
        assert_eq!(shown.devices.len(), MOST);
    }
}
