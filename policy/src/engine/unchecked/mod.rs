//! The engine and Cedar on policies that were not checked: no check stands between a wrong reading of a type and a verdict
//! here, and every way to fail is met.

#[path = "../../../tests/policy/differential/expressions.rs"]
mod expressions;
mod grammar;
#[path = "../../../tests/policy/differential/questions.rs"]
mod questions;
#[path = "../../../tests/policy/differential/random.rs"]
mod random;
mod types;

use self::grammar::{Grammar, Kind};
use self::questions::question;
use self::random::Random;
use crate::load::unchecked;
use crate::{App, Catalogue, Decision, PolicySet};

/// What came of it.
#[derive(Debug, Default)]
struct Tally {
    sets: usize,
    policies: usize,
    unread: usize,
    pairs: usize,
    /// Decided without Cedar.
    direct: usize,
    failing: usize,
    allowed: usize,
    forbidden: usize,
}

#[test]
fn whatever_is_written_means_what_it_means_to_cedar() {
    let tally = compare(Random::new(3), 250, 24);
    println!("{tally:?}");
    assert!(tally.direct * 4 > tally.pairs && tally.failing * 8 > tally.pairs, "{tally:?}");
    assert!(tally.allowed > 100 && tally.forbidden > 100 && tally.unread * 4 < tally.policies, "{tally:?}");
}

/// `cargo test --release -p sekisho-policy --lib -- --ignored --nocapture unchecked`.
#[test]
#[ignore = "half a million pairs take minutes"]
fn whatever_is_written_means_what_it_means_to_cedar_half_a_million_times() {
    let tally = compare(Random::new(4), 8_000, 64);
    println!("{tally:?}");
    assert!(tally.pairs >= 500_000, "{tally:?}");
}

fn compare(mut random: Random, sets: usize, questions: usize) -> Tally {
    let mut tally = Tally::default();
    for _ in 0..sets {
        let (set, text) = loaded(&mut random, &mut tally);
        let compiled = set.uncompiled().is_empty();
        tally.sets += 1;
        tally.policies += set.len();
        for _ in 0..questions {
            let asked = question(&mut random);
            let owned = asked.who.as_ref().map(|who| set.prepare(who).unwrap());
            let prepared = owned.as_ref().unwrap_or_else(|| set.anonymous());
            let facts = asked.request.facts();
            let naive = set.decide_naively(prepared, &facts);
            assert_eq!(set.decide(prepared, &facts), naive, "{asked:#?}\n{text}");
            match set.decide_compiled(prepared, &facts) {
                Some(direct) => {
                    assert_eq!(direct, naive, "{asked:#?}\n{text}");
                    tally.direct += 1;
                }
                // What is compiled fails only where Cedar does.
                None => assert!(!compiled || !naive.errors.is_empty(), "{asked:#?}\n{text}"),
            }
            tally.pairs += 1;
            tally.failing += usize::from(!naive.errors.is_empty());
            tally.allowed += usize::from(naive.is_allowed());
            tally.forbidden += usize::from(matches!(naive.decision, Decision::Deny(_)) && !naive.policies.is_empty());
        }
    }
    tally
}

/// A set of one to four policies, and its text.
fn loaded(random: &mut Random, tally: &mut Tally) -> (PolicySet, String) {
    let apps = vec![
        App::new("a0", ["t0"]),
        App::new("a1", ["t0", "t1"]),
        App::new("a \"2\"", ["t2"]),
        App::new::<&str>("a3", []),
        App::new::<&str>("sekisho", []),
    ];
    let catalogue = Catalogue { apps, groups: None, ..Catalogue::default() };
    let mut text = String::new();
    let count = 1 + random.below(4);
    while text.lines().count() < count {
        let line = format!("@id(\"p{}\") {}\n", text.lines().count(), policy(random));
        match unchecked(&line, ADDITION, &catalogue) {
            Some(_) => text += &line,
            None => tally.unread += 1,
        }
    }
    let set = unchecked(&text, ADDITION, &catalogue).unwrap();
    (set, text)
}

fn policy(random: &mut Random) -> String {
    let effect = if random.once_in(4) { "forbid" } else { "permit" };
    let mut grammar = Grammar(random);
    let (principal, action, resource) = (grammar.scope("principal"), grammar.action(), grammar.scope("resource"));
    let mut text = format!("{effect} ({principal}, {action}, {resource})");
    for _ in 0..grammar.0.below(4) {
        let word = if grammar.0.once_in(4) { "unless" } else { "when" };
        let depth = 1 + grammar.0.below(4);
        text += &format!(" {word} {{ {} }}", grammar.of(Kind::Truth, depth));
    }
    text + ";"
}

/// Facts beyond those that ship.
const ADDITION: &str = "type Posture = { edr: Bool, antivirus?: Bool, score?: Long, vendor?: String };";
