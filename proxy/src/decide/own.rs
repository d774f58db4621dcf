//! A question about the gate itself: something of ours that policy decides, as it decides requests to apps.

use std::sync::Arc;

use sekisho_policy::{Action, AskedFor, DenyReason, OWN_APP, Query, RequestFacts, Usage};

use super::basis::Basis;
use super::decider::{Decider, Prepared, permitted_by};
use super::facts;
use super::refusal::DecideRefusal;
use super::remedies::{Explained, Remedies};
use crate::clock::Timestamp;
use crate::identify_device::KnownDevice;
use crate::identify_user::KnownUser;
use crate::read::Clean;
use crate::tls::SecureConnection;

/// What somebody wants of the gate itself.
#[derive(Clone, Copy, Debug)]
pub struct OwnAsk<'a> {
    /// What.
    pub action: Action,
    /// The request to one of our addresses by which they ask.
    pub request: &'a Clean,
    /// From which device.
    pub device: &'a KnownDevice,
    /// Who.
    pub user: &'a KnownUser,
    /// Whether they are in the group of administrators.
    pub administrator: bool,
    /// Over which connection.
    pub connection: &'a SecureConnection,
}

/// Policy permits it.
#[must_use]
#[derive(Debug)]
pub struct OwnPermit {
    /// Ids of the policies that permitted it.
    pub policies: Arc<[Arc<str>]>,
    /// What was decided by and on.
    pub basis: Basis,
}

impl Decider {
    /// Asks policy about something of the gate itself. It counts as no use of an app, and there is no usage of the gate.
    ///
    /// # Errors
    /// Not permitted, forbidden, or not to be decided.
    pub fn ask_own(&self, ask: OwnAsk<'_>, prepared: &Prepared, now: Timestamp) -> Result<OwnPermit, Box<DecideRefusal>> {
        let question = self.own_question(ask, now);
        let mut basis = Basis::new(self.hex(), &question);
        let ready = self.prepare(ask.device, ask.user, ask.administrator, prepared, &mut basis)?;
        let policies = permitted_by(self.set().decide(ready.question(), &question), &basis)?;
        Ok(OwnPermit { policies, basis })
    }

    /// How a denial of [`Decider::ask_own`] could have come out otherwise; `None` where nothing can be said, or too much was asked
    /// of late.
    pub fn own_remedies(
        &self,
        refusal: &DecideRefusal,
        ask: OwnAsk<'_>,
        explained: &Explained,
        now: Timestamp,
    ) -> Option<Arc<Remedies>> {
        if refusal.reason == DenyReason::EvaluationFailed {
            return None;
        }
        let request = AskedFor::from(&self.own_question(ask, now));
        let query = Query { who: Some(facts::identity(ask.device, ask.user, ask.administrator)), request };
        explained.explain(self.set(), self.hash(), ask.user.facts, now, &query)
    }

    fn own_question<'a>(&self, ask: OwnAsk<'a>, now: Timestamp) -> RequestFacts<'a> {
        RequestFacts {
            app: OWN_APP,
            action: ask.action,
            host: ask.request.host.as_str(),
            path: &ask.request.path,
            method: ask.request.method.as_str(),
            source_ip: ask.connection.client.ip().to_canonical(),
            usage: Usage::default(),
            at: facts::moment(now, self.zone()),
        }
    }
}
