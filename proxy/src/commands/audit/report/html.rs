//! The report as one page that needs nothing else: no script, no picture, font or sheet from anywhere.

use std::sync::LazyLock;

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::chart::{Chart, colour};
use super::figures::{Left, Tally};
use super::findings::{Findings, PathLine};
use super::made::{Made, Verification};
use super::reasons;
use super::subject::Subject;
use super::summary::{sentences, what_happened};
use super::text::{statuses, words_of};
use super::words::{count, from_to, known, list, minute, number, readable, short, time, time_ms};
use crate::commands::output::plain;
use crate::secret::Digest;

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    style: &'static str,
    policy: &'static str,
    kind: &'static str,
    id: String,
    facts: String,
    since: String,
    until: String,
    begins: Option<String>,
    made: &'a Made,
    made_at: String,
    verified: &'static str,
    tiles: Vec<Tile>,
    sentences: Vec<String>,
    chart: Option<Chart>,
    apps: Vec<AppView>,
    paths: Vec<PathView>,
    paths_total: [String; 3],
    paths_rest: Option<String>,
    hours: Vec<[String; 6]>,
    hours_rest: usize,
    cuts: Vec<CutView>,
    cuts_rest: u64,
    denied: Vec<DeniedView>,
    denied_rest: usize,
    events: Vec<EventView>,
    events_rest: usize,
    replays: Vec<[String; 6]>,
    replays_rest: usize,
    parties: Vec<PartiesView>,
    others: Vec<OtherView>,
    others_rest: usize,
    gaps: Vec<[String; 2]>,
    gaps_rest: usize,
    read: Vec<String>,
    width: u32,
    left: u32,
    right: u32,
}

/// A figure that stands out.
struct Tile {
    figure: String,
    words: String,
    class: &'static str,
}

struct AppView {
    class: String,
    name: String,
    bar: String,
    bytes: String,
    short: String,
    answers: String,
    allowed: String,
    denied: String,
    received: String,
}

struct PathView {
    path: Name,
    more: String,
    requests: String,
    length: String,
    bytes: String,
    known: String,
    exact: bool,
}

/// A path as it is recorded, and as people know it if that is another text.
///
/// Each segment stands for itself: letters of scripts that are written from right to left would else move the slashes between them.
struct Name {
    segments: Vec<String>,
    recorded: Option<String>,
}

struct CutView {
    at: String,
    path: Name,
    more: String,
    sent: String,
    length: String,
    cause: String,
}

struct DeniedView {
    times: String,
    reason: String,
    app: String,
    policies: String,
    when: String,
    examples: Vec<String>,
    examples_rest: bool,
}

struct EventView {
    mark: Option<usize>,
    class: &'static str,
    at: String,
    what: String,
    by: String,
    why: String,
}

/// Sessions, people, devices or addresses.
struct PartiesView {
    title: &'static str,
    rows: Vec<[String; 6]>,
    rest: usize,
}

struct OtherView {
    user: String,
    device: String,
    allowed: String,
    denied: String,
    when: String,
    suspicious: String,
}

/// The page, with this many rows in each table.
///
/// # Errors
/// Only if memory cannot be had.
pub(super) fn page(found: &Findings, made: &Made, rows: usize) -> Result<String, askama::Error> {
    let zone = &made.zone;
    let chart = Chart::of(found, zone);
    let rest = |all: usize| all.saturating_sub(rows);
    let page = Page {
        style: STYLE,
        policy: &POLICY,
        kind: found.subject.kind(),
        id: plain(found.subject.id()),
        facts: facts(found),
        since: time(found.span.since, zone),
        until: time(found.span.until, zone),
        begins: found.record_begins.filter(|begins| *begins > found.span.since).map(|begins| time(begins, zone)),
        made_at: time(made.at, zone),
        verified: match made.verification {
            Verification::Verified(_) => "good",
            Verification::Failed(_) => "stop",
            Verification::NotDone(_) => "wait",
        },
        tiles: tiles(found),
        sentences: sentences(found, made).iter().map(|sentence| plain(sentence)).collect(),
        apps: apps(found, rows),
        paths: found.paths.iter().take(rows).map(|row| path(row, made)).collect(),
        paths_total: [
            number(found.total.allowed),
            format!("{}{}", least(found.total.left.unknown.answers), number(found.total.left.bytes())),
            known(&found.total.left),
        ],
        paths_rest: paths_rest(found, rows),
        hours: found.hours.iter().take(rows).map(|row| hour(row, made)).collect(),
        hours_rest: rest(found.hours.len()),
        cuts: found.cuts.iter().take(rows).map(|row| cut(row, made)).collect(),
        cuts_rest: rest(found.cuts.len()) as u64 + found.cuts_left_out,
        denied: found.denied.iter().take(rows).map(|row| denied(row, made)).collect(),
        denied_rest: rest(found.denied.len()),
        events: events(found, made, chart.as_ref(), rows),
        events_rest: rest(found.events.len()),
        replays: found.replays.iter().take(rows).map(|row| replay(row, made)).collect(),
        replays_rest: rest(found.replays.len()),
        parties: parties(found, made, rows),
        others: found.others.iter().take(rows).map(|row| other(row, made)).collect(),
        others_rest: rest(found.others.len()),
        gaps: found.gaps.iter().take(rows).map(|gap| [time(gap.at(), zone), plain(&words_of(gap))]).collect(),
        gaps_rest: rest(found.gaps.len()),
        read: read(made),
        chart,
        made,
        width: super::chart::WIDTH,
        left: super::chart::LEFT,
        right: super::chart::WIDTH - super::chart::RIGHT,
    };
    // What turns the order of letters or cannot be seen would make a page say what its source does not.
    Ok(page.render()?.lines().map(|line| plain(line) + "\n").collect())
}

fn facts(found: &Findings) -> String {
    let Subject::Device(_) = found.subject else {
        let name = found.users.first().and_then(|row| row.name.clone());
        return plain(&name.unwrap_or_default());
    };
    let Some(card) = found.devices.first().and_then(|row| row.facts.as_ref()) else { return String::new() };
    let mut facts = vec![card.platform.clone(), if card.managed { "managed" } else { "not managed" }.to_owned()];
    if card.shared {
        facts.push("shared by several people".to_owned());
    }
    facts.push(card.owner.as_ref().map_or_else(|| "nobody’s".to_owned(), |owner| format!("belongs to {owner}")));
    facts.push(format!("vouched for by {}", card.authority));
    facts.push(format!("key in {}", card.key_protection));
    plain(&facts.join(" · "))
}

fn tiles(found: &Findings) -> Vec<Tile> {
    let Tally { allowed, denied, left, received, .. } = &found.total;
    let tile = |figure: String, words: &str, class| Tile { figure, words: words.to_owned(), class };
    let mut tiles = vec![
        tile(format!("{}{}", least(left.unknown.answers), short(left.bytes())), "left, in answers of apps", "main"),
        tile(number(left.whole.answers), if left.whole.answers == 1 { "answer whole" } else { "answers whole" }, ""),
        tile(number(left.cut.answers), "broken off", ""),
    ];
    if left.unknown.answers > 0 {
        tiles.push(tile(number(left.unknown.answers), "with an unknown end", "wait"));
    }
    tiles.push(tile(short(*received), "sent to apps", ""));
    tiles.push(tile(number(*allowed), if *allowed == 1 { "request let through" } else { "requests let through" }, ""));
    tiles.push(tile(number(*denied), "refused", if *denied > 0 { "stop" } else { "" }));
    tiles
}

fn apps(found: &Findings, rows: usize) -> Vec<AppView> {
    let most = found.apps.iter().map(|row| row.tally.left.bytes()).max().unwrap_or(0).max(1);
    let views = found.apps.iter().take(rows).enumerate().map(|(place, row)| {
        let Tally { allowed, denied, left, received, .. } = &row.tally;
        #[expect(clippy::cast_precision_loss, reason = "the length of a bar")]
        let share = left.bytes() as f64 / most as f64 * 100.0;
        AppView {
            class: colour(place),
            name: row.app.as_deref().map_or_else(|| "no app’s host".to_owned(), plain),
            bar: format!("{:.1}", if left.bytes() > 0 { share.max(0.5) } else { 0.0 }),
            bytes: amount(left),
            short: short(left.bytes()),
            answers: if *allowed > 0 { known(left) } else { "–".to_owned() },
            allowed: number(*allowed),
            denied: number(*denied),
            received: number(*received),
        }
    });
    views.collect()
}

fn path(row: &PathLine, made: &Made) -> PathView {
    let mut more = vec![row.app.clone(), row.method.clone(), statuses(&row.statuses)];
    if row.received > 0 {
        more.push(format!("sent to the app: {} bytes", number(row.received)));
    }
    if row.unanswered > 0 {
        more.push(format!("{} without an answer", number(row.unanswered)));
    }
    more.push(from_to(row.first, row.last, &made.zone));
    PathView {
        path: Name::of(&row.path),
        more: plain(&more.join(" · ")),
        requests: number(row.requests),
        length: row.length.map_or_else(|| "–".to_owned(), number),
        bytes: amount(&row.left),
        known: known(&row.left),
        exact: row.left.cut.answers + row.left.unknown.answers == 0,
    }
}

fn paths_rest(found: &Findings, rows: usize) -> Option<String> {
    let hidden = found.paths.iter().skip(rows).chain(&found.further_paths);
    let (bytes, requests) = hidden.fold((0_u64, 0_u64), |(bytes, requests), row| (bytes + row.bytes, requests + row.requests));
    let paths = found.paths.len().saturating_sub(rows) as u64;
    let least = if found.further_paths.is_some() { "at least " } else { "" };
    (requests > 0).then(|| {
        let paths = count(paths, "further path", "further paths");
        format!("and {least}{paths}, {} bytes, in {}", number(bytes), count(requests, "request", "requests"))
    })
}

fn hour(row: &super::findings::HourRow, made: &Made) -> [String; 6] {
    let cell = row.cell;
    [
        minute(row.from, &made.zone),
        row.app.as_deref().map_or_else(|| "no app’s host".to_owned(), plain),
        number(cell.allowed),
        number(cell.denied),
        number(cell.sent),
        number(cell.received),
    ]
}

fn cut(row: &super::findings::Cut, made: &Made) -> CutView {
    CutView {
        at: time_ms(row.at, &made.zone),
        path: Name::of(&row.path),
        more: plain(&format!("{} · {} · began {}", row.app, row.method, time(row.began, &made.zone))),
        sent: number(row.sent),
        length: row.length.map_or_else(|| "–".to_owned(), number),
        cause: row.cause.as_deref().map_or_else(|| "–".to_owned(), |cause| plain(&reasons::cause(cause))),
    }
}

fn denied(row: &super::findings::DeniedLine, made: &Made) -> DeniedView {
    let shown = row.examples.iter().map(|example| {
        let when = time(example.at, &made.zone);
        plain(&format!("{when}  {}", example.told()))
    });
    DeniedView {
        times: number(row.times),
        reason: plain(&reasons::refusal(&row.reason)),
        app: row.app.as_deref().map_or_else(|| "no app’s host".to_owned(), plain),
        policies: plain(&row.policies.join(", ")),
        when: from_to(row.first, row.last, &made.zone),
        examples: shown.collect(),
        examples_rest: row.times > row.examples.len() as u64,
    }
}

fn events(found: &Findings, made: &Made, chart: Option<&Chart>, rows: usize) -> Vec<EventView> {
    use super::findings::EventClass as Class;
    let marks = chart.map_or(0, |chart| chart.marks.len());
    let mut marked = 0;
    let views = found.events.iter().take(rows).map(|event| {
        let (class, word) = match event.class {
            Class::Lever => ("lever", true),
            Class::Signal => ("signal", true),
            Class::SignIn | Class::Gate | Class::Other => ("", false),
        };
        marked += usize::from(word);
        let detail = event.detail.as_ref().map_or_else(String::new, |text| format!(" ({})", reasons::detail(text)));
        EventView {
            mark: (word && marked <= marks).then_some(marked),
            class,
            at: time_ms(event.at, &made.zone),
            what: plain(&format!("{}{detail}", what_happened(event))),
            by: event.by.as_deref().map_or_else(|| "–".to_owned(), |by| plain(&reasons::actor(by))),
            why: plain(event.why.as_deref().unwrap_or("–")),
        }
    });
    views.collect()
}

fn replay(row: &super::findings::Replay, made: &Made) -> [String; 6] {
    let name = |name: &Option<String>| plain(name.as_deref().unwrap_or("unknown"));
    [
        time_ms(row.at, &made.zone),
        name(&row.device),
        plain(&row.client),
        name(&row.stolen_user),
        name(&row.stolen_from),
        plain(&format!("https://{}{}", row.host, row.path)),
    ]
}

fn parties(found: &Findings, made: &Made, rows: usize) -> Vec<PartiesView> {
    let row = |name: &Option<String>, more: Option<&str>, tally: &Tally| {
        [
            name.as_deref().map_or_else(|| "(others)".to_owned(), plain),
            more.map(plain).unwrap_or_default(),
            number(tally.allowed),
            number(tally.denied),
            amount(&tally.left),
            from_to(tally.first, tally.last, &made.zone),
        ]
    };
    let users = found.users.iter().take(rows).map(|one| row(&one.user, one.name.as_deref(), &one.tally)).collect();
    let devices = found.devices.iter().take(rows).map(|one| {
        let owner = one.facts.as_ref().and_then(|facts| facts.owner.as_ref()).map(|owner| format!("belongs to {owner}"));
        row(&one.device, owner.as_deref(), &one.tally)
    });
    let sessions = found.sessions.iter().take(rows).map(|one| {
        let of: Vec<&str> = one.user.iter().chain(&one.device).map(String::as_str).collect();
        row(&one.session, Some(&of.join(" on ")), &one.tally)
    });
    let addresses = found.addresses.iter().take(rows).map(|one| row(&one.address, None, &one.tally)).collect();
    let all = [
        ("People", users, found.users.len()),
        ("Devices", devices.collect(), found.devices.len()),
        ("Sessions", sessions.collect(), found.sessions.len()),
        ("Addresses that requests came from", addresses, found.addresses.len()),
    ];
    let shown = all.into_iter().filter(|(_, shown, _): &(_, Vec<_>, _)| !shown.is_empty());
    shown.map(|(title, shown, all)| PartiesView { title, rows: shown, rest: all.saturating_sub(rows) }).collect()
}

fn other(row: &super::findings::OtherRow, made: &Made) -> OtherView {
    OtherView {
        user: plain(&row.name.as_ref().map_or_else(|| row.user.clone(), |name| format!("{name} ({})", row.user))),
        device: plain(&row.device),
        allowed: number(row.allowed),
        denied: number(row.denied),
        when: from_to(row.first, row.last, &made.zone),
        suspicious: plain(&list(&row.suspicious, row.suspicious.len())),
    }
}

fn read(made: &Made) -> Vec<String> {
    let read = &made.read;
    let mut words = vec![format!(
        "{} with {} ({}) were read",
        count(read.files, "file", "files"),
        count(read.lines, "line", "lines"),
        short(read.bytes)
    )];
    if read.skipped > 0 {
        words.push(format!("{} of other times left aside", count(read.skipped, "file", "files")));
    }
    words.extend(read.troubles());
    words
}

impl Name {
    fn of(path: &str) -> Self {
        match readable(path) {
            Some(shown) => Self { segments: segments(&shown), recorded: Some(plain(path)) },
            None => Self { segments: segments(path), recorded: None },
        }
    }
}

fn segments(path: &str) -> Vec<String> {
    path.split('/').map(plain).collect()
}

fn amount(left: &Left) -> String {
    format!("{}{}", least(left.unknown.answers), number(left.bytes()))
}

fn least(unknown: u64) -> &'static str {
    if unknown > 0 { "≥ " } else { "" }
}

const STYLE: &str = include_str!("../../../../templates/report.css");

/// Nothing from elsewhere, no script, and this sheet alone, by its hash.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(Digest::of(STYLE.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{hash}'; form-action 'none'; base-uri 'none'")
});
