//! Plays the seeds of the fuzz targets on a stable compiler, and requests that are made up of pieces.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test; the fuzz targets share it"
)]

#[path = "../../fuzz/properties/mod.rs"]
mod properties;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use properties::{TARGETS, Target};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn names(folder: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap();
    entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

/// The seeds of a target, in order.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = root().join("fuzz/seeds").join(target);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn every_target_has_a_property_a_file_an_entry_and_seeds() {
    let listed: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(listed.len(), TARGETS.len());
    assert_eq!(names("fuzz/fuzz_targets"), listed);
    assert_eq!(names("fuzz/seeds"), listed);
    let manifest = std::fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
    for target in &listed {
        assert!(manifest.contains(&format!("\nname = \"{target}\"\npath = \"fuzz_targets/{target}.rs\"\n")), "{target}");
        let text = std::fs::read_to_string(root().join(format!("fuzz/fuzz_targets/{target}.rs"))).unwrap();
        assert!(text.contains(&format!("properties::play(\"{target}\", bytes)")), "{target}");
        let count = seeds(target).len();
        assert!(count >= 5, "{target} has {count} seeds");
    }
}

fn play(target: &Target) {
    for seed in seeds(target.name) {
        (target.property)(&seed);
        let step = seed.len().div_ceil(target.beginnings).max(1);
        (0..seed.len()).step_by(step).for_each(|end| (target.property)(&seed[..end]));
    }
}

/// One test for each, so that they run side by side and a failure names its target.
macro_rules! replay {
    ($($name:ident)+) => {
        $(#[test] fn $name() { play(TARGETS.iter().find(|target| target.name == stringify!($name)).unwrap()); })+

        #[test]
        fn every_target_is_replayed() {
            assert_eq!(TARGETS.iter().map(|target| target.name).collect::<Vec<_>>(), [$(stringify!($name)),+]);
        }
    };
}

replay! {
    audit_line bearer callback certificate checkpoint config cookie crl csr device_id discovery enrol framing frames host jwks
    logout operator path policies policy_tests posture proxy_protocol request request_http2 segment summary tpm_public
}

/// Data that may lie beside the project; whole cases only, since there are many.
fn beside(name: &str) -> Option<serde_json::Value> {
    let Ok(text) = std::fs::read(root().join("../shared/conformance").join(name)) else {
        eprintln!("skipped: {name} is not here");
        return None;
    };
    Some(serde_json::from_slice(&text).unwrap())
}

#[test]
fn requests_that_others_collected_have_one_meaning_or_none() {
    let mut all = Vec::new();
    for case in beside("raw-http1/open/manifest.json").iter().flat_map(|cases| cases.as_array().unwrap()) {
        all.push(std::fs::read(root().join("../shared/conformance/raw-http1").join(case["file"].as_str().unwrap())).unwrap());
    }
    for case in beside("llhttp/cases.json").iter().flat_map(|cases| cases["cases"].as_array().unwrap()) {
        all.push(case["raw_latin1"].as_str().unwrap().chars().filter_map(|c| u8::try_from(u32::from(c)).ok()).collect());
    }
    let lists = beside("h2-headers/open.json");
    let cases = lists.iter().flat_map(|value| value.as_array().or_else(|| value["cases"].as_array()).unwrap());
    for case in cases {
        let fields = case["headers"].as_array().unwrap().iter();
        let lines = fields.map(|field| format!("{}: {}\n", field[0].as_str().unwrap(), field[1].as_str().unwrap()));
        properties::play("request_http2", lines.collect::<String>().as_bytes());
    }
    for bytes in all {
        properties::play("framing", &bytes);
        properties::play("request", &bytes);
    }
}

#[test]
fn tokens_and_keys_that_others_collected_are_read_strictly() {
    fn texts(value: &serde_json::Value, found: &mut Vec<String>) {
        match value {
            serde_json::Value::String(text) => found.push(text.clone()),
            serde_json::Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
            serde_json::Value::Object(members) => {
                found.push(value.to_string());
                members.values().for_each(|member| texts(member, found));
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    for name in ["jwt-claims/open.json", "wycheproof/json_web_signature_test.json", "wycheproof/json_web_key_test.json"] {
        beside(name).iter().for_each(|value| texts(value, &mut found));
    }
    for text in found {
        properties::play("bearer", text.as_bytes());
        properties::play("jwks", text.as_bytes());
        properties::play("jwks", format!("{{\"keys\":[{text}]}}").as_bytes());
    }
}

/// Requests of pieces, sound and not, so that much of it gets past the first line.
fn requests() -> impl Strategy<Value = Vec<u8>> {
    let method = proptest::sample::select(&["GET", "POST", "PUT", "PURGE", "OPTIONS", "CONNECT", "get", "TRACE"][..]);
    let start =
        proptest::sample::select(&["", "", "", "https://app.test", "https://APP.test:443", "http://app.test", "//app.test"][..]);
    let piece = proptest::sample::select(PIECES);
    let path = proptest::collection::vec(piece, 0..6).prop_map(|pieces| format!("/{}", pieces.concat()));
    let host = proptest::sample::select(
        &["app.test", "app.test", "APP.test:443", "app.test.", "gate.test", "other.test", "app.test:8443"][..],
    );
    let fields = proptest::collection::vec(proptest::sample::select(FIELDS), 0..4);
    let body = proptest::sample::select(
        &["", "", "", "Content-Length: 2\r\n\r\nhi", "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"][..],
    );
    (method, start, path, host, fields, body).prop_map(|(method, start, path, host, fields, body)| {
        let end = if body.is_empty() { "\r\n" } else { "" };
        format!("{method} {start}{path} HTTP/1.1\r\nHost: {host}\r\n{}{body}{end}", fields.concat()).into_bytes()
    })
}

const PIECES: &[&str] = &[
    "a",
    "B",
    "/",
    "hooks/",
    "healthz",
    "admin",
    "%61",
    "%2e",
    "%2E%2e",
    "..",
    ".",
    "%2f",
    "%5c",
    ";",
    "%3b",
    "?",
    "#",
    "%",
    "%zz",
    "%00",
    "%c3%a9",
    "~",
    "!",
    "*",
    "'",
    ":",
    "@",
    "&=",
    "\\",
    ".sekisho/",
    "%2esekisho/",
];

const FIELDS: &[&str] = &[
    "Accept: */*\r\n",
    "X-Forwarded-User: root\r\n",
    "x_forwarded_user: root\r\n",
    "Connection: X-Forwarded-User, close\r\n",
    "Connection: keep-alive, te\r\n",
    "TE: trailers\r\n",
    "Cookie: a=1; __Host-sekisho=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA; b=2\r\n",
    "Cookie: c=3\r\n",
    "Sekisho-Assertion: x\r\n",
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
    "Expect: 100-continue\r\n",
    "Transfer_Encoding: chunked\r\n",
    "X-Original-URL: /admin\r\n",
    "Host: app.test\r\n",
    "Origin: https://app.test\r\n",
];

proptest! {
    // What is found becomes a seed of its target.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is forwarded is what was decided on, and that is what was asked for.
    #[test]
    fn what_is_forwarded_is_what_was_decided_on(first in requests(), second in requests()) {
        properties::play("request", &[first, second].concat());
    }

    /// What is canonical stays as it is, for paths and for hosts.
    #[test]
    fn canonical_forms_are_at_rest(pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..12), host in "[a-zA-Z0-9.\\[\\]:_%-]{0,40}") {
        properties::play("path", format!("/{}", pieces.concat()).as_bytes());
        properties::play("host", host.as_bytes());
    }
}

#[test]
fn the_pieces_reach_an_app_often_enough_to_mean_something() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let reached = (0..400).filter(|_| {
        let bytes = requests().new_tree(&mut runner).unwrap().current();
        !properties::request::read(&bytes, 4096).is_empty()
    });
    let reached = reached.count();
    assert!(reached > 20, "{reached} of 400");
    let fields = [(":method", "GET"), (":scheme", "https"), (":authority", "app.test"), (":path", "/a?b")];
    let list = fields.map(|(name, value)| (name.as_bytes(), value.as_bytes())).to_vec();
    let sent = properties::request::read_http2(&[list.clone(), list]);
    assert_eq!(sent, [("/a".to_owned(), Some("b".to_owned())), ("/a".to_owned(), Some("b".to_owned()))]);
}
