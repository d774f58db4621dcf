//! One truth out of what several say of a device.

use std::collections::BTreeMap;

use super::fact::DeviceFact;
use crate::clock::Timestamp;
use crate::config::ENROLMENT_SOURCE;
use crate::inventory::{FactValue, Platform};

/// What all of that comes to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Merged {
    pub(super) posture: BTreeMap<String, FactValue>,
    /// The oldest fact that counts.
    pub(super) posture_at: Option<Timestamp>,
    /// `None`: nobody has ever said.
    pub(super) managed: Option<bool>,
    /// `None`: nobody has ever said.
    pub(super) platform: Option<Platform>,
}

/// In whatever order it was said:
///
/// - a flag of the posture is true if nobody whose word counts says that it is false;
/// - of numbers and texts, the newest that counts;
/// - what some call a flag and others a number is not known;
/// - `managed` and `platform` are what the newest word says. Once that does not count any more they are not known, whatever was said
///   before it: a device that its management forgets is not managed again because of what was said when it was invited.
pub(super) fn merge(all: &[DeviceFact]) -> Merged {
    let mut merged = Merged::default();
    let mut posture: BTreeMap<&str, Vec<&DeviceFact>> = BTreeMap::new();
    for said in all {
        match said.name.as_str() {
            MANAGED | PLATFORM => {}
            name if !said.ended => posture.entry(name).or_default().push(said),
            _ => {}
        }
    }
    for (name, said) in posture {
        if let Some((value, at)) = of_one(&said) {
            merged.posture.insert(name.to_owned(), value);
            merged.posture_at = Some(merged.posture_at.map_or(at, |oldest| oldest.min(at)));
        }
    }
    merged.managed = newest(all, MANAGED).map(|said| said.value == FactValue::Flag(true) && !said.ended);
    merged.platform = newest(all, PLATFORM).map(|said| match &said.value {
        FactValue::Text(text) if !said.ended => text.parse().unwrap_or_default(),
        _ => Platform::Unknown,
    });
    merged
}

/// The value of one fact of the posture, and since when.
fn of_one(said: &[&DeviceFact]) -> Option<(FactValue, Timestamp)> {
    let kind = std::mem::discriminant(&said.first()?.value);
    if said.iter().any(|said| std::mem::discriminant(&said.value) != kind) {
        return None;
    }
    if said.iter().all(|said| matches!(said.value, FactValue::Flag(_))) {
        let good = said.iter().all(|said| said.value == FactValue::Flag(true));
        let oldest = said.iter().map(|said| said.at).min()?;
        return Some((FactValue::Flag(good), oldest));
    }
    let newest = said.iter().max_by_key(|said| (said.at, &said.source))?;
    Some((newest.value.clone(), newest.at))
}

/// Of two at the same moment, the one whose source comes later in the alphabet: any, but always the same.
fn newest<'a>(all: &'a [DeviceFact], name: &str) -> Option<&'a DeviceFact> {
    // What was said when the device was entered is the oldest word, also where somebody speaks of a time before that.
    let age = |said: &&DeviceFact| (said.source != ENROLMENT_SOURCE, said.at, said.source.clone());
    all.iter().filter(|said| said.name == name).max_by_key(age)
}

/// The name under which sources say whether a device is administered by the company.
pub const MANAGED: &str = "managed";
/// The name under which they say what it runs.
pub const PLATFORM: &str = "platform";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said(name: &str, source: &str, value: FactValue, at: i64) -> DeviceFact {
        DeviceFact { name: name.into(), source: source.into(), value, at: Timestamp(at), ends_at: None, ended: false }
    }

    fn flag(name: &str, source: &str, value: bool, at: i64) -> DeviceFact {
        said(name, source, FactValue::Flag(value), at)
    }

    fn text(name: &str, source: &str, value: &str, at: i64) -> DeviceFact {
        said(name, source, FactValue::Text(value.into()), at)
    }

    fn ended(said: DeviceFact) -> DeviceFact {
        DeviceFact { ended: true, ..said }
    }

    #[test]
    fn the_worst_word_counts_for_flags_and_the_newest_for_the_rest() {
        let merged = merge(&[
            flag("firewall", "mdm", true, 20),
            flag("firewall", "scanner", false, 10),
            flag("disk_encrypted", "mdm", true, 30),
            text("os_version", "mdm", "14.2", 40),
            text("os_version", "scanner", "14.1", 39),
            flag("managed", "enrolment", false, 1),
            flag("managed", "mdm", true, 50),
            text("platform", "mdm", "macos", 50),
        ]);
        let posture = [
            ("disk_encrypted", FactValue::Flag(true)),
            ("firewall", FactValue::Flag(false)),
            ("os_version", FactValue::Text("14.2".into())),
        ];
        assert_eq!(merged.posture, posture.map(|(name, value)| (name.to_owned(), value)).into());
        assert_eq!(merged.posture_at, Some(Timestamp(10)));
        assert_eq!((merged.managed, merged.platform), (Some(true), Some(Platform::Macos)));
    }

    #[test]
    fn what_ended_is_not_there() {
        let merged = merge(&[
            ended(flag("firewall", "mdm", true, 20)),
            ended(flag("disk_encrypted", "scanner", false, 5)),
            flag("disk_encrypted", "mdm", true, 30),
        ]);
        assert_eq!(merged.posture, [("disk_encrypted".to_owned(), FactValue::Flag(true))].into());
        assert_eq!(merged.posture_at, Some(Timestamp(30)));
        assert_eq!(merge(&[]), Merged::default());
    }

    #[test]
    fn a_device_that_is_forgotten_is_not_what_it_was_before() {
        let before = [flag("managed", "enrolment", true, 1), text("platform", "enrolment", "linux", 1)];
        let forgotten = [ended(flag("managed", "mdm", true, 9)), ended(text("platform", "mdm", "linux", 9))];
        let merged = merge(&[before, forgotten].concat());
        assert_eq!((merged.managed, merged.platform), (Some(false), Some(Platform::Unknown)));
        assert_eq!(merge(&[flag("managed", "mdm", true, 1), text("managed", "x", "yes", 2)]).managed, Some(false));
        let certified_before = [flag("managed", "enrolment", false, 9), flag("managed", "certificate:mdm", true, 5)];
        assert_eq!(merge(&certified_before).managed, Some(true), "entered after its certificate was signed");
        assert_eq!(merge(&[text("platform", "x", "plan9", 2)]).platform, Some(Platform::Unknown));
    }

    #[test]
    fn sources_that_do_not_agree_what_a_fact_is_leave_it_unknown() {
        let merged = merge(&[flag("score", "mdm", true, 1), said("score", "scanner", FactValue::Number(7), 2)]);
        assert_eq!(merged, Merged::default());
    }

    fn any_said() -> impl Strategy<Value = Vec<DeviceFact>> {
        let value = prop_oneof![
            4 => any::<bool>().prop_map(FactValue::Flag),
            1 => (0..3_i64).prop_map(FactValue::Number),
            2 => prop::sample::select(vec!["linux", "macos", "14.2"]).prop_map(|text| FactValue::Text(text.into())),
        ];
        let name = prop::sample::select(vec!["firewall", "disk_encrypted", "os_version", MANAGED, PLATFORM]);
        let source = prop::sample::select(vec!["a", "b", "c", "d"]);
        // One word of each source for each fact, as the table has it.
        prop::collection::btree_map((name, source), (value, 0..6_i64, any::<bool>()), 0..16).prop_map(|all| {
            let one = |((name, source), (value, at, ended))| DeviceFact { ended, ..said(name, source, value, at) };
            all.into_iter().map(one).collect()
        })
    }

    proptest! {
        #[test]
        fn order_does_not_matter((all, other) in any_said().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle()))) {
            prop_assert_eq!(merge(&all), merge(&other));
        }

        /// Whatever is said beside it, a flag that somebody whose word counts calls false is not true; what nobody says is not there.
        #[test]
        fn no_word_makes_a_bad_flag_good(all in any_said()) {
            let merged = merge(&all);
            for (name, value) in &merged.posture {
                let counts: Vec<&DeviceFact> = all.iter().filter(|said| said.name == *name && !said.ended).collect();
                prop_assert!(!counts.is_empty(), "{name} out of nothing");
                if *value == FactValue::Flag(true) {
                    prop_assert!(counts.iter().all(|said| said.value == FactValue::Flag(true)), "{name}");
                } else {
                    prop_assert!(counts.iter().any(|said| said.value == *value), "{name} is nobody's word");
                }
            }
            if merged.managed == Some(true) {
                let newest = all.iter().filter(|said| said.name == MANAGED).map(|said| said.at).max();
                let says_so = |said: &DeviceFact| Some(said.at) == newest && said.value == FactValue::Flag(true) && !said.ended;
                prop_assert!(all.iter().any(|said| said.name == MANAGED && says_so(said)));
            }
        }

        /// Policies that ask for the age of the posture are never told that it is younger than what a flag of it rests on.
        #[test]
        fn the_age_is_that_of_the_oldest_fact_that_counts(all in any_said()) {
            let merged = merge(&all);
            prop_assert_eq!(merged.posture_at.is_some(), !merged.posture.is_empty());
            for said in all.iter().filter(|said| !said.ended && merged.posture.contains_key(&said.name)) {
                if matches!(said.value, FactValue::Flag(_)) {
                    prop_assert!(merged.posture_at <= Some(said.at));
                }
            }
            prop_assert!(merged.posture_at.is_none_or(|at| all.iter().any(|said| said.at == at && !said.ended)));
        }

        /// One more bad word never opens anything.
        #[test]
        fn another_bad_word_only_takes_away(all in any_said(), at in 0..6_i64) {
            let (before, mut more) = (merge(&all), all);
            more.push(flag("firewall", "z", false, at));
            let after = merge(&more);
            prop_assert_ne!(after.posture.get("firewall"), Some(&FactValue::Flag(true)));
            for (name, value) in &after.posture {
                prop_assert!(name == "firewall" || before.posture.get(name) == Some(value));
            }
        }
    }
}
