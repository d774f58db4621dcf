//! Another sign-in, where it helps and where it does not.

use std::collections::BTreeSet;

use super::StepUp;
use crate::action::Action;
use crate::facts::{DeviceFacts, Identity, Principal, ServiceFacts, SessionFacts, UserFacts};
use crate::request::{Moment, RequestFacts};
use crate::set::{App, Catalogue, PolicySet, Source};

const NOW_MS: i64 = 1_790_000_000_000;

fn set(policies: &str) -> PolicySet {
    let catalogue = Catalogue { apps: vec![App::new("wiki", ["internal"])], groups: None, ..Catalogue::default() };
    PolicySet::load(&[Source::new("a.cedar", policies)], &[], &catalogue).unwrap().set
}

/// Signed in an hour ago, with a password.
fn ana() -> Identity {
    Identity {
        principal: Principal::User(UserFacts { id: "corp/ana".to_owned(), ..UserFacts::default() }),
        device: DeviceFacts::default(),
        session: SessionFacts {
            authenticated_at_ms: Some(NOW_MS - 3_600_000),
            amr: ["pwd".to_owned()].into(),
            provider: "corp".to_owned(),
            binding: "session".to_owned(),
            ..SessionFacts::default()
        },
    }
}

fn step_up(policies: &str, identity: &Identity) -> Option<StepUp> {
    let mut facts = RequestFacts::new("wiki", Action::Read);
    facts.at = Moment::utc(NOW_MS);
    set(policies).step_up(identity, &facts)
}

/// What is found for one `permit` with this condition.
fn when(condition: &str) -> Option<StepUp> {
    step_up(&format!("permit (principal, action in Action::\"use\", resource) when {{ {condition} }};"), &ana())
}

fn age(max_age_s: u64) -> Option<StepUp> {
    Some(StepUp { max_age_s: Some(max_age_s), ..StepUp::default() })
}

#[test]
fn the_greatest_age_that_is_permitted() {
    assert_eq!(when("context.session.auth_age_s < 900"), age(899));
    assert_eq!(when("context.session.auth_age_s <= 900"), age(900));
    assert_eq!(when("!(context.session.auth_age_s > 60)"), age(60));
    assert_eq!(when("context.session.auth_age_s * 3 + 1 < 900"), age(299));
    // Beside what is permitted anyway, nothing is missing.
    assert_eq!(when("context.session.auth_age_s < 9000"), None);
}

#[test]
fn an_age_may_be_a_window() {
    let windows = "context.session.auth_age_s < 300 || (context.session.auth_age_s > 1000 && context.session.auth_age_s < 2000)";
    assert_eq!(when(windows), age(299));
    // What a sign-in does not have at once, it does not bring.
    assert_eq!(when("context.session.auth_age_s > 1000 && context.session.auth_age_s < 2000"), None);
    // Nobody can be that quick.
    assert_eq!(when("context.session.auth_age_s < 1"), None);
}

#[test]
fn a_stronger_sign_in() {
    let mfa = StepUp { mfa: true, ..StepUp::default() };
    assert_eq!(when("context.session.mfa"), Some(mfa.clone()));
    assert_eq!(
        when("context.session.mfa && context.session.auth_age_s < 900"),
        Some(StepUp { max_age_s: Some(899), ..mfa.clone() })
    );
    let gold = StepUp { acr: Some("gold".to_owned()), ..StepUp::default() };
    assert_eq!(when("context.session.acr == \"gold\""), Some(gold.clone()));
    assert_eq!(when("[\"gold\", \"platinum\"].contains(context.session.acr)"), Some(gold.clone()));
    assert_eq!(when("context.session.acr != \"\""), None);
    let keys = |keys: &[&str]| {
        let amr: BTreeSet<String> = keys.iter().map(|&key| key.to_owned()).collect();
        Some(StepUp { amr, ..StepUp::default() })
    };
    assert_eq!(when("context.session.amr.contains(\"hwk\")"), keys(&["hwk"]));
    assert_eq!(when("context.session.amr.containsAll([\"hwk\", \"pin\"])"), keys(&["hwk", "pin"]));
    assert_eq!(when("context.session.amr.containsAny([\"hwk\", \"fpt\"])"), keys(&["fpt"]));
    // The least of several ways.
    assert_eq!(when("context.session.mfa || (context.session.acr == \"gold\" && context.session.auth_age_s < 60)"), Some(mfa));
}

#[test]
fn only_where_a_sign_in_alone_is_missing() {
    assert_eq!(when("context.session.mfa && context.device.managed"), None);
    assert_eq!(when("context.device.managed"), None);
    let permit = "permit (principal, action in Action::\"use\", resource) when { context.session.auth_age_s < 900 };";
    assert_eq!(step_up(permit, &ana()), age(899));
    let forbidden =
        format!("{permit} forbid (principal, action in Action::\"use\", resource) unless {{ context.device.managed }};");
    assert_eq!(step_up(&forbidden, &ana()), None);
    let guarded = format!("{permit} forbid (principal, action in Action::\"use\", resource) unless {{ context.session.mfa }};");
    assert_eq!(step_up(&guarded, &ana()), Some(StepUp { max_age_s: Some(899), mfa: true, ..StepUp::default() }));
    let group = "permit (principal in Group::\"hr\", action, resource) when { context has session && context.session.mfa };";
    assert_eq!(step_up(group, &ana()), None);
}

#[test]
fn a_failing_policy_is_not_the_sign_ins_fault() {
    let fails = "permit (principal, action in Action::\"use\", resource) when { context.session.auth_age_s < 900 };
                 forbid (principal, action in Action::\"use\", resource) when { context.session.auth_age_s + 9223372036854775807 > 0 };";
    assert_eq!(step_up(fails, &ana()), None);
}

#[test]
fn programs_do_not_sign_in() {
    let permit = "permit (principal, action in Action::\"use\", resource) when { context.session.mfa };";
    assert!(step_up(permit, &ana()).is_some());
    let service = ServiceFacts { id: "corp/robot".to_owned(), ..ServiceFacts::default() };
    assert_eq!(step_up(permit, &Identity { principal: Principal::Service(service), ..ana() }), None);
}

#[test]
fn a_policy_tells_where_it_stands() {
    let set = set(
        "\n@id(\"one\")\n@advice(\"ask Bea\")\n@show(\"public\")\npermit (principal, action, resource);\n@id(\"two\") forbid (principal, action, resource);",
    );
    let one = set.policy("one").unwrap();
    assert_eq!((one.file, one.line, one.permits, one.advice, one.shown), ("a.cedar", 2, true, Some("ask Bea"), true));
    assert!(one.text.starts_with("@id(\"one\")") && one.text.ends_with(';'), "{}", one.text);
    let two = set.policy("two").unwrap();
    assert_eq!((two.line, two.permits, two.advice, two.shown), (6, false, None, false));
    assert_eq!(set.policy("three"), None);
}

/// Every question has a copy of all groups: with thousands of them, a denial would hold up everybody else.
#[test]
fn who_is_in_many_groups_gets_fewer_guesses() {
    use crate::query::{AskedFor, Query};
    let policies: String = (0..40)
        .map(|n| {
            format!(
                "@id(\"p{n}\") permit (principal in Group::\"g{n}\", action in Action::\"use\", resource)
                 when {{ context.session.mfa && context.session.acr == \"a{n}\" && context.device.managed }};"
            )
        })
        .collect();
    let set = set(&policies);
    let tried = |groups: usize| {
        let groups = (0..groups).map(|n| format!("group-{n}")).collect();
        let user = UserFacts { id: "corp/ana".to_owned(), groups, ..UserFacts::default() };
        let who = Identity { principal: Principal::User(user), device: DeviceFacts::default(), session: SessionFacts::default() };
        let mut facts = RequestFacts::new("wiki", Action::Read);
        facts.at = Moment::utc(NOW_MS);
        let explanation = set.explain(&Query { who: Some(who), request: AskedFor::from(&facts) }, crate::Effort::BRIEF).unwrap();
        explanation.evaluations
    };
    let (few, many) = (tried(0), tried(4000));
    assert!(few > 40 && (1..few / 5).contains(&many), "{few}, {many}");
}
