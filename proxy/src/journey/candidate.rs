//! Policies that are tried: asked after the decision was made, about the same request, and without any say in it.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use sekisho_policy::{DenyReason, Usage};

use super::connection::Client;
use super::gate::{Core, World};
use super::story::Story;
use crate::clock::Timestamp;
use crate::console::admin::wire::{Difference, Example};
use crate::decide::{Opinion, Who};
use crate::identify_device::KnownDevice;
use crate::identify_user::KnownUser;
use crate::record::{Access, CandidateSaid, Decision};
use crate::route::Routed;

/// Where the candidate policies differed from the live ones, since they were loaded. Bounded: a few examples of each kind.
#[derive(Debug, Default)]
pub struct Shadow(Mutex<Differences>);

/// What a gate has seen of its candidate policies.
#[derive(Clone, Debug, Default)]
pub struct Differences {
    /// Content hash of the candidate set that these are about; empty before the first difference.
    pub policy_set: String,
    /// By app, and what each said.
    pub kinds: Vec<Difference>,
}

impl Shadow {
    /// As it is now.
    pub fn differences(&self) -> Differences {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, active: &str, candidate: &str, said: &CandidateSaid, line: &Access) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.policy_set != said.policy_set {
            *seen = Differences { policy_set: said.policy_set.clone(), kinds: Vec::new() };
        }
        let app = line.app.as_deref().unwrap_or_default();
        let same = |kind: &Difference| kind.app == app && kind.active == active && kind.candidate == candidate;
        let at = match seen.kinds.iter().position(same) {
            Some(at) => at,
            None => {
                // As many as there are apps, times the ways to differ.
                seen.kinds.push(Difference {
                    app: app.to_owned(),
                    active: active.to_owned(),
                    candidate: candidate.to_owned(),
                    requests: 0,
                    examples: VecDeque::new(),
                });
                seen.kinds.len() - 1
            }
        };
        let Some(kind) = seen.kinds.get_mut(at) else { return };
        kind.requests += 1;
        kind.examples.truncate(EXAMPLES - 1);
        kind.examples.push_front(Example {
            at: line.at.clone(),
            request: line.request.clone(),
            user: line.user.clone(),
            method: line.method.clone(),
            path: line.path.chars().take(PATH).collect(),
            active: line.policies.clone(),
            candidate: said.policies.clone(),
        });
    }
}

/// Asks the candidate policies, if there are any, about a request that was decided at `now`, on `usage`: `denied` says why not.
pub(super) fn ask(
    core: &Core,
    client: &Client,
    world: &World,
    (routed, who): (&Routed, Option<(&KnownDevice, &KnownUser)>),
    (usage, denied): (Usage, Option<DenyReason>),
    now: Timestamp,
    story: &mut Story,
) {
    let Some(Ok(set)) = world.candidate.as_ref().map(|candidate| &candidate.set) else { return };
    if routed.is_forwarded_preflight() {
        // Policy is not asked about those.
        return;
    }
    let asked = AssertUnwindSafe(|| set.opinion(routed, who, usage, &client.secure, &core.prepared_for_candidate, now));
    // Whatever happens to it, the request goes on as it was decided.
    let opinion = catch_unwind(asked).unwrap_or_else(|_panic| {
        core.gate.metrics.panics.inc();
        Opinion {
            denied: Some(DenyReason::EvaluationFailed),
            policies: Default::default(),
            policy_set: set.hash().to_string().into(),
        }
    });
    let (active, candidate) = (word(denied), word(opinion.denied));
    core.gate.metrics.shadow.with_label_values(&[&*routed.app.name, active, candidate]).inc();
    if active == candidate {
        return;
    }
    let said = CandidateSaid {
        decision: if opinion.denied.is_none() { Decision::Allow } else { Decision::Deny },
        reason: opinion.denied.map_or("permitted", DenyReason::as_str).to_owned(),
        policies: opinion.policies.iter().map(ToString::to_string).collect(),
        policy_set: opinion.policy_set.as_ref().to_owned(),
    };
    core.gate.shadow.note(active, candidate, &said, &story.line().line());
    story.candidate(said);
}

/// The person and device, if they are known.
pub(super) fn known(who: &Who) -> Option<(&KnownDevice, &KnownUser)> {
    match who {
        Who::Anyone => None,
        Who::Known { device, user, .. } => Some((device, user)),
    }
}

fn word(denied: Option<DenyReason>) -> &'static str {
    match denied {
        None => "allow",
        Some(DenyReason::EvaluationFailed) => "error",
        Some(DenyReason::NoPermit | DenyReason::Forbidden) => "deny",
    }
}

/// Examples that are kept of each kind.
const EXAMPLES: usize = 5;
/// Characters of a path that are kept.
const PATH: usize = 200;
