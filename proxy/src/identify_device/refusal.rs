//! Why a connection is not a device that may be used.

use std::sync::Arc;

use sekisho_certs::trust::CertificateRefusal;

use crate::inventory::DeviceId;

/// Why a request does not come from a known device in use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceRefusal {
    /// The client showed no certificate.
    #[error("no device certificate was shown")]
    NoCertificate,
    /// The certificate is not trusted now.
    #[error(transparent)]
    Certificate(#[from] CertificateRefusal),
    /// The certificate is good, but the inventory does not list the device.
    #[error("device {0} is not in the inventory")]
    Unlisted(DeviceId),
    /// The certificate is good, the inventory does not list the device, and its authority's devices are entered at first sight.
    #[error("device {id} of {authority} is seen for the first time")]
    FirstSight {
        /// The name that it gets.
        id: DeviceId,
        /// Who vouches for it.
        authority: Arc<str>,
    },
    /// The inventory lists the device under another authority, or with another key.
    #[error("the certificate's key is not a key of device {0}")]
    OtherKey(DeviceId),
    /// The device had this key before; it was renewed with another one.
    #[error("the certificate's key was a key of device {0} before, and was renewed with another one")]
    FormerKey(DeviceId),
    /// Nobody has confirmed the device's key yet.
    #[error("device {0} waits for an administrator to confirm its key")]
    Pending(DeviceId),
    /// The device is isolated.
    #[error("device {0} is quarantined")]
    Quarantined(DeviceId),
    /// The device is gone for good.
    #[error("device {0} is retired")]
    Retired(DeviceId),
    /// The app does not take devices of this authority.
    #[error("the app does not take devices of {0}")]
    AuthorityNotTaken(Arc<str>),
    /// The inventory is out of date.
    #[error("the inventory cannot be brought up to date")]
    InventoryBehind,
}
