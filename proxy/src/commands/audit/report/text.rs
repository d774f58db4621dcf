//! The report for a terminal.

use std::fmt::Write as _;

use super::figures::Tally;
use super::findings::{Findings, Gap, Happened, PathLine};
use super::made::Made;
use super::reasons;
use super::subject::Subject;
use super::summary::{sentences, what_happened};
use super::words::{count, from_to, known, list, minute, number, short, time};
use crate::commands::output::{Table, plain};

/// How much of it is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    /// Rows of each table.
    pub(super) rows: usize,
    /// Columns of the terminal; without one, nothing is shortened.
    pub(super) width: Option<usize>,
}

/// The report.
pub(super) fn report(found: &Findings, made: &Made, size: Size) -> String {
    let mut page = Page { text: String::new(), size };
    page.head(found, made);
    page.section("SUMMARY");
    for sentence in sentences(found, made) {
        page.paragraph(&sentence);
    }
    page.apps(found);
    page.paths(found);
    page.hours(found, made);
    page.cuts(found, made);
    page.denied(found, made);
    page.events(found, made);
    page.parties(found, made);
    page.others(found, made);
    page.gaps(found, made);
    page.foot(made);
    page.text
}

struct Page {
    text: String,
    size: Size,
}

impl Page {
    fn head(&mut self, found: &Findings, made: &Made) {
        let (kind, id) = (found.subject.kind(), found.subject.id());
        self.line(&format!("INCIDENT REPORT: {kind} {id}"));
        let (since, until) = (time(found.span.since, &made.zone), time(found.span.until, &made.zone));
        self.line(&format!("{since} to {until}, {}", made.time_zone));
        if let Subject::Device(_) = found.subject
            && let Some(card) = found.devices.first().and_then(|row| row.facts.as_ref())
        {
            let owner = card.owner.as_ref().map_or_else(|| "of nobody".to_owned(), |owner| format!("of {owner}"));
            let managed = if card.managed { "managed" } else { "not managed" };
            self.line(&format!("{}, {managed}, {owner}, vouched for by {}", card.platform, card.authority));
        }
    }

    fn apps(&mut self, found: &Findings) {
        if found.apps.is_empty() {
            return;
        }
        self.section("BY APP");
        let mut table = Table::new(&["APP", "LET THROUGH", "REFUSED", "BYTES THAT LEFT", "ANSWERS", "BYTES SENT TO IT"]);
        for row in found.apps.iter().take(self.size.rows) {
            let Tally { allowed, denied, left, received, received_unknown, .. } = row.tally;
            table.row(&[
                row.app.clone().unwrap_or_else(|| "(no app)".to_owned()),
                number(allowed),
                number(denied),
                format!("{}{}", least(left.unknown.answers), number(left.bytes())),
                if allowed > 0 { known(&left) } else { String::new() },
                format!("{}{}", least(received_unknown), number(received)),
            ]);
        }
        self.table(&table);
        self.more(found.apps.len(), "app", "apps");
    }

    fn paths(&mut self, found: &Findings) {
        self.section("WHAT IT TOUCHED, THE LARGEST FIRST");
        let mut table = Table::new(&["BYTES THAT LEFT", "TIMES", "ANSWERS", "STATUS", "DECLARED", "WHAT"]);
        let shown = found.paths.iter().take(self.size.rows);
        for row in shown {
            let what = format!("{} {} {}", row.app, row.method, row.path);
            table.row(&[
                format!("{}{}", least(row.left.unknown.answers), number(row.bytes)),
                number(row.requests),
                known(&row.left),
                statuses(&row.statuses),
                row.length.map_or_else(|| "-".to_owned(), number),
                self.elided(&what, 64),
            ]);
        }
        if found.paths.is_empty() {
            self.line("  nothing");
            return;
        }
        self.table(&table);
        let rest = found.paths.iter().skip(self.size.rows).chain(&found.further_paths);
        let (bytes, requests) =
            rest.fold((0_u64, 0_u64), |(bytes, requests), row: &PathLine| (bytes + row.bytes, requests + row.requests));
        let paths = found.paths.len().saturating_sub(self.size.rows) as u64;
        if requests > 0 {
            let more = if found.further_paths.is_some() { " at least" } else { "" };
            let paths = count(paths, "further path", "further paths");
            self.line(&format!(
                "  and{more} {paths}, {} bytes, in {}; --format json has them all",
                number(bytes),
                count(requests, "request", "requests")
            ));
        }
    }

    fn hours(&mut self, found: &Findings, made: &Made) {
        if found.hours.is_empty() {
            return;
        }
        self.section("BY HOUR");
        let mut table = Table::new(&["FROM", "APP", "LET THROUGH", "REFUSED", "BYTES THAT LEFT", "BYTES SENT TO IT"]);
        for row in found.hours.iter().take(self.size.rows) {
            table.row(&[
                minute(row.from, &made.zone),
                row.app.clone().unwrap_or_else(|| "(no app)".to_owned()),
                number(row.cell.allowed),
                number(row.cell.denied),
                number(row.cell.sent),
                number(row.cell.received),
            ]);
        }
        self.table(&table);
        self.more(found.hours.len(), "row", "rows");
    }

    fn cuts(&mut self, found: &Findings, made: &Made) {
        if found.cuts.is_empty() {
            return;
        }
        self.section("BROKEN OFF BY THE GATE");
        let mut table = Table::new(&["AT", "BYTES THAT LEFT", "OF", "CAUSE", "WHAT"]);
        for cut in found.cuts.iter().take(self.size.rows) {
            table.row(&[
                time(cut.at, &made.zone),
                number(cut.sent),
                cut.length.map_or_else(|| "-".to_owned(), number),
                cut.cause.clone().unwrap_or_else(|| "-".to_owned()),
                self.elided(&format!("{} {} {}", cut.app, cut.method, cut.path), 56),
            ]);
        }
        self.table(&table);
        self.more(found.cuts.len() + usize::try_from(found.cuts_left_out).unwrap_or(usize::MAX), "answer", "answers");
    }

    fn denied(&mut self, found: &Findings, made: &Made) {
        if found.denied.is_empty() {
            return;
        }
        self.section("REFUSED");
        for row in found.denied.iter().take(self.size.rows) {
            let app = row.app.as_deref().unwrap_or("(no app)");
            let by = if row.policies.is_empty() { String::new() } else { format!(", by {}", row.policies.join(", ")) };
            let when = from_to(row.first, row.last, &made.zone);
            self.line(&format!(
                "  {:>7}  {} ({}) at {app}{by}; {when}",
                number(row.times),
                reasons::refusal(&row.reason),
                row.reason
            ));
            for example in row.examples.iter().take(3) {
                let what = self.elided(&example.told(), 78);
                self.line(&format!("           {what}"));
            }
        }
        self.more(found.denied.len(), "kind of refusal", "kinds of refusals");
    }

    fn events(&mut self, found: &Findings, made: &Made) {
        if found.events.is_empty() && found.replays.is_empty() {
            return;
        }
        self.section("WHAT WAS DONE AND NOTICED");
        for event in found.events.iter().take(self.size.rows) {
            let Happened { at, by, why, detail, .. } = event;
            let by = by.as_ref().map_or_else(String::new, |by| format!(", by {}", reasons::actor(by)));
            let why = why.as_ref().map_or_else(String::new, |why| format!(": “{why}”"));
            let detail = detail.as_ref().map_or_else(String::new, |text| format!(" ({})", reasons::detail(text)));
            self.line(&format!("  {}  {}{by}{why}{detail}", time(*at, &made.zone), what_happened(event)));
        }
        self.more(found.events.len(), "event", "events");
        for replay in found.replays.iter().take(self.size.rows) {
            let by = replay.device.as_deref().unwrap_or("an unknown device");
            let of = replay.stolen_user.as_deref().unwrap_or("somebody");
            let from = replay.stolen_from.as_deref().unwrap_or("another device");
            let client = &replay.client;
            self.line(&format!(
                "  {}  {by} showed a session or token of {of} that belongs to {from}, from {client}; refused",
                time(replay.at, &made.zone)
            ));
        }
        self.more(found.replays.len(), "copied credential", "copied credentials");
    }

    fn parties(&mut self, found: &Findings, made: &Made) {
        if found.total.requests() == 0 {
            return;
        }
        self.section("WHO, ON WHAT, FROM WHERE");
        let mut table = Table::new(&["", "NAME", "LET THROUGH", "REFUSED", "BYTES THAT LEFT", "WHEN"]);
        let rows = self.size.rows;
        let mut row = |kind: &str, name: &Option<String>, more: Option<&str>, tally: &Tally| {
            let name = name.clone().unwrap_or_else(|| "(others)".to_owned());
            let name = more.map_or_else(|| name.clone(), |more| format!("{name} ({more})"));
            table.row(&[
                kind.to_owned(),
                name,
                number(tally.allowed),
                number(tally.denied),
                format!("{}{}", least(tally.left.unknown.answers), number(tally.left.bytes())),
                from_to(tally.first, tally.last, &made.zone),
            ]);
        };
        found.users.iter().take(rows).for_each(|one| row("user", &one.user, one.name.as_deref(), &one.tally));
        found.devices.iter().take(rows).for_each(|one| row("device", &one.device, None, &one.tally));
        found.sessions.iter().take(rows).for_each(|one| row("session", &one.session, one.user.as_deref(), &one.tally));
        found.addresses.iter().take(rows).for_each(|one| row("address", &one.address, None, &one.tally));
        self.table(&table);
        let longest = [found.users.len(), found.devices.len(), found.sessions.len(), found.addresses.len()];
        self.more(longest.into_iter().max().unwrap_or(0), "row", "rows");
    }

    fn others(&mut self, found: &Findings, made: &Made) {
        if found.others.is_empty() {
            return;
        }
        self.section("THE SAME PEOPLE ELSEWHERE, AND OTHERS ON THE SAME DEVICES");
        let mut table = Table::new(&["USER", "DEVICE", "LET THROUGH", "REFUSED", "WHEN", "SUSPICIOUS"]);
        for row in found.others.iter().take(self.size.rows) {
            let user = row.name.as_ref().map_or_else(|| row.user.clone(), |name| format!("{} ({name})", row.user));
            table.row(&[
                user,
                row.device.clone(),
                number(row.allowed),
                number(row.denied),
                from_to(row.first, row.last, &made.zone),
                if row.suspicious.is_empty() { "no".to_owned() } else { list(&row.suspicious, row.suspicious.len()) },
            ]);
        }
        self.table(&table);
        self.more(found.others.len(), "row", "rows");
    }

    fn gaps(&mut self, found: &Findings, made: &Made) {
        if found.gaps.is_empty() {
            return;
        }
        self.section("GAPS IN THE RECORD");
        for gap in found.gaps.iter().take(self.size.rows) {
            let words = words_of(gap);
            self.line(&format!("  {}  {words}", time(gap.at(), &made.zone)));
        }
        self.more(found.gaps.len(), "gap", "gaps");
    }

    fn foot(&mut self, made: &Made) {
        self.section("HOW THIS WAS MADE");
        self.line(&format!("  {}", made.command));
        let read = &made.read;
        let skipped =
            if read.skipped > 0 { format!(" ({} of other times left aside)", number(read.skipped)) } else { String::new() };
        let files = count(read.files, "file", "files");
        self.line(&format!(
            "  Sekisho {}, {}, from {files}{skipped} with {} ({}) in {}",
            made.version,
            time(made.at, &made.zone),
            count(read.lines, "line", "lines"),
            short(read.bytes),
            made.folder
        ));
        self.paragraph("Bytes are those of bodies: of answers as they were handed on to the client's connection, of uploads as they were handed on to the app. Those of whole answers are exact.");
    }

    fn section(&mut self, title: &str) {
        self.line("");
        self.line(title);
    }

    fn table(&mut self, table: &Table) {
        for line in table.text("none").lines() {
            self.line(&format!("  {line}"));
        }
    }

    fn more(&mut self, all: usize, one: &str, many: &str) {
        let more = all.saturating_sub(self.size.rows);
        if more > 0 {
            let more = count(more as u64, one, many);
            self.line(&format!("  and {more} more; --rows shows more, --format json all"));
        }
    }

    /// Words, broken to the width of the terminal.
    fn paragraph(&mut self, words: &str) {
        let width = self.size.width.unwrap_or(100).saturating_sub(2).max(20);
        let mut line = String::new();
        for word in words.split(' ') {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
                let full = std::mem::take(&mut line);
                self.line(&format!("  {full}"));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.line(&format!("  {line}"));
    }

    /// Without its middle, if the terminal leaves so little room: its beginning and its end tell more.
    fn elided(&self, what: &str, taken: usize) -> String {
        let Some(width) = self.size.width else { return what.to_owned() };
        let room = width.saturating_sub(taken).max(24);
        let letters: Vec<char> = what.chars().collect();
        if letters.len() <= room {
            return what.to_owned();
        }
        let (head, tail) = (room / 2, room - room / 2 - 1);
        let end = letters.len() - tail;
        letters.iter().take(head).chain(std::iter::once(&'…')).chain(letters.iter().skip(end)).collect()
    }

    /// What stands in a record may not play with the terminal.
    fn line(&mut self, line: &str) {
        // Writing to a string does not fail.
        let _written = writeln!(self.text, "{}", plain(line));
    }
}

fn least(unknown: u64) -> &'static str {
    if unknown > 0 { "≥ " } else { "" }
}

/// `200 ×3, 404`.
pub(super) fn statuses(statuses: &[(u16, u64)]) -> String {
    let told = statuses.iter().map(|(status, times)| match times {
        1 => status.to_string(),
        _ => format!("{status} ×{}", number(*times)),
    });
    let told: Vec<String> = told.collect();
    if told.is_empty() { "-".to_owned() } else { told.join(", ") }
}

/// A gap in words.
pub(super) fn words_of(gap: &Gap) -> String {
    match gap {
        Gap::LinesLost { lost: 0, .. } => {
            "the record could be written again; requests meanwhile were refused, and no line is lost".to_owned()
        }
        Gap::LinesLost { lost, .. } => format!(
            "the record could be written again: {} lost, and the requests that they speak of were refused",
            count(*lost, "line was", "lines were")
        ),
        Gap::Torn { segment, bytes, .. } => {
            format!("{} of a torn line were cut off {segment}, after a crash", count(*bytes, "byte", "bytes"))
        }
        Gap::Died { segment, .. } => {
            format!("the gate had died without closing {segment}: what was under way then has no end")
        }
    }
}
