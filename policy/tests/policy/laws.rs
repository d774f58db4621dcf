//! What holds for every policy set and every question.

use std::fmt::Write as _;

use proptest::prelude::*;
use sekisho_policy::{
    Action, App, AskedFor, Catalogue, Change, Decision, DenyReason, Effort, FactValue, Identity, PolicySet, Prepared, Principal,
    Query, RequestFacts, ServiceFacts, Source, Verdict, Way,
};

use super::support::{lines, someone};

/// Who asks and what for: enough for every condition below to be met, missed and failed.
#[derive(Clone, Debug)]
struct Asked {
    who: Option<Identity>,
    app: &'static str,
    action: Action,
    path: &'static str,
    bytes_1h: u64,
    requests_1m: u64,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn looking_at_the_candidates_only_changes_nothing(policies in policies(14), questions in proptest::collection::vec(question(), 1..24)) {
        let set = load(&policies);
        for asked in &questions {
            let (prepared, facts) = put(&set, asked);
            let prepared = prepared.as_ref().unwrap_or_else(|| set.anonymous());
            prop_assert_eq!(set.decide(prepared, &facts), set.decide_naively(prepared, &facts), "{:?}", asked);
        }
    }

    #[test]
    fn another_forbid_never_widens(policies in policies(8), forbid in policy("forbid"), questions in proptest::collection::vec(question(), 1..16)) {
        let before = load(&policies);
        let after = load(&[policies, vec![forbid]].concat());
        for asked in &questions {
            if answer(&after, asked).is_allowed() {
                prop_assert!(answer(&before, asked).is_allowed(), "{:?}", asked);
            }
        }
    }

    #[test]
    fn a_verdict_says_why(policies in policies(10), questions in proptest::collection::vec(question(), 1..16)) {
        let set = load(&policies);
        for asked in &questions {
            let verdict = answer(&set, asked);
            let effect = |id: &str| if policies[id.trim_start_matches('p').parse::<usize>().unwrap()].starts_with("permit") { "permit" } else { "forbid" };
            let named: Vec<&str> = verdict.policies.iter().map(|id| effect(id)).collect();
            match verdict.decision {
                Decision::Allow => prop_assert!(!named.is_empty() && named.iter().all(|&effect| effect == "permit")),
                Decision::Deny(DenyReason::NoPermit) => prop_assert!(named.is_empty()),
                Decision::Deny(DenyReason::Forbidden) => prop_assert!(!named.is_empty() && named.iter().all(|&effect| effect == "forbid")),
                Decision::Deny(DenyReason::EvaluationFailed) => prop_assert!(named.iter().all(|&effect| effect == "forbid")),
            }
            prop_assert_eq!(verdict.decision == Decision::Deny(DenyReason::EvaluationFailed), !verdict.errors.is_empty());
        }
    }

    #[test]
    fn each_way_to_yes_is_one_and_no_part_of_it_is(policies in policies(10), questions in proptest::collection::vec(question(), 1..6)) {
        let set = load(&policies);
        for asked in &questions {
            for way in ways(&set, asked) {
                prop_assert!(naively(&set, &query(asked).changed(&way.changes)), "{} {:?}", way.in_short(), asked);
                for part in parts(&way.changes) {
                    prop_assert!(!naively(&set, &query(asked).changed(&part)), "{} needs less: {:?}", way.in_short(), part);
                }
            }
        }
    }

    #[test]
    fn without_a_permit_nothing_is_allowed(forbids in proptest::collection::vec(policy("forbid"), 0..6), asked in question()) {
        prop_assert!(!answer(&load(&forbids), &asked).is_allowed());
    }
}

/// The laws above would hold of an engine that denies everything, and of conditions that never fail.
#[test]
fn the_questions_have_all_answers() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = std::collections::BTreeMap::new();
    for _ in 0..60 {
        let set = load(&policies(10).new_tree(&mut runner).unwrap().current());
        for _ in 0..20 {
            let verdict = answer(&set, &question().new_tree(&mut runner).unwrap().current());
            *seen.entry(format!("{:?}", verdict.decision)).or_insert(0) += 1;
        }
    }
    assert!(seen.len() == 4 && seen.values().all(|&count| count > 20), "{seen:?}");
}

/// The law of ways would hold of a search that finds none.
#[test]
fn where_one_fact_or_two_would_do_a_way_is_found() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut one, mut two) = (0, 0);
    for _ in 0..60 {
        let policies = policies(10).new_tree(&mut runner).unwrap().current();
        let set = load(&policies);
        for _ in 0..10 {
            let asked = question().new_tree(&mut runner).unwrap().current();
            if !matches!(answer(&set, &asked).decision, Decision::Deny(DenyReason::NoPermit | DenyReason::Forbidden)) {
                continue;
            }
            let ways = ways(&set, &asked);
            let told = format!("{asked:?}\n{}", policies.join("\n"));
            let singles: Vec<Query> = TWEAKS.iter().map(|tweak| tweaked(query(&asked), tweak)).collect();
            if singles.iter().any(|query| naively(&set, query)) {
                assert!(ways.iter().any(|way| way.changes.len() == 1), "{told}");
                one += 1;
            } else if singles.iter().any(|query| TWEAKS.iter().any(|tweak| naively(&set, &tweaked(query.clone(), tweak)))) {
                assert!(ways.iter().any(|way| way.changes.len() == 2), "{told}");
                two += 1;
            }
        }
    }
    assert!(one > 20 && two > 1, "{one} {two}");
}

#[test]
fn what_was_prepared_by_another_set_is_refused() {
    let policies = ["permit (principal, action, resource);".to_owned()];
    let (set, same) = (load(&policies), load(&policies));
    let prepared = set.prepare(&someone("corp/ana", &[])).unwrap();
    let facts = RequestFacts::new("a0", Action::Read);
    assert!(set.accepts(&prepared) && set.decide(&prepared, &facts).is_allowed());
    assert!(!same.accepts(&prepared));
    assert_eq!(same.decide(&prepared, &facts).decision, Decision::Deny(DenyReason::EvaluationFailed));
}

#[test]
fn nobody_has_the_id_of_nobody() {
    let set = load(&[]);
    assert!(set.prepare(&someone("", &["g0"])).is_err());
    assert!(set.prepare(&someone("corp/ana", &["g0"])).is_ok());
}

#[test]
fn sets_and_what_they_prepare_can_be_shared_by_threads() {
    fn shared<Shared: Send + Sync>() {}
    shared::<PolicySet>();
    shared::<Prepared>();
    shared::<Verdict>();
}

fn policies(most: usize) -> impl Strategy<Value = Vec<String>> {
    let one = prop_oneof![3 => policy("permit"), 1 => policy("forbid")];
    proptest::collection::vec(one, 0..=most)
}

fn policy(effect: &'static str) -> impl Strategy<Value = String> {
    let principal = prop_oneof![
        3 => Just("principal"),
        1 => Just("principal is User"),
        1 => Just("principal is Service"),
        1 => Just("principal is Anonymous"),
        2 => Just("principal in Group::\"g0\""),
        1 => Just("principal is User in Group::\"g1\""),
        1 => Just("principal == User::\"corp/ana\""),
        1 => Just("principal == Service::\"corp/robot\""),
    ];
    let action = prop_oneof![
        2 => Just("action"),
        3 => Just("action in Action::\"use\""),
        1 => Just("action == Action::\"read\""),
        1 => Just("action == Action::\"write\""),
        1 => Just("action in Action::\"connect\""),
        1 => Just("action == Action::\"public\""),
        1 => Just("action == Action::\"use\""),
        1 => Just("action in [Action::\"read\", Action::\"public\"]"),
        1 => Just("action in [Action::\"use\", Action::\"public\"]"),
    ];
    let resource = prop_oneof![
        3 => Just("resource"),
        1 => Just("resource is App"),
        1 => Just("resource == App::\"a0\""),
        1 => Just("resource == App::\"a1\""),
        1 => Just("resource in App::\"a1\""),
        1 => Just("resource in Tag::\"t0\""),
        1 => Just("resource in Tag::\"t1\""),
        1 => Just("resource is App in Tag::\"t2\""),
        1 => Just("resource is App in App::\"a2\""),
        1 => Just("resource == App::\"nowhere\""),
        1 => Just("resource in Tag::\"nowhere\""),
    ];
    (principal, action, resource, proptest::collection::vec(condition(), 0..3)).prop_map(
        move |(principal, action, resource, conditions)| {
            let mut text = format!("{effect} ({principal}, {action}, {resource})");
            for (word, condition) in conditions {
                let _ = write!(text, " {word} {{ {condition} }}");
            }
            text + ";"
        },
    )
}

fn condition() -> impl Strategy<Value = (&'static str, &'static str)> {
    let words = prop_oneof![3 => Just("when"), 1 => Just("unless")];
    let conditions = prop_oneof![
        Just("context has session && context.session.mfa"),
        Just("context has device && context.device.posture.disk_encrypted"),
        Just("context has device && principal == context.device.owner"),
        Just("principal in Group::\"g1\""),
        Just("resource in Tag::\"t1\" || resource == App::\"a2\""),
        Just("action == Action::\"read\""),
        Just("context.request.path_prefixes.contains(\"/admin\")"),
        Just("context.usage.bytes_1h < 10"),
        // These two overflow, and so fail, from 2 and from 1 on.
        Just("context.usage.bytes_1h * 9223372036854775807 > 0"),
        Just("context.usage.requests_1m + 9223372036854775807 > 0 && resource in Tag::\"t0\""),
    ];
    (words, conditions)
}

fn question() -> impl Strategy<Value = Asked> {
    let app = prop_oneof![9 => prop_oneof![Just("a0"), Just("a1"), Just("a2"), Just("a3")], 1 => Just("nowhere")];
    let of_apps = vec![Action::Read, Action::Write, Action::Connect, Action::Public];
    let action = prop_oneof![6 => proptest::sample::select(of_apps), 1 => proptest::sample::select(Action::ALL.as_slice())];
    let path = prop_oneof![Just("/"), Just("/admin/users"), Just("/administrator")];
    (
        identity(),
        app,
        action,
        path,
        prop_oneof![4 => Just(0), 1 => Just(1), 1 => Just(50)],
        prop_oneof![4 => Just(0), 1 => Just(1)],
    )
        .prop_map(|(who, app, action, path, bytes_1h, requests_1m)| {
            // Mostly, the public asks for public paths and others do not.
            let who = if action == Action::Public && requests_1m == 0 { None } else { Some(who) };
            Asked { who, app, action, path, bytes_1h, requests_1m }
        })
}

fn identity() -> impl Strategy<Value = Identity> {
    let groups = proptest::sample::subsequence(vec!["g0", "g1", "g2"], 0..=3);
    (any::<bool>(), groups, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(robot, groups, mfa, disk, own)| {
        let mut who = someone("corp/ana", &groups);
        if robot {
            who.principal = Principal::Service(ServiceFacts { id: "corp/robot".to_owned(), ..ServiceFacts::default() });
        }
        who.session.mfa = mfa;
        who.device.posture.insert("disk_encrypted".to_owned(), FactValue::Flag(disk));
        who.device.owner = own.then(|| "corp/ana".to_owned());
        who
    })
}

fn load(policies: &[String]) -> PolicySet {
    let apps = vec![App::new("a0", ["t0"]), App::new("a1", ["t0", "t1"]), App::new("a2", ["t2"]), App::new::<String>("a3", [])];
    let mut text = String::new();
    for (number, policy) in policies.iter().enumerate() {
        let _ = writeln!(text, "@id(\"p{number}\") {policy}");
    }
    PolicySet::load(&[Source::new("laws.cedar", text)], &[], &Catalogue { apps, groups: None, ..Catalogue::default() })
        .unwrap_or_else(|problems| panic!("{}", lines(&problems)))
        .set
}

fn put<'a>(set: &PolicySet, asked: &'a Asked) -> (Option<Prepared>, RequestFacts<'a>) {
    let facts = put_facts(asked);
    (asked.who.as_ref().map(|who| set.prepare(who).unwrap()), facts)
}

fn put_facts(asked: &Asked) -> RequestFacts<'_> {
    let mut facts = RequestFacts::new(asked.app, asked.action);
    facts.path = asked.path;
    facts.usage.bytes_1h = asked.bytes_1h;
    facts.usage.requests_1m = asked.requests_1m;
    facts
}

/// All facts that the conditions below look at and that can change.
const TWEAKS: [&str; 9] = ["mfa", "disk", "own", "+g0", "+g1", "-g0", "-g1", "bytes", "requests"];

fn tweaked(mut query: Query, tweak: &str) -> Query {
    match tweak {
        "bytes" => query.request.usage.bytes_1h = 0,
        "requests" => query.request.usage.requests_1m = 0,
        _ => {}
    }
    if let Some(who) = &mut query.who {
        let user = match &mut who.principal {
            Principal::User(user) => Some(user),
            Principal::Service(_) => None,
        };
        match (tweak, user) {
            ("disk", _) => {
                who.device.posture.insert("disk_encrypted".to_owned(), FactValue::Flag(true));
            }
            ("mfa", Some(_)) => who.session.mfa = true,
            ("own", Some(user)) => who.device.owner = Some(user.id.clone()),
            ("+g0" | "+g1", Some(user)) => {
                user.groups.insert(tweak.trim_start_matches('+').to_owned());
            }
            ("-g0" | "-g1", Some(user)) => {
                user.groups.remove(tweak.trim_start_matches('-'));
            }
            _ => {}
        }
    }
    query
}

fn query(asked: &Asked) -> Query {
    let facts = put_facts(asked);
    Query { who: asked.who.clone(), request: AskedFor::from(&facts) }
}

fn ways(set: &PolicySet, asked: &Asked) -> Vec<Way> {
    set.explain(&query(asked), Effort::THOROUGH).unwrap().ways
}

/// All parts of `changes` but the whole.
fn parts(changes: &[Change]) -> Vec<Vec<Change>> {
    let all = 0..(1_usize << changes.len()) - 1;
    all.map(|chosen| changes.iter().enumerate().filter(|(at, _)| chosen >> at & 1 == 1).map(|(_, one)| one.clone()).collect())
        .collect()
}

fn naively(set: &PolicySet, query: &Query) -> bool {
    let prepared = query.who.as_ref().map(|who| set.prepare(who).unwrap());
    set.decide_naively(prepared.as_ref().unwrap_or_else(|| set.anonymous()), &query.request.facts()).is_allowed()
}

fn answer(set: &PolicySet, asked: &Asked) -> Verdict {
    let (prepared, facts) = put(set, asked);
    set.decide(prepared.as_ref().unwrap_or_else(|| set.anonymous()), &facts)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// What a comparison is certain of is never contradicted by a decision.
    #[test]
    fn a_comparison_is_never_more_certain_than_it_may_be(
        stays in policies(3),
        before in policies(3),
        after in policies(3),
        questions in proptest::collection::vec(question(), 1..48),
    ) {
        let (before, after) = ([stays.clone(), before].concat(), [stays, after].concat());
        let diff = super::diff::between(&numbered(&before), &numbered(&after), Some(&catalogue()));
        let (old, new) = (load(&before), load(&after));
        for asked in &questions {
            let (was, is) = (answer(&old, asked).is_allowed(), answer(&new, asked).is_allowed());
            prop_assert!(diff.widens() || !is || was, "{:?} {}", asked, diff);
            prop_assert!(diff.narrows() || !was || is, "{:?} {}", asked, diff);
        }
        for effect in &diff.gains {
            prop_assert!(new.decide_query(&effect.example).unwrap().is_allowed() && !old.decide_query(&effect.example).unwrap().is_allowed());
        }
        for effect in &diff.losses {
            prop_assert!(old.decide_query(&effect.example).unwrap().is_allowed() && !new.decide_query(&effect.example).unwrap().is_allowed());
        }
    }

    /// Layout and order say nothing.
    #[test]
    fn what_is_only_written_in_another_way_has_not_changed(policies in policies(8)) {
        let mut turned = policies.clone();
        turned.reverse();
        let lines: Vec<String> = turned.iter().zip((0..policies.len()).rev()).map(|(policy, number)| {
            format!("// {number}\n@id(\"p{number}\")\n{}\n", policy.replace("when {", "when\n{\n").replace(" && ", "\n  && "))
        }).collect();
        let diff = super::diff::between(&numbered(&policies), &lines.concat(), Some(&catalogue()));
        prop_assert_eq!(diff.to_string(), "No change in meaning.\n");
    }
}

fn numbered(policies: &[String]) -> String {
    policies.iter().enumerate().map(|(number, policy)| format!("@id(\"p{number}\") {policy}\n")).collect()
}

fn catalogue() -> Catalogue {
    let apps = vec![App::new("a0", ["t0"]), App::new("a1", ["t0", "t1"]), App::new("a2", ["t2"]), App::new::<String>("a3", [])];
    Catalogue { apps, groups: None, ..Catalogue::default() }
}
