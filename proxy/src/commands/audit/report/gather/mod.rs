//! Reads lines, and adds them up.
//!
//! Arrives: the lines of a record, those of each chain in their order. Leaves: [`Findings`]. A line that makes no sense is counted
//! as such and skipped. Memory is bounded by what the subject did, not by the length of the record.

mod finish;
mod grid;
mod line;
mod notes;
mod rows;
mod settle;
mod standing;
mod table;
#[cfg(test)]
mod tests;
mod under_way;
mod walk;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use self::line::{EndLine, GapLine, OpenLine, ProgressLine, StartLine};
use self::notes::Notes;
use self::rows::{DeniedKey, DeniedRow, PairRow, PartyRow, PathKey, PathRow};
use self::table::{Names, Table};
use self::under_way::{Answer, Ended, SoFar, Stranger, UnderWay, What, Who};
use super::figures::{Tally, When};
use super::findings::{Gap, Standing};
use super::subject::Subject;
use crate::record::Decision;
use crate::record::read::{AccessLine, FactsKind, FactsLine, LineKind, RawLine, SegmentFile};

pub(super) use grid::{Cell, Grid, offset_ms};
pub(super) use rows::Example;
pub(super) use settle::Cut;

/// The time that is asked about; `until` is not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) since: When,
    pub(super) until: When,
}

/// Adds up what the subject did.
#[derive(Debug)]
pub(super) struct Gatherer {
    subject: Subject,
    span: Span,
    names: Names,
    under_way: HashMap<Box<str>, UnderWay>,
    sums: Sums,
    pairs: Table<(u32, u32), PairRow>,
    notes: Notes,
    /// Whether files of earlier times were left aside: what ends and did not begin may have begun there.
    strangers_matter: bool,
    strangers: HashMap<Box<str>, Stranger>,
    closed: HashSet<Box<str>>,
    touched: HashSet<Box<str>>,
    unreadable: u64,
    record_begins: Option<When>,
    standing: Option<Standing>,
}

/// Everything that is summed up over the subject's requests.
#[derive(Debug)]
struct Sums {
    total: Tally,
    began_before: u64,
    ended_after: u64,
    paths: Table<PathKey, PathRow>,
    apps: Table<u32, PartyRow>,
    sessions: Table<u32, PartyRow>,
    users: Table<u32, PartyRow>,
    devices: Table<u32, PartyRow>,
    addresses: Table<u32, PartyRow>,
    own: Table<Box<str>, Tally>,
    denied: Table<DeniedKey, DeniedRow>,
    cuts: Vec<settle::Cut>,
    cuts_left_out: u64,
    grid: Grid,
    /// When bytes were handed on last.
    last_bytes: Option<When>,
    /// When something was let through last.
    last_allowed: Option<When>,
}

impl Gatherer {
    /// For this subject and time.
    pub(super) fn new(subject: Subject, span: Span) -> Self {
        Self {
            notes: Notes::new(span),
            subject,
            span,
            names: Names::default(),
            under_way: HashMap::new(),
            sums: Sums::default(),
            pairs: Table::new(MOST_PAIRS),
            strangers_matter: false,
            strangers: HashMap::new(),
            closed: HashSet::new(),
            touched: HashSet::new(),
            unreadable: 0,
            record_begins: None,
            standing: None,
        }
    }

    /// Takes the next line.
    pub(super) fn line(&mut self, line: &RawLine<'_>) {
        let Some(at) = When::read(line.at) else {
            self.unreadable += 1;
            return;
        };
        let understood = match line.kind {
            LineKind::Access => self.access(at, line),
            LineKind::Start => self.start(at, line),
            LineKind::Progress => self.progress(at, line.text),
            LineKind::End => self.end(at, line.text),
            LineKind::Facts => self.facts(line.text),
            LineKind::Event => self.notes.event(at, &self.subject, line.text),
            LineKind::Gap => self.gap(at, line.text),
            LineKind::Open => self.open(at, line),
            LineKind::Close => self.close(line.segment),
        };
        self.unreadable += u64::from(!understood);
    }

    fn access(&mut self, at: When, raw: &RawLine<'_>) -> bool {
        let Ok(line) = AccessLine::parse(raw.text) else { return false };
        if at >= self.span.until {
            return true;
        }
        self.notes.replay(at, &line);
        if at >= self.span.since
            && let (Some(user), Some(device)) = (&line.user, &line.device)
        {
            let pair = (self.names.number(user), self.names.number(device));
            self.pairs.row(&pair, || pair).saw(at, line.decision == Decision::Deny);
        }
        if !self.subject.made(&line) {
            return true;
        }
        let answer = Answer {
            decision: line.decision,
            reason: (*line.reason).into(),
            policies: line.policies.iter().map(|policy| (**policy).into()).collect(),
            status: line.status,
            // Of a WebSocket, which has no end that could be declared.
            length: line.length.filter(|_| line.status != SWITCHING_PROTOCOLS),
            origin: line.origin.as_deref().map(Into::into),
        };
        let who = self.who(line.device.as_deref(), line.user.as_deref(), line.session.as_deref(), Some(&line.client));
        let what = self.what(line.app.as_deref(), &line.method, &line.host, &line.path);
        self.begins(at, raw.segment, &line.request, who, what).answer = Some(answer);
        true
    }

    fn start(&mut self, at: When, raw: &RawLine<'_>) -> bool {
        let Ok(line) = serde_json::from_slice::<StartLine<'_>>(raw.text) else { return false };
        if at < self.span.until && self.subject.is(line.device.as_deref(), line.user.as_deref(), line.session.as_deref()) {
            let who = self.who(line.device.as_deref(), line.user.as_deref(), line.session.as_deref(), None);
            let what = self.what(line.app.as_deref(), &line.method, &line.host, &line.path);
            self.begins(at, raw.segment, &line.request, who, what);
        }
        true
    }

    /// What is known so far of the request: its `start` and its `access` tell the same, but for the answer and the address.
    fn begins(&mut self, at: When, file: &Arc<SegmentFile>, request: &str, who: Who, what: What) -> &mut UnderWay {
        let begun = self.under_way.entry(request.into()).or_insert_with(|| UnderWay {
            at,
            who,
            what,
            answer: None,
            so_far: SoFar::default(),
            segment: Arc::clone(file),
            lost: None,
        });
        begun.who.address = begun.who.address.or(who.address);
        begun
    }

    fn who(&mut self, device: Option<&str>, user: Option<&str>, session: Option<&str>, client: Option<&str>) -> Who {
        let mut number = |name: Option<&str>| name.map(|name| self.names.number(name));
        Who { device: number(device), user: number(user), session: number(session), address: number(client.map(address)) }
    }

    fn what(&mut self, app: Option<&str>, method: &str, host: &str, path: &str) -> What {
        What {
            app: self.names.number(app.unwrap_or_default()),
            method: self.names.number(method),
            host: self.names.number(host),
            path: path.into(),
        }
    }

    fn progress(&mut self, at: When, text: &[u8]) -> bool {
        let Ok(line) = serde_json::from_slice::<ProgressLine<'_>>(text) else { return false };
        let so_far = match self.under_way.get_mut(&*line.request) {
            Some(request) => &mut request.so_far,
            None if self.strangers_matter => &mut self.strangers.entry((*line.request).into()).or_default().so_far,
            None => return true,
        };
        so_far.moves(at, line.sent, line.received);
        true
    }

    fn end(&mut self, at: When, text: &[u8]) -> bool {
        let Ok(line) = serde_json::from_slice::<EndLine<'_>>(text) else { return false };
        let ended = Ended {
            at,
            sent: line.sent,
            received: line.received,
            ending: (*line.ending).into(),
            cause: line.cause.as_deref().map(Into::into),
        };
        if let Some(request) = self.under_way.remove(&*line.request) {
            self.sums.settle(self.span, &self.names, &line.request, request, Some(ended));
        } else if self.strangers_matter {
            let began = at.0.minus(Duration::from_millis(line.ms));
            if began < self.span.since.0 {
                self.strangers.entry((*line.request).into()).or_default().ended = Some(ended);
            } else {
                self.strangers.remove(&*line.request);
            }
        }
        true
    }

    fn facts(&mut self, text: &[u8]) -> bool {
        let Some(facts) = FactsLine::parse(text) else { return false };
        match facts.kind {
            FactsKind::Session => self.notes.person(facts.json),
            FactsKind::Device => self.notes.device(facts.json),
        }
    }

    fn gap(&mut self, at: When, text: &[u8]) -> bool {
        let Ok(line) = serde_json::from_slice::<GapLine>(text) else { return false };
        self.notes.gap(at, Gap::LinesLost { at, lost: line.lost });
        true
    }

    fn close(&mut self, file: &SegmentFile) -> bool {
        self.closed.insert(file.name().into());
        true
    }

    /// A file begins. If those that it goes on from were not closed by their process, that process died.
    fn open(&mut self, at: When, raw: &RawLine<'_>) -> bool {
        self.touched.insert(raw.segment.name().into());
        let Ok(line) = serde_json::from_slice::<OpenLine>(raw.text) else { return false };
        for repaired in line.repaired {
            self.notes.gap(at, Gap::Torn { at, segment: repaired.segment, bytes: repaired.bytes });
        }
        for before in line.follows {
            let Some(file) = SegmentFile::at(before.segment.into()) else { continue };
            if file.process == raw.segment.process || self.closed.contains(file.name()) {
                continue;
            }
            let of_it = |request: &&mut UnderWay| request.segment.process == file.process && request.segment.chain == file.chain;
            self.under_way.values_mut().filter(of_it).for_each(|request| {
                request.lost.get_or_insert(at);
            });
            if self.touched.contains(file.name()) {
                self.notes.gap(at, Gap::Died { at, segment: file.name().to_owned() });
            }
        }
        true
    }
}

impl Default for Sums {
    fn default() -> Self {
        Self {
            total: Tally::default(),
            began_before: 0,
            ended_after: 0,
            paths: Table::new(MOST_PATHS),
            apps: Table::new(MOST_ROWS),
            sessions: Table::new(MOST_ROWS),
            users: Table::new(MOST_ROWS),
            devices: Table::new(MOST_ROWS),
            addresses: Table::new(MOST_ROWS),
            own: Table::new(MOST_ROWS),
            denied: Table::new(MOST_DENIED),
            cuts: Vec::new(),
            cuts_left_out: 0,
            grid: Grid::default(),
            last_bytes: None,
            last_allowed: None,
        }
    }
}

/// The address without the port.
fn address(client: &str) -> &str {
    let (address, _port) = client.rsplit_once(':').unwrap_or((client, ""));
    address.trim_start_matches('[').trim_end_matches(']')
}

const SWITCHING_PROTOCOLS: u16 = 101;
/// Paths that are told apart. A row takes some 300 bytes and its path.
const MOST_PATHS: usize = 2_000_000;
const MOST_ROWS: usize = 100_000;
/// Kinds of refusals: each keeps a few requests.
const MOST_DENIED: usize = 10_000;
/// People on devices, of all requests of that time.
const MOST_PAIRS: usize = 1_000_000;
