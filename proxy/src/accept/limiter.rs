//! How many connections there may be: in all, and of one address. Shared by all cores, asked once per connection.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::Limits;

/// Counts connections. Clones count together.
#[derive(Clone, Debug)]
pub struct Limiter(Arc<Counts>);

/// A connection's place. Dropping it gives the place back.
#[derive(Debug)]
pub struct Slot {
    counts: Arc<Counts>,
    of: IpAddr,
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
}

#[derive(Debug)]
struct Counts {
    total: AtomicUsize,
    most: AtomicUsize,
    most_of_one: AtomicUsize,
    of: Mutex<HashMap<IpAddr, usize>>,
}

impl Shed {
    /// The label in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Address => "address",
        }
    }
}

impl Limiter {
    /// With the bounds of `limits`.
    pub fn new(limits: &Limits) -> Self {
        Self(Arc::new(Counts {
            total: AtomicUsize::new(0),
            most: AtomicUsize::new(limits.connections),
            most_of_one: AtomicUsize::new(limits.connections_per_address),
            of: Mutex::new(HashMap::new()),
        }))
    }

    /// Other bounds from now on, after a reload. Connections that are open stay.
    pub fn set(&self, limits: &Limits) {
        self.0.most.store(limits.connections, Ordering::Relaxed);
        self.0.most_of_one.store(limits.connections_per_address, Ordering::Relaxed);
    }

    /// A place for a connection from `address`.
    ///
    /// # Errors
    /// [`Shed`] if there is none.
    pub fn admit(&self, address: IpAddr) -> Result<Slot, Shed> {
        let counts = &self.0;
        let of = counted_as(address);
        let most = counts.most.load(Ordering::Relaxed);
        let taken = counts.total.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |total| (total < most).then_some(total + 1));
        taken.map_err(|_full| Shed::Total)?;
        // From here on dropping the slot gives the total back.
        let slot = Slot { counts: Arc::clone(counts), of };
        let mut table = counts.of.lock().unwrap_or_else(PoisonError::into_inner);
        let here = table.entry(of).or_insert(0);
        *here += 1;
        let over = *here > counts.most_of_one.load(Ordering::Relaxed);
        drop(table);
        if over { Err(Shed::Address) } else { Ok(slot) }
    }

    /// Connections that are open.
    pub fn open(&self) -> usize {
        self.0.total.load(Ordering::Relaxed)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.counts.total.fetch_sub(1, Ordering::Relaxed);
        let mut table = self.counts.of.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(here) = table.get_mut(&self.of) {
            *here -= 1;
            if *here == 0 {
                table.remove(&self.of);
            }
        }
    }
}

/// Who counts as one client: an IPv4 address, or an IPv6 /64, which is what one customer gets.
fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn limits(connections: usize, connections_per_address: usize) -> Limits {
        let second = Duration::from_secs(1);
        Limits {
            connections,
            connections_per_address,
            handshake_timeout: second,
            header_timeout: second,
            idle_timeout: second,
            drain_timeout: second,
            head_bytes: 1,
            headers: 1,
            target_bytes: 1,
            body: 1,
            h2_streams: 1,
            usage_accounts: 1,
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn no_more_than_the_limit_in_all() {
        let limiter = Limiter::new(&limits(2, 2));
        let first = limiter.admit(ip("10.0.0.1")).unwrap();
        let _second = limiter.admit(ip("10.0.0.2")).unwrap();
        assert_eq!(limiter.admit(ip("10.0.0.3")).err(), Some(Shed::Total));
        drop(first);
        assert!(limiter.admit(ip("10.0.0.3")).is_ok());
        assert_eq!(limiter.open(), 1);
    }

    #[test]
    fn no_more_than_the_limit_of_one_address() {
        for (first, same, other) in
            [("10.0.0.1", "::ffff:10.0.0.1", "10.0.0.2"), ("2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1")]
        {
            let limiter = Limiter::new(&limits(10, 1));
            let slot = limiter.admit(ip(first)).unwrap();
            assert_eq!(limiter.admit(ip(same)).err(), Some(Shed::Address));
            let _other = limiter.admit(ip(other)).unwrap();
            drop(slot);
            let _again = limiter.admit(ip(same)).unwrap();
            assert_eq!(limiter.open(), 2);
        }
    }

    #[test]
    fn what_is_shed_leaves_no_trace() {
        let limiter = Limiter::new(&limits(10, 1));
        let slot = limiter.admit(ip("10.0.0.1")).unwrap();
        for _ in 0..5 {
            assert!(limiter.admit(ip("10.0.0.1")).is_err());
        }
        assert_eq!(limiter.open(), 1);
        drop(slot);
        assert_eq!(limiter.open(), 0);
        assert!(limiter.0.of.lock().unwrap().is_empty());
    }

    #[test]
    fn a_reload_changes_the_bounds() {
        let limiter = Limiter::new(&limits(1, 1));
        let _slot = limiter.admit(ip("10.0.0.1")).unwrap();
        assert!(limiter.admit(ip("10.0.0.1")).is_err());
        limiter.set(&limits(2, 2));
        assert!(limiter.admit(ip("10.0.0.1")).is_ok());
    }
}
