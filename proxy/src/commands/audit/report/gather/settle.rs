//! A request is over, or nothing more is known of it: it is added to the sums.

use serde::Serialize;

use super::Span;
use super::Sums;
use super::grid::Cell;
use super::rows::{DeniedKey, Example, PathKey};
use super::table::Names;
use super::under_way::{Answer, Ended, UnderWay, What};
use crate::commands::audit::report::figures::{Left, Part, Tally, Unknown, When};
use crate::record::Decision;

/// An answer that the gate broke off.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(in crate::commands::audit::report) struct Cut {
    /// When it was over.
    pub(in crate::commands::audit::report) at: When,
    pub(in crate::commands::audit::report) request: String,
    /// When it began.
    pub(in crate::commands::audit::report) began: When,
    pub(in crate::commands::audit::report) app: String,
    pub(in crate::commands::audit::report) method: String,
    pub(in crate::commands::audit::report) path: String,
    /// Bytes of the answer that were handed on.
    pub(in crate::commands::audit::report) sent: u64,
    /// Bytes that were handed on to the app.
    pub(in crate::commands::audit::report) received: u64,
    /// Bytes that the answer would have had.
    pub(in crate::commands::audit::report) length: Option<u64>,
    /// Why, if the record says so.
    pub(in crate::commands::audit::report) cause: Option<String>,
}

impl Sums {
    /// Adds a request that was under way in the time that is asked about.
    pub(super) fn settle(&mut self, span: Span, names: &Names, id: &str, request: UnderWay, ended: Option<Ended>) {
        let over = ended.as_ref().map(|ended| ended.at).or(request.lost);
        if over.is_some_and(|over| over < span.since) {
            return;
        }
        self.began_before += u64::from(request.at < span.since);
        self.ended_after += u64::from(over.is_some_and(|over| over >= span.until));
        let tally = tally(names, &request, ended.as_ref());
        self.add_parties(&request, tally);
        self.add_to_grid(span, &request, ended.as_ref(), &tally);
        let decision = request.answer.as_ref().map_or(Decision::Allow, |answer| answer.decision);
        match decision {
            Decision::Allow => self.add_allowed(names, id, request, ended, tally),
            Decision::Deny => self.add_denied(names, id, request),
            Decision::Own => {
                let reason = request.answer.map_or_else(Box::default, |answer| answer.reason);
                *self.own.named(&reason) += tally;
            }
        }
    }

    fn add_parties(&mut self, request: &UnderWay, tally: Tally) {
        self.total += tally;
        if tally.own == 0 {
            self.apps.row(&request.what.app, || request.what.app).tally += tally;
        }
        let who = request.who;
        let parties = [
            (&mut self.users, who.user),
            (&mut self.devices, who.device),
            (&mut self.addresses, who.address),
            (&mut self.sessions, who.session),
        ];
        for (table, number) in parties {
            if let Some(number) = number {
                let row = table.row(&number, || number);
                row.tally += tally;
                row.with = Some((who.user, who.device));
            }
        }
    }

    fn add_to_grid(&mut self, span: Span, request: &UnderWay, ended: Option<&Ended>, tally: &Tally) {
        let app = request.what.app;
        let began = request.at.max(span.since);
        if tally.own > 0 {
            return;
        }
        self.grid.add(began, app, Cell { allowed: tally.allowed, denied: tally.denied, ..Cell::default() });
        if tally.allowed > 0 {
            self.last_allowed = self.last_allowed.max(Some(request.at));
        }
        let (mut sent, mut received) = (tally.left.bytes(), tally.received);
        for &(at, more_sent, more_received) in &request.so_far.moved {
            let moved = Cell { sent: more_sent.min(sent), received: more_received.min(received), ..Cell::default() };
            self.grid.add(at.max(span.since), app, moved);
            (sent, received) = (sent - moved.sent, received - moved.received);
        }
        let at = ended.map_or(began, |ended| ended.at);
        if sent > 0 || received > 0 {
            self.grid.add(at, app, Cell { sent, received, ..Cell::default() });
        }
        if tally.left.bytes() > 0 {
            let last = ended.map(|ended| ended.at).or(request.so_far.moved.last().map(|(at, _, _)| *at));
            self.last_bytes = self.last_bytes.max(last);
        }
    }

    fn add_allowed(&mut self, names: &Names, id: &str, request: UnderWay, ended: Option<Ended>, tally: Tally) {
        let What { app, method, host, path } = request.what;
        let length = request.answer.as_ref().and_then(|answer| answer.length);
        if let Some(ended) = ended.filter(|ended| &*ended.ending == CUT) {
            if self.cuts.len() < MOST_CUTS {
                self.cuts.push(Cut {
                    at: ended.at,
                    request: id.to_owned(),
                    began: request.at,
                    app: names.name(app).to_owned(),
                    method: names.name(method).to_owned(),
                    path: path.to_string(),
                    sent: tally.left.bytes(),
                    received: tally.received,
                    length,
                    cause: ended.cause.map(Into::into),
                });
            } else {
                self.cuts_left_out += 1;
            }
        }
        let key = PathKey { app, method, host, path };
        let row = self.paths.row(&key, || key.clone());
        row.tally += tally;
        row.length = row.length.max(length);
        if let Some(answer) = request.answer {
            row.status(answer.status, 1);
        }
    }

    fn add_denied(&mut self, names: &Names, id: &str, request: UnderWay) {
        let What { app, method, host, path } = request.what;
        let Some(answer) = request.answer else { return };
        // Those that had said yes did not refuse it.
        let refused_by = if answer.decision.of_policy(&answer.reason) == Some(false) { answer.policies } else { Vec::new() };
        let key = DeniedKey { app, reason: answer.reason, policies: refused_by };
        self.denied.row(&key, || key.clone()).add(Example {
            at: request.at,
            request: id.to_owned(),
            status: answer.status,
            method: names.name(method).to_owned(),
            host: names.name(host).to_owned(),
            path: path.to_string(),
            origin: answer.origin.map(Into::into),
        });
    }
}

/// What one request adds to every sum that it belongs to.
fn tally(names: &Names, request: &UnderWay, ended: Option<&Ended>) -> Tally {
    let mut tally = Tally { first: Some(request.at), last: Some(request.at), ..Tally::default() };
    let received = ended.map_or(0, |ended| ended.received).max(request.so_far.received);
    match request.answer.as_ref().map(|answer| answer.decision) {
        Some(Decision::Deny) => {
            tally.denied = 1;
            // The app may have had a part of its body.
            tally.received = received;
        }
        Some(Decision::Own) => tally.own = 1,
        Some(Decision::Allow) | None => {
            tally.allowed = 1;
            tally.received = received;
            tally.received_unknown = u64::from(ended.is_none());
            tally.left = match &request.answer {
                Some(answer) if from_app(answer) => left(names.name(request.what.method), answer, request.so_far.sent, ended),
                Some(_) => Left::default(),
                // It went to the app, and nothing says what came of it.
                None => Left { unknown: Unknown { answers: 1, undeclared: 1, ..Unknown::default() }, ..Left::default() },
            };
            tally.unanswered = 1 - tally.left.answers();
        }
    }
    tally
}

/// Whether the answer is the app's: else the gate made it, as the app failed, or nobody was there to take it.
fn from_app(answer: &Answer) -> bool {
    &*answer.reason == PERMITTED && answer.status != CLIENT_GONE
}

fn left(method: &str, answer: &Answer, so_far: u64, ended: Option<&Ended>) -> Left {
    let mut left = Left::default();
    match ended {
        Some(ended) => {
            let part = Part { answers: 1, bytes: ended.sent.max(so_far) };
            if &*ended.ending == COMPLETE { left.whole = part } else { left.cut = part }
        }
        None => {
            // Such answers have no body, whatever they declare (RFC 9110, section 6.4.1).
            let bodyless = method == "HEAD" || matches!(answer.status, 204 | 304);
            let declared = if bodyless { Some(0) } else { answer.length.map(|length| length.max(so_far)) };
            left.unknown = Unknown {
                answers: 1,
                at_least: so_far,
                declared: declared.unwrap_or(so_far),
                undeclared: u64::from(declared.is_none()),
            };
        }
    }
    left
}

const PERMITTED: &str = "permitted";
const COMPLETE: &str = "complete";
const CUT: &str = "cut";
const CLIENT_GONE: u16 = 499;
/// Answers that were broken off and are told one by one.
const MOST_CUTS: usize = 100_000;
