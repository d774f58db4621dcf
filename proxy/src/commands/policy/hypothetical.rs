//! Why a request that nobody made yet would be decided as it would be.

use std::fmt::Write as _;
use std::path::Path;

use clap::Args;
use sekisho_policy::testing::{Case, Tester};
use sekisho_policy::{Effort, Explanation, PolicySet, Query, Source};
use serde::Serialize;

use super::place::{Place, PlaceArgs, lines};
use crate::commands::error::CommandError;
use crate::commands::output;

/// The options that say what would be asked.
#[derive(Debug, Args)]
pub(super) struct AskedArgs {
    /// A file of policy tests, and after `:` the name of one of its cases; without a name, all of them
    #[arg(long, value_name = "FILE[:NAME]", conflicts_with_all = ["user", "groups", "to", "action", "path", "facts"])]
    case: Option<String>,
    /// Who asks, such as `corp/ana`
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// A group that they are in
    #[arg(long = "group", value_name = "NAME")]
    groups: Vec<String>,
    /// The app that they ask for
    #[arg(long, value_name = "APP")]
    to: Option<String>,
    /// What they would do: `read`, `write`, `connect` or `public`; of `sekisho`, the gate itself, `enroll`
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// The path
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// Any other fact, as policy tests write it: `device.posture.disk_encrypted=false`
    #[arg(long = "fact", value_name = "KEY=VALUE", value_parser = fact)]
    facts: Vec<(String, String)>,
}

/// One explanation, as JSON.
#[derive(Serialize)]
struct Explained<'a> {
    name: &'a str,
    #[serde(flatten)]
    explanation: &'a Explanation,
    /// Every policy that is named above.
    named: Vec<Named<'a>>,
}

#[derive(Serialize)]
struct Named<'a> {
    id: &'a str,
    file: &'a str,
    line: usize,
    text: &'a str,
}

impl AskedArgs {
    /// Decides what is asked by the policies of `place`, and says why.
    ///
    /// # Errors
    /// [`CommandError`] in words, with the exit code.
    pub(super) fn explain(&self, place: &PlaceArgs, json: bool) -> Result<(), CommandError> {
        if self.case.is_none() && self.to.is_none() {
            return Err(CommandError::usage("say which app is asked for: --to APP"));
        }
        let place = place.find()?;
        let set = place.load()?.set;
        let mut all = Vec::new();
        for (name, query) in self.queries(&place, &set)? {
            let explanation = set.explain(&query, Effort::THOROUGH).map_err(CommandError::failed)?;
            all.push((name, explanation));
        }
        if json {
            let all: Vec<_> = all.iter().map(|(name, explanation)| explained(name, explanation, &set)).collect();
            return output::print_json(&all);
        }
        let texts: Vec<String> = all.iter().map(|(name, explanation)| told(name, explanation, &set)).collect();
        output::print(&texts.join("\n"))
    }

    fn queries(&self, place: &Place, set: &PolicySet) -> Result<Vec<(String, Query)>, CommandError> {
        let (source, name) = match &self.case {
            Some(case) => file(case)?,
            None => (Source::new("the options", self.as_case()), None),
        };
        let tester = Tester { set, catalogue: &place.catalogue, zone: &place.zone };
        let cases = tester.read(&[source]).map_err(|problems| CommandError::CheckFailed(lines(&problems)))?;
        let chosen: Vec<Case> = cases.into_iter().filter(|case| name.is_none_or(|name| case.name == name)).collect();
        if let (Some(name), true) = (name, chosen.is_empty()) {
            return Err(CommandError::CheckFailed(format!("there is no case `{name}`")));
        }
        Ok(chosen.into_iter().map(|case| (case.name, case.query)).collect())
    }

    /// The options as a policy test, so that they mean what they mean there.
    fn as_case(&self) -> String {
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let mut case = "[[case]]\nname = \"asked\"\nexpect = \"allow\"\n".to_owned();
        if let Some(user) = &self.user {
            let groups: Vec<String> = self.groups.iter().map(|group| quoted(group)).collect();
            let _ = writeln!(case, "user = {{ id = {}, groups = [{}] }}", quoted(user), groups.join(", "));
        }
        for (key, value) in [("app", &self.to), ("action", &self.action), ("path", &self.path)] {
            if let Some(value) = value {
                let _ = writeln!(case, "{key} = {}", quoted(value));
            }
        }
        for (key, value) in &self.facts {
            // What is not a value of TOML is a text.
            let is_value = format!("x = {value}").parse::<toml::Table>().is_ok();
            let _ = writeln!(case, "{key} = {}", if is_value { value.clone() } else { quoted(value) });
        }
        case
    }
}

/// The file, and the name of the case after its last colon.
fn file(case: &str) -> Result<(Source, Option<&str>), CommandError> {
    let (path, name) = match case.split_once(".toml:") {
        Some((stem, name)) => (format!("{stem}.toml"), Some(name)),
        None => (case.to_owned(), None),
    };
    let text =
        std::fs::read_to_string(Path::new(&path)).map_err(|error| CommandError::CheckFailed(format!("{path}: {error}")))?;
    Ok((Source::new(path, text), name))
}

fn fact(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write a fact, `=` and its value")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if key.is_empty() || !key.chars().all(plain) || value.contains('\n') {
        return Err("write a fact, `=` and its value".to_owned());
    }
    Ok((key.to_owned(), value.to_owned()))
}

fn explained<'a>(name: &'a str, explanation: &'a Explanation, set: &'a PolicySet) -> Explained<'a> {
    let named = ids(explanation).into_iter().filter_map(|id| set.policy(id));
    let named = named.map(|policy| Named { id: policy.id, file: policy.file, line: policy.line, text: policy.text }).collect();
    Explained { name, explanation, named }
}

/// Every policy that an explanation names, once, those first that decided.
fn ids(explanation: &Explanation) -> Vec<&str> {
    let near = explanation.permits.iter().map(|permit| &permit.policy);
    let mut ids: Vec<&str> = Vec::new();
    for id in explanation.policies.iter().chain(near) {
        if !ids.contains(&id.as_str()) {
            ids.push(id);
        }
    }
    ids
}

/// The explanation for people.
pub(super) fn told(name: &str, explanation: &Explanation, set: &PolicySet) -> String {
    let mut text = format!("{name}: {}", explanation.decision);
    if let Some(reason) = explanation.reason {
        let _ = write!(text, " ({reason})");
    }
    text.push('\n');
    for error in &explanation.errors {
        let _ = writeln!(text, "  failed: {error}");
    }
    for id in &explanation.policies {
        shown(&mut text, id, if explanation.decision == "allow" { "permitted by" } else { "forbidden by" }, set);
        for lifted in explanation.forbids.iter().filter(|lifted| lifted.policy == *id).flat_map(|lifted| &lifted.lifted_by) {
            let _ = writeln!(text, "    lifted by  {:<13}  {lifted}", lifted.by.as_str());
        }
    }
    for permit in &explanation.permits {
        shown(&mut text, &permit.policy, if permit.unmet.is_empty() { "would permit" } else { "does not permit" }, set);
        for unmet in &permit.unmet {
            let _ = writeln!(text, "    not met    {unmet}");
        }
        let through = explanation.ways.iter().filter(|way| way.policies.contains(&permit.policy));
        for way in through {
            let _ = writeln!(text, "    way        {:<13}  {}", way.by.as_str(), way.in_short());
        }
    }
    if explanation.decision == "deny" && explanation.ways.is_empty() && explanation.errors.is_empty() {
        text.push_str("  no change of facts was found that would permit it\n");
    }
    if explanation.cut_short {
        text.push_str("  there was more to try than the limit allows: there may be further ways\n");
    }
    text
}

fn shown(text: &mut String, id: &str, what: &str, set: &PolicySet) {
    let Some(policy) = set.policy(id) else { return };
    let _ = writeln!(text, "  {what} {id} ({}:{})", policy.file, policy.line);
    for line in policy.text.lines() {
        let _ = writeln!(text, "      {line}");
    }
}
