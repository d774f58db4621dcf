//! The compiled engine and Cedar's own authorizer, put the same questions: verdict, determining policies and errors have to
//! be the same, always.

mod crowds;
mod expressions;
mod policies;
mod questions;
mod random;

use std::collections::BTreeMap;
use std::fmt;

use sekisho_policy::{App, Catalogue, Decision, PolicySet, Source};

use self::policies::policies;
use self::questions::question;
use self::random::Random;

/// What came of it.
#[derive(Default)]
struct Tally {
    sets: usize,
    policies: usize,
    /// Policies that the strict checks did not take.
    refused: usize,
    pairs: usize,
    /// Pairs decided without Cedar.
    direct: usize,
    /// Pairs with evaluation errors.
    failing: usize,
    decisions: BTreeMap<String, usize>,
    /// How often each operator was written in a policy that was taken.
    operators: BTreeMap<&'static str, usize>,
}

/// Every operator and kind of fact that a condition can have, as it is written.
const OPERATORS: [&str; 53] = [
    " && ",
    " || ",
    "!(",
    "if ",
    " == ",
    " != ",
    " < ",
    " <= ",
    " > ",
    " >= ",
    " + ",
    " - ",
    " * ",
    "-(",
    " in [",
    " in Group",
    " in Tag",
    " in App",
    " in Action",
    " is User",
    " is Service",
    " is Anonymous",
    " like ",
    ".contains(",
    ".containsAll(",
    ".containsAny(",
    ".isEmpty()",
    ".hasTag(",
    ".getTag(",
    " has email",
    " has device.posture.",
    " has edr",
    "{\"",
    ".isInRange(",
    ".isIpv4()",
    ".isIpv6()",
    ".isLoopback()",
    ".isMulticast()",
    ".lessThan(",
    ".lessThanOrEqual(",
    ".greaterThan(",
    ".greaterThanOrEqual(",
    ".offset(",
    ".durationSince(",
    ".toDate()",
    ".toTime()",
    ".toMilliseconds()",
    ".toSeconds()",
    ".toMinutes()",
    ".toHours()",
    ".toDays()",
    "unless",
    "0000000000000000000000000000000000000000000000000000000000000000000000",
];

/// Facts beyond those that ship.
const ADDITION: &str = "type Posture = { edr: Bool, antivirus?: Bool, score?: Long, vendor?: String };";

#[test]
fn the_engine_agrees_with_cedar() {
    let tally = compare(Random::new(1), 100, 14, 40);
    println!("{tally}");
    assert!(tally.decisions.len() == 4 && tally.decisions.values().all(|&count| count > 20), "{tally}");
    assert!(tally.direct * 10 >= tally.pairs * 9, "{tally}");
    let missing: Vec<_> = OPERATORS.iter().filter(|operator| !tally.operators.contains_key(**operator)).collect();
    assert!(missing.is_empty(), "never written: {missing:?}");
}

/// More than a million pairs: `cargo test --release -p sekisho-policy --test policy -- --ignored --nocapture million`.
#[test]
#[ignore = "a million pairs take minutes"]
fn the_engine_agrees_with_cedar_a_million_times() {
    let tally = compare(Random::new(2), 5_000, 16, 210);
    println!("{tally}");
    assert!(tally.pairs >= 1_000_000 && tally.direct * 10 >= tally.pairs * 9, "{tally}");
}

fn compare(mut random: Random, sets: usize, most: usize, questions: usize) -> Tally {
    let mut tally = Tally::default();
    for _ in 0..sets {
        let count = 1 + random.below(most);
        let (set, text) = loaded(policies(&mut random, count), &mut tally);
        for operator in OPERATORS {
            let written = text.matches(operator).count();
            if written > 0 {
                *tally.operators.entry(operator).or_default() += written;
            }
        }
        tally.sets += 1;
        tally.policies += set.len();
        for _ in 0..questions {
            let asked = question(&mut random);
            let owned = asked.who.as_ref().map(|who| set.prepare(who).unwrap());
            let prepared = owned.as_ref().unwrap_or_else(|| set.anonymous());
            let facts = asked.request.facts();
            let naive = set.decide_naively(prepared, &facts);
            let told = format!("{asked:#?}\n{text}");
            assert_eq!(set.decide(prepared, &facts), naive, "{told}");
            if let Some(direct) = set.decide_compiled(prepared, &facts) {
                assert_eq!(direct, naive, "{told}");
                tally.direct += 1;
            }
            tally.pairs += 1;
            tally.failing += usize::from(!naive.errors.is_empty());
            let decision = match naive.decision {
                Decision::Allow => "allow",
                Decision::Deny(reason) => reason.as_str(),
            };
            *tally.decisions.entry(decision.to_owned()).or_default() += 1;
        }
    }
    tally
}

/// The set of those that are taken, and its text.
fn loaded(mut policies: Vec<String>, tally: &mut Tally) -> (PolicySet, String) {
    let apps = vec![
        App::new("a0", ["t0"]),
        App::new("a1", ["t0", "t1"]),
        App::new("a \"2\"", ["t2"]),
        App::new::<&str>("a3", []),
        App::new::<&str>("sekisho", []),
    ];
    let catalogue = Catalogue { apps, groups: None, ..Catalogue::default() };
    let additions = [Source::new("facts.cedarschema", ADDITION)];
    loop {
        let lines = policies.iter().enumerate().map(|(at, policy)| format!("@id(\"p{at}\") {policy}\n"));
        let text: String = lines.collect();
        match PolicySet::load(&[Source::new("generated.cedar", text.as_str())], &additions, &catalogue) {
            Ok(loaded) => return (loaded.set, text),
            Err(problems) => {
                // One policy stands in each line.
                let mut wrong: Vec<usize> =
                    problems.iter().filter_map(|problem| Some(problem.place.as_ref()?.line - 1)).collect();
                wrong.sort_unstable();
                wrong.dedup();
                assert!(!wrong.is_empty(), "{problems:?}");
                tally.refused += wrong.len();
                wrong.iter().rev().for_each(|&line| drop(policies.remove(line)));
            }
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |part: usize, of: usize| 100.0 * part as f64 / of.max(1) as f64;
        writeln!(f, "{} sets of {} policies ({} refused)", self.sets, self.policies, self.refused)?;
        writeln!(f, "{} pairs, {:.2} % decided without Cedar", self.pairs, share(self.direct, self.pairs))?;
        writeln!(f, "{} pairs with evaluation errors ({:.2} %)", self.failing, share(self.failing, self.pairs))?;
        writeln!(f, "{:?}\n{:?}", self.decisions, self.operators)
    }
}
