//! An `access` line while it is gathered. What others hold already is shared, not copied: most requests make no text of their own
//! but the path.

use std::net::SocketAddr;
use std::sync::Arc;

use http::{Method, Version};

use super::line::{Access, CandidateSaid, Decision, RecordedWay};
use crate::clock::Timestamp;
use crate::config::Host;
use crate::decide::{Basis, Snapshots};
use crate::inventory::{DeviceId, SessionId, UserId};
use crate::read::{Glimpse, RequestId};
use crate::secret::Digest;
use crate::sign_in::Asked;

/// What is known of a request so far. The fields are those of [`Access`]; what is written is what [`Draft::line`] makes of it.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields are those of Access")]
pub struct Draft {
    pub at: Timestamp,
    pub request: RequestId,
    pub client: SocketAddr,
    pub connection: u64,
    pub device: Option<DeviceId>,
    pub certificate: Option<Digest>,
    pub user: Option<UserId>,
    pub session: Option<SessionId>,
    pub binding: Option<&'static str>,
    pub stolen: Option<Box<Stolen>>,
    pub app: Option<Arc<str>>,
    /// Absent if it could not be read.
    pub asked: Option<(Method, Host, Arc<str>)>,
    /// What it seems to ask for, if it could not be read.
    pub seen: Option<Glimpse>,
    pub origin: Option<Box<str>>,
    pub protocol: Version,
    pub decision: Decision,
    pub reason: &'static str,
    pub policies: Arc<[Arc<str>]>,
    /// What the decision rested on, if policy was asked.
    pub basis: Option<Basis>,
    pub step_up: Option<Asked>,
    pub ways: Vec<RecordedWay>,
    pub candidate: Option<CandidateSaid>,
    pub status: u16,
    pub length: Option<u64>,
}

/// Whose credential another device showed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of Access")]
pub struct Stolen {
    pub user: UserId,
    pub session: SessionId,
    pub from: Option<DeviceId>,
}

impl Draft {
    /// Nothing but that a head was read on this connection.
    pub fn new(at: Timestamp, request: RequestId, client: SocketAddr, connection: u64, protocol: Version) -> Self {
        Self {
            at,
            request,
            client,
            connection,
            device: None,
            certificate: None,
            user: None,
            session: None,
            binding: None,
            stolen: None,
            app: None,
            asked: None,
            seen: None,
            origin: None,
            protocol,
            decision: Decision::default(),
            reason: "",
            policies: Arc::default(),
            basis: None,
            step_up: None,
            ways: Vec::new(),
            candidate: None,
            status: 0,
            length: None,
        }
    }

    /// The facts that the line names by their hash.
    pub fn facts(&self) -> Option<&Arc<Snapshots>> {
        self.basis.as_ref()?.facts.as_ref()
    }

    /// The line as who reads it has it.
    pub fn line(&self) -> Access {
        let [method, host, path] = target(self.asked.as_ref(), self.seen.as_ref());
        let stolen = self.stolen.as_deref();
        let mut line = Access {
            at: self.at.to_string(),
            request: self.request.to_string(),
            client: self.client.to_string(),
            connection: self.connection,
            device: self.device.as_ref().map(ToString::to_string),
            certificate: self.certificate.map(|certificate| certificate.to_string()),
            user: self.user.as_ref().map(ToString::to_string),
            session: self.session.as_ref().map(ToString::to_string),
            binding: self.binding.map(str::to_owned),
            stolen_user: stolen.map(|stolen| stolen.user.to_string()),
            stolen_session: stolen.map(|stolen| stolen.session.to_string()),
            stolen_from: stolen.and_then(|stolen| Some(stolen.from.as_ref()?.to_string())),
            app: self.app.as_deref().map(str::to_owned),
            method: method.to_owned(),
            host: host.to_owned(),
            path: path.to_owned(),
            origin: self.origin.as_deref().map(str::to_owned),
            protocol: protocol(self.protocol).to_owned(),
            decision: self.decision,
            reason: self.reason.to_owned(),
            policies: self.policies.iter().map(ToString::to_string).collect(),
            step_up: self.step_up.clone(),
            ways: self.ways.clone(),
            candidate: self.candidate.clone(),
            status: self.status,
            length: self.length,
            ..Access::default()
        };
        if let Some(basis) = &self.basis {
            line.rests_on(basis);
        }
        line
    }
}

/// Method, host and path: what was understood, else what was seen of it.
pub(super) fn target<'a>(asked: Option<&'a (Method, Host, Arc<str>)>, seen: Option<&'a Glimpse>) -> [&'a str; 3] {
    match (asked, seen) {
        (Some((method, host, path)), _) => [method.as_str(), host.as_str(), path],
        (None, Some(Glimpse { method, host, path })) => [method, host, path],
        (None, None) => [""; 3],
    }
}

/// As people write it.
pub(super) fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_11 => "HTTP/1.1",
        Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/3.0",
    }
}
