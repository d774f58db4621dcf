//! What is kept, sealed, with a session at its start.

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::secret::Secret;

/// The provider's tokens.
#[derive(Deserialize, Serialize, Zeroize, ZeroizeOnDrop)]
pub(super) struct Kept {
    /// Tells the provider whom to sign out (`id_token_hint`).
    pub(super) id_token: String,
    /// Asks the provider again. Many are good once: the next one comes with the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) refresh_token: Option<String>,
}

impl Kept {
    pub(super) fn to_bytes(&self) -> Option<Secret<Vec<u8>>> {
        serde_json::to_vec(self).ok().map(Secret::new)
    }

    pub(super) fn from_bytes(bytes: &Secret<Vec<u8>>) -> Option<Self> {
        serde_json::from_slice(bytes.expose()).ok()
    }
}
