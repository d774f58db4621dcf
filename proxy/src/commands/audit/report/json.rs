//! The report for programs: everything, written as it is walked through.

use std::io::Write;

use serde::Serialize;

use super::figures::{Tally, When};
use super::findings::{
    AddressRow, AppRow, Cut, DeniedLine, DeviceRow, Findings, Gap, Happened, HourRow, OtherRow, OwnRow, PathLine, Replay,
    SessionRow, Standing, UserRow,
};
use super::made::Made;
use super::subject::Subject;
use super::summary::sentences;

/// In the order in which it is written.
#[derive(Serialize)]
struct Report<'a> {
    /// Of this layout.
    format: u32,
    subject: &'a Subject,
    since: When,
    until: When,
    summary: Vec<String>,
    made: &'a Made,
    total: &'a Tally,
    began_before: u64,
    ended_after: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    record_begins: Option<When>,
    #[serde(skip_serializing_if = "Option::is_none")]
    standing: &'a Option<Standing>,
    last_allowed: Option<When>,
    last_bytes: Option<When>,
    apps: &'a [AppRow],
    paths: &'a [PathLine],
    #[serde(skip_serializing_if = "Option::is_none")]
    further_paths: &'a Option<PathLine>,
    hours: &'a [HourRow],
    users: &'a [UserRow],
    devices: &'a [DeviceRow],
    sessions: &'a [SessionRow],
    addresses: &'a [AddressRow],
    others: &'a [OtherRow],
    denied: &'a [DeniedLine],
    own: &'a [OwnRow],
    cuts: &'a [Cut],
    cuts_left_out: u64,
    events: &'a [Happened],
    replays: &'a [Replay],
    notes_left_out: u64,
    gaps: &'a [Gap],
}

/// Writes the report.
///
/// # Errors
/// If it cannot be written.
pub(super) fn write(found: &Findings, made: &Made, out: &mut impl Write) -> std::io::Result<()> {
    let report = Report {
        format: 1,
        subject: &found.subject,
        since: found.span.since,
        until: found.span.until,
        summary: sentences(found, made),
        made,
        total: &found.total,
        began_before: found.began_before,
        ended_after: found.ended_after,
        record_begins: found.record_begins,
        standing: &found.standing,
        last_allowed: found.last_allowed,
        last_bytes: found.last_bytes,
        apps: &found.apps,
        paths: &found.paths,
        further_paths: &found.further_paths,
        hours: &found.hours,
        users: &found.users,
        devices: &found.devices,
        sessions: &found.sessions,
        addresses: &found.addresses,
        others: &found.others,
        denied: &found.denied,
        own: &found.own,
        cuts: &found.cuts,
        cuts_left_out: found.cuts_left_out,
        events: &found.events,
        replays: &found.replays,
        notes_left_out: found.notes_left_out,
        gaps: &found.gaps,
    };
    serde_json::to_writer_pretty(&mut *out, &report)?;
    writeln!(out)
}
