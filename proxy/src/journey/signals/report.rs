//! The cores' end: what they noticed, handed over without waiting.

use std::cell::Cell;
use std::net::IpAddr;
use std::time::Duration;

use tokio::sync::mpsc;

use super::metrics::SignalMetrics;
use crate::clock::Timestamp;
use crate::identify_device::KnownDevice;
use crate::inventory::{DeviceId, SessionId};
use crate::record::Event;
use crate::secret::Digest;
use crate::tls::SecureConnection;

/// Where cores report to. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Signals {
    urgent: mpsc::Sender<Theft>,
    notes: mpsc::Sender<Note>,
    metrics: SignalMetrics,
}

/// The other end.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) urgent: mpsc::Receiver<Theft>,
    pub(super) notes: mpsc::Receiver<Note>,
}

/// A valid credential was shown by another known device than its own.
#[derive(Debug)]
pub(in crate::journey) struct Theft {
    /// Who showed it.
    pub(in crate::journey) by: DeviceId,
    /// From where.
    pub(in crate::journey) client: IpAddr,
    /// `provider/subject` of whom it names.
    pub(in crate::journey) user: String,
    /// What it is, and whose.
    pub(in crate::journey) whose: Whose,
    /// The request's id.
    pub(in crate::journey) request: String,
    /// The app's name.
    pub(in crate::journey) app: Option<String>,
    /// When.
    pub(in crate::journey) at: Timestamp,
}

/// What was stolen.
#[derive(Debug)]
pub(in crate::journey) enum Whose {
    /// A session on that device.
    Session(SessionId, DeviceId),
    /// A token, by its hash; it ends then; the device that it is bound to, if known.
    Token {
        /// Its public name.
        id: SessionId,
        /// Its hash.
        digest: Digest,
        /// When it ends.
        until: Timestamp,
        /// Whose it is.
        from: Option<DeviceId>,
    },
}

/// Something that means nothing by itself.
#[derive(Debug)]
pub(super) enum Note {
    Active(Sighting),
    Refused { device: String, at: Timestamp },
    FormerKey { device: DeviceId, client: IpAddr, at: Timestamp },
    Event(Box<Event>),
}

/// A known device is active on a connection.
#[derive(Debug)]
pub(super) struct Sighting {
    pub(super) device: DeviceId,
    pub(super) certificate: Digest,
    pub(super) client: IpAddr,
    /// It is a service, which runs in as many places as it likes, with a key in each.
    pub(super) is_service: bool,
    /// When the connection was first active.
    pub(super) opened: Timestamp,
    pub(super) at: Timestamp,
}

/// What a connection remembers of its reports, so that it makes few.
#[derive(Debug, Default)]
pub(in crate::journey) struct Sighted {
    opened: Cell<Option<Timestamp>>,
    told: Cell<Timestamp>,
}

impl Signals {
    pub(super) fn new(metrics: SignalMetrics) -> (Self, Inbox) {
        let (urgent, urgent_inbox) = mpsc::channel(MOST_URGENT);
        let (notes, notes_inbox) = mpsc::channel(MOST_NOTES);
        (Self { urgent, notes, metrics }, Inbox { urgent: urgent_inbox, notes: notes_inbox })
    }

    /// A credential was stolen. It is refused, whatever becomes of this.
    pub(in crate::journey) fn stolen(&self, theft: Theft) {
        if self.urgent.try_send(theft).is_err() {
            self.metrics.lost.inc();
        }
    }

    /// A known device is active on a connection: told at most once a second.
    pub(in crate::journey) fn active(
        &self,
        sighted: &Sighted,
        connection: &SecureConnection,
        device: &KnownDevice,
        at: Timestamp,
    ) {
        let opened = match sighted.opened.get() {
            Some(_) if at.since(sighted.told.get()) < TOLD_EVERY => return,
            Some(opened) => opened,
            None => at,
        };
        sighted.opened.set(Some(opened));
        sighted.told.set(at);
        let (certificate, client) = (device.certificate, connection.client.ip());
        let is_service = device.service.is_some();
        let device = device.device.id.clone();
        self.note(Note::Active(Sighting { device, certificate, client, is_service, opened, at }));
    }

    /// A known device was refused.
    pub(in crate::journey) fn refused(&self, device: &str, at: Timestamp) {
        self.note(Note::Refused { device: device.to_owned(), at });
    }

    /// A key was shown that the device had before.
    pub(in crate::journey) fn former_key(&self, device: &DeviceId, client: IpAddr, at: Timestamp) {
        self.note(Note::FormerKey { device: device.clone(), client, at });
    }

    /// Something for the record that nobody has to put together.
    pub(in crate::journey) fn event(&self, event: Event) {
        self.note(Note::Event(Box::new(event)));
    }

    fn note(&self, note: Note) {
        if self.notes.try_send(note).is_err() {
            self.metrics.lost.inc();
        }
    }
}

const MOST_URGENT: usize = 256;
const MOST_NOTES: usize = 4096;
const TOLD_EVERY: Duration = Duration::from_secs(1);
