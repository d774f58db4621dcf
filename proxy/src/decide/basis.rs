//! What a decision rested on, so that it can be made again when the gate has long changed.

use std::sync::Arc;

use sekisho_policy as policy;
use serde::Serialize;

use crate::secret::Digest;

/// What a request was decided by and on, beside what its own line says anyway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Basis {
    /// Content hash of the policy set, hex.
    pub policy_set: Arc<str>,
    /// What would be done to the app.
    pub action: policy::Action,
    /// What this principal had from this app lately.
    pub usage: policy::Usage,
    /// When it was decided.
    pub at: policy::Moment,
    /// Who asked, and from which device; `None` for anybody, on a public path.
    pub facts: Option<Arc<Snapshots>>,
}

/// The facts about a person on a device, as policies see them: the two halves of a [`policy::Identity`].
#[derive(Debug, PartialEq, Eq)]
pub struct Snapshots {
    /// A [`policy::DeviceFacts`].
    pub device: Snapshot,
    /// A [`SessionHalf`].
    pub session: Snapshot,
}

/// Facts as JSON, with the hash that names them.
#[derive(Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// SHA-256 of `json`.
    pub hash: Digest,
    /// The same, as the record writes it.
    pub hex: Arc<str>,
    /// The facts. One line; the same for the same facts.
    pub json: String,
}

/// What is known of who asks, without the device.
#[derive(Serialize)]
struct SessionHalf<'a> {
    principal: &'a policy::Principal,
    session: &'a policy::SessionFacts,
}

impl Basis {
    /// Of a question that is put to `policy_set`; who asks is not in it yet.
    pub(super) fn new(policy_set: Arc<str>, question: &policy::RequestFacts<'_>) -> Self {
        Self { policy_set, action: question.action, usage: question.usage, at: question.at, facts: None }
    }
}

impl Snapshots {
    /// Of these facts.
    ///
    /// # Errors
    /// If they cannot be written as JSON.
    pub fn of(identity: &policy::Identity) -> Result<Self, serde_json::Error> {
        let session = SessionHalf { principal: &identity.principal, session: &identity.session };
        Ok(Self { device: Snapshot::of(&identity.device)?, session: Snapshot::of(&session)? })
    }
}

impl Snapshot {
    fn of(facts: &impl Serialize) -> Result<Self, serde_json::Error> {
        let json = serde_json::to_string(facts)?;
        let hash = Digest::of(json.as_bytes());
        Ok(Self { hash, hex: hash.to_string().into(), json })
    }
}
