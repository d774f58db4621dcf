//! How many connections there may be: in all, of one network, and with their handshake under way. Shared by all cores, asked once
//! per connection.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::Limits;
use crate::contain::Network;

/// Counts connections. Clones count together.
#[derive(Clone, Debug)]
pub struct Limiter(Arc<Counts>);

/// A connection's place. Dropping it gives the place back.
#[derive(Debug)]
pub struct Slot {
    counts: Arc<Counts>,
    of: Option<IpAddr>,
    shaking: bool,
}

/// Why a connection is not taken: it is closed without a word, since a word would cost a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Shed {
    /// `limits.connections` are open.
    #[error("too many connections")]
    Total,
    /// `limits.connections_per_address` of this address are open.
    #[error("too many connections of one address")]
    Address,
    /// `limits.handshakes_per_address` of this address are in the middle of their handshake.
    #[error("too many handshakes of one address")]
    Handshakes,
}

#[derive(Debug)]
struct Counts {
    total: AtomicUsize,
    most: AtomicUsize,
    most_of_one: AtomicUsize,
    most_shaking: AtomicUsize,
    of: Mutex<HashMap<Network, Share>>,
}

/// What a network has.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    open: usize,
    shaking: usize,
}

impl Shed {
    /// The label in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Address => "address",
            Self::Handshakes => "handshakes",
        }
    }
}

impl Limiter {
    /// With the bounds of `limits`.
    pub fn new(limits: &Limits) -> Self {
        let limiter = Self(Arc::new(Counts {
            total: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            most_of_one: AtomicUsize::new(0),
            most_shaking: AtomicUsize::new(0),
            of: Mutex::new(HashMap::new()),
        }));
        limiter.set(limits);
        limiter
    }

    /// Other bounds from now on, after a reload. Connections that are open stay.
    pub fn set(&self, limits: &Limits) {
        self.0.most.store(limits.connections, Ordering::Relaxed);
        self.0.most_of_one.store(limits.connections_per_address, Ordering::Relaxed);
        self.0.most_shaking.store(limits.handshakes_per_address, Ordering::Relaxed);
    }

    /// A place for a connection that begins its handshake. Whose it is has to be said with [`Slot::is_of`] as soon as it is known:
    /// behind a balancer, that is not at once.
    ///
    /// # Errors
    /// [`Shed`] if there is none.
    pub fn admit(&self) -> Result<Slot, Shed> {
        let counts = &self.0;
        let most = counts.most.load(Ordering::Relaxed);
        let taken = counts.total.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |total| (total < most).then_some(total + 1));
        taken.map_err(|_full| Shed::Total)?;
        Ok(Slot { counts: Arc::clone(counts), of: None, shaking: false })
    }

    /// Connections that are open.
    pub fn open(&self) -> usize {
        self.0.total.load(Ordering::Relaxed)
    }
}

impl Slot {
    /// The connection is this client's, and in its handshake.
    ///
    /// # Errors
    /// [`Shed`] if the client has as much as it may have: then the slot is to be dropped.
    pub fn is_of(&mut self, address: IpAddr) -> Result<(), Shed> {
        let most_open = self.counts.most_of_one.load(Ordering::Relaxed);
        let most_shaking = self.counts.most_shaking.load(Ordering::Relaxed);
        let mut table = self.counts.of.lock().unwrap_or_else(PoisonError::into_inner);
        for network in Network::of(address) {
            let share = table.get(&network).copied().unwrap_or_default();
            if share.open >= most_open.saturating_mul(network.times()) {
                return Err(Shed::Address);
            }
            if share.shaking >= most_shaking.saturating_mul(network.times()) {
                return Err(Shed::Handshakes);
            }
        }
        for network in Network::of(address) {
            let share = table.entry(network).or_default();
            share.open += 1;
            share.shaking += 1;
        }
        drop(table);
        self.of = Some(address);
        self.shaking = true;
        Ok(())
    }

    /// The handshake is over.
    pub fn has_shaken_hands(&mut self) {
        if std::mem::take(&mut self.shaking) {
            self.change(|share| share.shaking = share.shaking.saturating_sub(1));
        }
    }

    fn change(&self, change: impl Fn(&mut Share)) {
        let Some(address) = self.of else { return };
        let mut table = self.counts.of.lock().unwrap_or_else(PoisonError::into_inner);
        for network in Network::of(address) {
            if let Some(share) = table.get_mut(&network) {
                change(share);
                if share.open == 0 {
                    table.remove(&network);
                }
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.counts.total.fetch_sub(1, Ordering::Relaxed);
        let shaking = usize::from(self.shaking);
        self.change(|share| {
            share.open = share.open.saturating_sub(1);
            share.shaking = share.shaking.saturating_sub(shaking);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(connections: usize, connections_per_address: usize) -> Limits {
        Limits { connections, connections_per_address, handshakes_per_address: connections_per_address, ..Limits::for_tests() }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn admit(limiter: &Limiter, address: &str) -> Result<Slot, Shed> {
        let mut slot = limiter.admit()?;
        slot.is_of(ip(address))?;
        Ok(slot)
    }

    #[test]
    fn no_more_than_the_limit_in_all() {
        let limiter = Limiter::new(&limits(2, 2));
        let first = admit(&limiter, "10.0.0.1").unwrap();
        let _second = admit(&limiter, "10.0.0.2").unwrap();
        assert_eq!(admit(&limiter, "10.0.0.3").err(), Some(Shed::Total));
        drop(first);
        assert!(admit(&limiter, "10.0.0.3").is_ok());
        assert_eq!(limiter.open(), 1);
    }

    #[test]
    fn no_more_than_the_limit_of_one_address() {
        for (first, same, other) in
            [("10.0.0.1", "::ffff:10.0.0.1", "10.0.0.2"), ("2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1")]
        {
            let limiter = Limiter::new(&limits(10, 1));
            let slot = admit(&limiter, first).unwrap();
            assert_eq!(admit(&limiter, same).err(), Some(Shed::Address));
            let _other = admit(&limiter, other).unwrap();
            drop(slot);
            let _again = admit(&limiter, same).unwrap();
            assert_eq!(limiter.open(), 2);
        }
    }

    #[test]
    fn many_networks_of_one_home_or_site_are_one_client_in_the_end() {
        for (home, bound) in [(true, 4), (false, 16)] {
            let limiter = Limiter::new(&limits(100, 1));
            let of_it = |number: usize| {
                let subnet = if home { number } else { number << 8 };
                admit(&limiter, &format!("2001:db8:0:{subnet:x}::1"))
            };
            let all: Vec<_> = (0..bound).map(|number| of_it(number).unwrap()).collect();
            assert_eq!(of_it(bound).err(), Some(Shed::Address), "home: {home}");
            let another = if home { "2001:db8:0:100::1" } else { "2001:db8:1::1" };
            let _another = admit(&limiter, another).unwrap();
            drop(all);
            assert!(of_it(bound).is_ok());
        }
    }

    #[test]
    fn handshakes_are_bounded_until_they_are_done() {
        let limiter = Limiter::new(&Limits { handshakes_per_address: 1, ..limits(10, 10) });
        let mut first = admit(&limiter, "10.0.0.1").unwrap();
        assert_eq!(admit(&limiter, "10.0.0.1").err(), Some(Shed::Handshakes));
        let _other = admit(&limiter, "10.0.0.2").unwrap();
        first.has_shaken_hands();
        let second = admit(&limiter, "10.0.0.1").unwrap();
        assert_eq!(admit(&limiter, "10.0.0.1").err(), Some(Shed::Handshakes));
        drop(second);
        drop(first);
        assert!(admit(&limiter, "10.0.0.1").is_ok());
    }

    #[test]
    fn what_is_shed_leaves_no_trace() {
        let limiter = Limiter::new(&limits(10, 1));
        let slot = admit(&limiter, "2001:db8::1").unwrap();
        for _ in 0..5 {
            assert!(admit(&limiter, "2001:db8::1").is_err());
        }
        assert_eq!(limiter.open(), 1);
        drop(slot);
        assert_eq!(limiter.open(), 0);
        assert!(limiter.0.of.lock().unwrap().is_empty());
    }

    #[test]
    fn a_reload_changes_the_bounds() {
        let limiter = Limiter::new(&limits(1, 1));
        let _slot = admit(&limiter, "10.0.0.1").unwrap();
        assert!(admit(&limiter, "10.0.0.1").is_err());
        limiter.set(&limits(2, 2));
        assert!(admit(&limiter, "10.0.0.1").is_ok());
    }
}
