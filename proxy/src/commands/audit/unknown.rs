//! Names that were asked about and not found: whether anybody knows them, and what could have been meant. An empty answer about a
//! name that is written wrong would be a reassuring one.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use memchr::memmem;

use super::place::RecordPlace;
use super::which::WhichArgs;
use crate::commands::error::CommandError;
use crate::commands::when::Told;
use crate::console::admin::wire::{DeviceView, SessionView};
use crate::record::read::{Entry, Filter, LineKind, RawLine, SegmentFile, Sift, Span};
use crate::store::{did_you_mean, near};

/// The names that are asked about, and which of them were found.
#[derive(Debug)]
pub(in crate::commands) struct Asked(Vec<Name>);

#[derive(Debug)]
struct Name {
    kind: Kind,
    name: String,
    found: bool,
}

/// What a name is one of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Device,
    User,
    Session,
    App,
    Host,
    Reason,
    Policy,
    Request,
}

/// Every name of some kinds that the record has, and when: first and last.
#[derive(Debug, Default)]
struct Known(BTreeMap<Kind, BTreeMap<String, (String, String)>>);

struct Lines;

impl Asked {
    /// Those of a filter.
    pub(in crate::commands) fn of(which: &WhichArgs, filter: &Filter) -> Self {
        let names = [
            (Kind::Device, &which.device),
            (Kind::User, &filter.users),
            (Kind::Session, &which.session),
            (Kind::App, &which.app),
            (Kind::Host, &filter.hosts),
            (Kind::Reason, &which.reason),
            (Kind::Policy, &which.policy),
            (Kind::Request, &which.request),
        ];
        let each = names.into_iter().flat_map(|(kind, names)| names.iter().map(move |name| (kind, name)));
        Self(each.map(|(kind, name)| Name { kind, name: name.clone(), found: false }).collect())
    }

    /// This was found.
    pub(in crate::commands) fn saw(&mut self, entry: &Entry) {
        if self.0.iter().all(|name| name.found) {
            return;
        }
        for name in &mut self.0 {
            name.found |= name.kind.is_in(entry, &name.name);
        }
    }

    /// Tells what is known of names that were not found.
    ///
    /// # Errors
    /// Exit code 3, if nobody knows one of them.
    pub(in crate::commands) async fn explain(&self, place: &RecordPlace, span: &Span) -> Result<Vec<String>, CommandError> {
        let missing: Vec<&Name> = self.0.iter().filter(|name| !name.found).collect();
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let mut known = Known::default();
        known.read(place, &missing)?;
        let live = live(place).await;
        let (mut notes, mut unknown) = (Vec::new(), Vec::new());
        for Name { kind, name, .. } in missing {
            let what = kind.as_str();
            let of_kind = known.0.get(kind);
            if let Some((first, last)) = of_kind.and_then(|known| known.get(name)) {
                // Other conditions, or the time, keep it out.
                notes.push(format!(
                    "{what} `{name}`: nothing of all that was asked for, {}; it is in the record from {first} to {last}",
                    Told(span)
                ));
            } else if live.iter().any(|(known, one)| known == kind && one == name) {
                notes.push(format!("{what} `{name}`: the gate knows it, and nothing of it is in the record"));
            } else {
                let names = of_kind.into_iter().flat_map(|known| known.keys().map(String::as_str));
                let live = live.iter().filter(|(known, _)| known == kind).map(|(_, name)| name.as_str());
                let mut near = near(name, names.chain(live));
                near.dedup();
                let hint = if *kind == Kind::Request { "; an id has 32 digits, as on pages and in `X-Request-Id`" } else { "" };
                unknown.push(format!("no {what} `{name}` in the record, {}{}{hint}", place.extent()?, did_you_mean(&near)));
            }
        }
        if unknown.is_empty() {
            return Ok(notes);
        }
        let mut words = notes.join("\n");
        for line in unknown {
            // Writing to a string does not fail.
            let _written = write!(words, "{}{line}", if words.is_empty() { "" } else { "\n" });
        }
        Err(CommandError::Failed(words))
    }
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::User => "user",
            Self::Session => "session",
            Self::App => "app",
            Self::Host => "host",
            Self::Reason => "reason",
            Self::Policy => "policy",
            Self::Request => "request",
        }
    }

    /// The fields of lines that have such names.
    fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Device => &["device", "stolen_from"],
            Self::User => &["user", "stolen_user"],
            Self::Session => &["session", "stolen_session"],
            Self::App => &["app"],
            Self::Host => &["host"],
            Self::Reason => &["reason"],
            Self::Policy => &["policies"],
            Self::Request => &["request"],
        }
    }

    fn is_in(self, entry: &Entry, name: &str) -> bool {
        let is = |found: &[&Option<String>]| found.iter().any(|found| found.as_deref() == Some(name));
        match entry {
            Entry::Request(request) => match (&request.access, &request.start) {
                (Some(access), _) => match self {
                    Self::Device => is(&[&access.device, &access.stolen_from]),
                    Self::User => is(&[&access.user, &access.stolen_user]),
                    Self::Session => is(&[&access.session, &access.stolen_session]),
                    Self::App => is(&[&access.app]),
                    Self::Host => access.host == name,
                    Self::Reason => access.reason == name,
                    Self::Policy => access.policies.iter().any(|policy| policy == name),
                    Self::Request => access.request == name,
                },
                (None, Some(start)) => match self {
                    Self::Device => is(&[&start.device]),
                    Self::User => is(&[&start.user]),
                    Self::Session => is(&[&start.session]),
                    Self::App => start.app == name,
                    Self::Host => start.host == name,
                    Self::Reason => false,
                    Self::Policy => start.policies.iter().any(|policy| policy == name),
                    Self::Request => start.request == name,
                },
                (None, None) => false,
            },
            Entry::Event(event, _) => match self {
                Self::Device => is(&[&event.device]),
                Self::User => is(&[&event.user]),
                Self::Session => is(&[&event.session]),
                Self::App => is(&[&event.app]),
                Self::Host | Self::Reason | Self::Policy => false,
                Self::Request => is(&[&event.request]),
            },
            Entry::Gap(..) => false,
        }
    }
}

impl Known {
    /// Reads the whole record for the names of these kinds.
    fn read(&mut self, place: &RecordPlace, missing: &[&Name]) -> Result<(), CommandError> {
        let mut kinds: Vec<Kind> = missing.iter().map(|name| name.kind).collect();
        kinds.sort();
        kinds.dedup();
        let fields: Vec<(Kind, Vec<u8>, memmem::Finder<'static>)> = kinds
            .iter()
            .flat_map(|kind| kind.fields().iter().map(|field| (*kind, format!("\"{field}\":"))))
            .map(|(kind, field)| (kind, field.clone().into_bytes(), memmem::Finder::new(field.as_bytes()).into_owned()))
            .collect();
        let mut lines = place.folder.lines().map_err(CommandError::failed)?;
        while let Some(line) = lines.next_of(&mut Lines).map_err(CommandError::failed)? {
            for (kind, field, finder) in &fields {
                let Some(found) = finder.find(line.text) else { continue };
                let value = line.text.get(found + field.len()..).unwrap_or_default();
                self.take(*kind, value, line.at);
            }
        }
        Ok(())
    }

    /// A text, or the texts of a list.
    fn take(&mut self, kind: Kind, value: &[u8], at: &str) {
        let mut read = serde_json::Deserializer::from_slice(value).into_iter::<serde_json::Value>();
        match read.next() {
            Some(Ok(serde_json::Value::String(name))) => self.add(kind, name, at),
            Some(Ok(serde_json::Value::Array(names))) => {
                for name in names.into_iter().filter_map(|name| name.as_str().map(str::to_owned)) {
                    self.add(kind, name, at);
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, kind: Kind, name: String, at: &str) {
        let known = self.0.entry(kind).or_default();
        if let Some((first, last)) = known.get_mut(&name) {
            if at < first.as_str() {
                at.clone_into(first);
            } else if at > last.as_str() {
                at.clone_into(last);
            }
        } else if known.len() < MOST_NAMES {
            known.insert(name, (at.to_owned(), at.to_owned()));
        }
    }
}

impl Sift for Lines {
    fn file(&mut self, _file: &SegmentFile) -> bool {
        true
    }

    fn line(&mut self, line: &RawLine<'_>) -> bool {
        matches!(line.kind, LineKind::Access | LineKind::Start | LineKind::Event)
    }
}

/// What the running gate knows; nothing if it does not run, or the record is a copy.
async fn live(place: &RecordPlace) -> Vec<(Kind, String)> {
    let mut known: Vec<(Kind, String)> = place.apps.iter().map(|app| (Kind::App, app.clone())).collect();
    let Some(gate) = &place.gate else { return known };
    if let Ok(devices) = gate.get::<Vec<DeviceView>>("/v1/devices").await {
        known.extend(devices.into_iter().map(|view| (Kind::Device, view.device.id.to_string())));
    }
    if let Ok(sessions) = gate.get::<Vec<SessionView>>("/v1/sessions").await {
        for view in sessions {
            known.push((Kind::Session, view.id.to_string()));
            known.push((Kind::User, view.user));
        }
    }
    known
}

/// Names of one kind that are remembered, for what is near.
const MOST_NAMES: usize = 1_000_000;
