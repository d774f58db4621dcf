//! A company to decide for: a tenth as many apps as policies, ten tags, 200 groups of which everybody is in 20.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use sekisho_policy::{
    Action, App, Catalogue, DeviceFacts, FactValue, Identity, Moment, PolicySet, Prepared, Principal, RequestFacts, SessionFacts,
    Source, UserFacts, Verdict,
};

const NOW_MS: i64 = 1_790_000_000_000;

/// The company, its people, and what they ask for.
pub(super) struct World {
    pub(super) set: PolicySet,
    people: Vec<Prepared>,
    apps: Vec<String>,
    paths: Vec<String>,
}

impl World {
    pub(super) fn new(policies: usize) -> Option<Self> {
        let (source, catalogue) = texts(policies);
        let set = PolicySet::load(&[source], &[], &catalogue).ok()?.set;
        let apps = catalogue.apps.into_iter().map(|app| app.name).collect();
        let people = (0..50).map(|person| set.prepare(&identity(person))).collect::<Result<_, _>>().ok()?;
        let paths = (0..64).map(|path| format!("/area{}/files/{path}", path % 7)).collect();
        Some(Self { set, people, apps, paths })
    }

    /// The verdict on the `number`th of 10,000 different requests, with all that the gate does for it.
    pub(super) fn ask(&self, number: usize, naively: bool) -> Option<Verdict> {
        let who = self.people.get(number % self.people.len())?;
        let app = self.apps.get(number / 3 % self.apps.len())?;
        let action = if number.is_multiple_of(4) { Action::Write } else { Action::Read };
        let mut facts = RequestFacts::new(app, action);
        facts.path = self.paths.get(number / 7 % self.paths.len())?;
        facts.source_ip = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + u32::try_from(number).ok()?));
        facts.usage.bytes_1h = u64::try_from(number).ok()?;
        facts.at = Moment::utc(NOW_MS + i64::try_from(number).ok()?);
        Some(if naively { self.set.decide_naively(who, &facts) } else { self.set.decide(who, &facts) })
    }
}

/// The policies, and what they protect.
pub(super) fn texts(policies: usize) -> (Source, Catalogue) {
    let apps: Vec<String> = (0..policies.div_ceil(10)).map(|app| format!("app{app}")).collect();
    (source(policies, apps.len()), catalogue(&apps))
}

fn catalogue(apps: &[String]) -> Catalogue {
    let tags = tags(apps.len());
    let apps = apps.iter().enumerate().map(|(at, name)| App::new(name.as_str(), [format!("tag{}", at % tags)])).collect();
    Catalogue { apps, groups: None, ..Catalogue::default() }
}

/// How many tags there are.
fn tags(apps: usize) -> usize {
    (apps / 10).max(10)
}

/// Each app has ten policies: permits for a group, forbids, and now and then one of its tags has one.
fn source(policies: usize, apps: usize) -> Source {
    let mut text = String::new();
    for at in 0..policies {
        let (app, group, kind) = (at % apps, mixed(at) % 200, mixed(at) / 200 % 20);
        let _ = match kind {
            0 => writeln!(
                text,
                "@id(\"p{at}\") permit (principal in Group::\"g{group}\", action in Action::\"use\", resource in Tag::\"tag{}\") when {{ context.device.owner == principal }};",
                at % tags(apps)
            ),
            1..4 => writeln!(
                text,
                "@id(\"p{at}\") forbid (principal, action in Action::\"use\", resource == App::\"app{app}\") when {{ context.request.path_prefixes.contains(\"/area3\") }} unless {{ principal in Group::\"g{group}\" }};"
            ),
            4 => writeln!(
                text,
                "@id(\"p{at}\") forbid (principal, action == Action::\"write\", resource == App::\"app{app}\") unless {{ context.session.mfa || context.request.source_ip.isInRange(ip(\"10.0.0.0/8\")) }};"
            ),
            5 => writeln!(
                text,
                "@id(\"p{at}\") permit (principal in Group::\"g{group}\", action == Action::\"read\", resource == App::\"app{app}\") when {{ context.request.path like \"/area*/files/*\" && context.local_time < duration(\"18h\") }};"
            ),
            _ => writeln!(
                text,
                "@id(\"p{at}\") permit (principal in Group::\"g{group}\", action in Action::\"use\", resource == App::\"app{app}\") when {{ context.device.managed && context.device.posture.disk_encrypted && context.session.auth_age_s < 36000 }};"
            ),
        };
    }
    Source::new("bench.cedar", text)
}

/// Numbers without a pattern.
fn mixed(at: usize) -> usize {
    let mut mixed = (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed >> 33) as usize
}

/// One of the people.
pub(super) fn identity(person: usize) -> Identity {
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
