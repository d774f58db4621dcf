//! One whole question as data: what a policy test, an explanation, a recorded request and a counterexample have in common.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::facts::Identity;
use crate::prepare::PrepareError;
use crate::request::{Moment, RequestFacts, Usage};
use crate::set::PolicySet;
use crate::verdict::Verdict;

/// A whole question: who asks, and what for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// Who asks, from which device; `None` is anybody, on a public path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<Identity>,
    /// What is asked for, and when.
    pub request: AskedFor,
}

/// What a request asks for, owned: [`RequestFacts`] to keep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedFor {
    /// See [`RequestFacts::app`].
    pub app: String,
    /// See [`RequestFacts::action`].
    pub action: Action,
    /// See [`RequestFacts::host`].
    #[serde(default)]
    pub host: String,
    /// See [`RequestFacts::path`].
    #[serde(default = "root")]
    pub path: String,
    /// See [`RequestFacts::method`].
    #[serde(default = "get")]
    pub method: String,
    /// See [`RequestFacts::source_ip`].
    #[serde(default = "nowhere")]
    pub source_ip: IpAddr,
    /// See [`RequestFacts::usage`].
    #[serde(default)]
    pub usage: Usage,
    /// See [`RequestFacts::at`].
    pub at: Moment,
}

impl AskedFor {
    /// The same, borrowed: what a decision takes.
    pub fn facts(&self) -> RequestFacts<'_> {
        RequestFacts {
            app: &self.app,
            action: self.action,
            host: &self.host,
            path: &self.path,
            method: &self.method,
            source_ip: self.source_ip,
            usage: self.usage,
            at: self.at,
        }
    }
}

impl From<&RequestFacts<'_>> for AskedFor {
    fn from(facts: &RequestFacts<'_>) -> Self {
        Self {
            app: facts.app.to_owned(),
            action: facts.action,
            host: facts.host.to_owned(),
            path: facts.path.to_owned(),
            method: facts.method.to_owned(),
            source_ip: facts.source_ip,
            usage: facts.usage,
            at: facts.at,
        }
    }
}

impl PolicySet {
    /// Decides one question that is not asked again: [`PolicySet::prepare`] and [`PolicySet::decide`] in one.
    ///
    /// # Errors
    /// When the facts cannot stand for anybody.
    pub fn decide_query(&self, query: &Query) -> Result<Verdict, PrepareError> {
        let facts = query.request.facts();
        match &query.who {
            None => Ok(self.decide(self.anonymous(), &facts)),
            Some(identity) => Ok(self.decide(&self.prepare(identity)?, &facts)),
        }
    }
}

fn root() -> String {
    "/".to_owned()
}

fn get() -> String {
    "GET".to_owned()
}

fn nowhere() -> IpAddr {
    IpAddr::V4(Ipv4Addr::UNSPECIFIED)
}
