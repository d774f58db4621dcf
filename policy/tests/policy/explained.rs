//! Golden explanations: what is said of a denial, word for word.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use sekisho_policy::{Action, App, AskedFor, Catalogue, Effort, Explanation, Moment, PolicySet, Query, RequestFacts, Source};
use serde::Deserialize;

use super::support::{NOW_MS, beside, lines, someone};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Golden {
    policies: String,
    groups: BTreeSet<String>,
    bytes_1h: u64,
    /// By app: each is asked for, by the same person.
    expect: BTreeMap<String, String>,
}

#[test]
fn explanations_read_as_agreed() {
    let text = std::fs::read_to_string(beside("tests/explained/payroll.toml")).unwrap();
    let golden: Golden = toml::from_str(&text).unwrap();
    let apps = golden.expect.keys().map(|app| App::new::<&str>(app, [])).collect();
    let set = PolicySet::load(
        &[Source::new("a.cedar", golden.policies)],
        &[],
        &Catalogue { apps, groups: None, ..Catalogue::default() },
    )
    .unwrap_or_else(|problems| panic!("{}", lines(&problems)))
    .set;
    let groups: Vec<&str> = golden.groups.iter().map(String::as_str).collect();
    for (app, expected) in &golden.expect {
        let mut who = someone("corp/ana", &groups);
        who.device.owner = None;
        who.session.authenticated_at_ms = Some(NOW_MS - 3_600_000);
        let mut facts = RequestFacts::new(app, Action::Read);
        facts.at = Moment::utc(NOW_MS);
        facts.usage.bytes_1h = golden.bytes_1h;
        let query = Query { who: Some(who), request: AskedFor::from(&facts) };
        let explanation = set.explain(&query, Effort::THOROUGH).unwrap();
        assert!(!explanation.cut_short, "{app}");
        assert_eq!(told(&explanation), *expected, "{app}");
        // All of it but one fact is not a way.
        for way in &explanation.ways {
            assert!(set.decide_query(&query.changed(&way.changes)).unwrap().is_allowed(), "{app}");
            for without in 0..way.changes.len() {
                let mut changes = way.changes.clone();
                changes.remove(without);
                assert!(!set.decide_query(&query.changed(&changes)).unwrap().is_allowed(), "{app} without {without}");
            }
        }
    }
}

fn told(explanation: &Explanation) -> String {
    let mut text = format!("{} {}\n", explanation.decision, explanation.reason.unwrap_or_default());
    for lifted in &explanation.forbids {
        let by: Vec<String> = lifted.lifted_by.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "{} lifted by {}", lifted.policy, by.join("; "));
    }
    for permit in &explanation.permits {
        let _ = writeln!(text, "{}", format!("{} lacks {}", permit.policy, permit.unmet.join("; ")).trim_end());
    }
    for way in &explanation.ways {
        let past = if way.lifts.is_empty() { String::new() } else { format!(" past {}", way.lifts.join(" ")) };
        let _ = writeln!(text, "way {} via {}{past}: {}", way.by.as_str(), way.policies.join(" "), way.in_short());
    }
    if let Some(step_up) = &explanation.step_up {
        let _ = writeln!(text, "step up:{}", if step_up.mfa { " mfa" } else { "" });
    }
    text
}
