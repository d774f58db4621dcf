//! Questions: facts that policies ask for, and such as nobody expects.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use sekisho_policy::{
    Action, AskedFor, DeviceFacts, FactValue, Identity, Moment, Principal, Query, ServiceFacts, SessionFacts, Usage, UserFacts,
    Weekday,
};

use super::expressions::TEXTS;
use super::random::Random;

const NOW_MS: i64 = 1_790_000_000_000;

const PATHS: [&str; 9] =
    ["/", "/admin", "/admin/users", "/administrator", "/admin/", "//admin//users", "/é*", "/a/b/c/d/e/f/g", "*"];

const ADDRESSES: [&str; 11] = [
    "10.1.2.3",
    "192.168.1.1",
    "8.8.8.8",
    "127.0.0.1",
    "224.0.0.1",
    "::1",
    "fd00::5",
    "2001:db8::1",
    "::ffff:10.1.2.3",
    "::10.1.2.3",
    "64:ff9b::10.1.2.3",
];

const MOMENTS: [i64; 9] = [
    NOW_MS,
    NOW_MS + 1,
    0,
    -1,
    i64::MAX,
    i64::MIN,
    // Around the last moment that the calendar has.
    253_402_128_000_000,
    253_402_207_200_000,
    253_402_300_799_999,
];

/// Any question.
pub(super) fn question(random: &mut Random) -> Query {
    let action = match random.below(6) {
        0 => Action::Public,
        1 => Action::ALL[random.below(Action::ALL.len())],
        _ => Action::ALL[random.below(3)],
    };
    // Now and then somebody known asks for what is public, or nobody for what is not: no such question can be put.
    let known = (action != Action::Public) != random.once_in(40);
    Query { who: known.then(|| identity(random)), request: asked_for(random, action) }
}

fn asked_for(random: &mut Random, action: Action) -> AskedFor {
    let app = if random.once_in(60) { "nowhere" } else { random.pick(&["a0", "a1", "a \"2\"", "a3", "sekisho"]) };
    let path = if random.once_in(60) { "/a".repeat(62 + random.below(5)) } else { random.pick(&PATHS).to_owned() };
    AskedFor {
        app: app.to_owned(),
        action,
        host: random.pick(&["wiki.corp.example", "", "red"]).to_owned(),
        path,
        method: random.pick(&["GET", "POST", "DELETE"]).to_owned(),
        source_ip: random.pick(&ADDRESSES).parse::<IpAddr>().unwrap(),
        usage: Usage { requests_1m: count(random), bytes_1h: count(random), bytes_1d: count(random) },
        at: moment(random),
    }
}

fn count(random: &mut Random) -> u64 {
    match random.below(40) {
        0 => u64::MAX,
        1 => i64::MAX as u64,
        2..8 => random.below(4_000) as u64,
        _ => random.below(4) as u64,
    }
}

fn moment(random: &mut Random) -> Moment {
    let unix_ms = if random.once_in(8) { MOMENTS[random.below(MOMENTS.len())] } else { NOW_MS + random.below(90_000_000) as i64 };
    let days = [Weekday::Monday, Weekday::Tuesday, Weekday::Sunday];
    Moment { unix_ms, local_ms: random.below(86_400_000) as u32, weekday: days[random.below(3)] }
}

fn since(random: &mut Random) -> Option<i64> {
    match random.below(8) {
        0 => None,
        1 => Some(MOMENTS[random.below(MOMENTS.len())]),
        2 => Some(NOW_MS + random.below(1_000_000) as i64),
        _ => Some(NOW_MS - random.below(4_000_000) as i64),
    }
}

fn identity(random: &mut Random) -> Identity {
    Identity { principal: principal(random), device: device(random), session: session(random) }
}

fn principal(random: &mut Random) -> Principal {
    let claims: BTreeMap<String, BTreeSet<String>> = ["team", "level", "", "e\"v"]
        .into_iter()
        .map(|name| (name.to_owned(), texts(random)))
        .filter(|(_, texts)| texts.len() != 2)
        .collect();
    if random.once_in(5) {
        let name = random.once_in(2).then(|| "robot".to_owned());
        return Principal::Service(ServiceFacts { id: random.pick(&["corp/robot", "corp/ana"]).to_owned(), name, claims });
    }
    let groups = ["g0", "g1", "g\"2\"", "g3"].into_iter().filter(|_| random.once_in(2)).map(str::to_owned).collect();
    Principal::User(UserFacts {
        id: random.pick(&["corp/ana", "corp/ana", "corp/bo", "corp/\"x\"", "corp/robot"]).to_owned(),
        email: random.once_in(2).then(|| "ana@corp.example".to_owned()),
        name: random.once_in(2).then(|| random.pick(&TEXTS).to_owned()),
        groups,
        claims,
    })
}

fn device(random: &mut Random) -> DeviceFacts {
    let mut posture = BTreeMap::new();
    for name in
        ["disk_encrypted", "firewall", "os_up_to_date", "screen_lock", "edr", "antivirus", "score", "vendor", "unheard_of"]
    {
        // Most are what the schema declares.
        let value = match (name, random.below(12)) {
            (_, 0..3) => continue,
            (_, 3) | ("score", _) => FactValue::Number(random.below(100) as i64 - 10),
            (_, 4) | ("vendor", _) => FactValue::Text(random.pick(&TEXTS).to_owned()),
            _ => FactValue::Flag(random.once_in(2)),
        };
        posture.insert(name.to_owned(), value);
    }
    DeviceFacts {
        id: random.pick(&TEXTS).to_owned(),
        owner: random.pick(&[&None, &Some("corp/ana"), &Some("corp/bo"), &Some("")]).map(str::to_owned),
        authority: random.pick(&["house", "corp"]).to_owned(),
        platform: random.pick(&["linux", "macos", "unknown"]).to_owned(),
        managed: random.once_in(2),
        shared: random.once_in(3),
        key_protection: random.pick(&["tpm", "os", "software"]).to_owned(),
        posture,
        posture_at_ms: since(random),
        enrolled_at_ms: since(random).unwrap_or(NOW_MS),
    }
}

fn session(random: &mut Random) -> SessionFacts {
    SessionFacts {
        authenticated_at_ms: since(random),
        mfa: random.once_in(2),
        acr: random.once_in(2).then(|| "silver".to_owned()),
        amr: texts(random),
        provider: random.pick(&["corp", ""]).to_owned(),
        binding: random.pick(&["session", "certificate", "none"]).to_owned(),
    }
}

fn texts(random: &mut Random) -> BTreeSet<String> {
    (0..random.below(4)).map(|_| random.pick(&TEXTS).to_owned()).collect()
}
