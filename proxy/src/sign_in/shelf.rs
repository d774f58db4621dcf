//! Things that are kept for a short while and taken once.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::inventory::DeviceId;
use crate::secret::Digest;

/// Keeps what belongs to a random token until the token comes back, under the token's digest. Bounded in time and number; a
/// device can only push out what is its own, until all shelves together are full.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    lifetime: Duration,
    per_device: usize,
    in_all: usize,
    entries: Mutex<HashMap<Digest, Entry<T>>>,
}

#[derive(Debug)]
struct Entry<T> {
    device: DeviceId,
    put_at: Timestamp,
    value: T,
}

/// Why something is not given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotTaken {
    /// It is not there: it never was, it was taken, or its time is over.
    Absent,
    /// It is there, and not for whoever asks. It stays.
    NotTheirs,
}

impl<T> Shelf<T> {
    pub(super) fn new(lifetime: Duration) -> Self {
        Self::bounded(lifetime, MAX_PER_DEVICE, MAX_IN_ALL)
    }

    /// For things that are larger than others.
    pub(super) fn bounded(lifetime: Duration, per_device: usize, in_all: usize) -> Self {
        Self { lifetime, per_device, in_all, entries: Mutex::default() }
    }

    /// Keeps `value` for whoever brings the token with this digest.
    pub(super) fn put(&self, token: Digest, device: &DeviceId, value: T, now: Timestamp) {
        let mut entries = self.entries();
        entries.retain(|_, entry| !entry.is_over(now, self.lifetime));
        // What takes the place of the same pushes out nothing.
        entries.remove(&token);
        let of_device = entries.values().filter(|entry| entry.device == *device).count();
        let oldest = if of_device >= self.per_device {
            oldest(&entries, |entry| entry.device == *device)
        } else if entries.len() >= self.in_all {
            oldest(&entries, |_| true)
        } else {
            None
        };
        if let Some(oldest) = oldest {
            entries.remove(&oldest);
        }
        entries.insert(token, Entry { device: device.clone(), put_at: now, value });
    }

    /// Gives out what was kept, once, if `theirs` says that it is for whoever asks.
    pub(super) fn take(
        &self,
        token: &Digest,
        device: &DeviceId,
        now: Timestamp,
        theirs: impl FnOnce(&T) -> bool,
    ) -> Result<T, NotTaken> {
        let mut entries = self.entries();
        let entry = entries.get(token).filter(|entry| !entry.is_over(now, self.lifetime)).ok_or(NotTaken::Absent)?;
        if entry.device != *device || !theirs(&entry.value) {
            return Err(NotTaken::NotTheirs);
        }
        entries.remove(token).map(|entry| entry.value).ok_or(NotTaken::Absent)
    }

    /// Looks at what was kept, which stays; `read` gives nothing if it is not for whoever asks.
    pub(super) fn peek<R>(
        &self,
        token: &Digest,
        device: &DeviceId,
        now: Timestamp,
        read: impl FnOnce(&T) -> Option<R>,
    ) -> Result<R, NotTaken> {
        let entries = self.entries();
        let entry = entries.get(token).filter(|entry| !entry.is_over(now, self.lifetime)).ok_or(NotTaken::Absent)?;
        let theirs = Some(entry).filter(|entry| entry.device == *device);
        theirs.and_then(|entry| read(&entry.value)).ok_or(NotTaken::NotTheirs)
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Digest, Entry<T>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Entry<T> {
    /// A clock that was set back makes nothing live longer.
    fn is_over(&self, now: Timestamp, lifetime: Duration) -> bool {
        now < self.put_at || now.since(self.put_at) >= lifetime
    }
}

fn oldest<T>(entries: &HashMap<Digest, Entry<T>>, which: impl Fn(&Entry<T>) -> bool) -> Option<Digest> {
    let candidates = entries.iter().filter(|(_, entry)| which(entry));
    candidates.min_by_key(|(_, entry)| entry.put_at).map(|(token, _)| *token)
}

const MAX_PER_DEVICE: usize = 32;

/// About 1 KiB each at most, deep links included.
const MAX_IN_ALL: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn device(name: &str) -> DeviceId {
        name.parse().unwrap()
    }

    fn token(number: usize) -> Digest {
        Digest::of(&number.to_be_bytes())
    }

    #[test]
    fn it_is_taken_once() {
        let shelf = Shelf::new(MINUTE);
        shelf.put(token(1), &device("lap"), "a", Timestamp(0));
        assert_eq!(shelf.take(&token(1), &device("lap"), Timestamp(1), |_| true), Ok("a"));
        assert_eq!(shelf.take(&token(1), &device("lap"), Timestamp(1), |_| true), Err(NotTaken::Absent));
    }

    #[test]
    fn it_is_for_one_device_and_one_browser_and_stays_for_them() {
        let shelf = Shelf::new(MINUTE);
        shelf.put(token(1), &device("lap"), "a", Timestamp(0));
        assert_eq!(shelf.take(&token(1), &device("other"), Timestamp(1), |_| true), Err(NotTaken::NotTheirs));
        assert_eq!(shelf.take(&token(1), &device("lap"), Timestamp(1), |_| false), Err(NotTaken::NotTheirs));
        assert_eq!(shelf.take(&token(1), &device("lap"), Timestamp(1), |_| true), Ok("a"));
    }

    #[test]
    fn its_time_ends() {
        let shelf = Shelf::new(MINUTE);
        let end = Timestamp(10).plus(MINUTE);
        shelf.put(token(1), &device("lap"), "a", Timestamp(10));
        assert_eq!(shelf.take(&token(1), &device("lap"), end, |_| true), Err(NotTaken::Absent));
        assert_eq!(shelf.take(&token(1), &device("lap"), Timestamp(9), |_| true), Err(NotTaken::Absent), "a clock set back");
        assert_eq!(shelf.take(&token(1), &device("lap"), Timestamp(end.0 - 1), |_| true), Ok("a"));
    }

    #[test]
    fn what_is_looked_at_stays_and_the_same_again_takes_its_place() {
        let shelf = Shelf::bounded(MINUTE, 2, 3);
        for (number, value, at) in [(1, "a", 1), (2, "b", 2), (1, "c", 3)] {
            shelf.put(token(number), &device("lap"), value, Timestamp(at));
        }
        let peek = |number, name: &str| shelf.peek(&token(number), &device(name), Timestamp(4), |value| Some(*value));
        assert_eq!((peek(1, "lap"), peek(1, "lap"), peek(2, "lap")), (Ok("c"), Ok("c"), Ok("b")));
        assert_eq!(peek(1, "other"), Err(NotTaken::NotTheirs));
        assert_eq!(peek(3, "lap"), Err(NotTaken::Absent));
        assert_eq!(shelf.peek(&token(1), &device("lap"), Timestamp(3).plus(MINUTE), |_| Some(())), Err(NotTaken::Absent));
        shelf.put(token(3), &device("lap"), "d", Timestamp(4));
        assert_eq!(peek(2, "lap"), Err(NotTaken::Absent), "two for each device");
    }

    #[test]
    fn a_device_pushes_out_only_its_own() {
        let shelf = Shelf::new(MINUTE);
        shelf.put(token(0), &device("mine"), 0, Timestamp(0));
        for number in 1..=MAX_PER_DEVICE + 1 {
            shelf.put(token(number), &device("flood"), number, Timestamp(i64::try_from(number).unwrap()));
        }
        let now = Timestamp(100);
        assert_eq!(shelf.entries().len(), MAX_PER_DEVICE + 1);
        assert_eq!(shelf.take(&token(1), &device("flood"), now, |_| true), Err(NotTaken::Absent));
        assert_eq!(shelf.take(&token(2), &device("flood"), now, |_| true), Ok(2));
        assert_eq!(shelf.take(&token(0), &device("mine"), now, |_| true), Ok(0));
    }
}
