//! Entries as a table for people. It begins before all is known, so the first rows say how wide its columns are.

use jiff::tz::TimeZone;

use super::format::Writer;
use crate::commands::error::CommandError;
use crate::commands::output::plain;
use crate::commands::when::local;
use crate::record::Decision;
use crate::record::EventLine;
use crate::record::read::{Bytes, Entry, Request};

/// Rows of a table.
pub(super) struct Rows {
    zone: TimeZone,
    /// Rows that wait for the widths of the columns.
    waiting: Vec<[String; COLUMNS]>,
    widths: Option<[usize; COLUMNS]>,
    /// The least that columns may be.
    least: [usize; COLUMNS],
}

impl Rows {
    /// With times of this zone.
    pub(super) fn new(zone: TimeZone) -> Self {
        Self { zone, waiting: Vec::new(), widths: None, least: HEADINGS.map(str::len) }
    }

    /// For rows that come one by one: columns are wide enough for what is usual.
    pub(super) fn one_by_one(zone: TimeZone) -> Self {
        Self { least: [23, 20, 12, 8, 16, 6, 10, 10, 11, 7], ..Self::new(zone) }
    }

    fn cells(&self, entry: &Entry) -> [String; COLUMNS] {
        match entry {
            Entry::Request(request) => request_cells(request, &self.zone),
            Entry::Event(event, _) => event_cells(event, &self.zone),
            Entry::Gap(gap, _) => {
                let words = match gap.lost {
                    0 => "the record could not be written until then; no line is lost, and requests were refused".to_owned(),
                    1 => "the record could not be written until then; 1 line is lost, its request refused".to_owned(),
                    lost => format!("the record could not be written until then; {lost} lines are lost, their requests refused"),
                };
                row(local(&gap.at, &self.zone), ["-", "-", "-"], words)
            }
        }
        .map(|cell| plain(&cell))
    }

    fn settle(&mut self, out: &mut Vec<u8>) -> [usize; COLUMNS] {
        if let Some(widths) = self.widths {
            return widths;
        }
        let mut widths = self.least;
        for row in &self.waiting {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count()).min(WIDEST);
            }
        }
        self.widths = Some(widths);
        write_row(&HEADINGS.map(str::to_owned), &widths, out);
        for row in std::mem::take(&mut self.waiting) {
            write_row(&row, &widths, out);
        }
        widths
    }
}

impl Writer for Rows {
    fn entry(&mut self, entry: &Entry, out: &mut Vec<u8>) -> Result<(), CommandError> {
        let row = self.cells(entry);
        if self.widths.is_none() && self.waiting.len() < FIRST_ROWS {
            self.waiting.push(row);
            return Ok(());
        }
        let widths = self.settle(out);
        write_row(&row, &widths, out);
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if !self.waiting.is_empty() {
            self.settle(out);
        }
    }
}

fn request_cells(request: &Request, zone: &TimeZone) -> [String; COLUMNS] {
    let time = local(request.at(), zone);
    let bytes = |bytes| match bytes {
        Bytes::Exactly(bytes) => bytes.to_string(),
        Bytes::AtLeast(bytes) => format!("≥{bytes}"),
    };
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let (sent, received) = (bytes(request.sent()), bytes(request.received()));
    let ending = request.cause().map_or_else(|| request.ending().to_owned(), |cause| format!("{}: {cause}", request.ending()));
    match (&request.access, &request.start) {
        (Some(access), _) => {
            let decision = match access.decision {
                Decision::Allow if access.reason == "permitted" => "allow".to_owned(),
                decision => format!("{}: {}", decision.as_str(), access.reason),
            };
            let page = access.origin.as_ref().map_or_else(String::new, |origin| format!(" by a page of {origin}"));
            let target = format!("{} {}{page}", access.method, access.path);
            let status = access.status.to_string();
            let (user, device, app) = (or_none(&access.user), or_none(&access.device), or_none(&access.app));
            [time, user, device, app, decision, status, sent, received, ending, target]
        }
        (None, Some(start)) => {
            let target = format!("{} {}", start.method, start.path);
            let (user, device) = (or_none(&start.user), or_none(&start.device));
            [time, user, device, start.app.clone(), "allow".to_owned(), "none".to_owned(), sent, received, ending, target]
        }
        (None, None) => row(time, ["-", "-", "-"], String::new()),
    }
}

fn event_cells(event: &EventLine, zone: &TimeZone) -> [String; COLUMNS] {
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let mut words = event.event.clone();
    if let Some(session) = &event.session {
        words.push(' ');
        words.push_str(session);
    }
    for (before, what) in [(" by ", &event.by), (", because: ", &event.why), ("; ", &event.detail)] {
        if let Some(what) = what {
            words.push_str(before);
            words.push_str(what);
        }
    }
    let (user, device, app) = (or_none(&event.user), or_none(&event.device), or_none(&event.app));
    row(local(&event.at, zone), [&user, &device, &app], words)
}

/// Of what is no request.
fn row(time: String, [user, device, app]: [&str; 3], words: String) -> [String; COLUMNS] {
    let [user, device, app, none] = [user, device, app, "-"].map(str::to_owned);
    [time, user, device, app, "event".to_owned(), none.clone(), none.clone(), none.clone(), none, words]
}

fn write_row(cells: &[String; COLUMNS], widths: &[usize; COLUMNS], out: &mut Vec<u8>) {
    let mut line = String::new();
    for (index, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let gap = width.saturating_sub(cell.chars().count());
        if index > 0 {
            line.push_str("  ");
        }
        // Numbers stand at the right.
        if (SENT..=RECEIVED).contains(&index) {
            line.extend(std::iter::repeat_n(' ', gap));
            line.push_str(cell);
        } else {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', gap));
        }
    }
    out.extend_from_slice(line.trim_end().as_bytes());
    out.push(b'\n');
}

const COLUMNS: usize = 10;
const SENT: usize = 6;
const RECEIVED: usize = 7;
const HEADINGS: [&str; COLUMNS] = ["TIME", "USER", "DEVICE", "APP", "DECISION", "STATUS", "SENT", "RECEIVED", "ENDED", "REQUEST"];
/// Rows from which the widths are taken.
const FIRST_ROWS: usize = 200;
/// A cell that is wider moves the rest of its row.
const WIDEST: usize = 48;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_about_a_session_names_it() {
        let event = |session: &str| EventLine {
            at: "2026-11-20T08:00:00.000Z".into(),
            event: "session_ended".into(),
            by: Some("uid:0".into()),
            why: None,
            device: None,
            user: Some("corp/ana".into()),
            session: Some(session.into()),
            app: None,
            request: None,
            detail: None,
        };
        let words = |session| event_cells(&event(session), &TimeZone::UTC)[COLUMNS - 1].clone();
        assert_eq!([words("s-1"), words("s-2")], ["session_ended s-1 by uid:0", "session_ended s-2 by uid:0"]);
    }
}
