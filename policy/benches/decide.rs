//! What a decision costs: `decide` as the gate calls it, `naive` with Cedar's authorizer over every policy; and what loading costs.

use std::fmt::Write as _;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use sekisho_policy::{
    Action, App, Catalogue, DeviceFacts, FactValue, Identity, Moment, PolicySet, Prepared, Principal, RequestFacts, SessionFacts,
    Source, UserFacts,
};

const NOW_MS: i64 = 1_790_000_000_000;

/// A company: a tenth as many apps as policies, ten tags, 200 groups of which everybody is in 20.
struct World {
    set: PolicySet,
    people: Vec<Prepared>,
    apps: Vec<String>,
    paths: Vec<String>,
}

impl World {
    fn new(policies: usize) -> Option<Self> {
        let apps: Vec<String> = (0..policies.div_ceil(10)).map(|app| format!("app{app}")).collect();
        let set = PolicySet::load(&[source(policies, apps.len())], &[], &catalogue(&apps)).ok()?.set;
        let people = (0..50).map(|person| set.prepare(&identity(person))).collect::<Result<_, _>>().ok()?;
        let paths = (0..64).map(|path| format!("/area{}/files/{path}", path % 7)).collect();
        Some(Self { set, people, apps, paths })
    }

    /// The `number`th of 10,000 different requests.
    fn ask(&self, number: usize, naively: bool) -> bool {
        let (Some(who), Some(app), Some(path)) = (
            self.people.get(number % self.people.len()),
            self.apps.get(number / 3 % self.apps.len()),
            self.paths.get(number / 7 % self.paths.len()),
        ) else {
            return false;
        };
        let action = if number.is_multiple_of(4) { Action::Write } else { Action::Read };
        let mut facts = RequestFacts::new(app, action);
        facts.path = path;
        facts.source_ip = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + u32::try_from(number).unwrap_or(0)));
        facts.usage.bytes_1h = u64::try_from(number).unwrap_or(0);
        facts.at = Moment::utc(NOW_MS + i64::try_from(number).unwrap_or(0));
        let verdict = if naively { self.set.decide_naively(who, &facts) } else { self.set.decide(who, &facts) };
        verdict.is_allowed()
    }
}

fn catalogue(apps: &[String]) -> Catalogue {
    let apps = apps.iter().enumerate().map(|(at, name)| App::new(name.as_str(), [format!("tag{}", at % 10)])).collect();
    Catalogue { apps, groups: None }
}

fn source(policies: usize, apps: usize) -> Source {
    let mut text = String::new();
    for at in 0..policies {
        let (app, group) = (at % apps, at * 7 % 200);
        let _ = match at % 20 {
            0 => writeln!(
                text,
                "@id(\"p{at}\") permit (principal in Group::\"g{group}\", action in Action::\"use\", resource in Tag::\"tag{}\") when {{ context.device.owner == principal }};",
                at / 20 % 10
            ),
            1..4 => writeln!(
                text,
                "@id(\"p{at}\") forbid (principal, action in Action::\"use\", resource == App::\"app{app}\") when {{ context.request.path_prefixes.contains(\"/area3\") }} unless {{ principal in Group::\"g{group}\" }};"
            ),
            4 => writeln!(
                text,
                "@id(\"p{at}\") forbid (principal, action == Action::\"write\", resource == App::\"app{app}\") unless {{ context.session.mfa }};"
            ),
            _ => writeln!(
                text,
                "@id(\"p{at}\") permit (principal in Group::\"g{group}\", action in Action::\"use\", resource == App::\"app{app}\") when {{ context.device.managed && context.device.posture.disk_encrypted && context.session.auth_age_s < 36000 }};"
            ),
        };
    }
    Source::new("bench.cedar", text)
}

fn identity(person: usize) -> Identity {
    let id = format!("corp/{person}");
    let groups = (0..20).map(|group| format!("g{}", (person * 11 + group * 7) % 200)).collect();
    Identity {
        principal: Principal::User(UserFacts {
            id: id.clone(),
            groups,
            email: Some(format!("{person}@corp.example")),
            ..UserFacts::default()
        }),
        device: DeviceFacts {
            owner: Some(id),
            managed: true,
            posture: [("disk_encrypted".to_owned(), FactValue::Flag(true))].into(),
            posture_at_ms: Some(NOW_MS - 60_000),
            ..DeviceFacts::default()
        },
        session: SessionFacts {
            authenticated_at_ms: Some(NOW_MS - 3_600_000),
            mfa: person.is_multiple_of(2),
            binding: "session".to_owned(),
            ..SessionFacts::default()
        },
    }
}

fn decide(criterion: &mut Criterion) {
    for (id, naively) in [("decide", false), ("naive", true)] {
        let mut group = criterion.benchmark_group(id);
        if naively {
            group.sample_size(10);
        }
        for policies in [100, 1_000, 10_000] {
            let Some(world) = World::new(policies) else { return };
            let mut number = 0;
            group.bench_function(BenchmarkId::from_parameter(policies), |bencher| {
                bencher.iter(|| {
                    number = (number + 1) % 10_000;
                    black_box(world.ask(number, naively))
                });
            });
        }
        group.finish();
    }
}

fn load(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("load");
    group.sample_size(10);
    for policies in [1_000, 10_000] {
        let apps: Vec<String> = (0..policies / 10).map(|app| format!("app{app}")).collect();
        let (source, catalogue) = ([source(policies, apps.len())], catalogue(&apps));
        group.bench_function(BenchmarkId::from_parameter(policies), |bencher| {
            bencher.iter(|| black_box(PolicySet::load(&source, &[], &catalogue).is_ok()));
        });
    }
    group.finish();
}

/// What a new person or device costs, once.
fn prepare(criterion: &mut Criterion) {
    let Some(world) = World::new(1_000) else { return };
    let people: Vec<Identity> = (0..50).map(identity).collect();
    let mut number = 0;
    criterion.bench_function("prepare", |bencher| {
        bencher.iter(|| {
            number = (number + 1) % people.len();
            black_box(people.get(number).map(|person| world.set.prepare(person).is_ok()))
        });
    });
}

criterion_group!(benches, decide, prepare, load);
criterion_main!(benches);
