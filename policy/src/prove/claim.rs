//! What is claimed, checked as strictly as a policy.

use std::ops::Range;

use cedar_policy::{Expression, Policy, PolicyId, PolicySet as CedarSet, ValidationMode, Validator};
use miette::Diagnostic;

use super::goal::forbid_unless;
use crate::action::Action;
use crate::load::{Grammar, too_deep};
use crate::problem::{File, Problem};
use crate::set::{App, PolicySet, Source};

/// Something that has to hold for every request that there can be.
#[derive(Clone, Debug)]
pub struct Proof {
    /// What it goes by.
    pub name: String,
    /// What it says, in its author's words.
    pub words: Option<String>,
    /// What has to hold.
    pub claim: Claim,
    /// Only of this app.
    pub app: Option<String>,
    /// Only of the apps with this tag.
    pub tag: Option<String>,
    /// Only of these actions.
    pub actions: Vec<Action>,
}

/// What has to hold.
#[derive(Clone, Debug)]
pub enum Claim {
    /// No request is permitted that fulfils this condition.
    Never(Box<Condition>),
    /// No request is permitted that the policies in this folder deny.
    NoMoreThan(String),
}

/// A condition on requests, in Cedar.
#[derive(Clone, Debug)]
pub struct Condition {
    /// A policy that is met where it is fulfilled.
    pub(super) policy: Policy,
    /// Forbids what does not fulfil it.
    pub(super) otherwise: Policy,
}

/// Where a condition is written: in the text of `file`, at `at`.
pub(super) struct Written<'a> {
    pub(super) file: &'a File<'a>,
    pub(super) at: Range<usize>,
}

impl Proof {
    /// That nobody outside `group` may do anything, to be narrowed by the caller.
    pub(super) fn only_group(group: &str) -> String {
        format!("!(principal in Group::\"{}\")", group.escape_debug())
    }

    /// That nothing is permitted that fulfils `condition`, whatever the app and the action.
    ///
    /// # Errors
    /// What is wrong with the condition, with places in its text.
    pub fn never(name: &str, condition: &str, actions: &[Action], set: &PolicySet) -> Result<Self, Vec<Problem>> {
        let source = Source::new(name, condition);
        let file = File::new(&source);
        let actions = if actions.is_empty() { Action::ALL.to_vec() } else { actions.to_vec() };
        let condition = Condition::read(condition, &actions, &Written { file: &file, at: 0..condition.len() }, set)?;
        Ok(Self::new(name, Claim::Never(Box::new(condition)), actions))
    }

    /// That nobody outside `group` is ever permitted anything, whatever the app and the action.
    ///
    /// # Errors
    /// If the name cannot stand in a policy.
    pub fn for_group_only(name: &str, group: &str, actions: &[Action], set: &PolicySet) -> Result<Self, Vec<Problem>> {
        Self::never(name, &Self::only_group(group), actions, set)
    }

    /// That nothing is permitted that the policies in the folder `old` deny.
    pub fn no_more_than(old: &str, actions: &[Action]) -> Self {
        let actions = if actions.is_empty() { Action::ALL.to_vec() } else { actions.to_vec() };
        Self::new(&format!("no more than {old}"), Claim::NoMoreThan(old.to_owned()), actions)
    }

    fn new(name: &str, claim: Claim, actions: Vec<Action>) -> Self {
        Self { name: name.to_owned(), words: None, claim, app: None, tag: None, actions }
    }

    /// Whether it is about `app`.
    pub(super) fn is_about(&self, app: &App) -> bool {
        self.app.as_ref().is_none_or(|name| *name == app.name) && self.tag.as_ref().is_none_or(|tag| app.tags.contains(tag))
    }
}

impl Condition {
    /// Checks it for every action that it is asked about.
    pub(super) fn read(text: &str, actions: &[Action], written: &Written<'_>, set: &PolicySet) -> Result<Self, Vec<Problem>> {
        let names = &set.facts.names;
        let scope: Vec<String> = actions.iter().map(|action| names.action(*action).to_string()).collect();
        let lead = format!("permit (principal, action in [{}], resource) when {{ ", scope.join(", "));
        // The line break ends a comment that the condition may end with.
        let source = Source::new("", format!("{lead}{text}\n}};"));
        let file = File::new(&source);
        if too_deep(&file, Grammar::Policies).is_some() {
            return Err(vec![Problem::new(Some(written.whole()), "this nests too deep, or chains too many operators")]);
        }
        // By itself first: nothing may end the clause early and begin another.
        if let Err(errors) = text.parse::<Expression>() {
            return Err(errors.iter().map(|error| written.problem(error, 0)).collect());
        }
        let parsed: CedarSet = source.text.parse().map_err(|errors: cedar_policy::ParseErrors| {
            errors.iter().map(|error| written.problem(error, lead.len())).collect::<Vec<_>>()
        })?;
        let mut policies = parsed.policies();
        let (Some(policy), None) = (policies.next(), policies.next()) else {
            return Err(vec![Problem::new(Some(written.whole()), "this is not one condition")]);
        };
        let result = Validator::new(set.facts.schema.clone()).validate(&parsed, ValidationMode::Strict);
        let mut problems: Vec<Problem> = Vec::new();
        for error in result.validation_errors() {
            let problem = written.problem(error, lead.len());
            if !problems.iter().any(|known| known.place == problem.place && known.message == problem.message) {
                problems.push(problem);
            }
        }
        if !problems.is_empty() && actions.contains(&Action::Public) && actions.len() > 1 {
            problems.push(Problem::new(None, "nobody is known on public paths: no device, no session").help(
                "write `action = \"use\"` to leave public paths out of the proof, or ask first: `!(context has device && context.device.managed)`",
            ));
        }
        // Two kinds of principal, three actions: only what is impossible for all of them is said to be.
        if problems.is_empty() && result.validation_warnings().next().is_some_and(is_impossible) {
            let problem = Problem::new(Some(written.whole()), "nothing can fulfil this condition, so there is nothing to prove");
            problems.push(problem);
        }
        match forbid_unless(text, "condition") {
            Some(otherwise) if problems.is_empty() => Ok(Self { policy: policy.new_id(PolicyId::new("condition")), otherwise }),
            Some(_) => Err(problems),
            None => Err(vec![Problem::new(Some(written.whole()), "this is not one condition")]),
        }
    }
}

impl Written<'_> {
    fn whole(&self) -> crate::problem::Place {
        self.file.place(self.at.start, self.at.len())
    }

    /// What Cedar says, where `lead` bytes of the text that it saw stand before ours.
    fn problem(&self, said: &dyn Diagnostic, lead: usize) -> Problem {
        let label = said.labels().into_iter().flatten().next();
        let offset = label.as_ref().map(|label| label.offset().saturating_sub(lead).saturating_add(self.at.start));
        let place = match (offset, label) {
            (Some(offset), Some(label)) if self.at.contains(&offset) => {
                self.file.place(offset, label.len().min(self.at.end.saturating_sub(offset)))
            }
            _ => self.whole(),
        };
        let said_words = said.to_string();
        let words = said_words
            .split_once("`, ")
            .filter(|(lead, _)| lead.starts_with("for policy `"))
            .map_or(&*said_words, |(_, rest)| rest);
        // Each action has the same mistake.
        let words = match words.split_once(" for Action::\"").and_then(|(before, rest)| Some((before, rest.split_once('"')?.1))) {
            Some((before, after)) => format!("{before}{after}"),
            None => words.to_owned(),
        };
        let problem = Problem::new(Some(place), words);
        match said.help() {
            Some(help) => problem.help(help.to_string()),
            None => problem,
        }
    }
}

fn is_impossible(warning: &cedar_policy::ValidationWarning) -> bool {
    matches!(
        warning,
        cedar_policy::ValidationWarning::ImpossiblePolicy(_) | cedar_policy::ValidationWarning::InvalidActionApplication(_)
    )
}
