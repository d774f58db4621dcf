//! What administrators write: the configuration, policies and their tests; and what operators' commands send.

use std::path::Path;
use std::sync::OnceLock;

use sekisho::clock::Timestamp;
use sekisho::config::Config;
use sekisho::console::admin::wire::{AddRequest, ApproveRequest, EndRequest, InviteRequest, UserRequest, WhyRequest};
use sekisho_policy::testing::Tester;
use sekisho_policy::{Action, App, Catalogue, PolicySet, RequestFacts, Source};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Settings are taken, or every problem is named, in words of one line and the same each time; an unknown key never is taken.
pub(crate) fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let nowhere = Path::new("/nonexistent/sekisho-fuzz");
    let load = |text: &str| {
        Config::parse(text, nowhere, [], Timestamp(0))
            .map(|_| ())
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let outcome = load(text);
    assert_eq!(outcome, load(text));
    let problems = outcome.expect_err("a gate without a certificate was taken");
    assert!(
        !problems.is_empty() && problems.iter().all(|problem| !problem.is_empty() && !problem.contains('\n')),
        "{problems:?}"
    );
    let planted = format!("sekisho_junk_key = 1\n{text}");
    let told = load(&planted).expect_err("an unknown key was taken");
    // Of what is no TOML nothing else is said.
    let read = toml::from_str::<toml::Table>(&planted).is_ok();
    assert!(!read || told.iter().any(|problem| problem.contains("sekisho_junk_key")), "{told:?}");
}

fn catalogue() -> Catalogue {
    Catalogue { apps: vec![App::new("wiki", ["internal"])], groups: None, ..Catalogue::default() }
}

/// A set that is taken has one layout, means the same in it, denies what nothing permits, and is no wider with one more `forbid`.
pub(crate) fn policies(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let source = Source::new("fuzz.cedar", text);
    if let Ok(once) = sekisho_policy::format(&source) {
        let twice = sekisho_policy::format(&Source::new("fuzz.cedar", once.clone()));
        assert_eq!(twice.as_ref(), Ok(&once), "the layout is not at rest");
    }
    let Ok(loaded) = PolicySet::load(std::slice::from_ref(&source), &[], &catalogue()) else { return };
    let forbid = Source::new(
        "more.cedar",
        "@id(\"one-more\") forbid (principal, action, resource) when { context.request.path == \"/secret\" };",
    );
    let more = PolicySet::load(&[source, forbid], &[], &catalogue());
    for (action, path) in [(Action::Public, "/"), (Action::Public, "/secret"), (Action::Read, "/secret"), (Action::Write, "/a/b")]
    {
        let mut facts = RequestFacts::new("wiki", action);
        facts.path = path;
        let verdict = loaded.set.decide(loaded.set.anonymous(), &facts);
        assert_eq!(verdict, loaded.set.decide_naively(loaded.set.anonymous(), &facts), "two engines, two answers");
        assert!(!verdict.is_allowed() || !loaded.set.is_empty());
        if let Ok(more) = &more {
            let narrower = more.set.decide(more.set.anonymous(), &facts);
            assert!(!narrower.is_allowed() || (verdict.is_allowed() && path != "/secret"));
        }
    }
}

fn set() -> &'static PolicySet {
    static SET: OnceLock<PolicySet> = OnceLock::new();
    SET.get_or_init(|| {
        let text =
            "@id(\"own\") permit (principal, action in Action::\"use\", resource) when { context.device.owner == principal };";
        PolicySet::load(&[Source::new("set.cedar", text)], &[], &catalogue()).unwrap().set
    })
}

/// Tests are read, or every mistake is named; what is read can be run, comes out the same each time, and never runs unread.
pub(crate) fn policy_tests(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let catalogue = catalogue();
    let tester = Tester { set: set(), catalogue: &catalogue, zone: &jiff::tz::TimeZone::UTC };
    let sources = [Source::new("fuzz.toml", text)];
    match tester.read(&sources) {
        Ok(cases) => {
            let (once, twice) = (tester.run(cases), tester.run(tester.read(&sources).expect("it was read before")));
            assert_eq!(once.passed(), twice.passed());
            assert_eq!(once.failures().count(), twice.failures().count());
            assert_eq!(tester.check(&sources).is_ok(), once.failures().count() == 0);
        }
        Err(problems) => assert!(!problems.is_empty()),
    }
    let proofs = sekisho_policy::prove::read_proofs(&sources, set());
    assert!(proofs.is_ok() || proofs.is_err_and(|problems| !problems.is_empty()));
}

/// What a command sends is read to one meaning: written again, it is the same.
pub(crate) fn operator(bytes: &[u8]) {
    round::<InviteRequest>(bytes);
    round::<AddRequest>(bytes);
    round::<ApproveRequest>(bytes);
    round::<WhyRequest>(bytes);
    round::<EndRequest>(bytes);
    round::<UserRequest>(bytes);
}

fn round<Body: Serialize + DeserializeOwned>(bytes: &[u8]) {
    let Ok(body) = serde_json::from_slice::<Body>(bytes) else { return };
    let once = serde_json::to_value(&body).expect("what was read can be written");
    let again: Body = serde_json::from_value(once.clone()).expect("what was written can be read");
    assert_eq!(serde_json::to_value(&again).expect("it was before"), once);
}
