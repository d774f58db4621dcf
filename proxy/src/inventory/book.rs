//! What devices and sessions have in common, kept once for all of them. Only who writes has it.

use std::sync::Arc;

use super::device::Device;
use super::once::Once;
use super::resident::{Common, Resident};
use super::session::Session;
use super::texts::{Claims, Texts};
use crate::config::Host;

/// One for each live state.
#[derive(Debug, Default)]
pub(super) struct Book {
    devices: Once<Arc<Common>>,
    words: Once<Arc<str>>,
    sets: Once<Texts>,
    claims: Once<Claims>,
    hosts: Once<Host>,
}

impl Book {
    pub(super) fn device(&mut self, device: Device) -> Resident {
        Resident::new(device, &mut self.devices)
    }

    /// An equal session that shares with others what it can.
    pub(super) fn session(&mut self, mut session: Session) -> Session {
        session.user.provider = self.words.of(session.user.provider);
        session.acr = session.acr.map(|acr| self.words.of(acr));
        session.groups = self.set(&session.groups);
        session.amr = self.set(&session.amr);
        session.claims = self.claims.of(session.claims.sharing(|name| self.words.of(name)));
        session
    }

    pub(super) fn host(&mut self, host: Host) -> Host {
        self.hosts.of(host)
    }

    fn set(&mut self, texts: &Texts) -> Texts {
        self.sets.of(texts.sharing(|text| self.words.of(text)))
    }
}
