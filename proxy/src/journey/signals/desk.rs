//! The desk on the control runtime: puts signals together, records them, and acts on thefts.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;

use super::bursts::{self, Bursts};
use super::former_keys::FormerKeys;
use super::metrics::SignalMetrics;
use super::networks::Networks;
use super::report::{Inbox, Note, Sighting, Signals, Theft, Whose};
use crate::clock::Timestamp;
use crate::contain::{Cause, Change, Mark};
use crate::inventory::DeviceId;
use crate::journey::gate::Gate;
use crate::record::{Event, EventKind, Journal};
use crate::store::{Actor, SessionError, SessionsOf};

/// What cores report arrives here.
#[derive(Debug)]
pub struct Desk {
    inbox: Inbox,
    networks: Networks,
    bursts: Bursts,
    former_keys: FormerKeys,
    metrics: SignalMetrics,
}

impl Desk {
    /// A desk, and the way to it.
    pub fn new(metrics: SignalMetrics) -> (Signals, Self) {
        let (signals, inbox) = Signals::new(metrics.clone());
        (signals, Self { inbox, networks: Networks::new(), bursts: Bursts::new(), former_keys: FormerKeys::new(), metrics })
    }

    /// Works until it is dropped or aborted. To be run on the control runtime.
    pub async fn run(mut self, gate: Arc<Gate>, journal: Journal) {
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                Some(theft) = self.inbox.urgent.recv() => self.stolen(&gate, &journal, theft).await,
                Some(note) = self.inbox.notes.recv() => {
                    if let Some(event) = self.note(&gate, note) {
                        let _kept_if_it_must = journal.note(&event);
                    }
                }
                _now = beat.tick() => {}
                else => return,
            }
            let in_burst = self.bursts.count(gate.clock.now());
            self.metrics.in_burst.set(i64::try_from(in_burst).unwrap_or(i64::MAX));
        }
    }

    fn note(&mut self, gate: &Gate, note: Note) -> Option<Event> {
        match note {
            Note::Active(sighting) => {
                gate.inventory.shown_certificates().note(sighting.certificate, &sighting.device);
                self.active(&sighting)
            }
            Note::Refused { device, at } => self.refused(device, at),
            Note::FormerKey { device, client, at } => self.former_key(&device, client, at),
            Note::Event(event) => Some(*event),
        }
    }

    fn active(&mut self, sighting: &Sighting) -> Option<Event> {
        if sighting.is_service {
            return None;
        }
        let [one, other] = self.networks.see(sighting)?;
        self.metrics.two_networks.inc();
        tracing::warn!(device = %sighting.device, %one, %other, "a device is active from two networks at once");
        Some(Event {
            device: Some(sighting.device.to_string()),
            detail: Some(format!("from {one} and {other} at the same time")),
            ..Event::of(EventKind::TwoNetworks, sighting.at)
        })
    }

    fn refused(&mut self, device: String, at: Timestamp) -> Option<Event> {
        if !self.bursts.see(&device, at) {
            return None;
        }
        self.metrics.bursts.inc();
        tracing::warn!(device, "a device is refused again and again");
        let detail = format!("{} refusals within {} s", bursts::BURST, bursts::WINDOW.as_secs());
        Some(Event { device: Some(device), detail: Some(detail), ..Event::of(EventKind::DenialBurst, at) })
    }

    fn former_key(&mut self, device: &DeviceId, client: IpAddr, at: Timestamp) -> Option<Event> {
        self.metrics.former_keys.inc();
        if !self.former_keys.see(device, at) {
            return None;
        }
        tracing::warn!(%device, %client, "a key was shown that the device had before it was renewed");
        Some(Event {
            device: Some(device.to_string()),
            detail: Some(format!("from {client}")),
            ..Event::of(EventKind::FormerKeyShown, at)
        })
    }

    async fn stolen(&self, gate: &Gate, journal: &Journal, theft: Theft) {
        let act = gate.world.load().config.sign_in.end_stolen_sessions;
        let by = &theft.by;
        let (kind, id, whose) = match &theft.whose {
            Whose::Session(id, from) => ("session", id, format!("of device {from}")),
            Whose::Token { id, from: Some(from), .. } => ("token", id, format!("of device {from}")),
            Whose::Token { id, from: None, .. } => ("token", id, "of a device that has not been here lately".to_owned()),
        };
        self.metrics.stolen.with_label_values(&[kind]).inc();
        tracing::warn!(%by, user = theft.user, session = %id, "a {kind} {whose} was shown by another device");
        let done = match &theft.whose {
            _ if !act => String::new(),
            Whose::Session(..) => "; the session is ended".to_owned(),
            Whose::Token { until, .. } => format!("; the token is not taken any more, until it ends at {until}"),
        };
        // What was seen comes first in the record, then what was done about it; but it is done whatever becomes of the record.
        let _kept_if_it_must = journal.note(&Event {
            device: Some(by.to_string()),
            user: Some(theft.user.clone()),
            session: Some(id.to_string()),
            app: theft.app.clone(),
            request: Some(theft.request.clone()),
            detail: Some(format!("a {kind} {whose}, shown from {}{done}", theft.client)),
            ..Event::of(EventKind::CredentialReplayed, theft.at)
        });
        if !act {
            return;
        }
        match &theft.whose {
            Whose::Session(id, _) => {
                let why = format!("shown by device {by}");
                match gate.registrar.end_sessions(&SessionsOf::One(id.clone()), &Actor::System("theft"), &why).await {
                    Ok(_) | Err(SessionError::Unknown { .. }) => {}
                    Err(error) => tracing::error!(%error, session = %id, "a stolen session could not be ended"),
                }
            }
            Whose::Token { digest, until, .. } => {
                gate.inventory.stopped_tokens().stop(*digest, *until, theft.at);
                // What it has under way stops too. Its accesses go by the name that its session would have.
                let change = Change::Session(Mark::of(&id.to_string()));
                gate.levers.pull(change, Cause::Token, Instant::now());
            }
        }
    }
}

/// How often the end of bursts is looked for.
const BEAT: Duration = Duration::from_secs(2);
