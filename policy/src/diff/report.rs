//! The comparison as people read it.

use std::fmt;

use super::words::listed;
use super::{ChangeKind, Diff, Direction, Effect, PolicyChange};
use crate::action::Action;

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.headline())?;
        if !self.policies.is_empty() {
            writeln!(f, "\nPolicies")?;
            self.policies.iter().try_for_each(|change| write!(f, "{change}"))?;
        }
        section(f, "Facts", &self.facts)?;
        section(f, "Tests", &self.tests)?;
        effects(f, "Who gains", &self.gains)?;
        effects(f, "Who loses", &self.losses)?;
        if self.changes_meaning() && self.gains.is_empty() && self.losses.is_empty() {
            writeln!(
                f,
                "\nNo difference found in {} questions made from the changed policies; `sekisho policy prove` can be sure.",
                self.questions
            )?;
        }
        Ok(())
    }
}

impl Diff {
    /// What the change does, in one sentence that is never more certain than it may be.
    pub fn headline(&self) -> String {
        let found = match (self.gains.is_empty(), self.losses.is_empty()) {
            (true, true) => "no question showed a difference",
            (false, true) => "some requests are allowed that were denied",
            (true, false) => "some requests are denied that were allowed",
            (false, false) => "some requests are allowed that were denied, and some denied that were allowed",
        };
        match self.direction {
            Direction::Same if self.policies.is_empty() && self.facts.is_empty() && self.tests.is_empty() => {
                "No change in meaning.".to_owned()
            }
            Direction::Same => "No change in meaning: every request gets the answer that it got.".to_owned(),
            Direction::OnlyWidens => format!("Only widens: nothing that was allowed is denied; {found}."),
            Direction::OnlyNarrows => format!("Only narrows: nothing that was denied is allowed; {found}."),
            Direction::Open => format!("Changes the meaning: {found}."),
        }
    }
}

impl fmt::Display for PolicyChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match (self.kind, &self.was) {
            (ChangeKind::Added, _) => "is new".to_owned(),
            (ChangeKind::Removed, _) => "is gone".to_owned(),
            (ChangeKind::Changed, _) => "changed".to_owned(),
            (ChangeKind::Renamed, was) => format!("is the new name of `{}`", was.as_deref().unwrap_or_default()),
            (ChangeKind::Annotated, _) => "has other annotations; its meaning is the same".to_owned(),
        };
        let can = match self.direction {
            Direction::Same if self.kind == ChangeKind::Changed => " (no request gets another answer)",
            Direction::Same => "",
            Direction::OnlyWidens => " (can only widen)",
            Direction::OnlyNarrows => " (can only narrow)",
            Direction::Open => " (can widen and narrow)",
        };
        writeln!(f, "  `{}` {what}{can}", self.id)?;
        self.words.iter().try_for_each(|line| writeln!(f, "    - {line}"))
    }
}

fn section(f: &mut fmt::Formatter<'_>, title: &str, lines: &[String]) -> fmt::Result {
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(f, "\n{title}")?;
    lines.iter().try_for_each(|line| writeln!(f, "  {line}"))
}

/// Those who gain or lose the same by the same policies stand in one line, with the first example.
fn effects(f: &mut fmt::Formatter<'_>, title: &str, effects: &[Effect]) -> fmt::Result {
    if effects.is_empty() {
        return Ok(());
    }
    writeln!(f, "\n{title}")?;
    let mut lines: Vec<(String, Vec<Action>, Vec<&str>, &Effect)> = Vec::new();
    for ((who, app), of_app) in by(effects, |effect| (effect.who.clone(), effect.app.as_str())) {
        let Some(first) = of_app.first().copied() else { continue };
        let mut actions: Vec<Action> = of_app.iter().map(|effect| effect.action).collect();
        actions.sort_unstable();
        let same = |line: &&mut (String, Vec<Action>, Vec<&str>, &Effect)| {
            line.0 == who && line.1 == actions && line.3.before == first.before && line.3.now == first.now
        };
        match lines.iter_mut().find(same) {
            Some(line) => line.2.push(app),
            None => lines.push((who, actions, vec![app], first)),
        }
    }
    for (number, (who, actions, apps, example)) in lines.iter().enumerate() {
        let apps: Vec<String> = apps.iter().map(|app| format!("`{app}`")).collect();
        let ids = |ids: &[String]| if ids.is_empty() { "no policy".to_owned() } else { ids.join(", ") };
        let (before, now) = (ids(&example.before), ids(&example.now));
        writeln!(f, "  {who}: {} {} (before: {before}; now: {now})", listed(actions), apps.join(", "))?;
        if number < EXAMPLES {
            example.case.lines().try_for_each(|line| writeln!(f, "      {line}"))?;
        }
    }
    Ok(())
}

fn by<'a, K: PartialEq>(effects: &'a [Effect], key: impl Fn(&'a Effect) -> K) -> Vec<(K, Vec<&'a Effect>)> {
    let mut groups: Vec<(K, Vec<&'a Effect>)> = Vec::new();
    for effect in effects {
        let key = key(effect);
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, group)) => group.push(effect),
            None => groups.push((key, vec![effect])),
        }
    }
    groups
}

/// How many lines of gains, and of losses, have their example printed.
const EXAMPLES: usize = 4;
