//! Devices that are refused again and again in a short time: somebody, or something on them, is trying doors.

use std::collections::VecDeque;
use std::time::Duration;

use quick_cache::unsync::Cache;

use crate::clock::Timestamp;

/// The latest denials of each device.
#[derive(Debug)]
pub(super) struct Bursts {
    devices: Cache<String, Denials>,
    /// Those in a burst, at most [`MOST_IN_BURST`].
    now: Vec<(String, Timestamp)>,
}

#[derive(Clone, Debug, Default)]
struct Denials {
    at: VecDeque<Timestamp>,
    told: Option<Timestamp>,
}

impl Bursts {
    pub(super) fn new() -> Self {
        Self { devices: Cache::new(MOST_DEVICES), now: Vec::new() }
    }

    /// Whether a burst of this device begins with this denial. Told at most every ten minutes for one device.
    pub(super) fn see(&mut self, device: &str, at: Timestamp) -> bool {
        if let Some((_, last)) = self.now.iter_mut().find(|(name, _)| name == device) {
            *last = at;
            return false;
        }
        let mut denials = self.devices.remove(device).map(|(_, denials)| denials).unwrap_or_default();
        denials.at.push_back(at);
        while denials.at.len() > BURST || denials.at.front().is_some_and(|first| at.since(*first) > WINDOW) {
            denials.at.pop_front();
        }
        let begins = denials.at.len() == BURST;
        if begins {
            denials.at.clear();
            if self.now.len() < MOST_IN_BURST {
                self.now.push((device.to_owned(), at));
            }
        }
        let tell = begins && denials.told.is_none_or(|told| at.since(told) >= SILENCE);
        if tell {
            denials.told = Some(at);
        }
        self.devices.insert(device.to_owned(), denials);
        tell
    }

    /// How many devices are in a burst.
    pub(super) fn count(&mut self, now: Timestamp) -> usize {
        self.now.retain(|(_, last)| now.since(*last) < QUIET);
        self.now.len()
    }
}

/// So many denials …
pub(super) const BURST: usize = 50;
/// … within so long are a burst. People do not do that; a page with many pictures that are all forbidden may.
pub(super) const WINDOW: Duration = Duration::from_secs(60);
/// It is over when the device was not refused for so long.
const QUIET: Duration = Duration::from_secs(30);
/// Until the same device is told of again.
const SILENCE: Duration = Duration::from_secs(600);
/// Some 500 bytes each.
const MOST_DEVICES: usize = 8192;
const MOST_IN_BURST: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn told(times: impl Iterator<Item = i64>) -> (usize, Bursts) {
        let mut bursts = Bursts::new();
        let told = times.filter(|at| bursts.see("lap-1", Timestamp(*at))).count();
        (told, bursts)
    }

    #[test]
    fn fifty_within_a_minute_are_a_burst_told_once() {
        let (count, mut bursts) = told((0..500).map(|n| n * 1000));
        assert_eq!(count, 1);
        assert_eq!(bursts.count(Timestamp(500_000)), 1);
        assert_eq!(bursts.count(Timestamp(540_000)), 0, "it is over");
        assert!(!bursts.see("lap-2", Timestamp(540_000)), "another device has nothing to do with it");
        let again = (0..60).filter(|n| bursts.see("lap-1", Timestamp(560_000 + n))).count();
        assert_eq!((again, bursts.count(Timestamp(560_100))), (0, 1), "so soon it is no news, but it is counted");
        let later = (0..60).filter(|n| bursts.see("lap-1", Timestamp(2_000_000 + n))).count();
        assert_eq!(later, 0, "still in the burst, as nobody looked");
    }

    #[test]
    fn fewer_are_not() {
        let (count, mut bursts) = told((0..500).map(|n| n * 1250));
        assert_eq!((count, bursts.count(Timestamp(500 * 1250))), (0, 0));
        let (count, _) = told(0..49);
        assert_eq!(count, 0);
    }
}
