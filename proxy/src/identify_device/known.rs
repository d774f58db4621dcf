//! A device that is known and in use.

use std::collections::BTreeMap;
use std::sync::Arc;

use sekisho_certs::trust::ExtensionValue;

use super::service::CertifiedService;
use crate::clock::Timestamp;
use crate::inventory::{Device, DeviceId, KeyFingerprint};
use crate::secret::Digest;

/// A device that may ask for a new certificate, and for nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewable {
    /// The device.
    pub device: DeviceId,
    /// `name` of its authority.
    pub authority: Arc<str>,
    /// The key that was proved.
    pub key: KeyFingerprint,
}

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
    /// The service that the certificate names, if its authority is one that names services.
    pub service: Option<Arc<CertifiedService>>,
}

/// What a certificate says of its device, beside its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateSays {
    /// `name` of the authority that signed it.
    pub authority: Arc<str>,
    /// The device.
    pub device: DeviceId,
    /// When it was signed.
    pub not_before: Timestamp,
    /// When it ends.
    pub not_after: Timestamp,
    /// Its extensions that are looked at, by their object identifiers.
    pub extensions: BTreeMap<Arc<str>, ExtensionValue>,
}

impl KnownDevice {
    /// Who is let in may ask for a new certificate too.
    pub fn renewable(&self) -> Renewable {
        Renewable { device: self.device.id.clone(), authority: Arc::clone(&self.device.authority), key: self.key }
    }
}
