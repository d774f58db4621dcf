//! What is warned of, as people read it, and a twin of each that nothing is said about.

use std::collections::BTreeSet;

use sekisho_policy::{Catalogue, Loaded, PolicySet, Source};
use serde::Deserialize;

use super::support::{beside, lines, quickstart_catalogue};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Golden {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// In place of the groups that there are.
    groups: Option<BTreeSet<String>>,
    policies: String,
    /// What people read.
    #[serde(default)]
    warnings: Vec<String>,
    /// The twin.
    but: String,
}

#[test]
fn every_warning_is_as_written_and_its_twin_has_none() {
    let text = std::fs::read_to_string(beside("tests/golden/warnings.toml")).unwrap();
    let golden: Golden = toml::from_str(&text).unwrap();
    let mut names = BTreeSet::new();
    for case in &golden.case {
        assert!(names.insert(&case.name), "{} is there twice", case.name);
        let catalogue = match &case.groups {
            Some(groups) => Catalogue { groups: Some(groups.clone()), ..quickstart_catalogue() },
            None => quickstart_catalogue(),
        };
        let warned = |policies: &str| {
            let loaded = PolicySet::load(&[Source::new("a.cedar", policies)], &[], &catalogue);
            let Loaded { warnings, .. } = loaded.unwrap_or_else(|problems| panic!("{}: {}", case.name, lines(&problems)));
            warnings
        };
        let said: Vec<String> = warned(&case.policies).iter().map(ToString::to_string).collect();
        assert!(!said.is_empty(), "{}", case.name);
        assert_eq!(said, case.warnings, "{}", case.name);
        let twin = warned(&case.but);
        assert!(twin.is_empty(), "{}, its twin: {}", case.name, lines(&twin));
    }
}
