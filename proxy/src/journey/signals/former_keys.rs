//! Devices of which a former key was shown: a program that was not told of the new one, or somebody with a copy of the old one.

use std::time::Duration;

use quick_cache::unsync::Cache;

use crate::clock::Timestamp;
use crate::inventory::DeviceId;

/// When each was told of last.
#[derive(Debug)]
pub(super) struct FormerKeys {
    told: Cache<DeviceId, Timestamp>,
}

impl FormerKeys {
    pub(super) fn new() -> Self {
        Self { told: Cache::new(MOST_DEVICES) }
    }

    /// Whether it is news: told once an hour for each device.
    pub(super) fn see(&mut self, device: &DeviceId, at: Timestamp) -> bool {
        let news = self.told.get(device).is_none_or(|told| at < *told || at.since(*told) >= SILENCE);
        if news {
            self.told.insert(device.clone(), at);
        }
        news
    }
}

const SILENCE: Duration = Duration::from_secs(3600);
/// Some 100 bytes each.
const MOST_DEVICES: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_device_is_told_of_once_an_hour() {
        let mut former = FormerKeys::new();
        let [one, other] = ["lap-1", "lap-2"].map(|id| id.parse::<DeviceId>().unwrap());
        assert!(former.see(&one, Timestamp(0)) && former.see(&other, Timestamp(0)));
        assert!(!former.see(&one, Timestamp(3_599_999)));
        assert!(former.see(&one, Timestamp(3_600_000)));
        assert!(former.see(&one, Timestamp(5)), "the clock was set back");
    }
}
