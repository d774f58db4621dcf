//! Tokens of sessions that ended: whoever asked to hear of them gives them back to their provider.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::registrar::Registrar;
use super::sessions;
use crate::inventory::SessionId;
use crate::secret::Secret;

/// What was kept with a session that has ended.
#[derive(Debug)]
pub struct GivenUp {
    /// Whose tokens they are.
    pub provider: Arc<str>,
    /// As they were kept.
    pub kept: Secret<Vec<u8>>,
}

/// The same, as it stood in the store.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) session: SessionId,
    pub(super) provider: String,
    pub(super) kept: Vec<u8>,
}

impl Registrar {
    /// From now on, what was kept with sessions that end is sent there. To be called once. Where there is no room it is dropped: such tokens
    /// end by themselves, later.
    pub fn gives_up_to(&self, to: mpsc::Sender<GivenUp>) {
        let _only_the_first = self.inner.given_up.set(to);
    }

    /// Their sessions are gone for good.
    pub(super) fn give_up(&self, all: Vec<Sealed>) {
        let Some(to) = self.inner.given_up.get() else { return };
        for Sealed { session, provider, kept } in all {
            let Ok(kept) = self.inner.sealer.open(&sessions::purpose(&session), &kept) else { continue };
            if to.try_send(GivenUp { provider: provider.into(), kept }).is_err() {
                tracing::debug!(%session, "too many sessions end at once: the tokens of this one are not given back");
            }
        }
    }
}
