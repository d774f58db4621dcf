//! A provider's keys while the gate runs: read by the data cores without waiting, renewed by a task on the control runtime.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, watch};

use super::discovery::Metadata;
use super::set::KeySet;
use crate::clock::Timestamp;

/// What is known of a provider right now. The task that renews it holds the same.
#[derive(Debug)]
pub struct KeyRing {
    current: ArcSwapOption<Keys>,
    metadata: ArcSwapOption<Metadata>,
    /// How long keys serve after they were last confirmed; `None`: for ever, they come from a file.
    max_age: Option<Duration>,
    generation: AtomicU64,
    /// Somebody saw a key id that is not in the set.
    asked: Notify,
    /// Counts the attempts to renew as they begin.
    begun: AtomicU64,
    /// The number of the last attempt that ended, whatever came of it.
    ended: watch::Sender<u64>,
    waiting: AtomicUsize,
}

/// The keys, and since when.
#[derive(Debug)]
pub struct Keys {
    /// The keys themselves.
    pub set: KeySet,
    /// Moves when the keys change, so that what was verified with others can be told apart.
    pub generation: u64,
    /// The document that they came from, to notice a change.
    document: crate::secret::Digest,
    confirmed_at: Timestamp,
}

/// There are no keys that may be used now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoKeys {
    /// The provider was never reached.
    #[error("the provider's keys have not been fetched yet")]
    Never,
    /// The provider has not been reached for longer than `keys_max_age`.
    #[error("the provider's keys are too old, and it cannot be reached")]
    Stale,
}

impl KeyRing {
    pub(super) fn new(max_age: Option<Duration>) -> Self {
        Self {
            current: ArcSwapOption::empty(),
            metadata: ArcSwapOption::empty(),
            max_age,
            generation: AtomicU64::new(0),
            asked: Notify::new(),
            begun: AtomicU64::new(0),
            ended: watch::Sender::new(0),
            waiting: AtomicUsize::new(0),
        }
    }

    /// A ring that nobody renews, so that nobody waits for it.
    #[cfg(test)]
    pub(super) fn unattended(max_age: Option<Duration>) -> Self {
        Self { waiting: AtomicUsize::new(MAX_WAITING), ..Self::new(max_age) }
    }

    /// The keys that may be used at `now`.
    ///
    /// # Errors
    /// [`NoKeys`]: closed while unsure.
    pub fn keys(&self, now: Timestamp) -> Result<Arc<Keys>, NoKeys> {
        let keys = self.current.load_full().ok_or(NoKeys::Never)?;
        match self.max_age {
            Some(max_age) if now.since(keys.confirmed_at) > max_age => Err(NoKeys::Stale),
            _ => Ok(keys),
        }
    }

    /// What the provider last said about itself.
    pub fn metadata(&self) -> Option<Arc<Metadata>> {
        self.metadata.load_full()
    }

    /// When the keys were last confirmed by the provider.
    pub fn confirmed_at(&self) -> Option<Timestamp> {
        self.current.load().as_ref().map(|keys| keys.confirmed_at)
    }

    /// Asks for newer keys, and waits until the keys change or an attempt that begins after this call has ended. The task makes
    /// at most one attempt per interval, whoever asks; false if it came to nothing in time, or if too many wait already.
    pub async fn renewed(&self) -> bool {
        let Some(_place) = Place::take(&self.waiting) else { return false };
        let keys_before = self.generation.load(Ordering::Acquire);
        let begun_before = self.begun.load(Ordering::Acquire);
        let mut ended = self.ended.subscribe();
        self.asked.notify_one();
        let newer = ended.wait_for(|number| *number > begun_before || self.generation.load(Ordering::Acquire) != keys_before);
        matches!(tokio::time::timeout(RENEWAL_PATIENCE, newer).await, Ok(Ok(_)))
    }

    /// Waits until somebody asks.
    pub(super) async fn asked(&self) {
        self.asked.notified().await;
    }

    /// Takes in a document of keys; `document` is what they were parsed from.
    pub(super) fn put(&self, set: KeySet, document: &[u8], now: Timestamp) {
        let document = crate::secret::Digest::of(document);
        let (set, generation) = match self.current.load_full() {
            Some(old) if old.document == document => (set, old.generation),
            _ => (set, self.generation.fetch_add(1, Ordering::AcqRel) + 1),
        };
        self.current.store(Some(Arc::new(Keys { set, generation, document, confirmed_at: now })));
    }

    pub(super) fn put_metadata(&self, metadata: Metadata) {
        self.metadata.store(Some(Arc::new(metadata)));
    }

    /// An attempt begins; gives its number.
    pub(super) fn attempt_begins(&self) -> u64 {
        self.begun.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Tells those who wait that an attempt was made.
    pub(super) fn attempt_ended(&self, number: u64) {
        self.ended.send_replace(number);
    }
}

/// A place among those who wait; given back when dropped, whatever happens to the request.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Option<Self> {
        let before = waiting.fetch_add(1, Ordering::AcqRel);
        // Given back by `drop` even when there was none left.
        let place = Self(waiting);
        (before < MAX_WAITING).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// How long a request waits for newer keys: the longest pause between two attempts, and time for one.
const RENEWAL_PATIENCE: Duration = Duration::from_secs(8);

/// Requests that may wait for one provider at a time.
const MAX_WAITING: usize = 256;
