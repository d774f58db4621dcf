//! `docs/policy-reference.md` says what is so. The walk on `docs/policies.md` is walked by the stories of the whole house.

use sekisho_policy::testing::Tester;
use sekisho_policy::{App, Catalogue, PolicySet, SCHEMA, Source};

use super::support::{beside, lines};

#[test]
fn every_block_loads() {
    let (text, catalogue) = (page(), catalogue());
    let additions: Vec<Source> = blocks(&text, "cedarschema").into_iter().map(|block| Source::new("page", block)).collect();
    let policies = blocks(&text, "cedar");
    assert!(policies.len() > 4 && !additions.is_empty());
    for block in &policies {
        let loaded = PolicySet::load(&[Source::new("page", block.as_str())], &additions, &catalogue);
        let loaded = loaded.unwrap_or_else(|problems| panic!("{}", lines(&problems)));
        assert!(loaded.warnings.is_empty(), "{}", lines(&loaded.warnings));
    }
    // Together too: no id is used twice.
    let all: Vec<Source> = policies.iter().map(|block| Source::new("page", block.as_str())).collect();
    assert!(PolicySet::load(&all, &additions, &catalogue).is_ok());
}

#[test]
fn the_policies_of_other_pages_load_too() {
    for (name, least) in
        [("../docs/protect-your-app.md", 2), ("../docs/sign-in.md", 1), ("../docs/posture.md", 2), ("../README.md", 1)]
    {
        let page = std::fs::read_to_string(beside(name)).unwrap();
        let blocks = blocks(&page, "cedar");
        assert!(blocks.len() >= least, "{name}");
        let all: Vec<Source> = blocks.iter().map(|block| Source::new("page", block.as_str())).collect();
        let loaded = PolicySet::load(&all, &[], &catalogue()).unwrap_or_else(|problems| panic!("{name}: {}", lines(&problems)));
        assert!(loaded.warnings.is_empty(), "{name}: {}", lines(&loaded.warnings));
    }
}

#[test]
fn the_tests_of_the_posture_page_pass_with_its_policies() {
    let page = std::fs::read_to_string(beside("../docs/posture.md")).unwrap();
    let policies: Vec<Source> = blocks(&page, "cedar").into_iter().map(|block| Source::new("page", block)).collect();
    let tests: Vec<Source> = blocks(&page, "")
        .into_iter()
        .filter(|block| block.contains("[[case]]"))
        .map(|block| Source::new("page", block))
        .collect();
    assert_eq!(tests.len(), 1);
    let catalogue = catalogue();
    let set = PolicySet::load(&policies, &[], &catalogue).unwrap().set;
    let tester = Tester { set: &set, catalogue: &catalogue, zone: &jiff::tz::TimeZone::UTC };
    let report = tester.check(&tests).unwrap_or_else(|problems| panic!("{}", lines(&problems)));
    assert_eq!(report.outcomes.len(), 2);
}

#[test]
fn every_fact_of_the_schema_is_in_the_table() {
    let page = page();
    let mut path = None;
    let mut facts = 0;
    for line in SCHEMA.lines().map(str::trim) {
        match line.split_once(" = {").map(|(head, _)| head) {
            Some("type Device") => path = Some("context.device."),
            Some("type Posture") => path = Some("context.device.posture."),
            Some("type Session") => path = Some("context.session."),
            Some("type Request") => path = Some("context.request."),
            Some("type Usage") => path = Some("context.usage."),
            Some("type Known" | "type Public") => path = Some("context."),
            Some(head) if head.starts_with("entity User") || head.starts_with("entity Service") => path = Some("principal."),
            Some(head) => panic!("what is `{head}`?"),
            None => {}
        }
        if line.starts_with('}') {
            path = None;
        }
        let (Some(path), Some((name, _))) = (path, line.split_once(": ")) else { continue };
        let name = name.trim_end_matches('?');
        if line.starts_with("//") || ["device", "session", "request", "usage", "posture"].contains(&name) {
            continue;
        }
        facts += 1;
        assert!(page.contains(&format!("\n| `{path}{name}` |")), "the table lacks `{path}{name}`");
    }
    assert!(facts >= 31, "{facts}");
}

#[test]
fn the_tests_on_the_page_pass_with_the_policies_on_the_page() {
    let (text, catalogue) = (page(), catalogue());
    let tests: Vec<Source> = blocks(&text, "toml")
        .into_iter()
        .filter(|block| block.contains("[[case]]"))
        .map(|block| Source::new("page", block))
        .collect();
    assert!(!tests.is_empty());
    let additions: Vec<Source> = blocks(&text, "cedarschema").into_iter().map(|block| Source::new("page", block)).collect();
    let policies: Vec<Source> = blocks(&text, "cedar").into_iter().map(|block| Source::new("page", block)).collect();
    let set = PolicySet::load(&policies, &additions, &catalogue).unwrap().set;
    let tester = Tester { set: &set, catalogue: &catalogue, zone: &jiff::tz::TimeZone::UTC };
    let report = tester.check(&tests).unwrap_or_else(|problems| panic!("{}", lines(&problems)));
    assert!(report.outcomes.len() >= 3);
}

fn page() -> String {
    std::fs::read_to_string(beside("../docs/policy-reference.md")).unwrap()
}

fn blocks(page: &str, language: &str) -> Vec<String> {
    let fences: Vec<&str> = page.split("\n```").collect();
    let wanted = fences.iter().filter_map(|part| part.strip_prefix(language)?.strip_prefix('\n'));
    wanted.map(|block| format!("{block}\n")).collect()
}

fn catalogue() -> Catalogue {
    let apps = vec![
        App::new("payroll", ["confidential"]),
        App::new("share", ["internal"]),
        App::new("wiki", ["internal"]),
        App::new("tickets", ["internal"]),
    ];
    Catalogue { apps, groups: Some(["hr", "admins", "staff"].map(str::to_owned).into()), ..Catalogue::default() }
}
