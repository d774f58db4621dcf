//! What one person has had from one app on one device lately.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::pace::Pace;
use super::window::Window;
use crate::clock::Timestamp;
use crate::config::Rate;
use crate::inventory::{DeviceId, UserId};

/// Figures of an account, as policies see them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Requests in the last minute.
    pub requests_1m: u64,
    /// Bytes of response bodies in the last hour.
    pub bytes_1h: u64,
    /// Bytes of response bodies in the last day.
    pub bytes_1d: u64,
}

/// Whose an account is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Holder {
    /// The person, or the program that a token names.
    pub user: UserId,
    /// The device.
    pub device: DeviceId,
    /// The app.
    pub app: Arc<str>,
}

/// An account. About 2.5 kB, whatever happens on it.
#[derive(Debug)]
pub(super) struct Account {
    /// `None`: shared by pairs for which there was no room.
    pub(super) holder: Option<Holder>,
    /// How many requests and streams use it; [`GONE`] once it was taken out of the table.
    held: AtomicU32,
    requests: Minute,
    hour: Hour,
    day: Day,
    /// What is left of the app's `rate_limit`.
    pace: Pace,
}

/// An account in use: as long as there is one of these, it is not dropped.
#[derive(Debug)]
pub struct Hold(Arc<Account>);

/// Requests: at most 4 thousand millions in 600 ms.
type Minute = Window<600, 32>;
/// Bytes: at most 17 TB in 36 s.
type Hour = Window<36_000, 44>;
/// Bytes: at most 17 TB in a quarter of an hour.
type Day = Window<864_000, 44>;

/// When something was charged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stamp {
    hour: u64,
    day: u64,
}

/// The buckets of an account in numbers: requests, hour, day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) requests: Vec<(u64, u64)>,
    pub(super) hour: Vec<(u64, u64)>,
    pub(super) day: Vec<(u64, u64)>,
}

impl Account {
    pub(super) fn new(holder: Option<Holder>) -> Arc<Self> {
        let (requests, hour, day) = (Minute::new(), Hour::new(), Day::new());
        Arc::new(Self { holder, held: AtomicU32::new(0), requests, hour, day, pace: Pace::default() })
    }

    /// Nothing is in any of its windows.
    pub(super) fn is_empty(&self, now: Timestamp) -> bool {
        self.figures(now) == Figures::default()
    }

    /// Nothing would be forgotten with it.
    pub(super) fn is_idle(&self, now: Timestamp) -> bool {
        self.is_empty(now) && self.pace.is_full(now)
    }

    pub(super) fn is_held(&self) -> bool {
        self.held.load(Ordering::Acquire) != 0
    }

    /// Marks it as gone, if nobody uses it and nothing is in it. Whoever finds it in the table after that must not use it.
    pub(super) fn retire(&self, now: Timestamp) -> bool {
        if !self.is_idle(now) || self.held.compare_exchange(0, GONE, Ordering::AcqRel, Ordering::Acquire).is_err() {
            return false;
        }
        let idle = self.is_idle(now);
        if !idle {
            // Somebody came and went in between.
            self.held.store(0, Ordering::Release);
        }
        idle
    }

    pub(super) fn figures(&self, now: Timestamp) -> Figures {
        Figures {
            requests_1m: self.requests.sum(Minute::bucket(now.0)),
            bytes_1h: self.hour.sum(Hour::bucket(now.0)),
            bytes_1d: self.day.sum(Day::bucket(now.0)),
        }
    }

    fn figures_at(&self, later: Timestamp) -> Figures {
        Figures {
            requests_1m: self.requests.sum_at(Minute::bucket(later.0)),
            bytes_1h: self.hour.sum_at(Hour::bucket(later.0)),
            bytes_1d: self.day.sum_at(Day::bucket(later.0)),
        }
    }

    /// Bytes that are charged, by which it is cheaply known whether much was since.
    pub(super) fn charged(&self) -> u64 {
        self.day.total()
    }

    pub(super) fn charge(&self, stamp: Stamp, bytes: u64) {
        self.hour.add(stamp.hour, bytes);
        self.day.add(stamp.day, bytes);
    }

    pub(super) fn give_back(&self, stamp: Stamp, bytes: u64) {
        self.hour.take_back(stamp.hour, bytes);
        self.day.take_back(stamp.day, bytes);
    }

    pub(super) fn counts(&self, now: Timestamp) -> Counts {
        Counts {
            requests: self.requests.counts(Minute::bucket(now.0)),
            hour: self.hour.counts(Hour::bucket(now.0)),
            day: self.day.counts(Day::bucket(now.0)),
        }
    }

    /// Adds what [`counts`](Self::counts) gave, earlier by so many milliseconds: into the latest bucket that it can belong to.
    pub(super) fn add_counts(&self, counts: &Counts, earlier_ms: i64, now: Timestamp) {
        let [minute, hour, day] = [Minute::bucket(now.0), Hour::bucket(now.0), Day::bucket(now.0)];
        moved::<600>(&counts.requests, earlier_ms).for_each(|(bucket, count)| self.requests.add_past(bucket, minute, count));
        moved::<36_000>(&counts.hour, earlier_ms).for_each(|(bucket, count)| self.hour.add_past(bucket, hour, count));
        moved::<864_000>(&counts.day, earlier_ms).for_each(|(bucket, count)| self.day.add_past(bucket, day, count));
    }

    /// A request that was let through at a time that is past.
    pub(super) fn count_past(&self, at: Timestamp, now: Timestamp) {
        self.requests.add_past(Minute::bucket(at.0), Minute::bucket(now.0), 1);
    }

    /// Bytes that were handed on at a time that is past, or before.
    pub(super) fn charge_past(&self, at: Timestamp, now: Timestamp, bytes: u64) {
        self.hour.add_past(Hour::bucket(at.0), Hour::bucket(now.0), bytes);
        self.day.add_past(Day::bucket(at.0), Day::bucket(now.0), bytes);
    }
}

impl Hold {
    /// `None`: the account has gone.
    pub(super) fn take(account: &Arc<Account>) -> Option<Self> {
        let held = account.held.fetch_update(Ordering::AcqRel, Ordering::Acquire, |held| (held != GONE).then_some(held + 1));
        held.ok().map(|_before| Self(Arc::clone(account)))
    }

    /// The figures now.
    pub fn figures(&self, now: Timestamp) -> Figures {
        self.0.figures(now)
    }

    /// Counts a request, before policy is asked about it: so that two at once see each other.
    pub fn count_request(&self, now: Timestamp) {
        self.0.requests.add(Minute::bucket(now.0), 1);
    }

    /// The request that was counted at `then` is not let through.
    pub fn uncount_request(&self, then: Timestamp) {
        self.0.requests.take_back(Minute::bucket(then.0), 1);
    }

    /// Takes one of the turns that `rate` gives.
    ///
    /// # Errors
    /// How long until there is one.
    pub fn take_turn(&self, rate: Rate, now: Timestamp) -> Result<(), Duration> {
        self.0.pace.take(rate, now)
    }

    /// Bytes of response bodies that are no stream's.
    #[cfg(test)]
    pub(super) fn charge_at(&self, at: Timestamp, bytes: u64) {
        self.0.charge(Stamp::of(at), bytes);
    }

    pub(super) fn account(&self) -> &Arc<Account> {
        &self.0
    }

    /// How long until the windows have slid so far that `enough` is content with the figures, if nothing more is had meanwhile;
    /// `None` if it never is. It is taken to stay content once it is.
    pub fn wait(&self, now: Timestamp, enough: impl Fn(Figures) -> bool) -> Option<Duration> {
        let mut edges = Vec::new();
        edges_of::<600>(now, &mut edges);
        edges_of::<36_000>(now, &mut edges);
        edges_of::<864_000>(now, &mut edges);
        edges.sort_unstable();
        let first = edges.partition_point(|edge| !enough(self.0.figures_at(*edge)));
        edges.get(first).map(|edge| edge.since(now))
    }
}

impl Clone for Hold {
    fn clone(&self) -> Self {
        // It is held, so it is not gone.
        self.0.held.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(&self.0))
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Stamp {
    pub(super) fn of(now: Timestamp) -> Self {
        Self { hour: Hour::bucket(now.0), day: Day::bucket(now.0) }
    }
}

/// The next hundred moments at which buckets of this length leave their window.
fn edges_of<const BUCKET_MS: i64>(now: Timestamp, edges: &mut Vec<Timestamp>) {
    let next = now.0.div_euclid(BUCKET_MS) + 1;
    edges.extend((next..next + 101).map(|bucket| Timestamp(bucket.saturating_mul(BUCKET_MS))));
}

fn moved<const BUCKET_MS: i64>(counts: &[(u64, u64)], earlier_ms: i64) -> impl Iterator<Item = (u64, u64)> {
    counts.iter().map(move |(bucket, count)| {
        if earlier_ms == 0 {
            return (*bucket, *count);
        }
        let last_ms = i64::try_from(*bucket).unwrap_or(0).saturating_add(1).saturating_mul(BUCKET_MS) - 1;
        (u64::try_from(last_ms.saturating_sub(earlier_ms) / BUCKET_MS).unwrap_or(0), *count)
    })
}

const GONE: u32 = u32::MAX;
