//! The streams under way, by name: what a snapshot has of each.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::account::Account;
use super::credit::StreamId;

/// A stream under way.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) of: StreamId,
    pub(super) account: Arc<Account>,
    spent: AtomicU64,
    owed: AtomicU64,
}

/// All streams but those that are short and were charged as a whole before they began.
///
/// INVARIANT (named-before-told): a stream is in here before its `access` line is written, and until its last byte was handed on. So
/// where a snapshot does not have it, either all of it is in the snapshot's accounts, or the record tells of it later.
#[derive(Debug, Default)]
pub(super) struct Streams([Mutex<HashMap<[u8; 16], Arc<Stream>>>; SHARDS]);

impl Stream {
    /// To be called when they were charged.
    pub(super) fn note(&self, spent: u64, owed: Option<u64>) {
        self.owed.store(owed.unwrap_or(UNKNOWN), Ordering::Release);
        self.spent.store(spent, Ordering::Release);
    }

    /// Bytes that its account has been charged with and that were handed on, but for the last few.
    pub(super) fn spent(&self) -> u64 {
        self.spent.load(Ordering::Acquire)
    }

    /// Bytes that are still to come, if that was declared.
    pub(super) fn owed(&self) -> Option<u64> {
        Some(self.owed.load(Ordering::Acquire)).filter(|owed| *owed != UNKNOWN)
    }
}

impl Streams {
    pub(super) fn enter(&self, of: StreamId, account: Arc<Account>, owed: Option<u64>) -> Arc<Stream> {
        let (spent, owed) = (AtomicU64::new(0), AtomicU64::new(owed.unwrap_or(UNKNOWN)));
        let stream = Arc::new(Stream { of, account, spent, owed });
        if let Some(mut shard) = self.shard(&of) {
            shard.insert(of.request, Arc::clone(&stream));
        }
        stream
    }

    pub(super) fn leave(&self, of: &StreamId) {
        if let Some(mut shard) = self.shard(of) {
            shard.remove(&of.request);
        }
    }

    /// All of them now.
    pub(super) fn all(&self) -> Vec<Arc<Stream>> {
        self.0.iter().flat_map(|shard| locked(shard).values().cloned().collect::<Vec<_>>()).collect()
    }

    /// Locked for a few nanoseconds, twice for each stream.
    fn shard(&self, of: &StreamId) -> Option<MutexGuard<'_, HashMap<[u8; 16], Arc<Stream>>>> {
        let number = usize::from(of.request.last().copied().unwrap_or(0)) % SHARDS;
        self.0.get(number).map(locked)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const UNKNOWN: u64 = u64::MAX;
const SHARDS: usize = 32;
