//! The task that keeps a provider's keys fresh. One per provider, on the control runtime.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::ACCEPT;
use http::{Request, StatusCode, Uri};
use tokio::time::Instant;

use super::discovery::{Metadata, MetadataError};
use super::metrics::{KeyMetrics, RefreshOutcome};
use super::ring::KeyRing;
use super::set::{KeySet, KeySetError};
use crate::clock::Clock;
use crate::outbound::{Outbound, OutboundError};

/// Renews one provider's keys, again and again.
pub(super) struct Keeper {
    pub(super) provider: Arc<str>,
    pub(super) source: Source,
    pub(super) pace: Pace,
    pub(super) ring: Arc<KeyRing>,
    pub(super) clock: Clock,
    pub(super) metrics: KeyMetrics,
}

/// Where the keys come from.
pub(super) enum Source {
    /// The issuer's discovery document.
    Discovery {
        /// The issuer.
        issuer: String,
        /// Hosts that the document may lead to, beside the issuer's.
        hosts: Vec<String>,
        /// Trusts what the provider's https needs.
        client: Box<Outbound>,
    },
    /// A file.
    File(PathBuf),
}

/// How often it tries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// After a success.
    pub(super) refresh: Duration,
    /// After the first failure; doubled with each further one, up to `refresh`.
    pub(super) retry: Duration,
    /// The least time between two attempts that somebody asked for.
    pub(super) on_demand: Duration,
}

/// Why keys could not be renewed.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    #[error("{what} answered {status}")]
    Status { what: &'static str, status: StatusCode },
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    #[error(transparent)]
    Keys(#[from] KeySetError),
    #[error("{}: {cause}", path.display())]
    File { path: PathBuf, cause: std::io::Error },
    #[error("the address is malformed: {0}")]
    Address(#[from] http::Error),
}

impl Keeper {
    /// Runs until it is aborted.
    pub(super) async fn run(self) {
        let mut failures = 0_u32;
        let mut asked_at = None;
        loop {
            let number = self.ring.attempt_begins();
            let outcome = self.attempt().await;
            self.ring.attempt_ended(number);
            failures = match outcome {
                Ok(()) => 0,
                Err(error) => {
                    tracing::warn!(provider = %self.provider, %error, "the provider's keys could not be renewed");
                    failures.saturating_add(1)
                }
            };
            self.pause(failures, &mut asked_at).await;
        }
    }

    /// Until the next attempt is due, or somebody asks for one and the last one that was asked for is long enough ago.
    async fn pause(&self, failures: u32, asked_at: &mut Option<Instant>) {
        let due = Instant::now() + self.pace.after(failures);
        tokio::select! {
            () = tokio::time::sleep_until(due) => {}
            () = self.ring.asked() => {
                let allowed = asked_at.map_or_else(Instant::now, |before| before + self.pace.on_demand);
                tokio::time::sleep_until(allowed.min(due)).await;
                *asked_at = Some(Instant::now());
            }
        }
    }

    async fn attempt(&self) -> Result<(), FetchError> {
        let outcome = match &self.source {
            Source::Discovery { issuer, hosts, client } => self.discover(issuer, hosts, client).await,
            Source::File(path) => self.read(path).await,
        };
        self.metrics.refreshed(&self.provider, RefreshOutcome::of(outcome.is_ok()), self.clock.now());
        outcome
    }

    /// The discovery document is asked for each time, since it may lead to other keys; when it cannot be had, the keys are
    /// still fetched from where they were.
    async fn discover(&self, issuer: &str, hosts: &[String], client: &Outbound) -> Result<(), FetchError> {
        match self.metadata(issuer, hosts, client).await {
            Ok(metadata) => self.ring.put_metadata(metadata),
            Err(error) if self.ring.metadata().is_none() => return Err(error),
            Err(error) => tracing::warn!(provider = %self.provider, %error, "the discovery document could not be renewed"),
        }
        let Some(metadata) = self.ring.metadata() else { return Ok(()) };
        let document = get(client, metadata.jwks_uri.clone(), "the key set").await?;
        let set = KeySet::parse(&document, &self.provider)?;
        self.take(set, &document);
        Ok(())
    }

    async fn metadata(&self, issuer: &str, hosts: &[String], client: &Outbound) -> Result<Metadata, FetchError> {
        let address: Uri = Metadata::address(issuer).parse().map_err(http::Error::from)?;
        let document = get(client, address, "the discovery document").await?;
        Ok(Metadata::parse(&document, issuer, hosts)?)
    }

    async fn read(&self, path: &Path) -> Result<(), FetchError> {
        let document = tokio::fs::read(path).await.map_err(|cause| FetchError::File { path: path.to_owned(), cause })?;
        let set = KeySet::parse(&document, &self.provider)?;
        self.take(set, &document);
        Ok(())
    }

    fn take(&self, set: KeySet, document: &[u8]) {
        if set.is_empty() {
            tracing::warn!(provider = %self.provider, "the provider publishes no usable keys: nothing of it can be verified");
        }
        self.ring.put(set, document, self.clock.now());
    }
}

impl Pace {
    fn after(self, failures: u32) -> Duration {
        match failures.checked_sub(1) {
            None => self.refresh,
            Some(doublings) => self.retry.saturating_mul(1 << doublings.min(8)).min(self.refresh),
        }
    }
}

async fn get(client: &Outbound, address: Uri, what: &'static str) -> Result<Bytes, FetchError> {
    let request = Request::get(address).header(ACCEPT, "application/json").body(Bytes::new())?;
    let answer = client.send(request).await?;
    match answer.status() {
        StatusCode::OK => Ok(answer.into_body()),
        status => Err(FetchError::Status { what, status }),
    }
}
