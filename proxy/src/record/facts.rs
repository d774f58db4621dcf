//! The facts of a device and a session, which lines of the record name by their hash: written once in each segment.

use std::sync::Arc;

use quick_cache::unsync::Cache;

use super::line::write_facts;
use crate::clock::Clock;
use crate::decide::{Snapshot, Snapshots};
use crate::secret::Digest;

/// Facts that lines of this segment name by their hash.
///
/// INVARIANT (facts-first): no line that names facts is in a segment before the `facts` line that has them. So they are written at
/// the head of a batch, and stay there until that batch is written.
pub(super) struct Facts {
    /// `facts` lines that are not in the segment yet.
    pub(super) text: Vec<u8>,
    pub(super) lines: u64,
    /// The hashes in `text`.
    waiting: Vec<Digest>,
    /// Hashes of what is in the segment. One that fell out of it is written again, which does no harm.
    written: Cache<Digest, ()>,
    /// Some that are in the segment or wait to be, each at the place that its address gives it: whoever asks does so with the very same
    /// ones again and again.
    lately: [Option<Arc<Snapshots>>; LATELY],
}

impl Facts {
    /// Of a segment that has none yet.
    pub(super) fn new() -> Self {
        Self {
            text: Vec::new(),
            lines: 0,
            waiting: Vec::new(),
            written: Cache::new(REMEMBERED),
            lately: [const { None }; LATELY],
        }
    }

    /// Whether they are in the segment, or wait to be. Those that wait take at most `bound` bytes, and a line.
    pub(super) fn keep(&mut self, facts: &Arc<Snapshots>, clock: &Clock, bound: usize) -> bool {
        let place = Arc::as_ptr(facts).addr() / size_of::<Snapshots>() % LATELY;
        if self.lately.get(place).is_some_and(|known| known.as_ref().is_some_and(|known| Arc::ptr_eq(known, facts))) {
            return true;
        }
        let kept = self.keep_one("device", &facts.device, clock, bound) && self.keep_one("session", &facts.session, clock, bound);
        if let Some(place) = self.lately.get_mut(place).filter(|_| kept) {
            *place = Some(Arc::clone(facts));
        }
        kept
    }

    fn keep_one(&mut self, kind: &str, snapshot: &Snapshot, clock: &Clock, bound: usize) -> bool {
        if self.written.get(&snapshot.hash).is_some() || self.waiting.contains(&snapshot.hash) {
            return true;
        }
        if self.text.len() > bound {
            return false;
        }
        write_facts(&clock.now().to_string(), kind, snapshot, &mut self.text);
        self.lines += 1;
        self.waiting.push(snapshot.hash);
        true
    }

    /// What waited is in the segment.
    pub(super) fn are_written(&mut self) {
        self.text.clear();
        self.lines = 0;
        for hash in self.waiting.drain(..) {
            self.written.insert(hash, ());
        }
    }
}

/// Hashes of facts that a core knows to be in its segment: about 1 MiB.
const REMEMBERED: usize = 16 * 1024;

const LATELY: usize = 256;
