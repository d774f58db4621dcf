//! A record is made as the gate makes it, and replayed.

use std::fmt::Write as _;
use std::path::Path;

use sekisho_policy::{
    Action, App, Catalogue, Decision as Answer, DeviceFacts, Identity, Moment, PolicySet, Principal, RequestFacts, SessionFacts,
    Source, Usage, UserFacts,
};

use super::changes::{Change, Group};
use super::engine::{Outcome, Replay};
use super::{FailOn, render};
use crate::clock::Timestamp;
use crate::decide::{Basis, PolicyTexts, Snapshots};
use crate::record::read::{RecordFolder, Span};
use crate::record::{Access, Decision, Head, SetShelf};
use crate::secret::Digest;

const OLD: &str = r#"
@id("staff") permit (principal in Group::"staff", action in Action::"use", resource == App::"wiki");
@id("pay") permit (principal in Group::"hr", action in Action::"use", resource == App::"payroll");
@id("health") permit (principal, action == Action::"public", resource == App::"wiki");
"#;

/// Payroll only from managed devices; the wiki for everybody.
const NEW: &str = r#"
@id("anyone") permit (principal is User, action in Action::"use", resource == App::"wiki");
@id("pay") permit (principal in Group::"hr", action in Action::"use", resource == App::"payroll")
when { context.device.managed };
@id("health") permit (principal, action == Action::"public", resource == App::"wiki");
"#;

/// Writes a file of the record, decided by the policies that are live.
struct Gate {
    text: String,
    set: PolicySet,
    hash: String,
    requests: u64,
}

struct Person {
    identity: Identity,
    facts: Snapshots,
}

fn catalogue() -> Catalogue {
    Catalogue {
        apps: vec![App::new("wiki", ["internal"]), App::new("payroll", ["confidential"])],
        groups: None,
        ..Catalogue::default()
    }
}

fn texts(policies: &str) -> PolicyTexts {
    PolicyTexts { policies: vec![Source::new("all.cedar", policies)], additions: Vec::new(), ..PolicyTexts::default() }
}

fn person(name: &str, groups: &[&str], managed: bool) -> Person {
    let user = UserFacts {
        id: format!("corp/{name}"),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        ..UserFacts::default()
    };
    let device = DeviceFacts { id: format!("{name}-laptop"), managed, ..DeviceFacts::default() };
    let identity = Identity { principal: Principal::User(user), device, session: SessionFacts::default() };
    Person { facts: Snapshots::of(&identity).unwrap(), identity }
}

impl Gate {
    fn new(dir: &Path, policies: &str) -> Self {
        let texts = texts(policies);
        let set = PolicySet::load(&texts.policies, &texts.additions, &catalogue()).unwrap().set;
        SetShelf::of(dir).keep(&set).unwrap();
        let hash = Digest::of(set.canonical_text().as_bytes()).to_string();
        Self { text: String::new(), set, hash, requests: 0 }
    }

    fn knows(&mut self, person: &Person) {
        for (kind, snapshot) in [("device", &person.facts.device), ("session", &person.facts.session)] {
            let (hash, json) = (&snapshot.hex, &snapshot.json);
            writeln!(self.text, r#"{{"line":"facts","at":"{}","kind":"{kind}","hash":"{hash}","facts":{json}}}"#, at(0)).unwrap();
        }
    }

    fn serves(&mut self, who: Option<&Person>, app: &str, path: &str) {
        self.requests += 1;
        let mut asked = RequestFacts::new(app, if who.is_some() { Action::Read } else { Action::Public });
        (asked.path, asked.host, asked.at) =
            (path, "app.corp.example", Moment::utc(1_767_225_600_000 + self.requests.cast_signed()));
        let verdict = match who {
            Some(person) => self.set.decide(&self.set.prepare(&person.identity).unwrap(), &asked),
            None => self.set.decide(self.set.anonymous(), &asked),
        };
        self.writes(who, &asked, verdict.decision == Answer::Allow, verdict.policies.iter().map(ToString::to_string).collect());
    }

    fn writes(&mut self, who: Option<&Person>, asked: &RequestFacts<'_>, allowed: bool, policies: Vec<String>) {
        let mut line = Access {
            at: at(self.requests),
            request: format!("{:032x}", self.requests),
            client: "192.0.2.7:40000".into(),
            user: who.map(|person| match &person.identity.principal {
                Principal::User(user) => user.id.clone(),
                Principal::Service(service) => service.id.clone(),
            }),
            device: who.map(|person| person.identity.device.id.clone()),
            app: Some(asked.app.into()),
            method: asked.method.into(),
            host: asked.host.into(),
            path: asked.path.into(),
            protocol: "HTTP/2.0".into(),
            decision: if allowed { Decision::Allow } else { Decision::Deny },
            reason: if allowed { "permitted" } else { "policy_no_permit" }.into(),
            policies,
            status: if allowed { 200 } else { 403 },
            ..Access::default()
        };
        line.rests_on(&Basis {
            policy_set: self.hash.as_str().into(),
            action: asked.action,
            usage: Usage::default(),
            at: asked.at,
            facts: None,
        });
        line.device_facts = who.map(|person| person.facts.device.hex.to_string());
        line.session_facts = who.map(|person| person.facts.session.hex.to_string());
        let json = serde_json::to_string(&line).unwrap();
        writeln!(self.text, r#"{{"line":"access",{}"#, json.strip_prefix('{').unwrap()).unwrap();
    }

    fn closes(&self, dir: &Path) {
        let (mut head, mut text) = (Head::default(), Vec::new());
        self.text.lines().for_each(|line| head.seal(line.as_bytes(), &mut text));
        std::fs::write(dir.join("access-0000000000001-1-0.jsonl"), text).unwrap();
    }
}

/// 2026-01-01T00:00:00Z.
const DAY: i64 = 1_767_225_600_000;

fn at(number: u64) -> String {
    Timestamp(DAY + number.cast_signed()).to_string()
}

fn replay(dir: &Path, new: &str, span: Span) -> (Outcome, Vec<Group>) {
    let folder = RecordFolder::open(dir).unwrap();
    let new = texts(new);
    let mut replay = Replay::new(&folder, &new, None, span).unwrap();
    replay.run().unwrap();
    let mut outcome = replay.outcome;
    let groups = std::mem::take(&mut outcome.changes).into_groups();
    (outcome, groups)
}

/// Ana of hr has a managed laptop, bob of hr has not, eve is in no group.
fn a_day(dir: &Path) -> Gate {
    let (ana, bob, eve) =
        (person("ana", &["staff", "hr"], true), person("bob", &["staff", "hr"], false), person("eve", &[], true));
    let mut gate = Gate::new(dir, OLD);
    [&ana, &bob, &eve].into_iter().for_each(|person| gate.knows(person));
    gate.serves(Some(&ana), "payroll", "/ana");
    gate.serves(Some(&bob), "payroll", "/bob");
    gate.serves(Some(&bob), "payroll", "/bob");
    gate.serves(Some(&eve), "wiki", "/eve");
    gate.serves(Some(&ana), "wiki", "/");
    gate.serves(Some(&eve), "payroll", "/eve");
    gate.serves(None, "wiki", "/healthz");
    gate
}

/// What the gate refuses after policy has said yes is no denial of policy: a body that is too large, a record that cannot be written.
#[test]
fn what_was_refused_after_a_permit_is_no_gain() {
    for (reason, gains) in [("body_too_large", 0), ("record_unavailable", 0), ("policy_no_permit", 1)] {
        let dir = tempfile::tempdir().unwrap();
        let mut gate = Gate::new(dir.path(), OLD);
        let ana = person("ana", &["staff", "hr"], true);
        gate.knows(&ana);
        gate.serves(Some(&ana), "payroll", "/ana");
        let refused = format!(r#""decision":"deny","reason":"{reason}""#);
        gate.text = gate.text.replace(r#""decision":"allow","reason":"permitted""#, &refused);
        assert!(gate.text.contains(&refused));
        gate.closes(dir.path());
        let (outcome, _) = replay(dir.path(), OLD, Span::default());
        assert_eq!((outcome.decided, outcome.gains, outcome.losses), (1, gains, 0), "{reason}");
    }
}

#[test]
fn who_loses_and_who_gains_is_told_and_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    a_day(dir.path()).closes(dir.path());
    let (outcome, groups) = replay(dir.path(), NEW, Span::default());
    let told: Vec<_> =
        groups.iter().map(|group| (group.change, group.user.as_str(), group.app.as_str(), group.requests)).collect();
    assert_eq!(told, [(Change::Loss, "corp/bob", "payroll", 2), (Change::Gain, "corp/eve", "wiki", 1)]);
    assert_eq!((outcome.decided, outcome.losses, outcome.gains), (7, 2, 1));
    assert_eq!((outcome.same, outcome.same_by_others), (3, 1), "ana reads the wiki by another policy");
    assert_eq!(outcome.undecided(), 0);
    assert_eq!((&groups[0].old[..], &groups[0].new[..], groups[0].why), (&["pay".to_owned()][..], &[][..], Some("no_permit")));
    assert_eq!(groups[0].examples.len(), 1, "the same path twice is one example");

    let text = render::as_text(&outcome, &groups, 3);
    assert!(text.contains("payroll read: pay -> nothing permits it; 2 requests of 1 user"), "{text}");
    assert!(text.contains("https://app.corp.example/bob (request 00000000000000000000000000000002)"), "{text}");
    let json = render::as_json(&outcome, &groups, 3);
    assert_eq!((&json["loss"], &json["changes"][1]["user"]), (&2.into(), &"corp/eve".into()));
}

#[test]
fn the_same_policies_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    a_day(dir.path()).closes(dir.path());
    let (outcome, groups) = replay(dir.path(), OLD, Span::default());
    assert!(groups.is_empty());
    assert_eq!((outcome.decided, outcome.same, outcome.undecided()), (7, 7, 0));
    assert_eq!(FailOn::Change.fails(&outcome), None);
}

#[test]
fn what_cannot_be_decided_again_is_never_called_unchanged() {
    let dir = tempfile::tempdir().unwrap();
    let mut gate = a_day(dir.path());
    // Nobody wrote down who this is, and somebody changed what was known of ana.
    gate.serves(Some(&person("zoe", &["staff"], true)), "wiki", "/zoe");
    gate.text = gate.text.replace(r#""id":"corp/ana""#, r#""id":"corp/ann""#);
    // Damaged in every way.
    for bad in ["garbage", "{}", r#"{"line":"access","at":"2026-01-01T00:00:00.001Z","request":7}"#, "[1"] {
        writeln!(gate.text, "{bad}").unwrap();
    }
    gate.text = gate.text.replace(r#""usage":[0,0,0],"status":403"#, r#""usage":[0,0,0,0],"status":403"#);
    gate.closes(dir.path());
    let (outcome, _groups) = replay(dir.path(), OLD, Span::default());
    // Two of bob and the anonymous one are left; of eve's two, refused with 403, the lines are damaged.
    assert_eq!((outcome.decided, outcome.same), (3, 3));
    assert_eq!(outcome.undecided.values().sum::<u64>(), 3, "{:?}", outcome.undecided);
    assert_eq!((outcome.unreadable, outcome.damaged_facts, outcome.tally.foreign), (3, 1, 3));
    assert!(FailOn::Gain.fails(&outcome).is_some());
    assert!(render::as_text(&outcome, &[], 3).contains("6 requests NOT decided again"));

    std::fs::remove_dir_all(dir.path().join("sets")).unwrap();
    let (outcome, _groups) = replay(dir.path(), OLD, Span::default());
    assert_eq!(outcome.decided, 0, "the apps of that moment are not known");
}

#[test]
fn only_the_asked_time_is_replayed() {
    let dir = tempfile::tempdir().unwrap();
    a_day(dir.path()).closes(dir.path());
    let (outcome, _groups) = replay(dir.path(), NEW, Span::new(Some(Timestamp(DAY + 3)), Some(Timestamp(DAY + 5))));
    assert_eq!((outcome.decided, outcome.first, outcome.last), (2, Some(at(3)), Some(at(4))));
}

/// `cargo test --release -p sekisho a_million -- --ignored --nocapture`
#[test]
#[ignore = "writes 800 MB; its figure means something in a release build only"]
fn a_million_records_in_under_a_minute() {
    let dir = tempfile::tempdir().unwrap();
    let people: Vec<_> = (0..2000)
        .map(|n| {
            let groups: Vec<String> = (0..20).map(|g| format!("g{}", (n * 7 + g * 13) % 200)).chain(["staff".into()]).collect();
            person(&format!("user{n}"), &groups.iter().map(String::as_str).collect::<Vec<_>>(), n % 3 == 0)
        })
        .collect();
    let mut gate = Gate::new(dir.path(), OLD);
    people.iter().for_each(|person| gate.knows(person));
    for n in 0..1_000_000_u64 {
        let who = &people[usize::try_from(n * 7919 % 2000).unwrap()];
        let path = format!("/reports/{}/{n}", n % 97);
        let mut asked = RequestFacts::new(if n % 5 == 0 { "payroll" } else { "wiki" }, Action::Read);
        gate.requests += 1;
        (asked.path, asked.host, asked.at) = (&path, "app.corp.example", Moment::utc(1_767_225_600_000 + n.cast_signed()));
        let policies = if n % 5 == 0 { vec![] } else { vec!["staff".to_owned()] };
        gate.writes(Some(who), &asked, n % 5 != 0, policies);
    }
    gate.closes(dir.path());
    let bytes = gate.text.len();
    let mut new = NEW.to_owned();
    for n in 0..100 {
        writeln!(new, "@id(\"p{n}\") permit (principal in Group::\"g{n}\", action in Action::\"use\", resource == App::\"payroll\") when {{ context.session.mfa && context.request.path like \"/reports/{n}/*\" }};").unwrap();
    }
    let began = std::time::Instant::now();
    let (outcome, groups) = replay(dir.path(), &new, Span::default());
    let took = began.elapsed();
    println!("{} requests, {} MB, {} groups, 103 policies: {took:?}", outcome.decided, bytes / 1_000_000, groups.len());
    assert_eq!((outcome.decided, outcome.undecided()), (1_000_000, 0));
    let folder = RecordFolder::open(dir.path()).unwrap();
    let began = std::time::Instant::now();
    let mut lines = folder.lines().unwrap();
    let mut read = 0;
    while let Some(line) = lines.next_line().unwrap() {
        if crate::record::read::AccessLine::parse(line.text).is_ok() {
            read += 1;
        }
    }
    let took_to_read = began.elapsed();
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let rate = bytes as f64 / 1e6 / took_to_read.as_secs_f64();
    println!("{read} lines read: {took_to_read:?}, {rate:.0} MB/s");
    assert!(took.as_secs() < 60, "{took:?}");
}
