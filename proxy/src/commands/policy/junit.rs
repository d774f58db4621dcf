//! The report that build servers read: JUnit's XML.

use sekisho_policy::testing::{Outcome, Report};

use super::test::shortfall;

/// One `testsuite` for each file.
pub(super) fn report(report: &Report) -> String {
    let failed = report.failures().count();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"policies\" tests=\"{}\" failures=\"{failed}\">\n",
        report.outcomes.len()
    );
    for suite in report.outcomes.chunk_by(|a, b| a.case.place.file == b.case.place.file) {
        let Some(first) = suite.first() else { continue };
        let failed = suite.iter().filter(|outcome| !outcome.passed()).count();
        text.push_str(&format!(
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failed}\">\n",
            escaped(&first.case.place.file),
            suite.len()
        ));
        suite.iter().for_each(|outcome| text.push_str(&case(outcome)));
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

fn case(outcome: &Outcome) -> String {
    let place = &outcome.case.place;
    let opening = format!(
        "    <testcase classname=\"{file}\" name=\"{}\" file=\"{file}\" line=\"{}\"",
        escaped(&outcome.case.name),
        place.line,
        file = escaped(&place.file),
    );
    let told = shortfall(outcome);
    let Some(message) = outcome.differences.first() else { return format!("{opening}/>\n") };
    format!(
        "{opening}>\n      <failure message=\"{}\">{}</failure>\n    </testcase>\n",
        escaped(&message.to_string()),
        escaped(&told.join("\n"))
    )
}

/// As XML wants it; what it cannot hold is left out.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(c),
            '\u{fffe}' | '\u{ffff}' => {}
            c if c.is_control() => {}
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_named_stays_text() {
        assert_eq!(escaped("a<b>&\"c\"\u{1}\u{7f}é"), "a&lt;b&gt;&amp;&quot;c&quot;é");
    }
}
