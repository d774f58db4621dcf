//! Tables of what was measured, in Markdown.

use std::fmt::Write as _;

use super::contest::Results;
use super::order::Outcome;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cost {
    /// Processor time of an answer (or of a message).
    Answer,
    /// Processor time of a GiB.
    Gibibyte,
    /// Memory of a connection.
    Connection,
}

impl Cost {
    /// In the unit of its column.
    pub(crate) fn of(self, outcome: &Outcome) -> f64 {
        let spent = outcome.user + outcome.system;
        match self {
            Self::Answer => spent * 1e6 / outcome.good as f64,
            Self::Gibibyte => spent / (outcome.bytes as f64 / f64::from(1 << 30)),
            Self::Connection => (outcome.memory.saturating_sub(outcome.memory_before)) as f64 / outcome.open as f64,
        }
    }

    fn heading(self, what: &str) -> String {
        match self {
            Self::Answer => format!("CPU µs a {what}"),
            Self::Gibibyte => "CPU s a GiB".to_owned(),
            Self::Connection => "bytes a connection".to_owned(),
        }
    }

    fn shown(self, cost: f64) -> String {
        match self {
            Self::Answer => format!("{cost:.1}"),
            Self::Gibibyte => format!("{cost:.2}"),
            Self::Connection => format!("{cost:.0}"),
        }
    }
}

/// Of numbers.
pub(crate) fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[odd / 2],
        even => f64::midpoint(sorted[even / 2 - 1], sorted[even / 2]),
    }
}

/// The least and the most.
pub(crate) fn range(numbers: &[f64]) -> (f64, f64) {
    (numbers.iter().copied().fold(f64::INFINITY, f64::min), numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max))
}

/// A table of all contenders; the first of them is set in proportion to each other, round by round.
pub(crate) fn of(cost: Cost, what: &str, results: &[Results]) -> String {
    let mut text = format!("| | {} | least to most |", cost.heading(what));
    let times = cost != Cost::Connection;
    if times {
        let _ = write!(text, " user | system | {}s a second | p50 ms | p99 ms |", what);
    } else {
        text.push_str(" MiB before | MiB with all |");
    }
    let subject = &results[0];
    let _ = writeln!(text, " {} in proportion |", subject.name);
    let columns = text.matches('|').count() - 1;
    let _ = writeln!(text, "|{}", " --- |".repeat(columns));
    for result in results {
        let outcomes = &result.outcomes;
        let costs: Vec<f64> = outcomes.iter().map(|outcome| cost.of(outcome)).collect();
        let middle = |of: &dyn Fn(&Outcome) -> f64| median(&outcomes.iter().map(of).collect::<Vec<_>>());
        let (least, most) = range(&costs);
        let shown = |number| cost.shown(number);
        let _ = write!(text, "| {} | **{}** | {} to {} |", result.name, shown(median(&costs)), shown(least), shown(most));
        if times {
            let each = |outcome: &Outcome| match cost {
                Cost::Gibibyte => outcome.bytes as f64 / f64::from(1 << 30),
                _ => outcome.good as f64 / 1e6,
            };
            let _ = write!(
                text,
                " {} | {} | {} | {:.2} | {:.2} |",
                shown(middle(&|outcome| outcome.user / each(outcome))),
                shown(middle(&|outcome| outcome.system / each(outcome))),
                rate(middle(&|outcome| outcome.good as f64 / outcome.seconds)),
                middle(&|outcome| outcome.median),
                middle(&|outcome| outcome.p99),
            );
        } else {
            let mib = |bytes: f64| bytes / f64::from(1 << 20);
            let (before, with) = (middle(&|outcome| outcome.memory_before as f64), middle(&|outcome| outcome.memory as f64));
            let _ = write!(text, " {:.1} | {:.1} |", mib(before), mib(with));
        }
        if std::ptr::eq(result, subject) {
            text.push_str(" |\n");
        } else {
            let _ = writeln!(text, " {} |", proportion(cost, subject, result));
        }
    }
    text
}

/// The first's cost by the other's, round by round: the median, and the least and most of any round.
pub(crate) fn proportion(cost: Cost, subject: &Results, other: &Results) -> String {
    let rounds = subject.outcomes.iter().zip(&other.outcomes);
    let proportions: Vec<f64> = rounds.map(|(ours, theirs)| cost.of(ours) / cost.of(theirs)).collect();
    let (least, most) = range(&proportions);
    format!("**{:.2}** ({least:.2} to {most:.2})", median(&proportions))
}

/// How much longer the first lets wait than each other, round by round.
pub(crate) fn added(subject: &Results, others: &[Results]) -> String {
    let mut text = "\nMore waiting than there, p50 and p99 in ms (least to most of any round):".to_owned();
    for other in others {
        let more = |of: &dyn Fn(&Outcome) -> f64| {
            let rounds = subject.outcomes.iter().zip(&other.outcomes);
            let more: Vec<f64> = rounds.map(|(ours, theirs)| of(ours) - of(theirs)).collect();
            let (least, most) = range(&more);
            format!("**{:+.2}** ({least:+.2} to {most:+.2})", median(&more))
        };
        let (p50, p99) = (more(&|outcome| outcome.median), more(&|outcome| outcome.p99));
        let _ = write!(text, " {} {p50}, {p99}.", other.name);
    }
    text.push('\n');
    text
}

/// What else the machine did meanwhile.
pub(crate) fn others(results: &[Results]) -> String {
    let others: Vec<f64> = results.iter().flat_map(|result| &result.outcomes).map(|outcome| outcome.others).collect();
    format!("Other work on the machine meanwhile: {:.2} processors (median), at most {:.2}.", median(&others), range(&others).1)
}

fn rate(number: f64) -> String {
    if number < 100.0 { format!("{number:.1}") } else { format!("{number:.0}") }
}
