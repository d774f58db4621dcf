//! What the record says beside requests: events, copied credentials, gaps, and who is who.

use std::collections::HashSet;

use sekisho_policy::{DeviceFacts, Principal};

use super::Span;
use super::table::Table;
use crate::commands::audit::report::figures::When;
use crate::commands::audit::report::findings::{DeviceCard, EventClass, Gap, Happened, Replay};
use crate::commands::audit::report::subject::Subject;
use crate::record::EventLine;
use crate::record::read::{AccessLine, Text, person};

/// Notes from the margin.
#[derive(Debug)]
pub(super) struct Notes {
    span: Span,
    pub(super) events: Vec<Happened>,
    pub(super) events_left_out: u64,
    pub(super) replays: Vec<Replay>,
    pub(super) replays_left_out: u64,
    pub(super) gaps: Vec<Gap>,
    pub(super) gaps_left_out: u64,
    /// What people are called, by `provider/subject`.
    pub(super) people: Table<Box<str>, String>,
    /// What was last known of devices.
    pub(super) devices: Table<Box<str>, DeviceCard>,
}

/// Names that concern a subject: its own, and those of whom it was seen with.
#[derive(Debug, Default)]
pub(super) struct Circle {
    pub(super) devices: HashSet<String>,
    pub(super) users: HashSet<String>,
    pub(super) sessions: HashSet<String>,
}

impl Notes {
    pub(super) fn new(span: Span) -> Self {
        Self {
            span,
            events: Vec::new(),
            events_left_out: 0,
            replays: Vec::new(),
            replays_left_out: 0,
            gaps: Vec::new(),
            gaps_left_out: 0,
            people: Table::new(MOST_CARDS),
            devices: Table::new(MOST_CARDS),
        }
    }

    /// An `event` line. Sign-ins are many: only the subject's own are kept.
    pub(super) fn event(&mut self, at: When, subject: &Subject, text: &[u8]) -> bool {
        let Ok(line) = serde_json::from_slice::<EventLine>(text) else { return false };
        if !self.in_time(at) {
            return true;
        }
        let EventLine { event, by, why, device, user, session, app, request, detail, at: _ } = line;
        let class = EventClass::of(&event);
        if class == EventClass::SignIn && !subject.is(device.as_deref(), user.as_deref(), session.as_deref()) {
            return true;
        }
        let happened = Happened { at, event, class, by, why, device, user, session, app, request, detail };
        keep(&mut self.events, &mut self.events_left_out, happened);
        true
    }

    /// An `access` line that tells of a copied credential.
    pub(super) fn replay(&mut self, at: When, line: &AccessLine<'_>) {
        if &*line.reason != REPLAYED || !self.in_time(at) {
            return;
        }
        let text = |text: &Option<Text<'_>>| text.as_deref().map(str::to_owned);
        let replay = Replay {
            at,
            request: line.request.to_string(),
            device: text(&line.device),
            client: line.client.to_string(),
            app: text(&line.app),
            host: line.host.to_string(),
            path: line.path.to_string(),
            stolen_user: text(&line.stolen_user),
            stolen_session: text(&line.stolen_session),
            stolen_from: text(&line.stolen_from),
        };
        keep(&mut self.replays, &mut self.replays_left_out, replay);
    }

    pub(super) fn gap(&mut self, at: When, gap: Gap) {
        if self.in_time(at) {
            keep(&mut self.gaps, &mut self.gaps_left_out, gap);
        }
    }

    /// Facts about a person.
    pub(super) fn person(&mut self, json: &str) -> bool {
        let Some(principal) = person(json) else { return false };
        let (id, name) = match principal {
            Principal::User(user) => (user.id, user.email.or(user.name)),
            Principal::Service(service) => (service.id, service.name),
        };
        if let Some(name) = name {
            *self.people.named(&id) = name;
        }
        true
    }

    /// Facts about a device.
    pub(super) fn device(&mut self, json: &str) -> bool {
        let Ok(facts) = serde_json::from_str::<DeviceFacts>(json) else { return false };
        let DeviceFacts { id, owner, authority, platform, managed, shared, key_protection, .. } = facts;
        *self.devices.named(&id) = DeviceCard { owner, authority, platform, managed, shared, key_protection };
        true
    }

    fn in_time(&self, at: When) -> bool {
        self.span.since <= at && at < self.span.until
    }
}

impl Circle {
    /// Whether an event is about one of them, or about the whole gate.
    pub(super) fn concerns(&self, event: &Happened) -> bool {
        let among = |name: &Option<String>, set: &HashSet<String>| name.as_ref().is_some_and(|name| set.contains(name));
        event.class == EventClass::Gate
            || among(&event.device, &self.devices)
            || among(&event.user, &self.users)
            || among(&event.session, &self.sessions)
    }

    /// Whether a copied credential was theirs, or shown by them.
    pub(super) fn replayed(&self, replay: &Replay) -> bool {
        let among = |name: &Option<String>, set: &HashSet<String>| name.as_ref().is_some_and(|name| set.contains(name));
        among(&replay.device, &self.devices)
            || among(&replay.stolen_from, &self.devices)
            || among(&replay.stolen_user, &self.users)
            || among(&replay.stolen_session, &self.sessions)
    }
}

fn keep<T>(list: &mut Vec<T>, left_out: &mut u64, one: T) {
    if list.len() < MOST_NOTES {
        list.push(one);
    } else {
        *left_out += 1;
    }
}

const REPLAYED: &str = "credential_replayed";
const MOST_NOTES: usize = 100_000;
const MOST_CARDS: usize = 200_000;
