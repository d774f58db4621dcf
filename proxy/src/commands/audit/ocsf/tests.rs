//! Every event has what its class asks for.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Ocsf;
use crate::commands::audit::format::Writer as _;
use crate::commands::audit::testing::Story;
use crate::record::EventKind;
use crate::record::read::{Filter, Span};

/// What OCSF 1.6.0 requires of each class that is used, and of which fields it wants one at least: from `events/…/*.json` of
/// <https://github.com/ocsf/ocsf-schema> at the preparation of that release, with what they extend.
const CLASSES: [(u64, &[&str], &[&str]); 7] = [
    (2004, &["finding_info"], &[]),
    (3001, &["user"], &[]),
    (3002, &["user"], &["service", "dst_endpoint"]),
    (3004, &["entity"], &[]),
    (4002, &[], &["http_request", "http_response"]),
    (6002, &["app"], &[]),
    (6008, &[], &[]),
];
/// Of all classes (`events/base_event.json`).
const BASE: [&str; 7] = ["activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid"];
/// Of objects (`objects/*.json`), by the names that fields have here: what they require.
const OBJECTS: [(&str, &[&str]); 6] = [
    ("metadata", &["product", "version"]),
    ("device", &["type_id"]),
    ("http_response", &["code"]),
    ("finding_info", &["uid", "analytic"]),
    ("analytic", &["type_id"]),
    ("user", &["type_id"]),
];

/// Every kind of line that the export makes an event of.
fn everything() -> Story {
    let mut story = Story::default();
    let (core, control) = (story.file("07:00:00", 1, "0", None), story.file("07:00:00", 1, "control", None));
    for method in ["GET", "POST", "CONNECT", "PROPFIND", ""] {
        story.whole(
            core,
            "08:00:00",
            7,
            &json!({ "method": method, "policy_set": "ab12", "action": "read", "certificate": "77" }),
        );
    }
    for (reason, status) in
        [("policy_forbidden", 403), ("not_signed_in", 401), ("evaluation_failed", 503), ("credential_replayed", 401)]
    {
        story.whole(
            core,
            "08:01:00",
            7,
            &json!({ "decision": "deny", "reason": reason, "status": status, "user": null, "session": null, "policies": null }),
        );
    }
    for page in ["sign_in", "callback", "sign_out", "whoami"] {
        story.whole(core, "08:02:00", 7, &json!({ "decision": "own", "reason": page, "device": null, "user": null, "session": null, "app": null, "policies": null }));
    }
    let unreadable = json!({ "method": "", "host": "", "path": "", "decision": "deny", "reason": "malformed", "status": 400, "device": null, "user": null,
        "session": null, "app": null, "policies": null, "client": "[2001:db8::7]:443" });
    story.whole(core, "08:03:00", 0, &unreadable);
    let cut = story.access(core, "08:04:00", &json!({ "length": 900 }));
    story.end(&cut, "08:05:00", 400, 3, "cut");
    let open = story.access(core, "08:06:00", &json!({}));
    story.progress(&open, "08:06:30", 300, 2);
    story.start(core, "08:07:00", "/upload");
    for kind in EventKind::ALL {
        let fields = json!({ "event": kind.as_str(), "by": "uid:1000 (ben)", "why": "test", "device": "lap-7", "user": "corp/ana", "session": "s-1", "detail": "more" });
        story.line(control, "event", "08:08:00", &fields);
        // Not much may be known.
        story.line(control, "event", "08:08:01", &json!({ "event": kind.as_str() }));
    }
    story.line(control, "event", "08:09:00", &json!({ "event": "of_a_later_version" }));
    story.line(core, "gap", "08:10:00", &json!({ "lost": 3 }));
    story
}

fn exported() -> Vec<Value> {
    let dir = tempfile::tempdir().unwrap();
    let folder = everything().write_to(dir.path());
    let mut requests = folder.requests(Filter::default(), Span::default()).unwrap();
    let mut text = Vec::new();
    while let Some(entry) = requests.next_entry().unwrap() {
        Ocsf.entry(&entry, &mut text).unwrap();
    }
    assert_eq!((requests.unreadable(), requests.tally().foreign), (0, 0));
    String::from_utf8(text).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn lacks(event: &Value, fields: &[&str]) -> Vec<String> {
    fields.iter().filter(|field| event.get(**field).is_none()).map(|field| (*field).to_owned()).collect()
}

/// Objects below, with the names of the fields that they stand in.
fn objects<'a>(name: &'a str, value: &'a Value, found: &mut Vec<(&'a str, &'a Value)>) {
    match value {
        Value::Object(fields) => {
            found.push((name, value));
            fields.iter().for_each(|(name, value)| objects(name, value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| objects(name, item, found)),
        _ => {}
    }
}

#[test]
fn every_event_has_what_its_class_requires() {
    let events = exported();
    let mut seen = BTreeSet::new();
    for event in &events {
        assert_eq!(lacks(event, &BASE), [""; 0], "{event}");
        let number = |field: &str| event[field].as_u64().unwrap();
        let class = number("class_uid");
        assert_eq!((number("category_uid"), number("type_uid")), (class / 1000, class * 100 + number("activity_id")), "{event}");
        assert_eq!(event["metadata"]["version"], "1.6.0");
        if class != 0 {
            let (_, required, any) = CLASSES.iter().find(|(uid, _, _)| *uid == class).unwrap();
            assert_eq!(lacks(event, required), [""; 0], "{event}");
            assert!(any.is_empty() || any.iter().any(|field| event.get(*field).is_some()), "{event}");
        }
        // An activity without a number of its own is named.
        assert!(event["activity_name"].as_str().is_some_and(|name| !name.is_empty()), "{event}");
        let mut below = Vec::new();
        objects("", event, &mut below);
        for (name, value) in below {
            if let Some((_, required)) = OBJECTS.iter().find(|(known, _)| *known == name) {
                assert_eq!(lacks(value, required), [""; 0], "{name} of {event}");
            }
        }
        assert!(!event.to_string().contains("null"), "what says nothing is left out: {event}");
        seen.insert(class);
    }
    let known = CLASSES.iter().map(|(class, _, _)| *class).chain([0]).collect();
    assert_eq!(seen, known, "a class is tried of each kind");
    let places: BTreeSet<_> = events.iter().map(|event| event["metadata"]["uid"].as_str().unwrap()).collect();
    assert_eq!(places.len(), events.len(), "each has an id of its own");
}

#[test]
fn a_request_is_told_with_its_bytes_and_its_outcome() {
    let events = exported();
    let told = |what: &dyn Fn(&&Value) -> bool| events.iter().find(what).unwrap();
    let get = told(&|event| event["type_uid"] == 400_203);
    assert_eq!(get["traffic"], json!({ "bytes_in": 7, "bytes_out": 0, "bytes": 7 }));
    assert_eq!((&get["status_id"], &get["disposition_id"], &get["action_id"]), (&json!(1), &json!(1), &json!(1)));
    assert_eq!(get["src_endpoint"], json!({ "ip": "192.0.2.7", "port": 50001 }));
    assert_eq!(get["actor"]["session"], json!({ "uid": "s-1", "issuer": "corp", "is_remote": true }));
    assert_eq!(get["device"]["uid"], "lap-7");
    assert_eq!(get["policy"], json!({ "uid": "ab12", "name": "staff", "type": "Cedar", "is_applied": true }));
    assert_eq!(get["http_request"]["url"]["url_string"], "https://wiki.example/");
    assert_eq!(get["time"], 1_795_161_600_000_i64);
    let propfind = told(&|event| event["activity_name"] == "PROPFIND");
    assert_eq!((&propfind["activity_id"], propfind["http_request"].get("http_method")), (&json!(99), None));
    let cut = told(&|event| event["unmapped"]["ending"] == "cut");
    assert_eq!(
        (&cut["disposition_id"], &cut["traffic"]["bytes_in"], &cut["duration"]),
        (&json!(24), &json!(400), &json!(60_000))
    );
    let open = told(&|event| event["unmapped"]["ending"] == "open" && event["traffic"]["bytes_in"] == 300);
    assert_eq!(open["unmapped"]["bytes_exact"], false);
    let dispositions = |reason: &str| told(&|event| event["status_detail"] == reason)["disposition_id"].clone();
    let reasons = ["policy_forbidden", "not_signed_in", "evaluation_failed"];
    assert_eq!(reasons.map(dispositions), [json!(2), json!(26), json!(27)]);
    let replayed = told(&|event| event["class_uid"] == 4002 && event["status_detail"] == "credential_replayed");
    assert_eq!((&replayed["severity_id"], replayed.get("actor")), (&json!(4), None));
}

#[test]
fn events_have_the_fitting_class() {
    let events = exported();
    let types = |kind: &str| {
        let of_kind = events.iter().filter(|event| event["unmapped"]["event"] == kind);
        of_kind.map(|event| event["type_uid"].as_u64().unwrap()).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    };
    for (kind, expected) in [
        ("signed_in", 300_201),
        ("sign_in_failed", 300_201),
        ("signed_out", 300_202),
        ("session_ended", 300_202),
        ("device_quarantined", 300_412),
        ("device_released", 300_413),
        ("device_enrolled", 300_406),
        ("user_suspended", 300_105),
        ("user_resumed", 300_102),
        ("credential_replayed", 200_401),
        ("policies_loaded", 600_208),
        ("clock_unsure", 600_801),
        ("of_a_later_version", 99),
    ] {
        assert_eq!(types(kind), [expected], "{kind}");
    }
    let quarantined = events.iter().find(|event| event["unmapped"]["event"] == "device_quarantined").unwrap();
    assert_eq!(quarantined["entity"]["uid"], "lap-7");
    assert_eq!((&quarantined["comment"], &quarantined["actor"]["user"]["name"]), (&json!("test"), &json!("uid:1000 (ben)")));
    let failed = events.iter().find(|event| event["unmapped"]["event"] == "sign_in_failed").unwrap();
    assert_eq!(failed["status_id"], 2);
}

#[test]
#[ignore = "writes what a validator of the schema can read"]
fn dump() {
    let lines: Vec<_> = exported().iter().map(ToString::to_string).collect();
    std::fs::write("/tmp/ocsf.jsonl", lines.join("\n")).unwrap();
}
