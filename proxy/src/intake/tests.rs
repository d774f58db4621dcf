use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use proptest::prelude::*;
use sekisho_certs::files::Readers;
use sekisho_policy::{Catalogue, PolicySet, Source};
use serde_json::{Value, json};

use super::*;
use crate::clock::{Clock, Timestamp};
use crate::config::{DeviceNaming, MaySet, PostureSource, QueryFact, ReportFormat};
use crate::decide::KnownFacts;
use crate::inventory::{Device, DeviceId, FactValue, Platform};
use crate::secret::{Digest, Sealer};
use crate::store::{Actor, DeviceAlias, DeviceSetting, NewDevice, Registrar};

const START: Timestamp = Timestamp(1_800_000_000_000);
const HOUR: Duration = Duration::from_secs(3600);
const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));
const ADMIN: Actor = Actor::Operator { uid: 1000, name: None };

struct Bench {
    intake: Intake,
    registrar: Registrar,
    clock: Clock,
    known: KnownFacts,
    _state: tempfile::TempDir,
}

fn source(name: &str, format: ReportFormat, devices: DeviceNaming) -> PostureSource {
    PostureSource {
        name: name.into(),
        token: Digest::of(token(name).as_bytes()),
        readers: Readers::Owner,
        format,
        devices,
        may_set: MaySet { posture: true, managed: true, platform: false },
        max_age: HOUR,
    }
}

fn token(name: &str) -> String {
    format!("token-of-{name}")
}

fn mdm() -> PostureSource {
    source("mdm", ReportFormat::Sekisho, DeviceNaming::Id)
}

fn fleet() -> PostureSource {
    let fact = |query: &str, column: Option<&str>, fact: &str| QueryFact {
        query: query.to_owned(),
        column: column.map(str::to_owned),
        fact: fact.to_owned(),
    };
    let facts = vec![
        fact("disk", Some("encrypted"), "disk_encrypted"),
        fact("disk", Some("risk"), "risk_score"),
        fact("firewall", None, "firewall"),
    ];
    source("fleet", ReportFormat::Osquery(facts), DeviceNaming::Alias)
}

impl Bench {
    async fn with(names: &[&str]) -> Self {
        let state = tempfile::tempdir().unwrap();
        let clock = Clock::manual(START);
        let sealer = Arc::new(Sealer::open_or_create(state.path()).unwrap());
        let registrar = Registrar::open(state.path(), sealer, clock.clone()).await.unwrap();
        for name in names {
            let new = NewDevice {
                id: id(name),
                authority: "mdm".into(),
                owner: None,
                shared: false,
                managed: false,
                platform: Platform::Linux,
                keys: Vec::new(),
            };
            registrar.add_device(new, &ADMIN, "").await.unwrap();
        }
        let metrics = IntakeMetrics::register(&prometheus::Registry::new()).unwrap();
        let intake = Intake::new(registrar.clone(), clock.clone(), metrics);
        intake.listen(&[Arc::new(mdm()), Arc::new(fleet())], &[], []).await.unwrap();
        let addition = "type Posture = { risk_score?: Long, os_version?: String };";
        let set = PolicySet::load(&[], &[Source::new("p.cedarschema", addition)], &Catalogue::default()).unwrap().set;
        Self { intake, registrar, clock, known: KnownFacts::of(&set), _state: state }
    }

    async fn push(&self, source: &PostureSource, body: &Value) -> Result<Value, IntakeRefusal> {
        self.push_text(source, &body.to_string()).await
    }

    async fn push_text(&self, source: &PostureSource, body: &str) -> Result<Value, IntakeRefusal> {
        let taken = self.intake.take(source, &self.known, body.as_bytes()).await?;
        Ok(serde_json::to_value(&taken).unwrap())
    }

    fn device(&self, name: &str) -> Device {
        (*self.registrar.inventory().device(&id(name)).unwrap().device).clone()
    }
}

fn id(text: &str) -> DeviceId {
    text.parse().unwrap()
}

fn one(device: &str, facts: &Value) -> Value {
    json!({ "devices": [{ "device": device, "facts": facts }] })
}

#[tokio::test]
async fn a_push_is_in_effect_and_answered_device_by_device() {
    let bench = Bench::with(&["lap-1", "lap-2", "lap-3"]).await;
    bench.clock.advance(HOUR);
    let at = "2027-01-15T08:59:00Z";
    let body = json!({ "devices": [
        { "device": "lap-1", "at": at, "facts": { "disk_encrypted": true, "managed": true, "risk_score": 7 } },
        { "device": "lap-2", "facts": { "disk_encrypted": false } },
        { "device": "lap2", "facts": { "disk_encrypted": true } },
    ] });
    let answer = bench.push(&mdm(), &body).await.unwrap();
    assert_eq!(
        answer,
        json!({ "changed": 2, "confirmed": 0, "outdated": 0, "refused": 1, "devices": [
            { "device": "lap-1", "result": "changed" },
            { "device": "lap-2", "result": "changed" },
            { "device": "lap2", "result": "unknown_device",
              "detail": "no device is called \"lap2\"; did you mean one of `lap-2`, `lap-1`, `lap-3`?" },
        ] })
    );
    let lap = bench.device("lap-1");
    assert_eq!((lap.posture["disk_encrypted"].clone(), lap.managed), (FactValue::Flag(true), true));
    assert_eq!(
        (lap.posture["risk_score"].clone(), lap.posture_at),
        (FactValue::Number(7), Some(START.plus(HOUR - Duration::from_secs(60))))
    );
    assert_eq!(bench.push(&mdm(), &one("lap-2", &json!({ "disk_encrypted": false }))).await.unwrap()["confirmed"], 1);
    let older = json!({ "devices": [{ "device": "lap-2", "at": at, "facts": { "disk_encrypted": true } }] });
    assert_eq!(
        bench.push(&mdm(), &older).await.unwrap()["outdated"],
        1,
        "a push that was late, or is sent again by somebody else"
    );
    assert_eq!(bench.device("lap-2").posture["disk_encrypted"], FactValue::Flag(false));
    bench.push(&mdm(), &one("lap-1", &json!({ "disk_encrypted": null }))).await.unwrap();
    assert!(!bench.device("lap-1").posture.contains_key("disk_encrypted"), "it was taken back");
    assert_eq!(bench.push(&mdm(), &json!({ "devices": [] })).await.unwrap()["devices"], json!([]));
}

/// Each has one fact that would do, and nothing of it is taken.
#[tokio::test]
async fn of_a_device_all_is_taken_or_nothing() {
    let bench = Bench::with(&["lap-1"]).await;
    for (item, result, words) in [
        (json!({ "facts": { "firewall": true, "disk_encryptd": true } }), "unknown_fact", "did you mean `disk_encrypted`?"),
        (json!({ "facts": { "firewall": true, "disk_encrypted": "true" } }), "wrong_type", "`disk_encrypted` is true or false"),
        (json!({ "facts": { "firewall": true, "disk_encrypted": [true] } }), "wrong_type", "`disk_encrypted` is true or false"),
        (json!({ "facts": { "firewall": true, "risk_score": 1.5 } }), "wrong_type", "`risk_score` is a whole number"),
        (json!({ "facts": { "firewall": true, "os_version": "a\u{7}" } }), "wrong_type", "without control characters"),
        (json!({ "facts": { "firewall": true, "platform": "linux" } }), "not_allowed", "may not set \"platform\""),
        (json!({ "facts": { "firewall": true, "edr": null } }), "unknown_fact", "no fact called \"edr\""),
        (json!({ "facts": {} }), "nothing", "it says nothing"),
        (json!({ "at": "2027-01-15T08:01:01Z", "facts": { "firewall": true } }), "in_the_future", "61 s ahead"),
        (json!({ "at": "2027-01-15T07:00:00Z", "facts": { "firewall": true } }), "too_old", "3600 s ago"),
    ] {
        let mut item = item;
        item["device"] = json!("lap-1");
        let answer = bench.push(&mdm(), &json!({ "devices": [item] })).await.unwrap();
        assert_eq!((&answer["refused"], &answer["devices"][0]["result"]), (&json!(1), &json!(result)), "{item}");
        assert!(answer["devices"][0]["detail"].as_str().unwrap().contains(words), "{item}: {answer}");
        assert!(bench.device("lap-1").posture.is_empty(), "{item}");
    }
    // The twins: a clock that is a little ahead, and what is just young enough.
    for at in ["2027-01-15T08:01:00Z", "2027-01-15T07:00:01Z"] {
        let body = json!({ "devices": [{ "device": "lap-1", "at": at, "facts": { "firewall": true } }] });
        assert_eq!(bench.push(&mdm(), &body).await.unwrap()["refused"], 0, "{at}");
    }
    assert_eq!(bench.device("lap-1").posture_at, Some(START), "nothing is younger than now");
}

#[tokio::test]
async fn what_is_no_report_is_refused_whole() {
    let bench = Bench::with(&["lap-1"]).await;
    let good = r#"{"device":"lap-1","facts":{"firewall":true}}"#;
    for (body, words) in [
        (String::new(), "not a JSON object"),
        ("[]".to_owned(), "not a JSON object"),
        (format!("{{\"devices\":[{good}],\"devices\":[]}}"), "a member twice"),
        (r#"{"devices":[{"device":"lap-1","facts":{"firewall":true,"firewall":false}}]}"#.to_owned(), "a member twice"),
        (format!("{{\"devices\":[{good}],\"extra\":1}}"), "unknown field `extra`"),
        (r#"{"devices":[{"device":"lap-1","fact":{}}]}"#.to_owned(), "unknown field `fact`"),
        (format!("{{\"devices\":[{good},{{\"device\":\"lap-1\"}}]}}"), "missing field `facts`"),
        (format!("{{\"devices\":[{good},{{\"device\":\"lap-1\",\"at\":\"yesterday\",\"facts\":{{}}}}]}}"), "RFC 3339"),
        (format!("{{\"devices\":[{}]}}", vec![good; 1001].join(",")), "1001 entries"),
    ] {
        let refused = bench.push_text(&mdm(), &body).await.unwrap_err();
        assert!(matches!(&refused, IntakeRefusal::Malformed(why) if why.contains(words)), "{body:.80}: {refused}");
    }
    assert!(bench.device("lap-1").posture.is_empty());
    let many = format!("{{\"devices\":[{}]}}", vec![good; 1000].join(","));
    let answer = bench.push_text(&mdm(), &many).await.unwrap();
    assert_eq!((&answer["changed"], &answer["confirmed"]), (&json!(1), &json!(999)));
}

fn result(query: &str, rest: &Value) -> Value {
    let mut result =
        json!({ "name": query, "hostIdentifier": "UUID-1", "unixTime": "1799999990", "calendarTime": "x", "epoch": "0" });
    result.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    result
}

#[tokio::test]
async fn results_of_osquery_are_read_as_it_writes_them() {
    let bench = Bench::with(&["lap-1"]).await;
    let alias = DeviceAlias { source: "fleet".into(), alias: "UUID-1".into() };
    let setting = DeviceSetting { aliases: vec![alias], ..DeviceSetting::default() };
    let snapshot = |query: &str, rows: Value| result(query, &json!({ "action": "snapshot", "snapshot": rows }));
    let good = snapshot("disk", json!([{ "encrypted": "1", "risk": "12" }]));
    let answer = bench.push(&fleet(), &json!([good])).await.unwrap();
    assert_eq!(answer["devices"][0]["detail"], "`fleet` calls no device \"UUID-1\": sekisho device set ID --alias fleet=UUID-1");
    bench.registrar.set_device(&id("lap-1"), setting, &ADMIN, "").await.unwrap();

    let lines = format!("{good}\n{}\n", snapshot("firewall", json!([{ "anything": "1" }])));
    assert_eq!(bench.push_text(&fleet(), &lines).await.unwrap()["changed"], 2, "one a line");
    let lap = bench.device("lap-1");
    let said = |name: &str| bench.device("lap-1").posture.get(name).cloned();
    assert_eq!(said("disk_encrypted"), Some(FactValue::Flag(true)));
    assert_eq!((said("risk_score"), said("firewall")), (Some(FactValue::Number(12)), Some(FactValue::Flag(true))));
    assert_eq!(lap.posture_at, Some(Timestamp::from_secs(1_799_999_990)));
    for (body, firewall, encrypted) in [
        (snapshot("firewall", json!([])), Some(false), Some(true)),
        (result("disk", &json!({ "action": "added", "columns": { "encrypted": "0", "risk": "12" } })), Some(false), Some(false)),
        (
            result("disk", &json!({ "action": "removed", "columns": { "encrypted": "1", "risk": "12" } })),
            Some(false),
            Some(false),
        ),
        (
            result("disk", &json!({ "diffResults": { "added": [{ "encrypted": "true", "risk": "3" }], "removed": [] } })),
            Some(false),
            Some(true),
        ),
        (result("disk", &json!({ "diffResults": { "added": [], "removed": [{}] } })), Some(false), Some(true)),
        (snapshot("another", json!([{ "encrypted": "0" }])), Some(false), Some(true)),
        (snapshot("disk", json!([])), Some(false), None),
    ] {
        let answer = bench.push(&fleet(), &body).await.unwrap();
        assert_eq!(answer["refused"], 0, "{body}: {answer}");
        let flag = |name: &str| said(name).map(|value| value == FactValue::Flag(true));
        assert_eq!((flag("firewall"), flag("disk_encrypted")), (firewall, encrypted), "{body}");
    }
    for (body, result, words) in [
        (
            snapshot("disk", json!([{ "encrypted": "1", "risk": "1" }, { "encrypted": "0", "risk": "1" }])),
            "nothing",
            "has 2 rows",
        ),
        (snapshot("disk", json!([{ "encrypted": "1" }])), "nothing", "no column \"risk\""),
        (snapshot("disk", json!([{ "encrypted": "yes", "risk": "1" }])), "wrong_type", "true or false"),
        (snapshot("disk", json!([{ "encrypted": "1", "risk": "high" }])), "wrong_type", "a whole number"),
        (result("disk", &json!({ "action": "looked" })), "nothing", "neither a snapshot"),
    ] {
        let answer = bench.push(&fleet(), &body).await.unwrap();
        assert_eq!(answer["devices"][0]["result"], result, "{body}: {answer}");
        assert!(answer["devices"][0]["detail"].as_str().unwrap().contains(words), "{body}: {answer}");
        assert_eq!(said("disk_encrypted"), None, "{body}");
    }
    let refused = bench.push_text(&fleet(), "{\"name\":\"disk\"").await.unwrap_err();
    assert!(refused.to_string().contains("nor one a line"), "{refused}");
}

#[tokio::test]
async fn only_a_sources_own_token_is_taken_and_nobody_keeps_it_out() {
    let bench = Bench::with(&[]).await;
    let sources = [Arc::new(mdm()), Arc::new(fleet())];
    let show = |values: &[&str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        bench.intake.source(&sources, &headers, HOME, bench.clock.now()).map(|source| source.name.to_string())
    };
    let (mdm, fleet) = (format!("Bearer {}", token("mdm")), format!("bearer {}", token("fleet")));
    assert_eq!((show(&[&mdm]).unwrap(), show(&[&fleet]).unwrap()), ("mdm".to_owned(), "fleet".to_owned()));
    let wrong: [&[&str]; 7] = [
        &[],
        &["Bearer "],
        &["Bearer"],
        &[&mdm, &fleet],
        &[&token("mdm")],
        &[&format!("Basic {}", token("mdm"))],
        &[&format!("{mdm}x")],
    ];
    for values in wrong {
        assert!(matches!(show(values), Err(IntakeRefusal::Token)), "{values:?}");
    }
    let mut waits = Vec::new();
    for _attempt in 0..10 {
        waits.extend(show(&[]).err().and_then(|refusal| refusal.retry_after()));
    }
    assert_eq!(waits.len(), 7, "ten are looked at, then one every six seconds");
    assert_eq!(show(&[&mdm]).unwrap(), "mdm", "whoever shares its address does not silence it");
}

proptest! {
    /// Whatever comes, it is answered; and nothing that it has is there afterwards that was not said of a device.
    #[test]
    fn no_text_is_too_odd(body in prop_oneof![any::<String>(), json_text()]) {
        let known = KnownFacts::of(&PolicySet::load(&[], &[], &Catalogue::default()).unwrap().set);
        let ReportFormat::Osquery(facts) = fleet().format else { unreachable!() };
        for items in [wire::read(body.as_bytes()), osquery::read(body.as_bytes(), &facts, &known)].into_iter().flatten() {
            for item in items {
                if let Ok(fit) = judge::judge(&item, &mdm(), &known, START) {
                    prop_assert!(fit.at <= START && fit.ends_at > START && fit.ends_at <= START.plus(HOUR));
                    for (name, value) in fit.facts {
                        let kind = known.kind(&name).unwrap();
                        let flag = matches!(value, None | Some(FactValue::Flag(_)));
                        prop_assert!(flag == (kind == crate::decide::Kind::Flag) || value.is_none(), "{name}");
                    }
                }
            }
        }
    }
}

/// Reports with something odd in them.
fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        "[a-z_0-9:.TZ-]{0,24}".prop_map(Value::from),
        Just(json!("2027-01-15T08:00:00Z")),
    ];
    let name = prop::sample::select(vec![
        "devices",
        "device",
        "at",
        "facts",
        "firewall",
        "managed",
        "platform",
        "name",
        "action",
        "snapshot",
        "columns",
        "diffResults",
        "added",
        "hostIdentifier",
        "unixTime",
    ]);
    let value = leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..6)
                .prop_map(|all| Value::Object(all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())),
        ]
    });
    let item = (value.clone(), value.clone(), value.clone());
    let report = item.prop_map(|(device, at, facts)| {
        json!({ "devices": [{ "device": "lap-1", "at": at, "facts": facts }, { "device": device, "facts": { "firewall": true } }] })
    });
    let query = value.clone().prop_map(|rows| json!({ "name": "disk", "action": "snapshot", "snapshot": rows, "unixTime": 1 }));
    prop_oneof![value, report, query].prop_map(|value| value.to_string())
}
