//! The gate's own device authority.

use std::sync::Arc;

use super::checked::{Approval, Config, DeviceAuthorityKind};

impl Config {
    /// The name of the authority that is the gate's own, if there is one, and who lets in what enrols with it.
    pub fn builtin_authority(&self) -> Option<(Arc<str>, Approval)> {
        self.device_authorities.iter().find_map(|authority| match authority.kind {
            DeviceAuthorityKind::Builtin { approval, .. } => Some((Arc::clone(&authority.name), approval)),
            DeviceAuthorityKind::External { .. } => None,
        })
    }
}
