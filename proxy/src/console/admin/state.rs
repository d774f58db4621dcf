//! What the admin API needs of the running gate.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::wire::{CandidateView, Hardening};
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::contain::Usage;
use crate::decide::KnownFacts;
use crate::secret::Digest;
use crate::store::{Actor, Registrar};

/// The running gate, as far as operators' commands are concerned. Whatever a reload can change is asked for anew each time.
pub struct AdminState {
    /// Devices, sessions, people.
    pub registrar: Registrar,
    /// What everybody has had lately.
    pub usage: Arc<Usage>,
    /// The time.
    pub clock: Clock,
    /// When the gate started.
    pub started_at: Timestamp,
    /// What the gate's process gave up.
    pub hardening: Arc<[Hardening]>,
    /// Whether requests can be let through; if not, why.
    pub ready: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
    /// The configuration that is live.
    pub config: Arc<dyn Fn() -> Arc<Config> + Send + Sync>,
    /// Loads configuration and policies again: checked first, swapped whole; or every problem, and nothing was swapped.
    pub reload: Reload,
    /// Whether every event is in the record. If not, they will be as soon as it can be written.
    pub recorded: Arc<dyn Fn() -> bool + Send + Sync>,
    /// SHA-256 of the public key that the gate shows at its sign-in host: the second part of an enrolment code. `None`: it cannot
    /// be told now, and nobody can be invited.
    pub pin: Arc<dyn Fn() -> Option<Digest> + Send + Sync>,
    /// The policies that are tried and decide nothing; `None` if there are none.
    pub candidate: Arc<dyn Fn() -> Option<CandidateView> + Send + Sync>,
    /// What can be said of devices; `None` if no policies are in force.
    pub known_facts: Arc<dyn Fn() -> Option<KnownFacts> + Send + Sync>,
    /// The built-in device authority; `None` if there is none.
    pub ca: Arc<dyn Fn() -> Option<CaCertificate> + Send + Sync>,
}

/// Loads anew for whoever asks, with the reason that they give.
pub type Reload = Arc<dyn Fn(Actor, String) -> BoxFuture<'static, Result<ReloadReport, Vec<String>>> + Send + Sync>;

/// What a reload did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadReport {
    /// What is different now, a line each; empty if nothing is.
    pub changed: Vec<String>,
    /// Keys and sections that say something else now and wait for a restart.
    #[serde(default)]
    pub waiting: Vec<String>,
    /// What needs a look; a line each.
    pub notes: Vec<String>,
}

/// The certificate of the built-in device authority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaCertificate {
    /// Name of the authority.
    pub name: String,
    /// The certificate, PEM.
    pub pem: String,
    /// SHA-256 of its DER.
    pub fingerprint: Digest,
    /// When it ends.
    pub not_after: Timestamp,
}

impl fmt::Debug for AdminState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminState").field("started_at", &self.started_at).finish_non_exhaustive()
    }
}
