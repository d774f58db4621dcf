//! A count over a window of time that slides: in buckets, without a lock.

use std::sync::atomic::{AtomicU64, Ordering};

/// What happened within the last 100 buckets of `BUCKET_MS` each, and in the bucket of now.
///
/// So it covers the whole window and overhangs it by less than one bucket, 1 %; nothing that happened within the window is ever
/// missing. Each slot holds a count in its lower `COUNT_BITS`, and above it the number of the bucket that it is of; one
/// compare-and-swap changes both. Threads that disagree about the time by a bucket count into the later one.
///
/// INVARIANT (never-below): what is added is in `total` before it is in a slot, and leaves `total` only after it has left its slot.
#[derive(Debug)]
pub(super) struct Window<const BUCKET_MS: u64, const COUNT_BITS: u32> {
    total: AtomicU64,
    /// Everything that was too old at this bucket is out of `total`.
    swept: AtomicU64,
    slots: [AtomicU64; SLOTS],
}

impl<const BUCKET_MS: u64, const COUNT_BITS: u32> Window<BUCKET_MS, COUNT_BITS> {
    const MAX_COUNT: u64 = (1 << COUNT_BITS) - 1;
    const TAGS: u64 = 1 << (64 - COUNT_BITS);

    pub(super) fn new() -> Self {
        Self { total: AtomicU64::new(0), swept: AtomicU64::new(0), slots: [const { AtomicU64::new(0) }; SLOTS] }
    }

    /// The bucket of a time in milliseconds.
    pub(super) fn bucket(ms: i64) -> u64 {
        u64::try_from(ms).unwrap_or(0) / BUCKET_MS
    }

    /// Adds `count` to `bucket`, which is that of now.
    pub(super) fn add(&self, bucket: u64, count: u64) {
        if count == 0 {
            return;
        }
        self.total.fetch_add(count, Ordering::AcqRel);
        let slot = self.slot(bucket);
        let mut held = slot.load(Ordering::Acquire);
        loop {
            let (tag, before) = Self::unpack(held);
            // What is older by a whole turn is out of the window; what is newer was added by somebody whose clock was ahead.
            let goes = if Self::age(bucket, tag) > 0 { before } else { 0 };
            let tag = if goes > 0 || before == 0 { bucket % Self::TAGS } else { tag };
            let sum = (before - goes).saturating_add(count);
            let after = sum.min(Self::MAX_COUNT);
            match slot.compare_exchange_weak(held, Self::pack(tag, after), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    self.total.fetch_sub(goes + (sum - after), Ordering::AcqRel);
                    return;
                }
                Err(now) => held = now,
            }
        }
    }

    /// Adds to a bucket that may be past; what is too old at `now` is left out.
    pub(super) fn add_past(&self, bucket: u64, now: u64, count: u64) {
        if now.saturating_sub(bucket) <= BUCKETS.unsigned_abs() {
            self.add(bucket, count);
        }
    }

    /// Takes back what was added to `bucket`, as far as it is still there.
    pub(super) fn take_back(&self, bucket: u64, count: u64) {
        let slot = self.slot(bucket);
        let mut held = slot.load(Ordering::Acquire);
        loop {
            let (tag, before) = Self::unpack(held);
            let taken = before.min(count);
            if Self::age(bucket, tag) != 0 || taken == 0 {
                return;
            }
            match slot.compare_exchange_weak(held, Self::pack(tag, before - taken), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    self.total.fetch_sub(taken, Ordering::AcqRel);
                    return;
                }
                Err(now) => held = now,
            }
        }
    }

    /// What is in the window at `bucket`, which is that of now.
    pub(super) fn sum(&self, bucket: u64) -> u64 {
        if self.swept.load(Ordering::Acquire) < bucket {
            self.sweep(bucket);
        }
        self.total.load(Ordering::Acquire)
    }

    /// What was added and is not taken out yet, some of it too old.
    pub(super) fn total(&self) -> u64 {
        self.total.load(Ordering::Acquire)
    }

    /// What would still be in the window at a later bucket, if nothing were added.
    pub(super) fn sum_at(&self, bucket: u64) -> u64 {
        let held = self.slots.iter().map(|slot| Self::unpack(slot.load(Ordering::Acquire)));
        held.filter(|(tag, _)| Self::age(bucket, *tag) <= BUCKETS).map(|(_, count)| count).fold(0, u64::saturating_add)
    }

    /// The buckets that are in the window at `bucket`, with what is in each.
    pub(super) fn counts(&self, bucket: u64) -> Vec<(u64, u64)> {
        let held = self.slots.iter().map(|slot| Self::unpack(slot.load(Ordering::Acquire)));
        let mut counts: Vec<_> = held
            .filter(|(tag, count)| *count > 0 && Self::age(bucket, *tag) <= BUCKETS)
            .map(|(tag, count)| (bucket.saturating_add_signed(-Self::age(bucket, tag)), count))
            .collect();
        counts.sort_unstable();
        counts
    }

    /// Takes out what is too old at `bucket`. Several may do so at once: whoever swaps a slot takes its count out of the total.
    fn sweep(&self, bucket: u64) {
        for slot in &self.slots {
            let mut held = slot.load(Ordering::Acquire);
            loop {
                let (tag, count) = Self::unpack(held);
                if count == 0 || Self::age(bucket, tag) <= BUCKETS {
                    break;
                }
                match slot.compare_exchange_weak(held, Self::pack(tag, 0), Ordering::AcqRel, Ordering::Acquire) {
                    Ok(_) => {
                        self.total.fetch_sub(count, Ordering::AcqRel);
                        break;
                    }
                    Err(now) => held = now,
                }
            }
        }
        self.swept.fetch_max(bucket, Ordering::AcqRel);
    }

    fn slot(&self, bucket: u64) -> &AtomicU64 {
        // In range by construction; the total is a harmless stand-in that is never reached.
        self.slots.get(usize::try_from(bucket % SLOTS as u64).unwrap_or(0)).unwrap_or(&self.total)
    }

    fn pack(tag: u64, count: u64) -> u64 {
        (tag << COUNT_BITS) | count
    }

    fn unpack(held: u64) -> (u64, u64) {
        (held >> COUNT_BITS, held & Self::MAX_COUNT)
    }

    /// How many buckets before `bucket` the one with this tag was; negative if it comes later. Tags go round once in years.
    fn age(bucket: u64, tag: u64) -> i64 {
        let ahead = bucket.wrapping_sub(tag) % Self::TAGS;
        let signed = i64::try_from(ahead).unwrap_or(i64::MAX);
        if ahead < Self::TAGS / 2 { signed } else { signed - i64::try_from(Self::TAGS).unwrap_or(i64::MAX) }
    }
}

/// Whole buckets that a window is made of.
const BUCKETS: i64 = 100;
/// One more, for the bucket that is being filled.
const SLOTS: usize = 101;
