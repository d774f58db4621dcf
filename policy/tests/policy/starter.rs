//! The policies that ship as examples are correct, and decide what the quickstart shows.

use super::support::{self, NOW_MS, folder, quickstart_catalogue, someone};
use jiff::tz::TimeZone;
use sekisho_policy::testing::{self, Tester};
use sekisho_policy::{
    Action, App, Catalogue, Decision, DenyReason, Identity, OWN_APP, OwnActions, PolicySet, Principal, RequestFacts, Source,
    Verdict,
};

#[test]
fn the_starter_has_no_mistakes_and_no_warnings() {
    let loaded = PolicySet::load(&folder("../examples/policies"), &[], &quickstart_catalogue()).unwrap_or_else(|problems| {
        panic!("{}", support::lines(&problems));
    });
    assert_eq!(loaded.warnings, [], "{}", support::lines(&loaded.warnings));
}

#[test]
fn the_starter_loads_whatever_is_asked_of_the_gate_itself() {
    let own = OwnActions { self_service: true, administration: true };
    let loaded = PolicySet::load(&folder("../examples/policies"), &[], &quickstart_catalogue().with_own(own));
    let loaded = loaded.unwrap_or_else(|problems| panic!("{}", support::lines(&problems)));
    assert_eq!(loaded.warnings, [], "{}", support::lines(&loaded.warnings));
    let asked = |who: &Identity, action| {
        let facts = RequestFacts { at: sekisho_policy::Moment::utc(NOW_MS), ..RequestFacts::new(OWN_APP, action) };
        loaded.set.decide(&loaded.set.prepare(who).unwrap(), &facts)
    };
    assert_allowed(&asked(&ana(), Action::Enroll), "staff-invite-own-devices");
    let mut stale = ana();
    stale.session.authenticated_at_ms = Some(NOW_MS - 960_000);
    assert!(!asked(&stale, Action::Enroll).is_allowed());
    let mut admin = ana();
    user(&mut admin).groups.insert("admins".to_owned());
    for action in Action::ALL.into_iter().filter(|action| action.is_administrative()) {
        assert!(!asked(&admin, action).is_allowed(), "{action}");
    }
    user(&mut admin).groups = [sekisho_policy::ADMINISTRATORS.to_owned()].into();
    admin.session.mfa = true;
    for action in Action::ALL.into_iter().filter(|action| action.is_administrative()) {
        assert_allowed(&asked(&admin, action), "administrators-administer");
    }
    admin.session.mfa = false;
    assert!(!asked(&admin, Action::Reload).is_allowed());
}

#[test]
fn staff_use_share_and_chat_from_their_own_device() {
    for app in ["share", "chat"] {
        for action in [Action::Read, Action::Write, Action::Connect] {
            assert_allowed(&ask(&ana(), app, action, "/files/1"), "staff-on-own-device");
        }
    }
}

#[test]
fn any_one_fact_less_and_the_answer_is_no() {
    let without = |change: fn(&mut Identity)| {
        let mut identity = ana();
        change(&mut identity);
        ask(&identity, "share", Action::Read, "/files/1")
    };
    assert_allowed(&without(|_| ()), "staff-on-own-device");
    assert_denied(&without(|who| user(who).groups.clear()), DenyReason::NoPermit, &[]);
    assert_denied(&without(|who| who.device.owner = None), DenyReason::NoPermit, &[]);
    assert_denied(&without(|who| who.device.owner = Some("corp/bob".to_owned())), DenyReason::NoPermit, &[]);
    assert_denied(&without(|who| who.session.binding = "none".to_owned()), DenyReason::Forbidden, &["no-unbound-tokens"]);
    assert_denied(&without(|who| who.session.binding.clear()), DenyReason::Forbidden, &["no-unbound-tokens"]);
    assert_denied(
        &without(|who| who.session.authenticated_at_ms = None),
        DenyReason::Forbidden,
        &["confidential-needs-strong-sign-in"],
    );
}

#[test]
fn more_than_one_factor_stands_for_a_fresh_sign_in() {
    let mut who = ana();
    who.session.authenticated_at_ms = Some(NOW_MS - 28_800_000);
    assert_denied(&ask(&who, "share", Action::Read, "/"), DenyReason::Forbidden, &["confidential-needs-strong-sign-in"]);
    assert_allowed(&ask(&who, "chat", Action::Read, "/"), "staff-on-own-device");
    who.session.mfa = true;
    assert_allowed(&ask(&who, "share", Action::Read, "/"), "staff-on-own-device");
}

#[test]
fn only_admins_enter_the_admin_area() {
    for path in ["/admin", "/admin/", "/admin/users"] {
        assert_denied(&ask(&ana(), "share", Action::Read, path), DenyReason::Forbidden, &["share-admin-area-for-admins"]);
        let mut admin = ana();
        user(&mut admin).groups.insert("admins".to_owned());
        assert_allowed(&ask(&admin, "share", Action::Read, path), "staff-on-own-device");
    }
    assert_allowed(&ask(&ana(), "share", Action::Read, "/administrator"), "staff-on-own-device");
    assert_allowed(&ask(&ana(), "chat", Action::Read, "/admin"), "staff-on-own-device");
}

#[test]
fn shared_devices_serve_staff_who_signed_in_lately() {
    let mut who = ana();
    who.device.owner = None;
    (who.device.shared, who.device.managed) = (true, true);
    assert_allowed(&ask(&who, "share", Action::Read, "/"), "staff-on-shared-device");
    who.device.managed = false;
    assert_denied(&ask(&who, "share", Action::Read, "/"), DenyReason::NoPermit, &[]);
    who.device.managed = true;
    who.session.authenticated_at_ms = Some(NOW_MS - 3_600_000);
    assert_denied(&ask(&who, "share", Action::Read, "/"), DenyReason::NoPermit, &[]);
}

#[test]
fn contractors_read_share_and_nothing_else() {
    let mut who = ana();
    user(&mut who).groups = ["contractors".to_owned()].into();
    assert_allowed(&ask(&who, "share", Action::Read, "/files/1"), "contractors-read-share");
    assert_denied(&ask(&who, "share", Action::Write, "/files/1"), DenyReason::NoPermit, &[]);
    assert_denied(&ask(&who, "chat", Action::Read, "/"), DenyReason::NoPermit, &[]);
}

#[test]
fn public_paths_are_open_and_nothing_else_is() {
    let set = starter();
    assert_allowed(&set.decide(set.anonymous(), &at("share", Action::Public, "/healthz")), "public-paths");
    // Whoever is not known cannot even ask for a use, and whoever is known is not the public.
    let unasked = set.decide(set.anonymous(), &at("share", Action::Read, "/healthz"));
    assert_eq!(unasked.decision, Decision::Deny(DenyReason::EvaluationFailed));
    assert!(!ask(&ana(), "share", Action::Public, "/healthz").is_allowed());
}

fn ana() -> Identity {
    someone("corp/ana", &["staff"])
}

fn user(identity: &mut Identity) -> &mut sekisho_policy::UserFacts {
    match &mut identity.principal {
        Principal::User(user) => user,
        Principal::Service(_) => panic!("not a person"),
    }
}

fn starter() -> PolicySet {
    PolicySet::load(&folder("../examples/policies"), &[], &quickstart_catalogue()).unwrap().set
}

fn at<'a>(app: &'a str, action: Action, path: &'a str) -> RequestFacts<'a> {
    let mut facts = RequestFacts::new(app, action);
    facts.path = path;
    facts.at = sekisho_policy::Moment::utc(NOW_MS);
    facts
}

fn ask(identity: &Identity, app: &str, action: Action, path: &str) -> Verdict {
    let set = starter();
    set.decide(&set.prepare(identity).unwrap(), &at(app, action, path))
}

#[track_caller]
fn assert_allowed(verdict: &Verdict, policy: &str) {
    assert_eq!((verdict.decision, support::ids(verdict)), (Decision::Allow, vec![policy.to_owned()]), "{:?}", verdict.errors);
}

#[track_caller]
fn assert_denied(verdict: &Verdict, reason: DenyReason, policies: &[&str]) {
    assert_eq!(
        (verdict.decision, support::ids(verdict)),
        (Decision::Deny(reason), policies.iter().map(|&id| id.to_owned()).collect())
    );
    assert_eq!(verdict.errors, []);
}

#[test]
fn the_tests_beside_it_pass_and_touch_every_policy() {
    let tests = tests();
    for catalogue in
        [quickstart_catalogue(), Catalogue { apps: vec![App::new("wiki", ["internal"])], groups: None, ..Catalogue::default() }]
    {
        let catalogue = testing::catalogue(&tests, &catalogue);
        let set = PolicySet::load(&folder("../examples/policies"), &[], &catalogue).unwrap().set;
        let report = Tester { set: &set, catalogue: &catalogue, zone: &TimeZone::UTC }.check(&tests);
        let report = report.unwrap_or_else(|problems| panic!("{}", support::lines(&problems)));
        assert_eq!(report.untouched, []);
    }
}

/// Take any policy away, and some test notices.
#[test]
fn no_policy_can_be_lost_without_a_test_that_fails() {
    let (policies, tests) = (folder("../examples/policies"), tests());
    let catalogue = testing::catalogue(&tests, &quickstart_catalogue());
    let ids = starter().policy_ids();
    for id in &ids {
        let without: Vec<Source> = policies.iter().map(|source| Source::new(&source.name, lose(&source.text, id))).collect();
        let set = PolicySet::load(&without, &[], &catalogue).unwrap().set;
        assert_eq!(set.len(), ids.len() - 1);
        let outcome = Tester { set: &set, catalogue: &catalogue, zone: &TimeZone::UTC }.check(&tests);
        assert!(outcome.is_err(), "no test misses `{id}`");
    }
}

/// The text without the policy of this id.
fn lose(text: &str, id: &str) -> String {
    match text.split_once(&format!("@id(\"{id}\")")) {
        Some((before, after)) => before.to_owned() + after.split_once(';').unwrap().1,
        None => text.to_owned(),
    }
}

fn tests() -> Vec<Source> {
    let read = |name: &str| {
        let text = std::fs::read_to_string(support::beside(&format!("../examples/policies/{name}"))).unwrap();
        Source::new(name, text)
    };
    vec![read("tests/bulk-export.toml"), read("tests/starter.toml")]
}
