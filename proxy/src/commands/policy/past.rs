//! `sekisho policy explain --request`: a decision of the past, made again with the policies and the facts of its moment.

use std::fmt::Write as _;
use std::path::Path;

use sekisho_policy::{Effort, Explanation, PolicySet, Principal};
use serde::Serialize;

use super::place::lines;
use super::recorded;
use crate::commands::error::CommandError;
use crate::commands::output::{plain, print, print_json};
use crate::record::Decision;
use crate::record::read::{FindError, Found, find};

/// A decision of the past beside what it is when made again.
#[derive(Debug, Serialize)]
struct Past<'a> {
    request: &'a str,
    /// The file and the line of its `access` line.
    place: String,
    /// The question, with the facts of that moment.
    question: &'a sekisho_policy::Query,
    policy_set: &'a str,
    recorded: Recorded<'a>,
    reproduced: &'a Explanation,
    /// What does not agree. Empty, unless somebody changed the record or Sekisho is wrong.
    differences: &'a [String],
    notes: &'a [String],
}

#[derive(Debug, Serialize)]
struct Recorded<'a> {
    decision: &'static str,
    reason: &'a str,
    policies: &'a [String],
    status: u16,
}

/// Makes the decision on the request `id` again and prints why it came out so.
///
/// # Errors
/// Exit code 1 if the outcome differs from what was recorded, or the record was changed; 3 if it cannot be told.
pub(super) fn explain(id: &str, audit: Option<&Path>, config: &Path, json: bool) -> Result<(), CommandError> {
    let (folder, ..) = recorded::find(audit, config)?;
    let found = find(&folder, id).map_err(unexplained)?;
    let mut notes = Vec::new();
    if !found.set.same_schema() {
        notes.push(
            "these policies were live under another version of Sekisho, whose schema was another: they are decided by this one's"
                .to_owned(),
        );
    }
    let loaded = found.set.load().map_err(|problems| {
        CommandError::Failed(format!(
            "the policies of that moment cannot be loaded by this version of Sekisho:\n{}",
            lines(&problems)
        ))
    })?;
    let explanation = loaded.set.explain(&found.query, Effort::THOROUGH).map_err(CommandError::failed)?;
    let differences = differences(&found, &explanation);
    if json {
        print_json(&Past::new(&found, &explanation, &differences, &notes))?;
    } else {
        print(&text(&found, &loaded.set, &explanation, &notes))?;
    }
    if differences.is_empty() {
        return Ok(());
    }
    let list = differences.join("\n");
    Err(CommandError::CheckFailed(format!(
        "{list}\nthe record was changed, or this is a fault in Sekisho: the same question has another answer"
    )))
}

/// What was changed in the record is something that a check found; what is not there is not.
fn unexplained(error: FindError) -> CommandError {
    match &error {
        FindError::Unfit { .. } | FindError::Set(crate::record::SetError::Changed(_)) => {
            CommandError::CheckFailed(error.to_string())
        }
        _ => CommandError::failed(error),
    }
}

impl<'a> Past<'a> {
    fn new(found: &'a Found, explanation: &'a Explanation, differences: &'a [String], notes: &'a [String]) -> Self {
        let access = &found.access;
        Self {
            request: &access.request,
            place: place(found),
            question: &found.query,
            policy_set: access.policy_set.as_deref().unwrap_or_default(),
            recorded: Recorded {
                decision: access.decision.as_str(),
                reason: &access.reason,
                policies: &access.policies,
                status: access.status,
            },
            reproduced: explanation,
            differences,
            notes,
        }
    }
}

/// Where the line and the decision made again do not agree.
fn differences(found: &Found, again: &Explanation) -> Vec<String> {
    let access = &found.access;
    let mut differences = Vec::new();
    let before = access.decision.of_policy(&access.reason);
    if before.is_some_and(|allowed| allowed != (again.decision == Decision::Allow.as_str())) {
        differences.push(format!("recorded: {}, made again: {}", access.decision.as_str(), again.decision));
    }
    if access.policies != again.policies {
        let told = |policies: &[String]| if policies.is_empty() { "no policy".to_owned() } else { policies.join(", ") };
        differences.push(format!("recorded: decided by {}, made again: by {}", told(&access.policies), told(&again.policies)));
    }
    if let Some(identity) = &found.query.who {
        let (Principal::User(sekisho_policy::UserFacts { id, .. }) | Principal::Service(sekisho_policy::ServiceFacts { id, .. })) =
            &identity.principal;
        let mut same = |what: &str, recorded: Option<&str>, facts: &str| {
            if recorded != Some(facts) {
                differences.push(format!("the line is about the {what} {}, its facts about {facts}", recorded.unwrap_or("-")));
            }
        };
        same("user", access.user.as_deref(), id);
        same("device", access.device.as_deref(), &identity.device.id);
    }
    if found.times > 1 {
        differences.push(format!("{} lines have this request's id, which is given once", found.times));
    }
    differences
}

fn text(found: &Found, set: &PolicySet, again: &Explanation, notes: &[String]) -> String {
    let access = &found.access;
    let request = &found.query.request;
    let mut text = String::new();
    let mut row = |name: &str, value: &str| {
        // Writing to a string does not fail.
        let _written = writeln!(text, "{name:<11} {}", plain(value));
    };
    row("request", &access.request);
    row("asked", &format!("{} https://{}{}", request.method, request.host, request.path));
    row("at", access.asked_at.as_deref().unwrap_or_default());
    row("by", access.user.as_deref().unwrap_or("anybody"));
    row("device", access.device.as_deref().unwrap_or("none"));
    row("from", &request.source_ip.to_string());
    row("app", &format!("{}, action {}", request.app, request.action.as_str()));
    row("policies", &format!("{} of set {}", set.len(), access.policy_set.as_deref().unwrap_or_default()));
    let by = |policies: &[String]| if policies.is_empty() { String::new() } else { format!(" by {}", policies.join(", ")) };
    row("recorded", &format!("{}{} ({}, {})", access.decision.as_str(), by(&access.policies), access.reason, access.status));
    let reason = again.reason.map_or_else(String::new, |reason| format!(" ({reason})"));
    row("made again", &format!("{}{}{reason}", again.decision, by(&again.policies)));
    for error in &again.errors {
        row("error", error);
    }
    for way in &again.ways {
        row("nearest", &format!("{}: {}", way.by.as_str(), way.in_short()));
    }
    for note in notes {
        row("note", note);
    }
    row("line", &place(found));
    if access.decision.of_policy(&access.reason) == Some(true) && access.reason != "permitted" {
        row("note", "it was permitted; what happened to it afterwards is another matter");
    }
    text
}

fn place(found: &Found) -> String {
    let (file, line) = &found.place;
    format!("{}:{line}", file.display())
}
