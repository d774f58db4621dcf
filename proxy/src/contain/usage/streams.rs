//! The long streams under way, by name: what a snapshot has of each.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::account::Holder;
use super::credit::StreamId;

/// A long stream under way, or one that has just ended.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) of: StreamId,
    /// `None`: its account is shared.
    pub(super) holder: Option<Holder>,
    spent: AtomicU64,
    owed: AtomicU64,
    ended: AtomicBool,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Streams(Mutex<Vec<Arc<Stream>>>);

/// One as a snapshot has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) of: StreamId,
    pub(super) holder: Option<Holder>,
    /// Bytes that its account has been charged with and that were handed on.
    pub(super) spent: u64,
    /// Bytes that are still to come, if that was declared.
    pub(super) owed: Option<u64>,
    pub(super) ended: bool,
}

impl Stream {
    /// To be called when they were charged.
    pub(super) fn note(&self, spent: u64, owed: Option<u64>) {
        self.owed.store(owed.unwrap_or(UNKNOWN), Ordering::Release);
        self.spent.store(spent, Ordering::Release);
    }

    /// It is kept until its `end` is in the record for certain.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }
}

impl Streams {
    pub(super) fn enter(&self, of: StreamId, holder: Option<Holder>) -> Arc<Stream> {
        let (spent, owed, ended) = (AtomicU64::new(0), AtomicU64::new(UNKNOWN), AtomicBool::new(false));
        let stream = Arc::new(Stream { of, holder, spent, owed, ended });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&stream));
        stream
    }

    /// All of them now.
    pub(super) fn all(&self) -> Vec<Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|stream| stream.seen()).collect()
    }

    /// Forgets those among `seen` that had ended.
    pub(super) fn forget_ended(&self, seen: &[Seen]) {
        let gone: std::collections::HashSet<_> =
            seen.iter().filter(|stream| stream.ended).map(|stream| stream.of.request).collect();
        if !gone.is_empty() {
            let mut streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            streams.retain(|stream| !gone.contains(&stream.of.request));
        }
    }
}

impl Stream {
    fn seen(&self) -> Seen {
        let ended = self.ended.load(Ordering::Acquire);
        let owed = Some(self.owed.load(Ordering::Acquire)).filter(|owed| *owed != UNKNOWN);
        let spent = self.spent.load(Ordering::Acquire);
        Seen { of: self.of, holder: self.holder.clone(), spent, owed, ended }
    }
}

const UNKNOWN: u64 = u64::MAX;
