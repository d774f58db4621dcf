use std::collections::BTreeMap;
use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::action::Action;
use crate::facts::{DeviceFacts, FactValue, Identity, Principal, ServiceFacts, SessionFacts, UserFacts};
use crate::query::AskedFor;
use crate::request::{Moment, Usage, Weekday};
use crate::set::App;

const POLICIES: &str = r#"
@id("hr") permit (principal in Group::"hr", action in Action::"use", resource == App::"payroll")
when { context.device.owner == principal && context.device.posture.disk_encrypted && context.session.auth_age_s < 900 };
@id("hours") forbid (principal, action in Action::"use", resource == App::"payroll")
unless { context.local_time >= duration("7h") && context.local_time < duration("19h") };
@id("open") permit (principal is Anonymous, action == Action::"public", resource == App::"wiki");
"#;

struct Bench {
    set: PolicySet,
    catalogue: Catalogue,
    zone: TimeZone,
}

impl Bench {
    fn new() -> Self {
        let catalogue = Catalogue {
            apps: vec![App::new("payroll", ["confidential"]), App::new("wiki", ["internal"])],
            groups: None,
            ..Catalogue::default()
        };
        let more = Source::new("more", "type Posture = { edr: Bool, maybe?: Bool, risk_score?: Long, build?: String };");
        let loaded = PolicySet::load(&[Source::new("p.cedar", POLICIES)], &[more], &catalogue).unwrap();
        Self { set: loaded.set, catalogue, zone: TimeZone::fixed(jiff::tz::offset(2)) }
    }

    fn tester(&self) -> Tester<'_> {
        Tester { set: &self.set, catalogue: &self.catalogue, zone: &self.zone }
    }

    fn read(&self, text: &str) -> Result<Vec<Case>, Vec<Problem>> {
        self.tester().read(&[Source::new("tests/a.toml", text)])
    }

    fn cases(&self, text: &str) -> Vec<Case> {
        self.read(text).unwrap_or_else(|problems| panic!("{}", words(&problems)))
    }
}

fn words(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

const GOOD: &str = r#"
[users.ana]
groups = ["hr"]

[[case]]
name = "hr from a laptop of their own"
user = "ana"
app = "payroll"
expect = "allow"
policies = ["hr"]
"#;

fn after_good(case: &str) -> String {
    format!("{GOOD}\n[[case]]\nname = \"twin\"\nlike = \"hr from a laptop of their own\"\n{case}\n")
}

#[test]
fn a_case_of_five_lines_is_a_good_day() {
    let bench = Bench::new();
    let report = bench.tester().run(bench.cases(GOOD));
    assert!(report.passed(), "{report:?}");
    let untouched: Vec<(&str, bool)> = report.untouched.iter().map(|one| (&*one.policy, one.permits)).collect();
    assert_eq!((untouched, report.policies), (vec![("hours", false), ("open", true)], 3));
}

#[test]
fn one_fact_less_and_it_is_refused() {
    let bench = Bench::new();
    for (fact, reason) in [
        ("user.groups = []", "no_permit"),
        ("user = \"corp/1\"", "no_permit"),
        ("service = \"corp/robot\"", "no_permit"),
        ("device.owner = \"\"", "no_permit"),
        ("device = \"unknown\"", "no_permit"),
        ("device.posture.disk_encrypted = false", "no_permit"),
        ("session.auth_age = \"15m\"", "no_permit"),
        ("session.auth_age = \"unknown\"", "no_permit"),
        ("now = 2026-07-01T19:00:00", "forbidden"),
        ("now = \"19:00\"", "forbidden"),
        ("now = \"2026-07-01T17:00:00Z\"", "forbidden"),
        ("local_time = \"6h59m\"", "forbidden"),
        ("app = \"wiki\"", "no_permit"),
        ("action = \"public\"", "no_permit"),
    ] {
        let text = after_good(&format!("{fact}\nexpect = \"deny\"\nreason = \"{reason}\""));
        let report = bench.tester().run(bench.cases(&text));
        assert!(report.passed(), "{fact}: {:?}", report.failures().collect::<Vec<_>>());
    }
    let same = after_good("session.auth_age = \"14m59s\"\nnow = \"18:59:59\"\nexpect = \"allow\"");
    assert!(bench.tester().run(bench.cases(&same)).passed());
}

#[test]
fn what_differs_is_told_with_both_sides() {
    let bench = Bench::new();
    for (said, of, expected, got) in [
        ("expect = \"deny\"", "expect", "deny", "allow, by `hr`"),
        ("user.groups = []\nexpect = \"allow\"", "expect", "allow", "deny: nothing permits it"),
        ("now = \"03:00\"\nexpect = \"allow\"", "expect", "allow", "deny, forbidden by `hours`"),
        ("now = \"03:00\"\nexpect = \"deny\"\nreason = \"no_permit\"", "reason", "no_permit", "forbidden"),
        ("expect = \"allow\"\npolicies = [\"hr\", \"open\"]", "policies", "`hr`, `open`", "`hr`"),
        ("expect = \"allow\"\npolicies = []", "policies", "none", "`hr`"),
    ] {
        let report = bench.tester().run(bench.cases(&after_good(said)));
        let failed: Vec<&Outcome> = report.failures().collect();
        assert_eq!(failed.len(), 1, "{said}");
        let difference = Difference { of, expected: expected.to_owned(), got: got.to_owned() };
        assert_eq!((failed[0].case.name.as_str(), &failed[0].differences), ("twin", &vec![difference]), "{said}");
        assert_eq!(failed[0].case.place.line, 13);
    }
}

#[test]
fn step_up_and_remedies_are_what_explaining_finds() {
    let bench = Bench::new();
    let run = |said: &str| {
        let report = bench.tester().run(bench.cases(&after_good(&format!("{said}\nexpect = \"deny\""))));
        report.failures().flat_map(|failed| &failed.differences).map(ToString::to_string).collect::<Vec<_>>()
    };
    let stale = "session.auth_age = \"1h\"";
    for said in ["step_up = true", "step_up.max_age = \"14m59s\"", "remedy = [\"context.session.auth_age_s\"]"] {
        assert_eq!(run(&format!("{stale}\n{said}")), Vec::<String>::new(), "{said}");
    }
    assert_eq!(run("user.groups = []\nstep_up = false\nremedy = ['principal in Group::\"hr\"']"), Vec::<String>::new());
    for (said, told) in [
        ("step_up = false", "expected step_up none, got a sign-in of at most 14m59s"),
        ("step_up.mfa = true", "expected step_up a sign-in with more than one factor, got a sign-in of at most 14m59s"),
        ("remedy = [\"context.session.mfa\"]", "expected remedy `context.session.mfa`, got `context.session.auth_age_s`"),
        ("remedy = []", "expected remedy none, got `context.session.auth_age_s`"),
    ] {
        assert_eq!(run(&format!("{stale}\n{said}")), [told], "{said}");
    }
    let allowed = bench.read(&after_good("expect = \"allow\"\nstep_up = false")).unwrap_err();
    assert!(words(&allowed).contains("`step_up` is for denials"), "{allowed:?}");
    let failed = bench.tester().check(&[Source::new("a", after_good(&format!("{stale}\nexpect = \"allow\"")))]).unwrap_err();
    let help = failed[0].help.as_deref().unwrap();
    assert!(help.starts_with("it would be allowed with context.session.auth_age_s: "), "{help}");
}

#[test]
fn a_public_path_is_asked_for_by_nobody() {
    let bench = Bench::new();
    let cases = bench.cases(
        "[defaults]\ndevice = \"healthy\"\n[[case]]\nname = \"open\"\napp = \"wiki\"\naction = \"public\"\nexpect = \"allow\"",
    );
    assert_eq!(cases[0].query.who, None);
    assert!(bench.tester().run(cases).passed());
    let known =
        bench.read("[[case]]\nname = \"open\"\napp = \"wiki\"\naction = \"public\"\nuser = \"corp/1\"\nexpect = \"allow\"");
    assert!(words(&known.unwrap_err()).contains("nobody is known on public paths"));
}

#[test]
fn mistakes_have_places_and_all_are_told() {
    let text = r#"[usrs.ana]
[devices.unknown]
[devices.lap]
owner = "anna"
managd = true
[users.ana]
grups = ["hr"]
[defaults]
app = "payrol"
[[case]]
name = "a"
user = "anna"
device.posture.disk_encripted = true
source_ip = "10.0.0.0/8"
session.auth_age = "5 minutes"
now = "noon"
expect = "alow"
policies = ["hrr"]
[[case]]
name = "a"
like = "b"
user = "ana"
service = "corp/1"
usage.bytes_1h = -1
path = "admin"
exepct = "deny"
[[case]]
app = 5
"#;
    let problems = Bench::new().read(text).unwrap_err();
    let told: Vec<(usize, &str)> = problems.iter().map(|one| (one.place.as_ref().unwrap().line, one.message.as_str())).collect();
    let expected = [
        (1, "a file of tests has no `usrs`"),
        (2, "`unknown` is a device that every file has; choose another name"),
        (4, "this file has no user `anna`"),
        (5, "a device has no `managd`"),
        (7, "a user has no `grups`"),
        (9, "there is no app `payrol`"),
        (12, "this file has no user `anna`"),
        (13, "posture has no `disk_encripted`"),
        (14, "`10.0.0.0/8` is not an IP address"),
        (15, "`5 minutes` is not how long ago it was, such as \"5m\" or \"1h30m\", or \"unknown\""),
        (16, "`noon` is not a time, such as \"2026-07-01T09:00:00\" (in the configured zone) or \"2026-07-01T07:00:00Z\""),
        (17, "`alow` is not known here"),
        (18, "there is no policy `hrr`"),
        (20, "`a` has both a user and a service"),
        (20, "`a` has no `expect`"),
        (20, "there is another case `a` in this file"),
        (21, "there is no case `b` above this"),
        (24, "this cannot be below nothing"),
        (25, "`admin` is not a path, beginning with `/` and without a query"),
        (26, "a case has no `exepct`"),
        (27, "this case has no `name`"),
        (27, "this case has no `expect`"),
        (28, "a text in quotes belongs here, and this is a number"),
    ];
    assert_eq!(told, expected);
    assert_eq!(problems[6].help.as_deref(), Some("did you mean `ana`?"));
    assert_eq!(
        problems[3].to_string(),
        "a device has no `managd`\n --> tests/a.toml:5:1\n  |\n5 | managd = true\n  | ^^^^^^\n  help: did you mean `managed`?"
    );
}

#[test]
fn what_is_not_toml_or_without_end_is_refused() {
    let bench = Bench::new();
    let broken = bench.read("[[case]\nname = ").unwrap_err();
    assert!(broken.iter().all(|one| one.place.as_ref().is_some_and(|place| place.file == "tests/a.toml")), "{broken:?}");
    assert!(bench.read(&format!("a = {}", "[".repeat(100_000))).is_err());
    assert!(words(&bench.read(&" ".repeat(crate::MAX_FILE_BYTES + 1)).unwrap_err()).contains("at most 4194304 are read"));
    let many = "[[case]]\nname = \"a\"\n".to_owned() + &"#\n".repeat(10);
    assert!(bench.read(&many).is_err());
}

#[test]
fn an_app_can_be_made_up_but_not_another_one_than_there_is() {
    let bench = Bench::new();
    let file = |apps: &str| {
        let case = "[[case]]\nname = \"a\"\napp = \"lab\"\naction = \"public\"\nexpect = \"deny\"\n";
        Source::new("tests/a.toml", format!("[apps]\n{apps}\n{case}"))
    };
    let run = |apps: &str| {
        let tests = [file(apps)];
        let catalogue = catalogue(&tests, &bench.catalogue);
        let set = PolicySet::load(&[Source::new("p.cedar", POLICIES)], &[], &catalogue).unwrap().set;
        Tester { set: &set, catalogue: &catalogue, zone: &bench.zone }
            .check(&tests)
            .map(drop)
            .map_err(|problems| words(&problems))
    };
    assert_eq!(run("lab = [\"internal\"]\nwiki = [\"internal\"]"), Ok(()));
    assert!(run("wiki = [\"internal\"]").unwrap_err().contains("there is no app `lab`"));
    assert!(run("lab = []\nwiki = []").unwrap_err().contains("the app `wiki` has other tags: internal"));
    assert!(run("lab = 5").unwrap_err().contains("a list in brackets belongs here"));
}

#[test]
fn every_key_that_is_offered_is_read() {
    let bench = Bench::new();
    let text = r#"
[users.ana]
like = "corp/9"
id = "corp/1"
email = "ana@corp.example"
name = "Ana"
groups = ["hr"]
claims = { team = "red", site = ["a", "b"] }
[services.robot]
id = "corp/robot"
name = "Robot"
claims.scope = ["read"]
[devices.lap]
like = "healthy"
id = "lap-7"
owner = "ana"
authority = "mdm"
platform = "macos"
managed = false
shared = true
key_protection = "os"
posture = { firewall = false, risk_score = 7, build = "24A" }
posture_age = "2h"
enrolled_at = 2026-06-01T00:00:00Z
[defaults]
user = "ana"
device = "lap"
app = "wiki"
[[case]]
name = "a"
host = "h"
path = "/p"
method = "delete"
source_ip = "::1"
usage = { requests_1m = 1, bytes_1h = 2, bytes_1d = 3 }
now = "2026-07-04T12:00:00"
local_time = "8h"
weekday = "sunday"
session = { auth_age = "1h", mfa = false, acr = "gold", amr = ["hwk"], provider = "x", binding = "none" }
expect = "deny"
[[case]]
name = "b"
service = { like = "robot", name = "R2" }
expect = "deny"
"#;
    let cases = bench.cases(text);
    let now = 1_783_159_200_000;
    let texts = |values: &[&str]| values.iter().map(|text| (*text).to_owned()).collect();
    let mut posture: BTreeMap<String, FactValue> =
        ["disk_encrypted", "os_up_to_date", "screen_lock", "edr"].map(|name| (name.to_owned(), FactValue::Flag(true))).into();
    posture.insert("firewall".to_owned(), FactValue::Flag(false));
    posture.insert("risk_score".to_owned(), FactValue::Number(7));
    posture.insert("build".to_owned(), FactValue::Text("24A".to_owned()));
    let expected = Query {
        who: Some(Identity {
            principal: Principal::User(UserFacts {
                id: "corp/1".to_owned(),
                email: Some("ana@corp.example".to_owned()),
                name: Some("Ana".to_owned()),
                groups: texts(&["hr"]),
                claims: [("team".to_owned(), texts(&["red"])), ("site".to_owned(), texts(&["a", "b"]))].into(),
            }),
            device: DeviceFacts {
                id: "lap-7".to_owned(),
                owner: Some("corp/1".to_owned()),
                authority: "mdm".to_owned(),
                platform: "macos".to_owned(),
                managed: false,
                shared: true,
                key_protection: "os".to_owned(),
                posture,
                posture_at_ms: Some(now - 7_200_000),
                enrolled_at_ms: 1_780_272_000_000,
            },
            session: SessionFacts {
                authenticated_at_ms: Some(now - 3_600_000),
                mfa: false,
                acr: Some("gold".to_owned()),
                amr: texts(&["hwk"]),
                provider: "x".to_owned(),
                binding: "none".to_owned(),
            },
        }),
        request: AskedFor {
            app: "wiki".to_owned(),
            action: Action::Write,
            host: "h".to_owned(),
            path: "/p".to_owned(),
            method: "DELETE".to_owned(),
            source_ip: "::1".parse().unwrap(),
            usage: Usage { requests_1m: 1, bytes_1h: 2, bytes_1d: 3 },
            at: Moment { unix_ms: now, local_ms: 8 * 3_600_000, weekday: Weekday::Sunday },
        },
    };
    assert_eq!(cases[0].query, expected);
    let Some(Identity { principal: Principal::Service(robot), session, .. }) = &cases[1].query.who else { panic!() };
    assert_eq!((robot.id.as_str(), robot.name.as_deref(), session.binding.as_str()), ("corp/robot", Some("R2"), "certificate"));
}

#[test]
fn a_question_as_a_case_is_short_and_says_what_came() {
    let bench = Bench::new();
    let case = bench.cases(&after_good("device.managed = false\nnow = \"03:00\"\nexpect = \"deny\"")).remove(1);
    let verdict = bench.set.decide_query(&case.query).unwrap();
    let written = bench.tester().write("found", &case.query, &verdict);
    assert_eq!(
        written,
        r#"[[case]]
name = "found"
user.groups = ["hr"]
user.id = "test/ana"
device.managed = false
app = "payroll"
now = "2026-07-01T01:00:00Z"
expect = "deny"
reason = "forbidden"
policies = ["hours"]
"#
    );
}

proptest! {
    #[test]
    fn a_question_as_a_case_reads_back_to_the_same(query in query()) {
        let bench = Bench::new();
        let verdict = bench.set.decide_query(&query).unwrap();
        let written = bench.tester().write("it's \"one\"\n", &query, &verdict);
        let cases = bench.read(&written).unwrap_or_else(|problems| panic!("{written}\n{}", words(&problems)));
        prop_assert_eq!(&cases[0].query, &query, "{}", written);
        let report = bench.tester().run(cases);
        prop_assert!(report.passed(), "{:?}", report);
    }
}

fn query() -> impl Strategy<Value = Query> {
    let at = (1_600_000_000_000_i64..1_900_000_000_000, 0_u32..86_400_000, 0..7_usize).prop_map(|(unix_ms, local_ms, day)| {
        use Weekday::{Friday, Monday, Saturday, Sunday, Thursday, Tuesday, Wednesday};
        Moment { unix_ms, local_ms, weekday: [Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday][day] }
    });
    let at = prop_oneof![at, (1_600_000_000_000_i64..1_900_000_000_000).prop_map(|ms| Moment::in_zone(ms, &Bench::new().zone))];
    let action = prop_oneof![Just(Action::Read), Just(Action::Write), Just(Action::Connect)];
    let request = (
        prop_oneof![Just("wiki"), Just("payroll")],
        action,
        text(),
        "/[a-z/%0-9]{0,9}",
        prop_oneof![Just("GET"), Just("POST"), Just("PROPFIND")],
        any::<IpAddr>(),
        any::<[u32; 3]>(),
        at,
    );
    let request =
        request.prop_map(|(app, action, host, path, method, source_ip, [requests_1m, bytes_1h, bytes_1d], at)| AskedFor {
            app: app.to_owned(),
            action,
            host,
            path,
            method: method.to_owned(),
            source_ip,
            usage: Usage { requests_1m: requests_1m.into(), bytes_1h: bytes_1h.into(), bytes_1d: bytes_1d.into() },
            at,
        });
    (proptest::option::weighted(0.8, identity()), request).prop_map(|(who, request)| {
        let action = if who.is_none() { Action::Public } else { request.action };
        Query { who, request: AskedFor { action, ..request } }
    })
}

fn identity() -> impl Strategy<Value = Identity> {
    let claims = || proptest::collection::btree_map(text(), proptest::collection::btree_set(text(), 0..3), 0..3);
    let filled = || proptest::option::of(text().prop_filter("empty is none", |text| !text.is_empty()));
    let user = (text(), filled(), filled(), proptest::collection::btree_set(text(), 0..4), claims()).prop_map(
        |(id, email, name, groups, claims)| Principal::User(UserFacts { id: format!("corp/{id}"), email, name, groups, claims }),
    );
    let service = (text(), filled(), claims())
        .prop_map(|(id, name, claims)| Principal::Service(ServiceFacts { id: format!("corp/{id}"), name, claims }));
    let time = || 1_500_000_000_000_i64..1_950_000_000_000;
    let posture = (
        any::<[bool; 5]>(),
        proptest::option::of(any::<bool>()),
        proptest::option::of(any::<i64>()),
        proptest::option::of(text()),
    )
        .prop_map(|(flags, maybe, risk, build)| {
            let names = ["disk_encrypted", "firewall", "os_up_to_date", "screen_lock", "edr"];
            let mut posture: BTreeMap<String, FactValue> =
                names.iter().zip(flags).map(|(name, flag)| ((*name).to_owned(), FactValue::Flag(flag))).collect();
            posture.extend(maybe.map(|flag| ("maybe".to_owned(), FactValue::Flag(flag))));
            posture.extend(risk.map(|number| ("risk_score".to_owned(), FactValue::Number(number))));
            posture.extend(build.map(|text| ("build".to_owned(), FactValue::Text(text))));
            posture
        });
    let device = (
        text(),
        proptest::option::of(text().prop_map(|id| format!("corp/{id}"))),
        text(),
        any::<[bool; 2]>(),
        posture,
        proptest::option::of(time()),
        time(),
    )
        .prop_map(|(id, owner, authority, [managed, shared], posture, posture_at_ms, enrolled_at_ms)| DeviceFacts {
            id,
            owner,
            authority,
            platform: "ios".to_owned(),
            managed,
            shared,
            key_protection: "os".to_owned(),
            posture,
            posture_at_ms,
            enrolled_at_ms,
        });
    let session = (proptest::option::of(time()), any::<bool>(), filled(), proptest::collection::btree_set(text(), 0..3), text())
        .prop_map(|(authenticated_at_ms, mfa, acr, amr, provider)| SessionFacts {
            authenticated_at_ms,
            mfa,
            acr,
            amr,
            provider,
            binding: "certificate".to_owned(),
        });
    (prop_oneof![3 => user, 1 => service], device, session).prop_map(|(principal, device, session)| Identity {
        principal,
        device,
        session,
    })
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{0,6}", any::<String>()]
}
