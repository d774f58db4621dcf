//! How often one and the same may ask for something that costs us, whoever else asks.

use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use quick_cache::unsync::Cache;

use crate::clock::Timestamp;

/// When devices, or people, asked lately. Counted by them and not by address: a whole office stands behind one.
#[derive(Debug)]
pub struct Pace<K> {
    attempts: usize,
    window: Duration,
    lately: Mutex<Cache<K, Vec<Timestamp>>>,
}

impl<K: Hash + Eq + Clone> Pace<K> {
    /// So many attempts within so long.
    pub fn new(attempts: usize, window: Duration) -> Self {
        Self { attempts, window, lately: Mutex::new(Cache::new(MOST)) }
    }

    /// Counts an attempt.
    ///
    /// # Errors
    /// How long until the next one is heard.
    pub fn take(&self, who: &K, now: Timestamp) -> Result<(), Duration> {
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        let mut times = lately.remove(who).map(|(_, times)| times).unwrap_or_default();
        // What lies ahead was counted before the clock was set back.
        times.retain(|at| *at <= now && now.since(*at) < self.window);
        let wait = match times.first() {
            Some(first) if times.len() >= self.attempts => Some(self.window.saturating_sub(now.since(*first))),
            _ => None,
        };
        if wait.is_none() {
            times.push(now);
        }
        lately.insert(who.clone(), times);
        wait.map_or(Ok(()), Err)
    }
}

/// Some hundred bytes each. Who is forgotten may ask again.
const MOST: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_asks_six_times_an_hour_and_keeps_nobody_else_from_it() {
        let pace = Pace::new(6, Duration::from_secs(3600));
        let at = |minutes: i64| Timestamp(minutes * 60_000);
        for minute in 0..6 {
            assert_eq!(pace.take(&"one", at(minute)), Ok(()));
        }
        assert_eq!(pace.take(&"one", at(6)), Err(Duration::from_secs(54 * 60)));
        assert_eq!(pace.take(&"other", at(6)), Ok(()));
        assert_eq!(pace.take(&"one", at(60)), Ok(()), "the first was an hour ago");
        assert!(pace.take(&"one", at(60)).is_err());
        assert_eq!(pace.take(&"one", at(-1)), Ok(()), "the clock was set back");
    }
}
