//! A small story, told as text, JSON and HTML; and what must hold of any.

use jiff::tz::TimeZone;
use proptest::prelude::*;
use serde_json::json;

use super::figures::{Left, Part, Tally, Unknown, When};
use super::findings::{Cell, Findings, Span};
use super::gather::Gatherer;
use super::made::{Made, Read, Verification};
use super::subject::Subject;
use super::text::{Size, report};
use super::{html, json as report_json};
use crate::clock::Timestamp;
use crate::commands::audit::testing::{Story, Told};
use crate::record::read::RecordFolder;

fn at(text: &str) -> When {
    When::read(text).unwrap()
}

fn found(story: &Story, subject: Subject, since: &str, until: &str) -> (Findings, Made) {
    let dir = tempfile::tempdir().unwrap();
    let folder = story.write_to(dir.path());
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let mut gatherer = Gatherer::new(subject, Span { since: at(since), until: at(until) });
    let tally = gatherer.read(&folder).unwrap();
    let found = gatherer.finish(&zone);
    let made = Made {
        at: at("2026-11-20T16:00:00.000Z"),
        version: "0.1.0",
        command: "sekisho audit report --device lap-7 --since yesterday".to_owned(),
        folder: "/var/log/sekisho".to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        zone,
        read: Read::of(tally, found.unreadable),
        verification: Verification::NotDone("The record was not verified when this was made.".to_owned()),
        on_its_way: 393_216,
    };
    (found, made)
}

/// A laptop that downloads in bulk, is quarantined in the middle of it, and asks on; a thief; and a gate that dies.
fn breach() -> Story {
    let mut story = Story::default();
    let control = story.file("07:00:00", 71, "control", None);
    let core = story.file("07:00:00", 71, "0", None);
    let other = story.file("07:00:00", 71, "1", None);
    story.line(control, "event", "07:00:00", &json!({ "event": "gate_started", "by": "uid:0 (root)" }));
    story.line(
        control,
        "event",
        "08:00:10",
        &json!({ "event": "signed_in", "by": "user:corp/ana", "device": "lap-7", "user": "corp/ana", "session": "s-1" }),
    );
    story.whole(
        core,
        "08:00:00",
        812,
        &json!({ "decision": "own", "reason": "sign-in", "app": null, "user": null, "session": null, "policies": null }),
    );
    story.whole(core, "08:01:00", 4_812, &json!({ "path": "/", "length": 4_812 }));
    for number in 0..6_u64 {
        let size = 900_000_000 - number * 100_000_000;
        let path = format!("/customers/%E9%A1%A7%E5%AE%A2-{number}.pdf");
        let at = format!("09:{:02}:00", number * 7);
        let told = story.access(core, &at, &json!({ "app": "files", "host": "files.example", "path": path, "length": size }));
        story.progress(&told, &format!("09:{:02}:30", number * 7), size / 2, 0);
        story.end(&told, &format!("09:{:02}:30", number * 7 + 1), size, 0, "complete");
    }
    let upload = story.access(other, "09:30:00", &json!({ "method": "POST", "path": "/notes", "status": 201, "length": 12 }));
    story.end(&upload, "09:30:02", 12, 2_400_123, "complete");
    let cut = story.access(
        other,
        "09:50:00",
        &json!({ "app": "files", "host": "files.example", "path": "/all.tar", "length": 5_000_000_000_u64 }),
    );
    story.progress(&cut, "09:50:30", 16_777_216, 0);
    let socket = story.access(core, "08:05:00", &json!({ "path": "/live", "status": 101 }));
    story.line(
        control,
        "event",
        "09:52:03.100",
        &json!({ "event": "device_quarantined", "by": "uid:1000 (ben)", "why": "malware found", "device": "lap-7" }),
    );
    story.end(&cut, "09:52:03.181", 700_123_456, 0, "cut");
    story.end(&socket, "09:52:03.162", 88_400, 1_200, "cut");
    for second in 4..40 {
        let fields = json!({ "decision": "deny", "reason": "device_quarantined", "path": format!("/customers/{second}"), "app": "files", "host": "files.example",
            "status": 403, "policies": null, "user": null, "session": null });
        story.whole(core, &format!("09:52:{second:02}"), 900, &fields);
    }
    story.whole(
        other,
        "09:40:00",
        900,
        &json!({ "decision": "deny", "reason": "policy_forbidden", "path": "/admin", "policies": ["no-admin"], "status": 403 }),
    );
    // Ana elsewhere, a thief with her session, and somebody who has nothing to do with it.
    story.whole(other, "09:10:00", 5, &json!({ "device": "tab-2", "session": "s-2", "client": "198.51.100.9:4" }));
    story.whole(
        other,
        "09:20:00",
        900,
        &json!({ "device": "lap-9", "user": null, "session": null, "client": "203.0.113.66:9", "decision": "deny", "reason": "credential_replayed",
            "status": 401, "policies": null, "stolen_user": "corp/ana", "stolen_session": "s-1", "stolen_from": "lap-7" }),
    );
    story.whole(other, "09:21:00", 77, &json!({ "device": "lap-8", "user": "corp/ben", "session": "s-3" }));
    let lost = story.access(core, "09:51:00", &json!({ "path": "/report.csv", "length": 50_000_000 }));
    story.progress(&lost, "09:51:40", 20_000_000, 0);
    let later = story.file("10:30:00", 99, "0", Some(core));
    story.line(later, "gap", "11:00:00", &json!({ "lost": 3 }));
    story
}

fn device() -> Subject {
    Subject::Device("lap-7".to_owned())
}

fn everybody(story: &Story) -> [Findings; 3] {
    let (since, until) = ("2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z");
    [device(), Subject::User("corp/ana".to_owned()), Subject::Session("s-1".to_owned())]
        .map(|subject| found(story, subject, since, until).0)
}

fn as_text(found: &Findings, made: &Made) -> String {
    report(found, made, Size { rows: 20, width: Some(100) })
}

fn as_json(found: &Findings, made: &Made) -> String {
    let mut text = Vec::new();
    report_json::write(found, made, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

fn as_html(found: &Findings, made: &Made) -> String {
    html::page(found, made, 1000).unwrap()
}

/// What is expected stands in files. `cargo nextest run --run-ignored only golden_files` writes them.
fn golden() -> [(&'static str, &'static str, String); 3] {
    let (found, made) = found(&breach(), device(), "2026-11-20T07:30:00Z", "2026-11-20T12:00:00Z");
    [
        ("breach.txt", include_str!("testdata/breach.txt"), as_text(&found, &made)),
        ("breach.json", include_str!("testdata/breach.json"), as_json(&found, &made)),
        ("breach.html", include_str!("testdata/breach.html"), as_html(&found, &made)),
    ]
}

#[test]
fn a_breach_is_told_as_it_was() {
    for (name, expected, told) in golden() {
        let differs = expected.lines().zip(told.lines()).position(|(one, other)| one != other);
        if let Some(line) = differs {
            let both = (expected.lines().nth(line), told.lines().nth(line));
            panic!("{name}, line {}: expected, told: {both:#?}", line + 1);
        }
        assert_eq!(expected.lines().count(), told.lines().count(), "{name}");
    }
}

#[test]
#[ignore = "writes what is expected of the others, to be looked at before it is kept"]
fn golden_files_are_written() {
    for (name, _, told) in golden() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/src/commands/audit/report/testdata");
        std::fs::write(std::path::Path::new(dir).join(name), told).unwrap();
    }
}

#[test]
fn figures_say_what_is_known() {
    let mut story = Story::default();
    let core = story.file("07:00:00", 1, "0", None);
    story.whole(core, "08:00:00", 100, &json!({ "path": "/whole", "length": 100 }));
    let cut = story.access(core, "08:01:00", &json!({ "path": "/cut", "length": 1000 }));
    story.end(&cut, "08:01:05", 400, 0, "client_gone");
    let open = story.access(core, "08:02:00", &json!({ "path": "/declared", "length": 1000 }));
    story.progress(&open, "08:02:10", 300, 5);
    story.access(core, "08:03:00", &json!({ "path": "/endless" }));
    story.access(core, "08:04:00", &json!({ "path": "/head", "method": "HEAD", "length": 7000 }));
    story.start(core, "08:05:00", "/lost-upload");
    let failed = story.access(core, "08:06:00", &json!({ "path": "/failed", "reason": "app_unreachable", "status": 502 }));
    story.end(&failed, "08:06:01", 900, 33, "complete");
    let gone = story.access(core, "08:07:00", &json!({ "path": "/gone", "status": 499 }));
    story.end(&gone, "08:07:01", 0, 0, "client_gone");
    let (found, _) = found(&story, device(), "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z");
    let left = found.total.left;
    assert_eq!(left.whole, Part { answers: 1, bytes: 100 });
    assert_eq!(left.cut, Part { answers: 1, bytes: 400 });
    // Of the two that declared nothing, and the one that has no answer, nothing bounds what left.
    assert_eq!(left.unknown, Unknown { answers: 4, at_least: 300, declared: 1000, undeclared: 2 });
    assert_eq!((left.bytes(), left.above()), (800, None));
    let Tally { allowed, unanswered, received, received_unknown, .. } = found.total;
    assert_eq!((allowed, unanswered, received, received_unknown), (8, 2, 38, 4));
    let row = |path: &str| found.paths.iter().find(|row| row.path == path).unwrap();
    assert_eq!(
        (row("/failed").bytes, row("/failed").statuses.as_slice()),
        (0, &[(502, 1)][..]),
        "the gate's own page is no answer of the app"
    );
    assert_eq!(row("/declared").left.above(), Some(700));
    assert_eq!(row("/head").left.above(), Some(0));
}

#[test]
fn streams_count_whole_at_both_edges_and_not_beyond() {
    let mut story = Story::default();
    let core = story.file("07:00:00", 1, "0", None);
    for (path, from, to) in [
        ("/before", "07:00:01", "07:59:59.999"),
        ("/into", "07:00:02", "08:00:00"),
        ("/within", "08:10:00", "08:20:00"),
        ("/out", "08:59:59.999", "12:00:00"),
        ("/after", "09:00:00", "09:00:01"),
    ] {
        let told = story.access(core, from, &json!({ "path": path }));
        story.end(&told, to, 10, 0, "complete");
    }
    let (found, _) = found(&story, device(), "2026-11-20T08:00:00Z", "2026-11-20T09:00:00Z");
    let mut paths: Vec<_> = found.paths.iter().map(|row| row.path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["/into", "/out", "/within"]);
    assert_eq!((found.began_before, found.ended_after, found.total.left.bytes()), (1, 1, 30));
}

#[test]
fn what_began_in_files_of_before_is_found_there() {
    let story = |split: bool| {
        let mut story = Story::default();
        let mut core = story.file("05:00:00", 1, "0", None);
        let began = story.access(core, "05:00:01", &json!({ "path": "/long", "length": 900 }));
        let others = story.access(core, "05:00:02", &json!({ "device": "lap-8", "path": "/long" }));
        let idle = story.access(core, "05:00:03", &json!({ "path": "/unfinished" }));
        story.whole(core, "05:00:04", 7, &json!({ "path": "/over" }));
        if split {
            story.line(core, "close", "06:00:00", &json!({ "lines": 1, "bytes": 1 }));
            core = story.file("06:00:00", 1, "0", Some(core));
            story.whole(core, "06:30:00", 7, &json!({ "path": "/over-too" }));
            story.line(core, "close", "07:00:00", &json!({ "lines": 1, "bytes": 1 }));
            core = story.file("07:00:00", 1, "0", Some(core));
        }
        let later = |told: &Told| Told { file: core, ..told.clone() };
        story.progress(&later(&began), "08:10:00", 500, 0);
        story.progress(&later(&idle), "08:15:00", 44, 0);
        story.end(&later(&began), "08:20:00", 900, 0, "complete");
        story.end(&later(&others), "08:20:00", 900, 0, "complete");
        story.whole(core, "08:30:00", 3, &json!({ "path": "/within" }));
        story
    };
    let of = |split| found(&story(split), device(), "2026-11-20T08:00:00Z", "2026-11-20T09:00:00Z");
    let (whole, split) = (of(false), of(true));
    assert_eq!(split.1.read.skipped, 0, "both files of before were needed");
    let rows = |found: &Findings| found.paths.iter().map(|row| format!("{row:?}")).collect::<Vec<_>>();
    assert_eq!(rows(&whole.0), rows(&split.0));
    assert_eq!(split.0.paths.len(), 3);
    assert_eq!(split.0.total.left.bytes(), 900 + 44 + 3);
    assert_eq!(split.0.began_before, 2);
}

#[test]
fn files_of_other_times_are_left_aside() {
    let mut story = Story::default();
    let mut core = story.file("01:00:00", 1, "0", None);
    for hour in 2..9 {
        story.whole(core, &format!("0{}:30:00", hour - 1), 7, &json!({}));
        core = story.file(&format!("0{hour}:00:00"), 1, "0", Some(core));
    }
    story.whole(core, "08:30:00", 7, &json!({}));
    let (found, made) = found(&story, device(), "2026-11-20T07:10:00Z", "2026-11-20T09:00:00Z");
    assert_eq!((made.read.skipped, found.total.allowed, found.began_before), (6, 2, 0));
}

#[test]
fn a_subject_has_its_own_view() {
    let [device, user, session] = everybody(&breach());
    // The person and the session were on that device, and the refusals of the quarantined device name neither.
    assert_eq!((device.total.denied, user.total.denied, session.total.denied), (37, 1, 1));
    assert_eq!(device.total.left.bytes() + 5, user.total.left.bytes(), "ana's other device");
    assert_eq!(session.total.left, device.total.left);
    let other = &device.others[0];
    assert_eq!((device.others.len(), other.user.as_str(), other.device.as_str()), (1, "corp/ana", "tab-2"));
    assert!(user.others.is_empty(), "{:?}", user.others);
    assert!([&device, &user, &session].iter().all(|found| found.replays.len() == 1));
    let quarantined = |found: &Findings| found.events.iter().any(|event| event.event == "device_quarantined");
    assert!([&device, &user, &session].into_iter().all(quarantined));
}

#[test]
fn other_devices_of_the_same_people_are_suspicious_if_something_speaks_against_them() {
    let mut story = Story::default();
    let (core, control) = (story.file("07:00:00", 1, "0", None), story.file("07:00:00", 1, "control", None));
    // Before the subject's device is seen with ana at all.
    story.whole(core, "07:01:00", 1, &json!({ "device": "tab-3" }));
    story.whole(core, "07:02:00", 1, &json!({ "device": "tab-4", "decision": "deny", "reason": "policy_no_permit" }));
    story.line(control, "event", "07:03:00", &json!({ "event": "two_networks", "device": "tab-4" }));
    story.line(control, "event", "07:03:00", &json!({ "event": "device_quarantined", "device": "lap-99" }));
    story.whole(core, "07:04:00", 1, &json!({ "device": "lap-8", "user": "corp/ben" }));
    story.whole(core, "08:00:00", 1, &json!({}));
    let (found, _) = found(&story, device(), "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z");
    let others: Vec<_> = found.others.iter().map(|row| (row.device.as_str(), row.suspicious.clone())).collect();
    assert_eq!(others, [("tab-4", vec!["refused 1 time".to_owned(), "two networks".to_owned()]), ("tab-3", vec![])]);
    assert!(found.events.is_empty(), "{:?}", found.events);
}

#[test]
fn a_subject_that_the_record_does_not_know_is_none() {
    let (found, made) = found(&breach(), Subject::Device("lap-77".to_owned()), "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z");
    assert!(found.is_empty());
    assert!(as_text(&found, &made).contains("tells of no request of the device lap-77"));
    assert!(as_html(&found, &made).contains("Nothing happened in this time"));
}

/// Ends a tag, an attribute and the stylesheet; turns the order of letters; plays with a terminal.
const HOSTILE: &str =
    "</title></style>'\"><script>alert(1)</script><img src=x onerror=alert(1)>&amp;{{ 7*7 }}\u{202e}fdp\u{1b}[2J\u{2066}";

fn hostile(text: &str) -> (Findings, Made) {
    let mut story = Story::default();
    let (core, control) = (story.file("07:00:00", 1, "0", None), story.file("07:00:00", 1, "control", None));
    let all = json!({ "device": text, "user": text, "session": text, "app": text, "method": text, "host": text, "path": format!("/%zz/{}", text.replace('/', "|")),
        "client": text, "policies": [text], "length": 9 });
    let cut = story.access(core, "08:00:00", &all);
    story.end(&cut, "08:00:01", 5, 5, "cut");
    story.whole(core, "08:00:02", 1, &json!({ "device": text, "path": "/%3Cb%3E/%3Cscript%3Ealert(1)" }));
    let mut all = all.as_object().unwrap().clone();
    all.insert("decision".to_owned(), json!("deny"));
    all.insert("reason".to_owned(), json!(text));
    story.whole(core, "08:01:00", 9, &all.clone().into());
    for (name, value) in [
        ("reason", json!("credential_replayed")),
        ("stolen_user", json!(text)),
        ("stolen_from", json!(text)),
        ("stolen_session", json!(text)),
    ] {
        all.insert(name.to_owned(), value);
    }
    story.whole(core, "08:02:00", 9, &all.clone().into());
    all.insert("device".to_owned(), json!(format!("other {text}")));
    story.whole(core, "08:02:00", 9, &all.into());
    for event in ["device_quarantined", "user_suspended", "session_ended", "two_networks", text] {
        let fields = json!({ "event": event, "by": text, "why": text, "device": text, "user": text, "session": text, "app": text, "detail": text });
        story.line(control, "event", if event == text { "08:04:00" } else { "08:03:00" }, &fields);
    }
    let (found, mut made) = found(&story, Subject::Device(text.to_owned()), "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z");
    (made.command, made.folder, made.verification) = (text.to_owned(), text.to_owned(), Verification::Failed(text.to_owned()));
    (found, made)
}

/// The tags of a page with their attributes' names: what a browser would build.
fn skeleton(page: &str) -> Vec<String> {
    page.split('<').skip(1).map(|rest| rest.split('>').next().unwrap().split_whitespace().next().unwrap().to_owned()).collect()
}

#[test]
fn nothing_in_a_record_becomes_markup_or_plays_with_a_terminal() {
    let ((found, made), (plain, plain_made)) = (hostile(HOSTILE), hostile("words"));
    assert!(as_html(&found, &made).contains("<bdi>&#60;b&#62;</bdi>/<bdi>&#60;script&#62;"));
    assert_eq!((found.others.len(), found.replays.len(), found.cuts.len(), found.denied.len()), (1, 2, 1, 2));
    let page = as_html(&found, &made);
    assert_eq!(skeleton(&page), skeleton(&as_html(&plain, &plain_made)));
    for bad in ["<script", "<img", "<b>/", "\u{202e}", "\u{2066}", "\u{1b}"] {
        assert!(!page.replace("'none'", "").contains(bad), "{bad}");
    }
    let text = as_text(&found, &made);
    assert!(!text.chars().any(|letter| letter.is_control() && letter != '\n') && !text.contains('\u{202e}'));
    let back: serde_json::Value = serde_json::from_str(&as_json(&found, &made)).unwrap();
    assert_eq!(back["paths"][0]["path"], format!("/%zz/{}", HOSTILE.replace('/', "|")), "evidence is not changed in JSON");
}

#[test]
fn the_page_needs_nothing_else() {
    let (found, made) = found(&breach(), device(), "2026-11-20T07:30:00Z", "2026-11-20T12:00:00Z");
    let page = as_html(&found, &made);
    let style = page.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    let hash = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, crate::secret::Digest::of(style.as_bytes()));
    assert!(
        page.contains(&format!("default-src &#39;none&#39;; style-src &#39;sha256-{hash}&#39;")),
        "the sheet is the one that the policy allows"
    );
    for link in ["href=", "src=", "style=", "<script", "<link", "http://", "https://cdn", "url("] {
        assert!(!page.contains(link), "{link}");
    }
}

#[test]
fn what_finds_no_room_is_told_in_sum() {
    let mut story = Story::default();
    let core = story.file("07:00:00", 1, "0", None);
    for number in 0..30_u64 {
        story.whole(core, "08:00:00", number + 1, &json!({ "path": format!("/{number}") }));
    }
    let (found, made) = found(&story, device(), "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z");
    let hidden: u64 = (1..=10).sum();
    let words = format!("and 10 further paths, {hidden} bytes, in 10 requests");
    assert!(as_text(&found, &made).contains(&words));
    assert!(html::page(&found, &made, 20).unwrap().contains(&words));
    let json: serde_json::Value = serde_json::from_str(&as_json(&found, &made)).unwrap();
    assert_eq!(json["paths"].as_array().unwrap().len(), 30);
}

/// A request as the property makes it up: of whom, where, how it went, and in which chain it stands.
type Made3 = (u8, u8, u8, u8, u64, u64, u8);

fn random(requests: &[Made3], chains: u8, split: bool) -> Story {
    let mut story = Story::default();
    let mut files: Vec<usize> = (0..chains).map(|chain| story.file("00:00:01", 1, &chain.to_string(), None)).collect();
    for (number, &(device, user, app, path, sent, received, fate)) in requests.iter().enumerate() {
        let core = number % usize::from(chains);
        if split && number == requests.len() / 2 {
            for (chain, file) in files.iter_mut().enumerate() {
                *file = story.file("03:30:00", 1, &chain.to_string(), Some(*file));
            }
        }
        let at = format!("03:{:02}:{:02}", number / 60 % 60, number % 60);
        let mut fields = json!({ "device": format!("d-{device}"), "user": format!("u/{user}"), "session": format!("s-{user}-{device}"),
            "app": format!("app-{app}"), "path": format!("/{path}"), "length": sent.saturating_mul(2), "client": format!("192.0.2.{user}:1") });
        if fate == 0 {
            fields["decision"] = json!("deny");
            fields["reason"] = json!("policy_forbidden");
        }
        let told = story.access(files[core], &at, &fields);
        let later = Timestamp(told.at.0 + 90_000).to_string();
        if fate > 4 {
            story.progress(&told, &Timestamp(told.at.0 + 30_000).to_string(), sent / 2, received / 2);
        }
        if fate < 6 {
            story.end(&told, &later, sent, received, if fate == 1 { "cut" } else { "complete" });
        }
    }
    story
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn totals_are_sums_and_the_order_of_chains_is_all_one(
        requests in prop::collection::vec((0..2_u8, 0..3_u8, 0..3_u8, 0..6_u8, 0..1_000_000_u64, 0..1000_u64, 0..8_u8), 1..120),
    ) {
        let subject = || Subject::Device("d-0".to_owned());
        let of = |chains, split| found(&random(&requests, chains, split), subject(), "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z").0;
        let one = of(1, false);
        let mine = || requests.iter().filter(|(device, ..)| *device == 0);
        // Against figures that are counted in another way.
        let exact: u64 = mine().filter(|(.., fate)| matches!(fate, 1..=5)).map(|(.., sent, _, _)| sent).sum();
        let least: u64 = mine().filter(|(.., fate)| *fate > 5).map(|(.., sent, _, _)| sent / 2).sum();
        prop_assert_eq!(one.total.left.whole.bytes + one.total.left.cut.bytes, exact);
        prop_assert_eq!(one.total.left.unknown.at_least, least);
        prop_assert_eq!(one.total.denied, mine().filter(|(.., fate)| *fate == 0).count() as u64);
        // Every list tells the same in sum.
        let total = one.total.left;
        let mut sums = [Left::default(); 5];
        one.paths.iter().for_each(|row| sums[0] += row.left);
        one.apps.iter().for_each(|row| sums[1] += row.tally.left);
        one.users.iter().for_each(|row| sums[2] += row.tally.left);
        one.sessions.iter().for_each(|row| sums[3] += row.tally.left);
        one.addresses.iter().for_each(|row| sums[4] += row.tally.left);
        prop_assert_eq!(sums, [total; 5]);
        let hours = one.hours.iter().fold(Cell::default(), |mut sum, row| { sum += row.cell; sum });
        prop_assert_eq!((hours.sent, hours.received, hours.allowed, hours.denied), (total.bytes(), one.total.received, one.total.allowed, one.total.denied));
        prop_assert_eq!(one.denied.iter().map(|row| row.times).sum::<u64>(), one.total.denied);
        for other in [of(3, false), of(1, true), of(4, true)] {
            let told = |found: &Findings| {
                let Findings { total, paths, apps, hours, users, sessions, others, denied, .. } = found;
                // Requests are numbered in the order in which they are told, which is the same for all.
                format!("{total:?} {paths:?} {apps:?} {hours:?} {users:?} {sessions:?} {others:?} {denied:?}")
            };
            prop_assert_eq!(told(&one), told(&other));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(text in "\\PC*", bytes: Vec<u8>, kind in prop::sample::select(vec!["access", "start", "end", "progress", "event", "facts", "gap", "open", "close"])) {
        let dir = tempfile::tempdir().unwrap();
        let mut content = format!("{{\"line\":\"{kind}\",\"at\":\"2026-11-20T08:00:00.000Z\"{text}}}\n").into_bytes();
        content.extend(bytes);
        std::fs::write(dir.path().join("access-0000000000001-1-0.jsonl"), content).unwrap();
        let folder = RecordFolder::open(dir.path()).unwrap();
        let mut gatherer = Gatherer::new(device(), Span { since: at("2026-11-20T00:00:00Z"), until: at("2026-11-21T00:00:00Z") });
        let tally = gatherer.read(&folder).unwrap();
        drop((tally, gatherer.finish(&TimeZone::UTC)));
    }
}

/// Of time and memory, for people: `cargo nextest run --run-ignored only a_million_lines --no-capture`.
#[test]
#[ignore = "a benchmark"]
fn a_million_lines() {
    let dir = tempfile::tempdir().unwrap();
    let mut story = Story::default();
    let core = story.file("00:00:01", 1, "0", None);
    for number in 0..500_000_u64 {
        let at =
            Timestamp(crate::commands::audit::testing::time("01:00:00").0 + i64::try_from(number).unwrap() * 100).to_string();
        let device = if number % 2 == 0 { "lap-7".to_owned() } else { format!("lap-{}", number % 997) };
        story.whole(
            core,
            &at,
            number,
            &json!({ "device": device, "path": format!("/customers/{number}/file.pdf"), "length": number }),
        );
    }
    let folder = story.write_to(dir.path());
    let bytes: u64 = folder.segments().iter().map(|file| std::fs::metadata(&file.path).unwrap().len()).sum();
    drop(story);
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap().trim().to_owned()
    };
    let before = resident();
    let began = std::time::Instant::now();
    let mut gatherer = Gatherer::new(device(), Span { since: at("2026-11-20T00:00:00Z"), until: at("2026-11-30T00:00:00Z") });
    let tally = gatherer.read(&folder).unwrap();
    let read = began.elapsed();
    let found = gatherer.finish(&TimeZone::UTC);
    let after = resident();
    println!(
        "{} lines, {} MB: read in {read:?}, {:?} with rows; {} paths; {before} before, {after} after",
        tally.lines,
        bytes / 1_000_000,
        began.elapsed(),
        found.paths.len()
    );
}

#[test]
fn letters_from_right_to_left_do_not_move_the_slashes() {
    let mut story = Story::default();
    let core = story.file("07:00:00", 1, "0", None);
    story.whole(core, "08:00:00", 1, &json!({ "path": "/a/%D7%A7%D7%95%D7%91%D7%A5/4614.pdf" }));
    let (found, made) = found(&story, device(), "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z");
    assert!(as_html(&found, &made).contains("/<bdi>a</bdi>/<bdi>קובץ</bdi>/<bdi>4614.pdf</bdi>"));
}

#[test]
fn the_last_steps_are_told_and_what_holds_when_the_record_ends() {
    let mut story = Story::default();
    let (core, control) = (story.file("07:00:00", 1, "0", None), story.file("07:00:00", 1, "control", None));
    story.whole(core, "08:00:00", 1, &json!({}));
    for hour in [9, 10, 11] {
        for (minute, event) in [(0, "device_quarantined"), (30, "device_released")] {
            let fields = json!({ "event": event, "by": "uid:0", "why": format!("why {hour}"), "device": "lap-7" });
            story.line(control, "event", &format!("{hour:02}:{minute:02}:00"), &fields);
        }
    }
    let last = json!({ "event": "device_quarantined", "by": "uid:0", "why": "for good", "device": "lap-7" });
    story.line(control, "event", "12:00:00", &last);
    let of = |until: &str| {
        let (found, made) = found(&story, device(), "2026-11-13T00:00:00Z", until);
        super::summary::sentences(&found, &made).join("\n")
    };
    let told = of("2026-11-20T13:00:00Z");
    for words in [
        "The record begins only at 2026-11-20 08:00:00; of the time before, it says nothing.",
        "3 earlier steps that were taken",
        "The quarantine of the device lap-7 was taken back at 2026-11-20 12:30:00, by the administrator (account 0 on the gate’s machine): “why 11”.",
        "The device lap-7 was quarantined at 2026-11-20 13:00:00, by the administrator (account 0 on the gate’s machine): “for good”.",
        "After the quarantine, at 2026-11-20 13:00:00.000, nothing was let through.",
        "When the record ends, the device lap-7 is in quarantine, since 2026-11-20 13:00:00.",
    ] {
        assert!(told.contains(words), "{words}:\n{told}");
    }
    assert!(!told.contains("why 9"), "{told}");
    // Of a time that ends before it, the last step was taken back; what holds now is told all the same.
    let told = of("2026-11-20T11:45:00Z");
    assert!(!told.contains("nothing was let through") && told.contains("is in quarantine, since 2026-11-20 13:00:00"), "{told}");
}

#[test]
fn what_is_long_or_says_nothing_does_not_stand_in_the_way() {
    let mut story = Story::default();
    let (core, control) = (story.file("07:00:00", 1, "0", None), story.file("07:00:00", 1, "control", None));
    let socket = story.access(core, "08:00:00", &json!({ "path": "/live", "status": 101, "length": 0 }));
    story.end(&socket, "08:00:09", 70, 0, "cut");
    story.whole(core, "08:01:00", 1, &json!({ "decision": "deny", "reason": "no_credential" }));
    let hash = "3f0c9a7d11aa".repeat(6).chars().take(64).collect::<String>();
    for (event, detail) in [("policies_loaded", hash.as_str()), ("reload_refused", "a.cedar:3: no\n\n  b.cedar:4: no\n")] {
        story.line(control, "event", "08:02:00", &json!({ "event": event, "by": "uid:1000 (ben)", "detail": detail }));
    }
    story.line(control, "event", "08:03:00", &json!({ "event": "device_owned", "by": "user:corp/ana", "device": "lap-7" }));
    story.line(control, "gap", "08:04:00", &json!({ "lost": 0 }));
    let (found, made) = found(&story, device(), "2026-11-20T07:00:00Z", "2026-11-21T00:00:00Z");
    assert_eq!((found.cuts[0].length, found.paths[0].length), (None, None));
    for page in [as_html(&found, &made), as_text(&found, &made)] {
        for words in [
            "nobody was signed in",
            "(3f0c9a7d11aa…)",
            "(a.cedar:3: no / b.cedar:4: no)",
            "became that of its owner, who signed in",
            "no line is lost",
        ] {
            assert!(page.contains(words), "{words}:\n{page}");
        }
        assert!(!page.contains(&hash) && !page.contains('\u{fffd}') && !page.contains("(unknown)"), "{page}");
    }
}
