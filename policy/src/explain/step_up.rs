//! Whether another sign-in is all that is missing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::looks::{Beside, Looks};
use super::widest::widest;
use super::work::Work;
use crate::facts::{Identity, Principal, SessionFacts};
use crate::question::age_s;
use crate::request::RequestFacts;
use crate::set::PolicySet;
use crate::verdict::{Decision, DenyReason};

/// What a new sign-in has to bring, and then the request is permitted: found by deciding it so, forbids included.
///
/// It describes the whole sign-in to ask for, not only what the present one lacks: a new sign-in brings nothing of the old.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepUp {
    /// The sign-in may be at most this old, in seconds; the most that is permitted, never 0. `None`: its age does not matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_s: Option<u64>,
    /// More than one factor has to be used.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mfa: bool,
    /// The authentication context class that it has to be of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// Authentication methods that all have to be used (RFC 8176). Nothing in OpenID Connect asks for a method by name: it is
    /// for people to read.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub amr: BTreeSet<String>,
}

impl PolicySet {
    /// Whether a fresher or stronger sign-in of the same person on the same device, alone, turns a denial into a permit; and
    /// the least demanding one that does. `None` for what is permitted, for a program, which signs in nowhere, and where a
    /// policy failed: that is not the sign-in's fault.
    ///
    /// It decides the question some dozen times; for a set with thousands of policies for one app it may give up.
    pub fn step_up(&self, identity: &Identity, facts: &RequestFacts<'_>) -> Option<StepUp> {
        let mut work = Work::new(self, Some(identity), facts, MAX_WORK);
        step_up(&mut work, identity)
    }
}

/// Most work: some ten milliseconds.
const MAX_WORK: usize = 20_000;

pub(super) fn step_up(work: &mut Work<'_>, identity: &Identity) -> Option<StepUp> {
    if !matches!(identity.principal, Principal::User(_)) {
        return None;
    }
    match work.decide_as(identity)?.decision {
        Decision::Allow | Decision::Deny(DenyReason::EvaluationFailed) => return None,
        Decision::Deny(DenyReason::NoPermit | DenyReason::Forbidden) => {}
    }
    let looks = work.looks();
    let asks = FACTS.iter().any(|fact| looks.get(fact).is_some());
    if !asks {
        return None;
    }
    for demand in demands(&looks) {
        if !allowed(work, identity, &demand, 0)? {
            continue;
        }
        let max_age_s = oldest(work, identity, &demand, &looks)?;
        let found = StepUp { max_age_s, ..demand };
        // What asks for nothing is no remedy: the present sign-in is refused for what it has, not for what it lacks.
        if max_age_s != Some(0) && found != StepUp::default() {
            return Some(found);
        }
    }
    None
}

/// What could be asked for, the least first: each of factor, class and methods alone, then two of them, then all.
fn demands(looks: &Looks) -> Vec<StepUp> {
    let mfa = [false, true].into_iter().filter(|&mfa| !mfa || looks.get(MFA).is_some());
    let acr: Vec<Option<String>> =
        std::iter::once(None).chain(texts(looks, ACR).into_iter().filter(|acr| !acr.is_empty()).map(Some)).collect();
    let amr: Vec<BTreeSet<String>> = std::iter::once(BTreeSet::new()).chain(methods(looks)).collect();
    let mut demands = Vec::new();
    for mfa in mfa {
        for acr in &acr {
            for amr in &amr {
                demands.push(StepUp { max_age_s: None, mfa, acr: acr.clone(), amr: amr.clone() });
            }
        }
    }
    demands.sort_by_key(|demand| (usize::from(demand.mfa) + usize::from(demand.acr.is_some()) + demand.amr.len(), !demand.mfa));
    demands
}

fn texts(looks: &Looks, fact: &str) -> BTreeSet<String> {
    let beside = looks.get(fact).into_iter().flatten();
    beside
        .filter_map(|beside| match beside {
            Beside::Text(text) => Some(text.clone()),
            _ => None,
        })
        .collect()
}

/// Each method alone, and each set of them that a policy names.
fn methods(looks: &Looks) -> BTreeSet<BTreeSet<String>> {
    let sets = looks.get(AMR).into_iter().flatten().filter_map(|beside| match beside {
        Beside::Texts(texts) => Some(texts.clone()),
        _ => None,
    });
    texts(looks, AMR).into_iter().map(|text| BTreeSet::from([text])).chain(sets).collect()
}

/// The same person on the same device, after a sign-in that brought this and is this old. `None`: the work is used up.
fn allowed(work: &mut Work<'_>, identity: &Identity, demand: &StepUp, age_s: i64) -> Option<bool> {
    let mut then = identity.clone();
    then.session = SessionFacts {
        authenticated_at_ms: Some(work.now_ms().saturating_sub(age_s.saturating_mul(1000))),
        mfa: demand.mfa,
        acr: demand.acr.clone(),
        amr: demand.amr.clone(),
        provider: identity.session.provider.clone(),
        binding: identity.session.binding.clone(),
    };
    work.decide_as(&then).map(|verdict| verdict.is_allowed())
}

/// The greatest age up to which all is permitted, if the sign-in may not be as old as the present one; `None` inside: its age
/// does not matter.
fn oldest(work: &mut Work<'_>, identity: &Identity, demand: &StepUp, looks: &Looks) -> Option<Option<u64>> {
    let present = age_s(identity.session.authenticated_at_ms, work.now_ms());
    let oldest = widest(looks.numbers(AUTH_AGE), present, |age| allowed(work, identity, demand, age))?;
    Some(oldest.and_then(|age| u64::try_from(age).ok()))
}

const AUTH_AGE: &str = "context.session.auth_age_s";
const MFA: &str = "context.session.mfa";
const ACR: &str = "context.session.acr";
const AMR: &str = "context.session.amr";

/// What a sign-in decides.
const FACTS: [&str; 4] = [AUTH_AGE, MFA, ACR, AMR];
