//! How many requests are under way: in all, and of each device, person and unknown address. So that nobody takes the place of others.
//!
//! Counted in tables of a fixed size, however many come, without a lock and without a word kept about anybody: a count sits in two
//! rows, at places that a key of this process chooses, and the lower of both is what counts. It is never lower than the truth. It is
//! higher only where others share both places, which for somebody who has done nothing happens about once in 268 million, while one
//! other is at the bound.

use std::cell::Cell;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use prometheus::{IntCounterVec, IntGauge, Opts, Registry};

use crate::config::Limits;
use crate::inventory::{DeviceId, UserId};

/// Counts requests under way. Shared by all cores.
#[derive(Debug)]
pub struct Crowd {
    most: [AtomicUsize; 4],
    key: RandomState,
    tables: [Table; 3],
    /// Requests of nobody that is known, from all addresses.
    strangers: AtomicUsize,
    metrics: CrowdMetrics,
}

/// A request's place. Dropping it gives the place back.
#[derive(Debug)]
pub struct InFlight {
    crowd: Arc<Crowd>,
    /// What is counted in which table.
    counted: [Cell<Option<u64>>; 3],
    stranger: Cell<bool>,
}

/// Why a request is not taken now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Crowded {
    /// `limits.requests` are under way.
    #[error("the gate is busy with as many requests as it may be")]
    All,
    /// `limits.requests_per_address` of this address are under way, and name no device.
    #[error("too many requests of your network are under way")]
    Address,
    /// `limits.requests_per_device` of this device are under way.
    #[error("too many requests of this device are under way")]
    Device,
    /// `limits.requests_per_user` of this person are under way.
    #[error("too many of your requests are under way")]
    User,
}

/// Metrics of requests under way.
#[derive(Clone, Debug)]
pub struct CrowdMetrics {
    /// How many.
    in_flight: IntGauge,
    /// Those that were not taken, by the bound that they met.
    shed: IntCounterVec,
}

/// Every bound that is counted.
const BOUNDS: [&str; 5] = ["all", "address", "device", "user", "rate"];

/// Counts of one kind, in two rows.
#[derive(Debug)]
struct Table([Box<[AtomicU32]>; 2]);

impl Crowded {
    /// The word for it in metrics, in the record and for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "crowded",
            Self::Address => "crowded_address",
            Self::Device => "crowded_device",
            Self::User => "crowded_user",
        }
    }

    /// Which bound and which table, the table of all left out.
    fn number(self) -> usize {
        match self {
            Self::Address => 0,
            Self::Device => 1,
            Self::User => 2,
            Self::All => 3,
        }
    }
}

impl CrowdMetrics {
    /// Enters them into `registry`.
    ///
    /// # Errors
    /// If a name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            in_flight: IntGauge::new("sekisho_requests_in_flight", "Requests whose answers are not complete")?,
            shed: IntCounterVec::new(
                Opts::new(
                    "sekisho_requests_shed_total",
                    "Requests that were refused because of how many there were, by the bound",
                ),
                &["bound"],
            )?,
        };
        registry.register(Box::new(metrics.in_flight.clone()))?;
        registry.register(Box::new(metrics.shed.clone()))?;
        // A counter that begins with its first count has not increased by it, for those who watch.
        for bound in BOUNDS {
            let _at_zero = metrics.shed.with_label_values(&[bound]);
        }
        Ok(metrics)
    }

    /// Counts a request that was refused by `bound`.
    pub fn shed(&self, bound: &str) {
        self.shed.with_label_values(&[bound]).inc();
    }
}

impl Crowd {
    /// With the bounds of `limits`.
    pub fn new(limits: &Limits, metrics: CrowdMetrics) -> Arc<Self> {
        let crowd = Self {
            most: Default::default(),
            key: RandomState::new(),
            tables: std::array::from_fn(|_| Table(std::array::from_fn(|_| (0..PLACES).map(|_| AtomicU32::new(0)).collect()))),
            strangers: AtomicUsize::new(0),
            metrics,
        };
        crowd.set(limits);
        Arc::new(crowd)
    }

    /// Other bounds from now on, after a reload. Requests that are under way stay.
    pub fn set(&self, limits: &Limits) {
        let bounds = [limits.requests_per_address, limits.requests_per_device, limits.requests_per_user, limits.requests];
        for (most, bound) in self.most.iter().zip(bounds) {
            most.store(bound, Ordering::Relaxed);
        }
    }

    /// Its metrics.
    pub fn metrics(&self) -> &CrowdMetrics {
        &self.metrics
    }

    /// A place among all.
    ///
    /// # Errors
    /// [`Crowded::All`].
    pub fn enter(self: &Arc<Self>) -> Result<InFlight, Crowded> {
        self.metrics.in_flight.inc();
        let place = InFlight { crowd: Arc::clone(self), counted: Default::default(), stranger: Cell::new(false) };
        if usize::try_from(self.metrics.in_flight.get()).is_ok_and(|all| all > self.most(Crowded::All)) {
            return Err(self.no_room(Crowded::All));
        }
        Ok(place)
    }

    fn most(&self, kind: Crowded) -> usize {
        self.most.get(kind.number()).map_or(0, |most| most.load(Ordering::Relaxed))
    }

    fn no_room(&self, why: Crowded) -> Crowded {
        self.metrics.shed(match why {
            Crowded::All => "all",
            Crowded::Address => "address",
            Crowded::Device => "device",
            Crowded::User => "user",
        });
        why
    }
}

impl InFlight {
    /// It is a request of nobody that is known, from `address`. All of these together have half of the places, so that no number of
    /// addresses takes those of known devices.
    ///
    /// # Errors
    /// [`Crowded::Address`]; [`Crowded::All`] if strangers have their half.
    pub fn is_from(&self, address: IpAddr) -> Result<(), Crowded> {
        let before = self.crowd.strangers.fetch_add(1, Ordering::Relaxed);
        self.stranger.set(true);
        if before >= self.crowd.most(Crowded::All).div_ceil(2) {
            return Err(self.crowd.no_room(Crowded::All));
        }
        let network = match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        };
        self.count(Crowded::Address, network)
    }

    /// It is a request of this device.
    ///
    /// # Errors
    /// [`Crowded::Device`].
    pub fn is_on(&self, device: &DeviceId) -> Result<(), Crowded> {
        self.count(Crowded::Device, device)
    }

    /// It is a request of this person.
    ///
    /// # Errors
    /// [`Crowded::User`].
    pub fn is_of(&self, user: &UserId) -> Result<(), Crowded> {
        self.count(Crowded::User, user)
    }

    fn count(&self, kind: Crowded, whose: impl Hash) -> Result<(), Crowded> {
        let crowd = &*self.crowd;
        let (Some(table), Some(counted)) = (crowd.tables.get(kind.number()), self.counted.get(kind.number())) else {
            return Ok(());
        };
        let hash = crowd.key.hash_one(whose);
        let before = table.change(hash, |count| count.fetch_add(1, Ordering::Relaxed));
        if before as usize >= crowd.most(kind) {
            table.change(hash, |count| count.fetch_sub(1, Ordering::Relaxed));
            return Err(crowd.no_room(kind));
        }
        counted.set(Some(hash));
        Ok(())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        for (table, counted) in self.crowd.tables.iter().zip(&self.counted) {
            if let Some(hash) = counted.take() {
                table.change(hash, |count| count.fetch_sub(1, Ordering::Relaxed));
            }
        }
        if self.stranger.get() {
            self.crowd.strangers.fetch_sub(1, Ordering::Relaxed);
        }
        self.crowd.metrics.in_flight.dec();
    }
}

impl Table {
    /// Changes both counts, and gives the lower of what they were.
    fn change(&self, hash: u64, change: impl Fn(&AtomicU32) -> u32) -> u32 {
        let Self([first, second]) = self;
        let at = |row: &[AtomicU32], number: u64| {
            let number = usize::try_from(number).unwrap_or(0) % PLACES;
            row.get(number).map_or(u32::MAX, &change)
        };
        at(first, hash & 0xffff_ffff).min(at(second, hash >> 32))
    }
}

/// In each row; 64 kB.
const PLACES: usize = 1 << 14;

#[cfg(test)]
mod tests {
    use super::*;

    fn crowd(limits: &Limits) -> Arc<Crowd> {
        Crowd::new(limits, CrowdMetrics::register(&Registry::new()).unwrap())
    }

    fn device(number: usize) -> DeviceId {
        format!("lap-{number}").parse().unwrap()
    }

    fn user(number: usize) -> UserId {
        format!("corp/{number}").parse().unwrap()
    }

    #[test]
    fn one_device_does_not_take_the_place_of_another() {
        let crowd = crowd(&Limits { requests_per_device: 3, ..Limits::for_tests() });
        let of = |number| {
            let place = crowd.enter()?;
            place.is_on(&device(number))?;
            Ok(place)
        };
        let all: Vec<_> = (0..3).map(|_| of(1).unwrap()).collect();
        assert_eq!(of(1).err(), Some(Crowded::Device));
        let _another = of(2).unwrap();
        drop(all);
        assert!(of(1).is_ok());
        assert_eq!(crowd.metrics.in_flight.get(), 1, "who was refused left no trace");
        assert_eq!(crowd.metrics.shed.with_label_values(&["device"]).get(), 1);
    }

    #[test]
    fn people_and_addresses_have_their_own_bounds() {
        let crowd = crowd(&Limits { requests_per_user: 1, requests_per_address: 2, ..Limits::for_tests() });
        let (first, second, third) = (crowd.enter().unwrap(), crowd.enter().unwrap(), crowd.enter().unwrap());
        first.is_on(&device(1)).unwrap();
        first.is_of(&user(1)).unwrap();
        second.is_on(&device(2)).unwrap();
        assert_eq!(second.is_of(&user(1)), Err(Crowded::User), "on another device too");
        second.is_of(&user(2)).unwrap();
        for (place, address) in [(&first, "2001:db8::1"), (&second, "2001:db8::2:1")] {
            place.is_from(address.parse().unwrap()).unwrap();
        }
        assert_eq!(third.is_from("2001:db8::9".parse().unwrap()), Err(Crowded::Address));
        third.is_from("2001:db8:0:1::9".parse().unwrap()).unwrap();
        third.is_from("10.0.0.1".parse().unwrap()).unwrap();
    }

    #[test]
    fn all_together_have_a_bound_that_a_reload_changes() {
        let crowd = crowd(&Limits { requests: 2, ..Limits::for_tests() });
        let _two = (crowd.enter().unwrap(), crowd.enter().unwrap());
        assert_eq!(crowd.enter().err(), Some(Crowded::All));
        assert_eq!(crowd.metrics.in_flight.get(), 2);
        crowd.set(&Limits { requests: 3, ..Limits::for_tests() });
        assert!(crowd.enter().is_ok());
    }

    #[test]
    fn strangers_from_everywhere_leave_room_for_known_devices() {
        let crowd = crowd(&Limits { requests: 6, ..Limits::for_tests() });
        let from = |number: u8| {
            let place = crowd.enter()?;
            place.is_from(IpAddr::from([10, 0, 0, number])).map(|()| place)
        };
        let strangers: Vec<_> = (0..3).map(|number| from(number).unwrap()).collect();
        assert_eq!(from(9).err(), Some(Crowded::All));
        let known = crowd.enter().unwrap();
        known.is_on(&device(1)).unwrap();
        drop(strangers);
        assert!(from(9).is_ok(), "who was refused left no trace");
    }

    #[test]
    fn a_table_that_is_in_full_use_knows_its_own() {
        let limits = Limits { requests: 100_000, requests_per_device: 20, ..Limits::for_tests() };
        let crowd = crowd(&limits);
        let places: Vec<_> = (0..2_000).map(|number| (crowd.enter().unwrap(), device(number))).collect();
        for (place, device) in &places {
            assert_eq!(place.is_on(device), Ok(()), "others are counted with {device:?}");
        }
        drop(places);
        let left = crowd.tables.iter().flat_map(|Table(rows)| rows).flatten().map(|count| count.load(Ordering::Relaxed));
        assert_eq!(left.sum::<u32>(), 0, "nothing is left behind");
    }
}
