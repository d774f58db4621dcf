//! A device that is known and in use.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::inventory::{Device, KeyFingerprint};
use crate::secret::Digest;

/// A device in use, proved by this connection.
#[derive(Clone, Debug)]
pub struct KnownDevice {
    /// What the inventory knows of it.
    pub device: Arc<Device>,
    /// Content hash of that, as recorded.
    pub facts: Digest,
    /// The certificate that was shown (`x5t#S256`).
    pub certificate: Digest,
    /// The key that was proved.
    pub key: KeyFingerprint,
    /// When the certificate ends.
    pub not_after: Timestamp,
}
