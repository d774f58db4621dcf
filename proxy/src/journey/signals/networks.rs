//! One device key in use from two networks at once: the key was copied, or the machine has two ways out.
//!
//! A laptop that goes from one network to another is active here, then there, and begins anew there: connections do not survive the
//! change of address. So going back and forth counts if it happens on connections that were open while the other network was in use,
//! or if it happens very often. Addresses of the two families are looked at apart, since many machines use both at once.

use std::collections::VecDeque;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use quick_cache::unsync::Cache;

use super::report::Sighting;
use crate::clock::Timestamp;
use crate::inventory::DeviceId;

/// Where each device is active.
#[derive(Debug)]
pub(super) struct Networks {
    devices: Cache<(DeviceId, bool), Presence>,
}

/// A client's network: the /24 of an IPv4 address, the /48 of an IPv6 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network(IpAddr);

#[derive(Clone, Debug, Default)]
struct Presence {
    last: Option<(Network, Timestamp)>,
    /// When the device was active in another network than before, and whether on a connection from before.
    changes: VecDeque<(Timestamp, bool)>,
    told: Option<Timestamp>,
}

impl Networks {
    pub(super) fn new() -> Self {
        Self { devices: Cache::new(MOST_DEVICES) }
    }

    /// The two networks, if `sighting` shows that the device is in both. Told once an hour.
    pub(super) fn see(&mut self, sighting: &Sighting) -> Option<[Network; 2]> {
        let key = (sighting.device.clone(), sighting.client.is_ipv4());
        let mut presence = self.devices.remove(&key).map(|(_, presence)| presence).unwrap_or_default();
        let found = presence.see(Network::of(sighting.client), sighting.opened, sighting.at);
        self.devices.insert(key, presence);
        found
    }
}

impl Presence {
    fn see(&mut self, network: Network, opened: Timestamp, at: Timestamp) -> Option<[Network; 2]> {
        let (before, left) = self.last.replace((network, at))?;
        if before == network {
            return None;
        }
        self.changes.push_back((at, opened <= left));
        while self.changes.len() > MOST_CHANGES || self.changes.front().is_some_and(|(then, _)| at.since(*then) > WINDOW) {
            self.changes.pop_front();
        }
        let woven = self.changes.iter().filter(|(_, woven)| *woven).count();
        if (woven < WOVEN && self.changes.len() < MOST_CHANGES) || self.told.is_some_and(|told| at.since(told) < SILENCE) {
            return None;
        }
        self.told = Some(at);
        self.changes.clear();
        Some([before, network])
    }
}

impl Network {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(IpAddr::V4((address.to_bits() & (u32::MAX << 8)).into())),
            IpAddr::V6(address) => Self(IpAddr::V6((address.to_bits() & (u128::MAX << 80)).into())),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0, if self.0.is_ipv4() { 24 } else { 48 })
    }
}

const MOST_DEVICES: usize = 65_536;
/// Changes count together for so long.
const WINDOW: Duration = Duration::from_secs(300);
/// So many changes on connections from before: nobody walks like that.
const WOVEN: usize = 3;
/// So many changes of any kind.
const MOST_CHANGES: usize = 8;
/// Until the same device is told of again.
const SILENCE: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Digest;

    const OFFICE: &str = "192.0.2.7";
    const TRAIN: &str = "198.51.100.9";

    /// Seconds; each is an address, when its connection was opened, and when it is active.
    fn found(story: &[(&str, i64, i64)]) -> Vec<String> {
        let mut networks = Networks::new();
        let sighting = |&(client, opened, at): &(&str, i64, i64)| Sighting {
            device: "lap-1".parse().unwrap(),
            certificate: Digest::of(b"c"),
            client: client.parse().unwrap(),
            is_service: false,
            opened: Timestamp::from_secs(opened),
            at: Timestamp::from_secs(at),
        };
        let found = story.iter().filter_map(|moment| networks.see(&sighting(moment)));
        found.map(|[one, other]| format!("{one} {other}")).collect()
    }

    #[test]
    fn two_machines_with_one_key_are_noticed_once() {
        let story: Vec<_> = (10..60).flat_map(|second| [(OFFICE, 0, second), (TRAIN, 5, second)]).collect();
        assert_eq!(found(&story), ["192.0.2.0/24 198.51.100.0/24"]);
    }

    #[test]
    fn a_laptop_that_goes_from_one_network_to_another_is_not() {
        let mut story: Vec<_> = (0..100).map(|second| (OFFICE, 0, second)).collect();
        story.extend((110..200).map(|second| (TRAIN, 110, second)));
        // And back, where one connection has survived.
        story.extend((210..300).map(|second| (OFFICE, 0, second)));
        story.extend((310..400).map(|second| (TRAIN, 305, second)));
        assert_eq!(found(&story), [""; 0]);
    }

    #[test]
    fn one_network_is_not_two() {
        let story: Vec<_> = (0..60).flat_map(|second| [(OFFICE, 0, second), ("192.0.2.200", 0, second)]).collect();
        assert_eq!(found(&story), [""; 0]);
        let both: Vec<_> = (0..60).flat_map(|second| [(OFFICE, 0, second), ("2001:db8::1", 0, second)]).collect();
        assert_eq!(found(&both), [""; 0], "many machines use both families at once");
        let far: Vec<_> = (0..60).flat_map(|second| [("2001:db8:1::1", 0, second), ("2001:db8:2::1", 0, second)]).collect();
        assert_eq!(found(&far), ["2001:db8:1::/48 2001:db8:2::/48"]);
    }

    #[test]
    fn many_short_connections_from_two_networks_are_noticed_too() {
        let story: Vec<_> = (0..60).map(|second| (if second % 2 == 0 { OFFICE } else { TRAIN }, second, second)).collect();
        assert_eq!(found(&story).len(), 1);
        let slow: Vec<_> =
            (0..60).map(|minute| (if minute % 2 == 0 { OFFICE } else { TRAIN }, minute * 60, minute * 60)).collect();
        assert_eq!(found(&slow), [""; 0], "somebody may walk about all day");
    }
}
