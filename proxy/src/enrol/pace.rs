//! How often one device may ask for a new certificate: each costs a signature and a write, and few are needed.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use quick_cache::unsync::Cache;

use crate::clock::Timestamp;
use crate::inventory::DeviceId;

/// When devices asked lately. Counted by device and not by address: a whole office stands behind one, and its laptops were enrolled
/// on one morning.
#[derive(Debug)]
pub(super) struct Pace {
    lately: Mutex<Cache<DeviceId, Vec<Timestamp>>>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { lately: Mutex::new(Cache::new(MOST_DEVICES)) }
    }
}

impl Pace {
    /// Counts an attempt.
    ///
    /// # Errors
    /// How long until the next one is heard.
    pub(super) fn take(&self, device: &DeviceId, now: Timestamp) -> Result<(), Duration> {
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        let mut times = lately.remove(device).map(|(_, times)| times).unwrap_or_default();
        // What lies ahead was counted before the clock was set back.
        times.retain(|at| *at <= now && now.since(*at) < WINDOW);
        let wait = match times.first() {
            Some(first) if times.len() >= ATTEMPTS => Some(WINDOW.saturating_sub(now.since(*first))),
            _ => None,
        };
        if wait.is_none() {
            times.push(now);
        }
        lately.insert(device.clone(), times);
        wait.map_or(Ok(()), Err)
    }
}

/// So many attempts …
const ATTEMPTS: usize = 6;
/// … within so long.
const WINDOW: Duration = Duration::from_secs(3600);
/// Some 200 bytes each. Who is forgotten may ask again.
const MOST_DEVICES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_device_asks_six_times_an_hour_and_keeps_nobody_else_from_it() {
        let pace = Pace::default();
        let [one, other] = ["lap-1", "lap-2"].map(|id| id.parse::<DeviceId>().unwrap());
        let at = |minutes: i64| Timestamp(minutes * 60_000);
        for minute in 0..6 {
            assert_eq!(pace.take(&one, at(minute)), Ok(()));
        }
        assert_eq!(pace.take(&one, at(6)), Err(Duration::from_secs(54 * 60)));
        assert_eq!(pace.take(&other, at(6)), Ok(()));
        assert_eq!(pace.take(&one, at(60)), Ok(()), "the first was an hour ago");
        assert!(pace.take(&one, at(60)).is_err());
        assert_eq!(pace.take(&one, at(-1)), Ok(()), "the clock was set back");
    }
}
