//! Where each chain of this process stands now, for who signs it.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::chain::{ChainHash, Head};

/// Where all chains of a process stand. Clones share it; it is told once for each batch.
#[derive(Clone, Debug, Default)]
pub struct Heads(Arc<Mutex<Vec<Arc<Place>>>>);

/// Where one chain stands: what `write(2)` has returned for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainHead {
    /// Name of the chain.
    pub chain: Arc<str>,
    /// Name of the file with its last line.
    pub segment: Arc<str>,
    /// Number of its last line.
    pub seq: u64,
    /// Hash of its last line.
    pub head: ChainHash,
}

/// A chain's place among the heads; its writer has one.
#[derive(Debug)]
pub(super) struct Place(Mutex<ChainHead>);

impl Heads {
    /// All chains, in the order in which they were begun.
    pub fn now(&self) -> Vec<ChainHead> {
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        places.iter().map(|place| place.0.lock().unwrap_or_else(PoisonError::into_inner).clone()).collect()
    }

    pub(super) fn add(&self, chain: Arc<str>, segment: Arc<str>, head: Head) -> Arc<Place> {
        let place = Arc::new(Place(Mutex::new(ChainHead { chain, segment, seq: head.seq, head: head.hash })));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&place));
        place
    }
}

impl Place {
    /// Lines were written to the same segment.
    pub(super) fn moved(&self, head: Head) {
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (place.seq, place.head) = (head.seq, head.hash);
    }

    /// The chain goes on in another segment.
    pub(super) fn rotated(&self, segment: &Arc<str>, head: Head) {
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        place.segment = Arc::clone(segment);
        (place.seq, place.head) = (head.seq, head.hash);
    }
}
