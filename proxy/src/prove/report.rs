//! What came of proofs, in words.

use sekisho_policy::Query;
use sekisho_policy::prove::{Counterexample, Outcome, Proved};
use sekisho_policy::testing::Tester;
use serde_json::{Value, json};

use super::run::{Finding, Run};

/// A paragraph for each claim, and the sum of it.
pub fn lines(run: &Run, tester: &Tester<'_>) -> String {
    let mut text: String = run.findings.iter().map(|finding| paragraph(finding, tester)).collect();
    let count = |wanted: fn(&Proved) -> bool| run.findings.iter().filter(|finding| wanted(&finding.outcome.proved)).count();
    let (holds, refuted) = (count(|proved| *proved == Proved::Holds), count(|proved| matches!(proved, Proved::Refuted(_))));
    if let Some(gone) = &run.gone {
        text.push_str(&format!("the solver was not asked to the end: {gone}\n"));
    }
    text.push_str(&format!("{holds} proved, {refuted} refuted, {} not proved\n", run.findings.len() - holds - refuted));
    text
}

/// A paragraph for each claim that does not hold: those that are refuted, and those of which nobody knows.
pub fn faults(run: &Run, tester: &Tester<'_>) -> (Vec<String>, Vec<String>) {
    let (mut refuted, mut unknown) = (Vec::new(), Vec::new());
    for finding in &run.findings {
        let list = match finding.outcome.proved {
            Proved::Holds => continue,
            Proved::Refuted(_) => &mut refuted,
            Proved::Not { .. } => &mut unknown,
        };
        list.push(format!("proof {}", paragraph(finding, tester).trim_end()));
    }
    (refuted, unknown)
}

/// What came of all claims, for programs.
pub fn json(run: &Run, tester: &Tester<'_>) -> Value {
    let finding = |finding: &Finding| {
        let mut value = json!({
            "name": finding.name,
            "words": finding.words,
            "combinations": finding.outcome.slices,
            "questions": finding.outcome.asked,
            "left_out": finding.outcome.left_out,
        });
        let (result, rest) = match &finding.outcome.proved {
            Proved::Holds => ("proved", Value::Null),
            Proved::Refuted(found) => {
                let case = case(&finding.name, &found.query, tester);
                ("refuted", json!({ "counterexample": found.query, "case": case, "permitted_by": found.permitted_by }))
            }
            Proved::Not { reasons, unconfirmed } => ("not_proved", json!({ "reasons": reasons, "unconfirmed": unconfirmed })),
        };
        if let Some(value) = value.as_object_mut() {
            value.insert("result".to_owned(), result.into());
            value.extend(rest.as_object().cloned().unwrap_or_default());
        }
        value
    };
    json!({ "proofs": run.findings.iter().map(finding).collect::<Vec<_>>(), "holds": run.holds(), "gone": run.gone })
}

/// What came of one claim.
pub(super) fn paragraph(finding: &Finding, tester: &Tester<'_>) -> String {
    let outcome = &finding.outcome;
    let said = finding.words.as_ref().map(|words| format!(": {words}")).unwrap_or_default();
    let mut text = match &outcome.proved {
        Proved::Holds => format!("proved      {}{said} ({})\n", finding.name, effort(outcome)),
        Proved::Refuted(found) => format!("REFUTED     {}{said}\n{}", finding.name, refutation(&finding.name, found, tester)),
        Proved::Not { reasons, unconfirmed } => {
            let mut text = format!("NOT PROVED  {}{said}\n", finding.name);
            reasons.iter().for_each(|reason| text.push_str(&format!("  {reason}\n")));
            if let Some(query) = unconfirmed {
                text.push_str("  the solver's request, which the engine decides otherwise:\n");
                text.push_str(&indented(&case(&finding.name, query, tester)));
            }
            text
        }
    };
    if !outcome.left_out.is_empty() {
        let ids: Vec<_> = outcome.left_out.iter().map(|id| format!("`{id}`")).collect();
        text.push_str(&format!("  beyond the solver, and left out: {}\n", ids.join(", ")));
    }
    text
}

fn refutation(name: &str, found: &Counterexample, tester: &Tester<'_>) -> String {
    let ids: Vec<_> = found.permitted_by.iter().map(|id| format!("`{id}`")).collect();
    let mut text = format!("  the engine permits this request, by {}", ids.join(", "));
    match &found.old {
        Some(old) => text.push_str(&format!("; the old set says: {}\n", verdict(old))),
        None => text.push('\n'),
    }
    text.push_str(&indented(&case(name, &found.query, tester)));
    text
}

fn verdict(verdict: &sekisho_policy::Verdict) -> String {
    match verdict.decision {
        sekisho_policy::Decision::Allow => "allow".to_owned(),
        sekisho_policy::Decision::Deny(reason) => format!("deny ({})", reason.as_str()),
    }
}

fn effort(outcome: &Outcome) -> String {
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    format!(
        "{} combination{} of app, action and kind of principal, {} question{}",
        outcome.slices,
        plural(outcome.slices),
        outcome.asked,
        plural(outcome.asked)
    )
}

/// The request as a policy test that expects it to be denied, which it should be.
fn case(name: &str, query: &Query, tester: &Tester<'_>) -> String {
    let Ok(verdict) = tester.set.decide_query(query) else { return format!("{query:?}\n") };
    let text = tester.write(name, query, &verdict);
    let facts = text.rfind("\nexpect = ").and_then(|end| text.get(..=end)).unwrap_or(&text);
    format!("{facts}expect = \"deny\"\n")
}

fn indented(text: &str) -> String {
    text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("    {line}\n") }).collect()
}
