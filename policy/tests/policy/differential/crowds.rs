//! Many policies about the same app, most of them for one group or one person: where candidates are searched for, where more
//! hold at once than there is room for beforehand, and where names are looked up that others have put together.

use sekisho_policy::{Action, App, Catalogue, FactValue, PolicySet, Principal, RequestFacts, ServiceFacts, Source};

use super::random::Random;
use crate::support::{lines, someone};

#[test]
fn the_engine_agrees_with_cedar_in_crowds() {
    let (mut random, mut most, mut direct) = (Random::new(5), 0, 0);
    for size in [40, 150, 150, 400, 900] {
        let set = load(&mut random, size);
        let people: Vec<_> = (0..24).map(|_| person(&mut random)).collect();
        let prepared: Vec<_> = people.iter().map(|who| set.prepare(who).unwrap()).collect();
        for _ in 0..120 {
            let at = random.below(people.len());
            let mut facts = RequestFacts::new(random.pick(&["a0", "a1", "a2"]), Action::ALL[random.below(4)]);
            facts.usage.bytes_1h = if random.once_in(8) { u64::MAX } else { random.below(3) as u64 };
            let who = if facts.action == Action::Public { set.anonymous() } else { &prepared[at] };
            let naive = set.decide_naively(who, &facts);
            assert_eq!(set.decide(who, &facts), naive, "{:?} {facts:?}\n{}", people[at], set.canonical_text());
            direct += usize::from(set.decide_compiled(who, &facts).is_some());
            most = most.max(naive.policies.len());
        }
    }
    assert!(most > 40 && direct > 300, "{most} {direct}");
}

fn load(random: &mut Random, size: usize) -> PolicySet {
    let policies: Vec<String> = (0..size).map(|number| format!("@id(\"p{number}\") {}\n", policy(random))).collect();
    let apps = vec![App::new("a0", ["t0"]), App::new("a1", ["t0", "t1"]), App::new::<&str>("a2", [])];
    let sources = [Source::new("crowd.cedar", policies.concat())];
    PolicySet::load(&sources, &[], &Catalogue { apps, groups: None, ..Catalogue::default() })
        .unwrap_or_else(|problems| panic!("{}", lines(&problems)))
        .set
}

fn policy(random: &mut Random) -> String {
    let effect = if random.once_in(30) { "forbid" } else { "permit" };
    let number = random.below(30);
    let principal = match random.below(12) {
        0 => "principal".to_owned(),
        1 => "principal is Service".to_owned(),
        2 => format!("principal == User::\"u{number}\""),
        3 => format!("principal == Service::\"u{number}\""),
        4 => format!("principal is User in User::\"u{number}\""),
        5 => format!("principal is User in Group::\"g{number}\""),
        _ => format!("principal in Group::\"g{number}\""),
    };
    let action =
        random.pick(&["action", "action in Action::\"use\"", "action == Action::\"read\"", "action == Action::\"public\""]);
    let resource =
        random.pick(&["resource", "resource", "resource in Tag::\"t0\"", "resource == App::\"a0\"", "resource is App"]);
    let condition = match random.below(6) {
        0 => format!(" when {{ principal in Group::\"g{}\" }}", random.below(30)),
        1 => " when { context.usage.bytes_1h < 2 }".to_owned(),
        2 if random.once_in(6) => " unless { context.usage.bytes_1h + 1 > 0 }".to_owned(),
        3 => format!(" unless {{ principal == User::\"u{}\" }}", random.below(30)),
        _ => String::new(),
    };
    format!("{effect} ({principal}, {action}, {resource}){condition};")
}

fn person(random: &mut Random) -> sekisho_policy::Identity {
    let end = random.below(31);
    let groups: Vec<String> = (0..end).filter(|_| random.once_in(2)).map(|number| format!("g{number}")).collect();
    let id = format!("u{}", random.below(40));
    let mut who = someone(&id, &groups.iter().map(String::as_str).collect::<Vec<_>>());
    if random.once_in(5) {
        who.principal = Principal::Service(ServiceFacts { id, ..ServiceFacts::default() });
    }
    who.device.posture.insert("disk_encrypted".to_owned(), FactValue::Flag(true));
    who
}
