//! What a change of policies means is told in words, and never with more certainty than there is.

use std::fs;

use sekisho_policy::{App, Catalogue, Diff, Source, Texts};

use super::support::beside;

fn catalogue() -> Catalogue {
    let apps = vec![
        App::new("payroll", ["confidential"]),
        App::new("share", ["internal", "confidential"]),
        App::new("wiki", ["internal"]),
    ];
    Catalogue { apps, groups: None, ..Catalogue::default() }
}

pub(super) fn between(old: &str, new: &str, catalogue: Option<&Catalogue>) -> Diff {
    let (old, new) = ([Source::new("a.cedar", old)], [Source::new("b.cedar", new)]);
    let texts = |policies| Texts { policies, ..Texts::default() };
    Diff::between(texts(&old), texts(&new), catalogue).unwrap_or_else(|problem| panic!("{problem:?}"))
}

#[test]
fn every_golden_change_is_told_as_it_should_be() {
    let mut wrong = String::new();
    let mut files: Vec<_> = fs::read_dir(beside("tests/golden/diff")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 10);
    for file in files {
        let case: toml::Table = fs::read_to_string(&file).unwrap().parse().unwrap();
        let text = |key: &str| case[key].as_str().unwrap();
        let said = between(text("old"), text("new"), Some(&catalogue())).to_string();
        if said != text("says") {
            wrong.push_str(&format!("== {}\n{said}", file.file_name().unwrap().to_string_lossy()));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// The examples are what they claim to be: read back as tests, the new set meets them and the old one does not.
#[test]
fn every_example_is_a_test_that_tells_the_sets_apart() {
    use sekisho_policy::PolicySet;
    use sekisho_policy::testing::Tester;
    let catalogue = catalogue();
    let mut tried = 0;
    for file in fs::read_dir(beside("tests/golden/diff")).unwrap() {
        let case: toml::Table = fs::read_to_string(file.unwrap().path()).unwrap().parse().unwrap();
        let text = |key: &str| case[key].as_str().unwrap();
        let set = |key: &str| PolicySet::load(&[Source::new("a.cedar", text(key))], &[], &catalogue).unwrap().set;
        let (old, new) = (set("old"), set("new"));
        let diff = between(text("old"), text("new"), Some(&catalogue));
        for effect in diff.gains.iter().chain(&diff.losses) {
            let passed = |set: &PolicySet| {
                let tester = Tester { set, catalogue: &catalogue, zone: &jiff::tz::TimeZone::UTC };
                // The other set may not even know the policy that the test names.
                tester.read(&[Source::new("example.toml", &effect.case)]).is_ok_and(|cases| tester.run(cases).passed())
            };
            assert!(passed(&new) && !passed(&old), "{}", effect.case);
            tried += 1;
        }
    }
    assert!(tried > 20, "{tried}");
}

#[test]
fn without_a_configuration_the_apps_are_those_that_the_policies_name() {
    let old = r#"@id("a") permit (principal in Group::"hr", action in Action::"use", resource == App::"payroll");"#;
    let diff = between(old, &old.replace("== App::\"payroll\"", "in Tag::\"internal\""), None);
    assert!(diff.widens() && diff.narrows());
    let apps = |effects: &[sekisho_policy::Effect]| {
        effects.iter().map(|effect| effect.app.clone()).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(apps(&diff.gains), ["any-app-with-tag-internal".to_owned()].into());
    assert_eq!(apps(&diff.losses), ["payroll".to_owned()].into());
}

#[test]
fn tests_and_facts_that_changed_are_told_and_change_no_answer() {
    let policies = [Source::new("a.cedar", r#"@id("a") permit (principal, action in Action::"use", resource);"#)];
    let tests = [Source::new("t.toml", "[[case]]\nname = \"a\"\nexpect = \"allow\"\n[[case]]\nname = \"b\"\n")];
    let others = [Source::new("t.toml", "[[case]]\nname = \"a\"\nexpect = \"deny\"\n[[case]]\nname = \"c\"\n")];
    let additions = [Source::new("s.cedarschema", "type Posture = { edr: Bool };")];
    let diff = Diff::between(
        Texts { policies: &policies, additions: &[], tests: &tests },
        Texts { policies: &policies, additions: &additions, tests: &others },
        Some(&catalogue()),
    )
    .unwrap();
    assert!(!diff.changes_meaning());
    assert_eq!(diff.facts, ["`context.device.posture.edr` is new"]);
    assert_eq!(diff.tests, ["test `a` (t.toml) says something else", "test `c` (t.toml) is new", "test `b` (t.toml) is gone"]);
}

#[test]
fn what_does_not_load_is_told_for_each_side() {
    let (old, new) = ([Source::new("a.cedar", "permit (")], [Source::new("b.cedar", "forbid (")]);
    let texts = |policies| Texts { policies, ..Texts::default() };
    let problem = Diff::between(texts(&old), texts(&new), None).unwrap_err();
    assert!(problem.old.len() == 1 && problem.new.len() == 1, "{problem:?}");
}
