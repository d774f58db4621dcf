//! `sekisho policy test`: whether the policies do what is expected of them.

use std::path::PathBuf;

use clap::Args;
use sekisho_policy::testing::{self, Difference, Outcome, Report, Tester, Untouched};
use serde_json::json;

use super::junit;
use super::place::{PlaceArgs, lines};
use crate::commands::error::CommandError;
use crate::commands::output::{plain, print, print_json};

/// Run the tests beside the policies, `tests/*.toml`
///
/// The exit code is 1 if one fails, or with --require-coverage if no test touches one of the policies.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sekisho policy test --config /etc/sekisho/sekisho.toml --junit report.xml")]
pub(super) struct TestCommand {
    /// Only tests whose file or name contains this
    filter: Option<String>,
    #[command(flatten)]
    place: PlaceArgs,
    /// Fail if a policy decides none of the tests
    #[arg(long, conflicts_with = "filter")]
    require_coverage: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Write a report for build servers, too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

impl TestCommand {
    /// Runs them.
    ///
    /// # Errors
    /// When the policies or tests have mistakes, or one does not come out as expected.
    pub(super) fn run(self) -> Result<(), CommandError> {
        let mut place = self.place.find()?;
        let dir = place.folder("tests")?.display().to_string();
        let texts = place.texts()?;
        place.catalogue = testing::catalogue(&texts.tests, &place.catalogue);
        let set = place.load_texts(&texts)?.set;
        let tester = Tester { set: &set, catalogue: &place.catalogue, zone: &place.zone };
        let mut cases = tester.read(&texts.tests).map_err(|problems| CommandError::CheckFailed(lines(&problems)))?;
        if cases.is_empty() {
            let example = "\nwrite cases into tests/*.toml there: name, app, expect, and what is not as on a good day";
            return Err(CommandError::CheckFailed(format!("{dir}: there are no tests{example}")));
        }
        if let Some(filter) = &self.filter {
            cases.retain(|case| case.name.contains(filter.as_str()) || case.place.file.contains(filter.as_str()));
            if cases.is_empty() {
                return Err(CommandError::CheckFailed(format!("no test is called anything like `{filter}`")));
            }
        }
        let report = tester.run(cases);
        if let Some(path) = &self.junit {
            std::fs::write(path, junit::report(&report))
                .map_err(|error| CommandError::failed(format!("{}: {error}", path.display())))?;
        }
        if self.json {
            print_json(&as_json(&report))?;
        } else {
            print(&as_text(&report, self.filter.is_none()))?;
        }
        self.judge(&report)
    }

    fn judge(&self, report: &Report) -> Result<(), CommandError> {
        let failed = report.failures().count();
        if failed > 0 {
            return Err(CommandError::CheckFailed(format!("{failed} of {} fail", tests(report.outcomes.len()))));
        }
        if self.require_coverage && !report.untouched.is_empty() {
            let count = report.untouched.len();
            return Err(CommandError::CheckFailed(format!("{count} of {} policies decide none of the tests", report.policies)));
        }
        Ok(())
    }
}

/// Every file with its cases, what differs under those that failed, and what no case touches.
fn as_text(report: &Report, all: bool) -> String {
    let mut text = String::new();
    let mut file = "";
    for outcome in &report.outcomes {
        if outcome.case.place.file != file {
            file = &outcome.case.place.file;
            text.push_str(&format!("{file}\n"));
        }
        let word = if outcome.passed() { "ok  " } else { "FAIL" };
        text.push_str(&format!("  {word}  {}\n", plain(&outcome.case.name)));
        for line in shortfall(outcome) {
            text.push_str(&format!("        {line}\n"));
        }
    }
    if all && !report.untouched.is_empty() {
        text.push_str("\nno test touches\n");
        for one in &report.untouched {
            text.push_str(&format!("  {}  ({})\n", plain(&one.policy), lack(one)));
        }
    }
    let failed = report.failures().count();
    let passed = report.outcomes.len() - failed;
    text.push_str(&format!("\n{} passed, {failed} failed", tests(passed)));
    if all {
        text.push_str(&format!("; {} of {} policies touched", report.policies - report.untouched.len(), report.policies));
    }
    text.push('\n');
    text
}

/// What came otherwise, in lines.
pub(super) fn shortfall(outcome: &Outcome) -> Vec<String> {
    let place = (!outcome.passed()).then(|| format!("at {}:{}", outcome.case.place.file, outcome.case.place.line));
    let differences = outcome.differences.iter().map(ToString::to_string);
    let ways = outcome.ways.iter().map(|way| format!("it would be allowed with {way}"));
    place.into_iter().chain(differences).chain(ways).map(|line| plain(&line)).collect()
}

fn lack(one: &Untouched) -> &'static str {
    if one.permits { "nothing is allowed by it" } else { "nothing is refused by it" }
}

fn tests(count: usize) -> String {
    format!("{count} test{}", if count == 1 { "" } else { "s" })
}

fn as_json(report: &Report) -> serde_json::Value {
    let difference = |one: &Difference| json!({ "of": one.of, "expected": one.expected, "got": one.got });
    let outcome = |outcome: &Outcome| {
        let verdict = outcome.verdict.as_ref().ok();
        json!({
            "file": outcome.case.place.file,
            "line": outcome.case.place.line,
            "name": outcome.case.name,
            "passed": outcome.passed(),
            "decision": verdict.map(|verdict| verdict.decision.as_str()),
            "policies": verdict.map(|verdict| verdict.policies.to_vec()),
            "differences": outcome.differences.iter().map(difference).collect::<Vec<_>>(),
            "ways": outcome.ways,
        })
    };
    let untouched = |one: &Untouched| json!({ "policy": one.policy, "effect": if one.permits { "permit" } else { "forbid" } });
    json!({
        "tests": report.outcomes.iter().map(outcome).collect::<Vec<_>>(),
        "failed": report.failures().count(),
        "policies": report.policies,
        "untouched": report.untouched.iter().map(untouched).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use sekisho_policy::{App, Catalogue, PolicySet, Source};

    use super::*;

    const POLICY: &str =
        "@id(\"p\") permit (principal, action in Action::\"use\", resource == App::\"payroll\") when { context.session.mfa };";

    fn report(tests: &str) -> Report {
        let catalogue = Catalogue { apps: vec![App::new("payroll", ["confidential"])], groups: None, ..Catalogue::default() };
        let set = PolicySet::load(&[Source::new("p.cedar", POLICY)], &[], &catalogue).unwrap().set;
        let tester = Tester { set: &set, catalogue: &catalogue, zone: &jiff::tz::TimeZone::UTC };
        tester.run(tester.read(&[Source::new("tests/payroll.toml", tests)]).unwrap())
    }

    #[test]
    fn names_of_others_do_not_play_with_the_terminal_nor_with_xml() {
        let found = report("[[case]]\nname = \"\\u001B[2J<b>\"\napp = \"payroll\"\nexpect = \"deny\"");
        let text = as_text(&found, true);
        assert!(text.contains("FAIL  \u{fffd}[2J<b>") && text.contains("expected deny, got allow, by `p`"), "{text}");
        let xml = junit::report(&found);
        assert!(xml.contains("name=\"[2J&lt;b&gt;\" file=\"tests/payroll.toml\" line=\"2\">"), "{xml}");
        assert!(
            xml.contains("<failure message=\"expected deny, got allow, by `p`\">") && xml.contains("failures=\"1\""),
            "{xml}"
        );
        assert_eq!(as_json(&found)["tests"][0]["differences"][0]["got"], "allow, by `p`");
    }
}
