//! Unknown keys are problems at every depth, and no text whatever brings the reader down.

use proptest::prelude::*;

use super::fixture::{COMPLETE, NOW, folder, load, words};
use crate::config::Config;
use crate::config::document;
use crate::config::problem::{At, Place};
use crate::config::raw::Root;
use crate::config::setting::Setting as _;
use crate::config::units;

/// The sample with an unknown key after each heading, one at a time: as a line of its own, and within what is inline.
#[test]
fn a_junk_key_is_named_wherever_it_is_planted() {
    let folder = folder();
    let mut planted = 0;
    for (number, line) in COMPLETE.lines().enumerate() {
        if !line.starts_with('[') && !line.starts_with("state") {
            continue;
        }
        planted += 1;
        let lines: Vec<&str> = COMPLETE.lines().collect();
        let text = [&lines[..=number], &["junk = 1"], &lines[number + 1..]].concat().join("\n");
        let problems = load(&text, folder.path()).expect_err("a junk key was taken");
        let [problem] = &problems[..] else { panic!("{:#?}", words(&problems, folder.path())) };
        assert!(problem.path.ends_with("junk"), "{problem}");
        assert_eq!(problem.place, Place::Line(u32::try_from(number + 2).unwrap()), "{problem}");
        assert_eq!(problem.what, "there is no such key");
    }
    assert_eq!(planted, 1 + COMPLETE.lines().filter(|line| line.starts_with('[')).count());
}

#[test]
fn junk_within_inline_sections_is_named_too() {
    let folder = folder();
    let text = format!(
        "{}\n[[app]]\ntimeouts = {{ connect = '1s', junk = 1 }}\nhealth = {{ jnuk = {{ deeper = 2 }} }}",
        super::complete::LEAST
    );
    let problems = words(&load(&text, folder.path()).unwrap_err(), folder.path());
    for needed in ["app[0].timeouts.junk (line 11): there is no such key", "app[0].health.jnuk (line 12): there is no such key"] {
        assert!(problems.iter().any(|problem| problem.starts_with(needed)), "{needed} is not in {problems:#?}");
    }
}

/// What kind of value stands where another is needed never matters: it is reported with its place.
#[test]
fn a_value_of_the_wrong_kind_is_named_wherever_it_is_planted() {
    for (number, line) in COMPLETE.lines().enumerate() {
        let Some((key, _)) = line.split_once(" = ") else { continue };
        for wrong in ["1.5", "1979-05-27", "{ a = 1 }", "[[[1]]]", "-1"] {
            let replaced = format!("{key} = {wrong}");
            let lines: Vec<&str> = COMPLETE.lines().collect();
            let text = [&lines[..number], &[replaced.as_str()], &lines[number + 1..]].concat().join("\n");
            let mut problems = Vec::new();
            let document = document::parse(&text, &mut problems);
            let _root = Root::read(&document, At::default(), &mut problems);
            assert!(!problems.is_empty(), "{replaced} was taken");
            for problem in &problems {
                assert_eq!(problem.place, Place::Line(u32::try_from(number + 1).unwrap()), "{replaced}: {problem}");
            }
        }
    }
}

/// A quantity without its unit, wherever one is written: what is proposed instead is taken.
#[test]
fn a_quantity_without_its_unit_is_told_with_one() {
    let quantity = |text: &str| units::duration(text).is_ok() || units::size(text).is_ok() || units::rate(text).is_ok();
    let mut planted = 0;
    let lines: Vec<&str> = COMPLETE.lines().collect();
    for (number, line) in lines.iter().enumerate() {
        let Some((key, value)) = line.split_once(" = ") else { continue };
        if !quantity(value.trim_matches('"')) {
            continue;
        }
        planted += 1;
        let bare = format!("{key} = 5");
        let text = [&lines[..number], &[bare.as_str()], &lines[number + 1..]].concat().join("\n");
        let mut problems = Vec::new();
        let _root = Root::read(&document::parse(&text, &mut Vec::new()), At::default(), &mut problems);
        let [problem] = &problems[..] else { panic!("{bare}: {problems:?}") };
        let proposed = problem.instead.as_deref().and_then(|words| words.split('"').nth(1)).unwrap_or_default();
        let same_kind = units::duration(proposed).is_ok() == units::duration(value.trim_matches('"')).is_ok()
            && units::size(proposed).is_ok() == units::size(value.trim_matches('"')).is_ok();
        assert!(quantity(proposed) && same_kind, "{bare}: {problem}");
    }
    assert!(planted > 25, "only {planted} quantities");
}

proptest! {
    #[test]
    fn any_text_is_judged(text in any::<String>()) {
        let _judged = Config::parse(&text, std::path::Path::new("/nonexistent"), [], NOW);
    }

    /// The sample with a piece of it replaced: what nearly parses reaches deeper.
    #[test]
    fn any_damage_is_judged(from in 0..COMPLETE.len(), length in 0_usize..20, with in "[\\[\\]={}\"'a-z0-9.\n#-]{0,10}") {
        let bytes = COMPLETE.as_bytes();
        let damaged = [&bytes[..from], with.as_bytes(), &bytes[(from + length).min(bytes.len())..]].concat();
        let text = String::from_utf8(damaged).unwrap();
        let _judged = Config::parse(&text, std::path::Path::new("/nonexistent"), [], NOW);
    }
}
