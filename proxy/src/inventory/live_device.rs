//! A device while the gate runs.

use std::sync::{Arc, OnceLock};

use super::device::Device;
use crate::secret::Digest;

/// A device in the live state. A change of the device makes a new one.
#[derive(Debug)]
pub struct LiveDevice {
    /// What is known of it.
    pub device: Arc<Device>,
    facts: OnceLock<Digest>,
}

impl LiveDevice {
    pub(crate) fn new(device: Device) -> Self {
        Self { device: Arc::new(device), facts: OnceLock::new() }
    }

    /// Content hash of its facts: SHA-256 of [`Device::facts_json`]. Worked out at first use, so that a start with very many
    /// devices does not wait for it.
    pub fn facts(&self) -> Digest {
        *self.facts.get_or_init(|| Digest::of(self.device.facts_json().as_bytes()))
    }
}
