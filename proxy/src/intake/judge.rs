//! Whether what a source says of a device can be taken.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::answer::Became;
use super::wire::Item;
use crate::clock::Timestamp;
use crate::config::PostureSource;
use crate::decide::{FactProblem, KnownFacts};
use crate::inventory::FactValue;
use crate::store::{MANAGED, PLATFORM};

/// What can be taken.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fit {
    pub(super) at: Timestamp,
    pub(super) ends_at: Timestamp,
    pub(super) facts: BTreeMap<String, Option<FactValue>>,
}

/// Why it cannot, in a word and in words.
pub(super) type Unfit = (Became, String);

/// All of what is said of the device, or nothing.
///
/// # Errors
/// [`Unfit`].
pub(super) fn judge(item: &Item, source: &PostureSource, known: &KnownFacts, now: Timestamp) -> Result<Fit, Unfit> {
    if let Some(why) = &item.unfit {
        return Err((Became::Nothing, why.clone()));
    }
    if item.facts.is_empty() {
        return Err((Became::Nothing, "it says nothing".to_owned()));
    }
    let (at, ends_at) = time(item.at, source, now)?;
    let mut facts = BTreeMap::new();
    for (name, value) in &item.facts {
        let fact = match value {
            // What is taken back has to be something all the same: a name that is mistyped takes nothing back.
            Value::Null => known.kind(name).map(|_kind| None),
            value => known.value(name, value).map(Some),
        };
        let fact = fact.map_err(|problem| (outcome(&problem), problem.to_string()))?;
        allowed(name, source)?;
        facts.insert(name.clone(), fact);
    }
    Ok(Fit { at, ends_at, facts })
}

fn time(at: Option<Timestamp>, source: &PostureSource, now: Timestamp) -> Result<(Timestamp, Timestamp), Unfit> {
    let at = at.unwrap_or(now);
    if at > now.plus(LEEWAY) {
        let ahead = at.since(now).as_secs();
        return Err((Became::InTheFuture, format!("`at` is {ahead} s ahead of the gate's clock")));
    }
    // Nothing counts for longer because a clock is a little ahead.
    let at = at.min(now);
    let ends_at = at.plus(source.max_age);
    if ends_at <= now {
        let what =
            format!("it was so {} s ago, and the source's max_age is {} s", now.since(at).as_secs(), source.max_age.as_secs());
        return Err((Became::TooOld, what));
    }
    Ok((at, ends_at))
}

fn allowed(name: &str, source: &PostureSource) -> Result<(), Unfit> {
    let may = match name {
        MANAGED => source.may_set.managed,
        PLATFORM => source.may_set.platform,
        _ => source.may_set.posture,
    };
    if may {
        return Ok(());
    }
    Err((Became::NotAllowed, format!("the source `{}` may not set {name:?}: see its `may_set`", source.name)))
}

fn outcome(problem: &FactProblem) -> Became {
    match problem {
        FactProblem::Unknown { .. } => Became::UnknownFact,
        FactProblem::Kind { .. } | FactProblem::Platform(_) | FactProblem::Text { .. } => Became::WrongType,
    }
}

/// How far a source's clock may be ahead.
const LEEWAY: Duration = Duration::from_secs(60);
