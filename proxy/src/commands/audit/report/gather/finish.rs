//! After the last line: sums become rows, in order.

use std::cmp::Reverse;
use std::collections::HashMap;

use jiff::tz::TimeZone;

use super::notes::{Circle, Notes};
use super::rows::{PartyRow, PathKey, PathRow};
use super::table::{Names, Table};
use super::{Gatherer, Sums};
use crate::commands::audit::report::figures::Tally;
use crate::commands::audit::report::findings::{
    AddressRow, AppRow, DeniedLine, DeviceRow, EventClass, Findings, Happened, HourRow, OtherRow, OwnRow, PathLine, Replay,
    SessionRow, UserRow,
};
use crate::commands::audit::report::subject::Subject;

impl Gatherer {
    /// What was found. Hours are those of `zone`.
    pub(in crate::commands::audit::report) fn finish(mut self, zone: &TimeZone) -> Findings {
        self.settle_strangers();
        for (id, request) in std::mem::take(&mut self.under_way) {
            self.sums.settle(self.span, &self.names, &id, request, None);
        }
        let Self { subject, span, names, sums, pairs, notes, unreadable, record_begins, standing, .. } = self;
        let circle = circle(&subject, &names, &sums);
        let others = others(&subject, &names, &circle, pairs.into_parts().0, &notes);
        let Notes {
            mut events, events_left_out, mut replays, replays_left_out, mut gaps, gaps_left_out, people, devices, ..
        } = notes;
        events.retain(|event| circle.concerns(event));
        events.sort();
        replays.retain(|replay| circle.replayed(replay));
        replays.sort();
        gaps.sort_by_key(super::Gap::at);
        let hours = hours(&sums, &names, zone);
        let Sums { total, began_before, ended_after, mut cuts, cuts_left_out, grid, last_bytes, last_allowed, .. } = sums;
        cuts.sort();
        let (paths, further_paths) = paths(sums.paths, &names);
        let apps = parties(sums.apps, &names, |app, row| AppRow { app: app.filter(|app| !app.is_empty()), tally: row.tally });
        let app_numbers = hours.iter().map(|(app, _)| *app);
        let mut app_names: Vec<_> = app_numbers.map(|app| (app, names.name(app).to_owned())).collect();
        app_names.sort();
        app_names.dedup();
        Findings {
            total,
            began_before,
            ended_after,
            last_bytes,
            last_allowed,
            apps,
            paths,
            further_paths,
            hours: hours.into_iter().map(|(_, row)| row).collect(),
            grid,
            app_names,
            sessions: parties(sums.sessions, &names, |session, row| SessionRow {
                session,
                user: row.with.and_then(|(user, _)| Some(names.name(user?).to_owned())),
                device: row.with.and_then(|(_, device)| Some(names.name(device?).to_owned())),
                tally: row.tally,
            }),
            users: parties(sums.users, &names, |user, row| UserRow {
                name: user.as_deref().and_then(|user| people.get(user).cloned()),
                user,
                tally: row.tally,
            }),
            devices: parties(sums.devices, &names, |device, row| DeviceRow {
                facts: device.as_deref().and_then(|device| devices.get(device).cloned()),
                device,
                tally: row.tally,
            }),
            addresses: parties(sums.addresses, &names, |address, row| AddressRow { address, tally: row.tally }),
            others,
            own: own(sums.own),
            denied: denied(sums.denied, &names),
            cuts,
            cuts_left_out,
            events,
            replays,
            notes_left_out: events_left_out + replays_left_out + gaps_left_out,
            gaps,
            unreadable,
            record_begins,
            standing,
            subject,
            span,
        }
    }
}

/// Rows of a table by number, those that took the most first.
fn parties<R>(table: Table<u32, PartyRow>, names: &Names, row: impl Fn(Option<String>, PartyRow) -> R) -> Vec<R> {
    let (rows, rest) = table.into_parts();
    let named = rows.into_iter().map(|(number, row)| (Some(names.name(number).to_owned()), row));
    let mut rows: Vec<_> = named.chain(rest.map(|rest| (None, rest))).collect();
    rows.sort_by(|(name, a), (other, b)| most_first(&a.tally).cmp(&most_first(&b.tally)).then_with(|| name.cmp(other)));
    rows.into_iter().map(|(name, party)| row(name, party)).collect()
}

fn most_first(tally: &Tally) -> Reverse<(u64, u64)> {
    Reverse((tally.left.bytes(), tally.requests()))
}

fn paths(table: Table<PathKey, PathRow>, names: &Names) -> (Vec<PathLine>, Option<PathLine>) {
    let (rows, rest) = table.into_parts();
    let mut paths: Vec<_> = rows
        .into_iter()
        .map(|(key, row)| {
            let PathKey { app, method, host, path } = key;
            let [app, method, host] = [app, method, host].map(|number| names.name(number).to_owned());
            PathLine::of(row, [app, method, host, path.into()])
        })
        .collect();
    paths.sort_by(|a, b| {
        let place = |row: &PathLine| (Reverse(row.bytes), Reverse(row.requests));
        place(a).cmp(&place(b)).then_with(|| a.name().cmp(&b.name()))
    });
    (paths, rest.map(|rest| PathLine::of(rest, Default::default())))
}

impl PathLine {
    fn name(&self) -> [&str; 4] {
        [&self.app, &self.path, &self.method, &self.host]
    }

    fn of(row: PathRow, [app, method, host, path]: [String; 4]) -> Self {
        let PathRow { tally, statuses, length } = row;
        let Tally { allowed, left, unanswered, received, received_unknown, first, last, .. } = tally;
        let (requests, bytes) = (allowed, left.bytes());
        Self {
            app,
            method,
            host,
            path,
            requests,
            statuses,
            length,
            bytes,
            left,
            unanswered,
            received,
            received_unknown,
            first,
            last,
        }
    }
}

fn hours(sums: &Sums, names: &Names, zone: &TimeZone) -> Vec<(u32, HourRow)> {
    let named = |app| Some(names.name(app).to_owned()).filter(|app| !app.is_empty());
    let hours = sums.grid.hours(zone).into_iter();
    let mut rows: Vec<_> = hours.map(|(from, app, cell)| (app, HourRow { from, app: named(app), cell })).collect();
    rows.sort_by(|(_, a), (_, b)| (a.from, &a.app).cmp(&(b.from, &b.app)));
    rows
}

fn own(table: Table<Box<str>, Tally>) -> Vec<OwnRow> {
    let (rows, rest) = table.into_parts();
    let named = rows.into_iter().map(|(page, row)| (Some(page.into()), row));
    let all = named.chain(rest.map(|rest| (None, rest)));
    let row = |(page, tally): (_, Tally)| OwnRow { page, requests: tally.own, first: tally.first, last: tally.last };
    let mut rows: Vec<_> = all.map(row).collect();
    rows.sort_by(|a, b| b.requests.cmp(&a.requests).then_with(|| a.page.cmp(&b.page)));
    rows
}

fn denied(table: Table<super::DeniedKey, super::DeniedRow>, names: &Names) -> Vec<DeniedLine> {
    let (rows, rest) = table.into_parts();
    let key = |key: super::DeniedKey| {
        let app = Some(names.name(key.app).to_owned()).filter(|app| !app.is_empty());
        (app, key.reason.into(), key.policies.into_iter().map(Into::into).collect())
    };
    let named = rows.into_iter().map(|(one, row)| (key(one), row));
    let all = named.chain(rest.map(|rest| ((None, "others".to_owned(), Vec::new()), rest)));
    let mut rows: Vec<_> = all
        .map(|((app, reason, policies), row)| {
            let super::DeniedRow { times, first, last, examples } = row;
            DeniedLine { app, reason, policies, times, first, last, examples }
        })
        .collect();
    let place = |row: &DeniedLine| (row.reason.clone(), row.app.clone(), row.policies.clone());
    rows.sort_by(|a, b| b.times.cmp(&a.times).then_with(|| place(a).cmp(&place(b))));
    rows
}

/// Whom the subject was seen with.
fn circle(subject: &Subject, names: &Names, sums: &Sums) -> Circle {
    let named = |table: &Table<u32, PartyRow>| table.keys().map(|number| names.name(*number).to_owned()).collect();
    let mut circle = Circle { devices: named(&sums.devices), users: named(&sums.users), sessions: named(&sums.sessions) };
    let id = subject.id().to_owned();
    match subject {
        Subject::Device(_) => circle.devices.insert(id),
        Subject::User(_) => circle.users.insert(id),
        Subject::Session(_) => circle.sessions.insert(id),
    };
    circle
}

/// The same people elsewhere, and other people on the same devices.
fn others(
    subject: &Subject,
    names: &Names,
    circle: &Circle,
    pairs: HashMap<(u32, u32), super::PairRow>,
    notes: &Notes,
) -> Vec<OtherRow> {
    let mut rows = Vec::new();
    for ((user, device), row) in pairs {
        let (user, device) = (names.name(user), names.name(device));
        let same = (circle.users.contains(user), circle.devices.contains(device));
        // On the subject's own device or by its own person, it is in the report already.
        if !matches!(same, (true, false) | (false, true)) || subject.is(Some(device), Some(user), None) {
            continue;
        }
        rows.push(OtherRow {
            user: user.to_owned(),
            name: notes.people.get(user).cloned(),
            device: device.to_owned(),
            allowed: row.allowed,
            denied: row.denied,
            first: row.first,
            last: row.last,
            suspicious: suspicious(device, row.denied, &notes.events, &notes.replays),
        });
    }
    let place = |row: &OtherRow| (Reverse(row.suspicious.len()), Reverse(row.allowed + row.denied));
    rows.sort_by(|a, b| place(a).cmp(&place(b)).then_with(|| (&a.user, &a.device).cmp(&(&b.user, &b.device))));
    rows
}

/// What speaks against a device.
fn suspicious(device: &str, denied: u64, events: &[Happened], replays: &[Replay]) -> Vec<String> {
    let mut words = Vec::new();
    if denied > 0 {
        words.push(format!("refused {denied} {}", if denied == 1 { "time" } else { "times" }));
    }
    let showed = replays.iter().filter(|replay| replay.device.as_deref() == Some(device)).count();
    if showed > 0 {
        words.push("showed a session or token of another device".to_owned());
    }
    if replays.iter().any(|replay| replay.stolen_from.as_deref() == Some(device)) {
        words.push("another device showed one of its sessions or tokens".to_owned());
    }
    let told = |event: &&Happened| {
        event.device.as_deref() == Some(device)
            && matches!(event.event.as_str(), "device_quarantined" | "device_retired" | "two_networks" | "denial_burst")
            && event.class != EventClass::Other
    };
    let mut events: Vec<_> = events.iter().filter(told).map(|event| event.event.replace('_', " ")).collect();
    events.sort();
    events.dedup();
    words.extend(events);
    words
}
