//! What a replay found, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::changes::{Change, Group};
use super::engine::Outcome;
use crate::commands::output::plain;

/// For programs.
pub(super) fn as_json(outcome: &Outcome, groups: &[Group], policies: usize) -> Value {
    json!({
        "policies": policies,
        "first": outcome.first,
        "last": outcome.last,
        "decided": outcome.decided,
        "same": outcome.same,
        "same_by_other_policies": outcome.same_by_others,
        "loss": outcome.losses,
        "gain": outcome.gains,
        "changes": groups,
        "answered_before_policy": outcome.before_policy,
        "own": outcome.own,
        "undecided": outcome.undecided,
        "unreadable_requests": outcome.unreadable,
        "skipped_lines": outcome.tally.foreign + outcome.damaged_facts,
        "torn_files": outcome.tally.torn,
    })
}

/// For people.
pub(super) fn as_text(outcome: &Outcome, groups: &[Group], policies: usize) -> String {
    let mut text = String::new();
    let span = match (&outcome.first, &outcome.last) {
        (Some(first), Some(last)) => format!(", of {first} to {last}"),
        _ => String::new(),
    };
    tell(
        &mut text,
        &format!("{} decided again under {}{span}", requests(outcome.decided), count(policies as u64, "policy", "policies")),
    );
    for (change, title, total) in
        [(Change::Loss, "would be refused", outcome.losses), (Change::Gain, "would be allowed", outcome.gains)]
    {
        let of_kind: Vec<&Group> = groups.iter().filter(|group| group.change == change).collect();
        tell(&mut text, &format!("\n{} {title}", requests(total)));
        of_kind.chunk_by(|a, b| a.kind() == b.kind()).for_each(|alike| tell_groups(&mut text, alike));
    }
    tell(&mut text, &format!("\n{} would have the same answer", requests(outcome.same + outcome.same_by_others)));
    if outcome.same_by_others > 0 {
        tell(&mut text, &format!("  {} of them by other policies", outcome.same_by_others));
    }
    let before: u64 = outcome.before_policy.values().sum();
    if before > 0 {
        tell(&mut text, &format!("\n{} answered before policy was asked, as they would be again", requests(before)));
        outcome.before_policy.iter().for_each(|(reason, number)| tell(&mut text, &format!("  {number:>9}  {reason}")));
    }
    let lost = outcome.undecided();
    if lost > 0 {
        tell(&mut text, &format!("\n{} NOT decided again: nothing is known of these", requests(lost)));
        outcome.undecided.iter().for_each(|(why, number)| tell(&mut text, &format!("  {number:>9}  {why}")));
        if outcome.unreadable > 0 {
            tell(&mut text, &format!("  {:>9}  the line cannot be read", outcome.unreadable));
        }
    }
    let skipped = outcome.tally.foreign + outcome.damaged_facts;
    if skipped > 0 {
        let lines = count(skipped, "line", "lines");
        tell(&mut text, &format!("\n{lines} of the record skipped: not written by Sekisho, or damaged"));
    }
    text
}

/// Groups that differ only in the user.
fn tell_groups(text: &mut String, alike: &[&Group]) {
    let Some(first) = alike.first() else { return };
    let total = alike.iter().map(|group| group.requests).sum();
    let by = |policies: &[String], none: &str| if policies.is_empty() { none.to_owned() } else { policies.join(", ") };
    let nothing = if first.why == Some("evaluation_failed") { "a policy fails" } else { "nothing permits it" };
    let (old, new) = (by(&first.old, "nothing permitted it"), by(&first.new, nothing));
    let users = count(alike.len() as u64, "user", "users");
    tell(text, &format!("  {} {}: {old} -> {new}; {} of {users}", first.app, first.action, requests(total)));
    for group in alike.iter().take(USERS) {
        let user = if group.user.is_empty() { "anybody" } else { &group.user };
        tell(text, &format!("    {:>7}  {user}", group.requests));
        group.examples.iter().for_each(|example| tell(text, &format!("             {}", example.text())));
    }
    if alike.len() > USERS {
        tell(text, &format!("    and {} more; --json names all", count((alike.len() - USERS) as u64, "user", "users")));
    }
}

/// A line. What stands in a record may not play with the terminal.
fn tell(text: &mut String, line: &str) {
    let (gap, line) = line.strip_prefix('\n').map_or(("", line), |line| ("\n", line));
    // Writing to a string does not fail.
    let _written = writeln!(text, "{gap}{}", plain(line));
}

fn requests(number: u64) -> String {
    count(number, "request", "requests")
}

fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Users that are named for each kind of change.
const USERS: usize = 10;
