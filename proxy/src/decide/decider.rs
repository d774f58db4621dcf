//! Puts the question and keeps the answer with the request.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use jiff::tz::TimeZone;
use quick_cache::unsync::Cache;
use sekisho_policy::{AskedFor, Decision, DenyReason, PolicySet, Query, RequestFacts, Usage, Verdict};

use super::allowed::{Allowed, Permit};
use super::basis::{Basis, Snapshots};
use super::facts::{self, About};
use super::refusal::{Budget, DecideRefusal};
use super::remedies::{Explained, Remedies};
use crate::clock::Timestamp;
use crate::config::CorsPreflight;
use crate::contain::{Figures, Hold};
use crate::identify_device::KnownDevice;
use crate::identify_user::{Binding, KnownUser};
use crate::read::Kind;
use crate::route::{Placed, Routed, Standing};
use crate::secret::Digest;
use crate::tls::SecureConnection;

/// The live policy set, with what it needs to be asked. Immutable; a reload makes a new one.
#[derive(Clone, Debug)]
pub struct Decider {
    set: Arc<PolicySet>,
    /// Content hash of the policy set, as recorded.
    hash: Digest,
    /// The same, as the record writes it.
    hex: Arc<str>,
    zone: TimeZone,
}

/// Who asks.
#[derive(Debug)]
pub enum Who {
    /// Anybody: only on public paths.
    Anyone,
    /// A known person on a known device.
    Known {
        /// The device.
        device: KnownDevice,
        /// The person.
        user: KnownUser,
        /// What they have had of the app.
        usage: Hold,
    },
}

/// A request that policy does not let through. It comes back, so that its answer can suit it.
#[derive(Debug)]
pub struct Denied {
    /// Why.
    pub refusal: DecideRefusal,
    /// The request.
    pub request: Routed,
    /// Who asked.
    pub who: Who,
}

/// What a set says that does not decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opinion {
    /// Why it would deny; `None`: it would allow.
    pub denied: Option<DenyReason>,
    /// The policies that would decide.
    pub policies: Arc<[Arc<str>]>,
    /// Content hash of the set, hex.
    pub policy_set: Arc<str>,
}

/// Questions made ready, per person and device. One per core, thread-confined.
pub struct Prepared(RefCell<Cache<Key, Rc<Ready>>>);

/// A person on a device, made ready.
pub(super) struct Ready {
    prepared: sekisho_policy::Prepared,
    /// The very facts that it was made from.
    facts: Arc<Snapshots>,
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    /// Facts about the person.
    person: Digest,
    device: Digest,
    binding: Binding,
    administrator: bool,
}

impl Decider {
    /// Decides by `set`, whose content hash is `hash`, with local times of `zone`.
    pub fn new(set: Arc<PolicySet>, hash: Digest, zone: TimeZone) -> Self {
        let hex = hash.to_string().into();
        Self { set, hash, hex, zone }
    }

    /// Content hash of the policy set.
    pub fn hash(&self) -> Digest {
        self.hash
    }

    /// The policy set.
    pub fn set(&self) -> &PolicySet {
        &self.set
    }

    pub(super) fn hex(&self) -> Arc<str> {
        Arc::clone(&self.hex)
    }

    pub(super) fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Asks policy about the request, and seals the two together if it says yes. The request counts as one that was had, from before
    /// policy is asked; if it is denied, it does not count any more.
    ///
    /// # Errors
    /// [`Denied`]: not permitted, forbidden, or not to be decided; with the request, which may still be good for something.
    pub fn ask(
        &self,
        routed: Routed,
        who: Who,
        connection: &SecureConnection,
        prepared: &Prepared,
        now: Timestamp,
    ) -> Result<Allowed, Box<Denied>> {
        let usage = match &who {
            Who::Anyone => Usage::default(),
            Who::Known { usage, .. } => {
                usage.count_request(now);
                facts::usage(usage.figures(now))
            }
        };
        let question = facts::request((&routed).into(), connection, usage, now, &self.zone);
        let mut basis = Basis::new(Arc::clone(&self.hex), &question);
        let mut budget = None;
        let verdict = match &who {
            Who::Anyone if routed.public => Ok(self.set.decide(self.set.anonymous(), &question)),
            // Its configuration says that the app answers preflights itself; it gets them without anybody's credentials.
            Who::Anyone if routed.is_forwarded_preflight() => {
                return Ok(Allowed::new(
                    routed,
                    Permit { user: None, device: None, usage: None, policies: Arc::default(), basis: None },
                ));
            }
            // Nobody in particular may only ask for what is public, whatever a policy says.
            Who::Anyone => Err(undecided("nobody in particular asked for what is not public".to_owned(), None)),
            Who::Known { device, user, usage } => self.prepare(device, user, false, prepared, &mut basis).map(|ready| {
                let verdict = self.set.decide(&ready.prepared, &question);
                if verdict.decision != Decision::Allow {
                    usage.uncount_request(now);
                    budget = self.budget(&ready.prepared, &question, usage, now);
                }
                verdict
            }),
        };
        match verdict.and_then(|verdict| permitted_by(verdict, &basis)) {
            Ok(policies) => {
                let (device, user, usage) = match who {
                    Who::Anyone => (None, None, None),
                    Who::Known { device, user, usage } => (Some(device), Some(user), Some(usage)),
                };
                Ok(Allowed::new(routed, Permit { user, device, usage, policies, basis: Some(basis) }))
            }
            Err(refusal) => Err(Box::new(Denied { refusal: DecideRefusal { budget, ..refusal }, request: routed, who })),
        }
    }

    /// Asks policy again about a request that is under way: `standing` as it was routed, `placed` where it belongs now, and who asks
    /// as they are known now (`None` for anybody, on public paths), with what they have had by now. Of requests, no more are counted than
    /// when it was allowed: those that came later are no use of this one, and a burst of them ends no download.
    ///
    /// # Errors
    /// Why it is not permitted any more, or could not be decided.
    pub fn again(
        &self,
        (standing, placed): (&Standing, &Placed),
        known: Option<(&KnownDevice, &KnownUser)>,
        usage: Option<(&Hold, u64)>,
        connection: &SecureConnection,
        prepared: &Prepared,
        now: Timestamp,
    ) -> Result<(), DenyReason> {
        let usage = usage.map_or(Usage::default(), |(usage, requests)| {
            let usage = facts::usage(usage.figures(now));
            Usage { requests_1m: usage.requests_1m.min(requests), ..usage }
        });
        let question = facts::request(About::again(standing, placed), connection, usage, now, &self.zone);
        let verdict = match known {
            None if placed.public => self.set.decide(self.set.anonymous(), &question),
            None if standing.kind == Kind::Preflight && placed.app.cors_preflight == CorsPreflight::Forward => return Ok(()),
            None => return Err(DenyReason::EvaluationFailed),
            Some((device, user)) => {
                let mut basis = Basis::new(Arc::clone(&self.hex), &question);
                let ready = self.prepare(device, user, false, prepared, &mut basis).map_err(|refusal| refusal.reason)?;
                self.set.decide(&ready.prepared, &question)
            }
        };
        match verdict.decision {
            Decision::Allow => Ok(()),
            Decision::Deny(reason) => Err(reason),
        }
    }

    /// How a denial could have come out otherwise; `None` where nothing can be said, or too much was asked of late.
    pub fn remedies(
        &self,
        denied: &Denied,
        connection: &SecureConnection,
        explained: &Explained,
        now: Timestamp,
    ) -> Option<Arc<Remedies>> {
        let Who::Known { device, user, .. } = &denied.who else { return None };
        if denied.refusal.reason == DenyReason::EvaluationFailed {
            return None;
        }
        let usage = denied.refusal.basis.as_ref().map_or(Usage::default(), |basis| basis.usage);
        let question = facts::request((&denied.request).into(), connection, usage, now, &self.zone);
        let query = Query { who: Some(facts::identity(device, user, false)), request: AskedFor::from(&question) };
        explained.explain(&self.set, self.hash, user.facts, now, &query)
    }

    /// What this set says of a request that another one decides: the same question, put to this set. `known` is `None` for anybody,
    /// and `usage` what the other one was told.
    /// `prepared` is this set's own, so that the two do not take each other's place.
    pub fn opinion(
        &self,
        routed: &Routed,
        known: Option<(&KnownDevice, &KnownUser)>,
        usage: Usage,
        connection: &SecureConnection,
        prepared: &Prepared,
        now: Timestamp,
    ) -> Opinion {
        let question = facts::request(routed.into(), connection, usage, now, &self.zone);
        let mut basis = Basis::new(Arc::clone(&self.hex), &question);
        let verdict = match known {
            None => Ok(self.set.decide(self.set.anonymous(), &question)),
            Some((device, user)) => {
                self.prepare(device, user, false, prepared, &mut basis).map(|ready| self.set.decide(&ready.prepared, &question))
            }
        };
        let policy_set = Arc::clone(&self.hex);
        match verdict.and_then(|verdict| permitted_by(verdict, &basis)) {
            Ok(policies) => Opinion { denied: None, policies, policy_set },
            Err(refusal) => Opinion { denied: Some(refusal.reason), policies: refusal.policies, policy_set },
        }
    }

    /// Whether nothing but usage is in the way: policy would permit it if this request were the first.
    fn budget(
        &self,
        ready: &sekisho_policy::Prepared,
        question: &RequestFacts<'_>,
        usage: &Hold,
        now: Timestamp,
    ) -> Option<Budget> {
        let permits = |figures: Figures| {
            // The request that is tried then counts, too.
            let figures = Figures { requests_1m: figures.requests_1m.saturating_add(1), ..figures };
            let question = RequestFacts { usage: facts::usage(figures), ..*question };
            self.set.decide(ready, &question).decision == Decision::Allow
        };
        permits(Figures::default()).then(|| Budget { wait: usage.wait(now, permits) })
    }

    /// The person on the device, made ready; `basis` then knows the facts too.
    pub(super) fn prepare(
        &self,
        device: &KnownDevice,
        user: &KnownUser,
        administrator: bool,
        prepared: &Prepared,
        basis: &mut Basis,
    ) -> Result<Rc<Ready>, DecideRefusal> {
        let key = Key { person: user.facts, device: device.facts, binding: user.binding, administrator };
        let mut cache = prepared.0.borrow_mut();
        if let Some(ready) = cache.get(&key)
            && self.set.accepts(&ready.prepared)
        {
            basis.facts = Some(Arc::clone(&ready.facts));
            return Ok(Rc::clone(ready));
        }
        let identity = facts::identity(device, user, administrator);
        let facts = Snapshots::of(&identity).map_err(|error| undecided(error.to_string(), None))?;
        let facts = Arc::new(facts);
        basis.facts = Some(Arc::clone(&facts));
        let ready = self.set.prepare(&identity).map_err(|error| undecided(error.to_string(), Some(basis)))?;
        let ready = Rc::new(Ready { prepared: ready, facts });
        cache.insert(key, Rc::clone(&ready));
        Ok(ready)
    }
}

impl Ready {
    /// What the policy set is asked about.
    pub(super) fn question(&self) -> &sekisho_policy::Prepared {
        &self.prepared
    }
}

impl Prepared {
    /// Room for `capacity` pairs of person and device.
    pub fn new(capacity: usize) -> Self {
        Self(RefCell::new(Cache::new(capacity)))
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").finish_non_exhaustive()
    }
}

pub(super) fn permitted_by(verdict: Verdict, basis: &Basis) -> Result<Arc<[Arc<str>]>, DecideRefusal> {
    match verdict.decision {
        Decision::Allow => Ok(verdict.policies),
        Decision::Deny(reason) => Err(DecideRefusal {
            reason,
            policies: verdict.policies,
            errors: verdict.errors.iter().map(ToString::to_string).collect(),
            basis: Some(Box::new(basis.clone())),
            budget: None,
            remedies: None,
        }),
    }
}

fn undecided(error: String, basis: Option<&Basis>) -> DecideRefusal {
    let basis = basis.map(|basis| Box::new(basis.clone()));
    DecideRefusal {
        reason: DenyReason::EvaluationFailed,
        policies: Arc::default(),
        errors: vec![error],
        basis,
        budget: None,
        remedies: None,
    }
}
