//! How often somebody may try what strangers may try. Nothing can be guessed so; this bounds what trying costs us, and keeps the record
//! readable.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;

/// Failed attempts, by address (IPv6: by /64) and in all. An attempt takes a token; one that succeeds gives it back, so that a whole
/// office behind one address can enrol in a morning, and a provider sign everybody out.
#[derive(Debug)]
pub struct Throttle {
    each: Rate,
    all: Rate,
    state: Mutex<State>,
}

/// How many attempts, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// At once.
    pub tokens: i64,
    /// Time in which one comes back.
    pub refill: Duration,
}

#[derive(Debug)]
struct State {
    all: Bucket,
    addresses: HashMap<IpAddr, Bucket>,
}

/// Tokens in thousandths, so that milliseconds fill it evenly.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    level: i64,
    at: Timestamp,
}

impl Throttle {
    /// So many for each address, and so many in all.
    pub fn new(each: Rate, all: Rate, now: Timestamp) -> Self {
        Self { each, all, state: Mutex::new(State { all: Bucket::full(all, now), addresses: HashMap::new() }) }
    }

    /// Takes a token.
    ///
    /// # Errors
    /// How long until there is one.
    pub fn take(&self, client: IpAddr, now: Timestamp) -> Result<(), Duration> {
        let key = network(client);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Its own bucket first: who has none left does not use up what belongs to all.
        let mut own = state.addresses.get(&key).copied().unwrap_or_else(|| Bucket::full(self.each, now));
        own.take(self.each, now)?;
        // Its own token is gone also if there is none left in all: who tries again and again is bounded by that.
        let all = state.all.take(self.all, now);
        // Full buckets need no memory.
        if state.addresses.len() >= SWEEP {
            state.addresses.retain(|_, bucket| !bucket.is_full(self.each, now));
        }
        // Beyond those, only who got a token of all, which bounds how many there can be, or is known already.
        if all.is_ok() || state.addresses.len() < SWEEP || state.addresses.contains_key(&key) {
            state.addresses.insert(key, own);
        }
        all
    }

    /// Gives the token of a successful attempt back.
    pub fn give_back(&self, client: IpAddr, now: Timestamp) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.all.add(self.all, now);
        if let Some(own) = state.addresses.get_mut(&network(client)) {
            own.add(self.each, now);
        }
    }
}

impl Bucket {
    fn full(size: Rate, now: Timestamp) -> Self {
        Self { level: size.tokens * TOKEN, at: now }
    }

    fn fill(&mut self, size: Rate, now: Timestamp) {
        let gained = now.since(self.at).as_millis() * u128::from(TOKEN.unsigned_abs()) / size.refill.as_millis().max(1);
        let gained = i64::try_from(gained).unwrap_or(i64::MAX);
        if gained > 0 {
            self.level = self.level.saturating_add(gained).min(size.tokens * TOKEN);
            self.at = now;
        }
    }

    fn take(&mut self, size: Rate, now: Timestamp) -> Result<(), Duration> {
        self.fill(size, now);
        if self.level >= TOKEN {
            self.level -= TOKEN;
            return Ok(());
        }
        let missing = u32::try_from(TOKEN - self.level).unwrap_or(u32::MAX);
        Err(size.refill * missing / u32::try_from(TOKEN).unwrap_or(1))
    }

    fn add(&mut self, size: Rate, now: Timestamp) {
        self.fill(size, now);
        self.level = (self.level + TOKEN).min(size.tokens * TOKEN);
    }

    fn is_full(mut self, size: Rate, now: Timestamp) -> bool {
        self.fill(size, now);
        self.level >= size.tokens * TOKEN
    }
}

/// What one party has: an IPv4 address, or an IPv6 /64.
fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(six) => IpAddr::V6(Ipv6Addr::from_bits(six.to_bits() & (u128::MAX << 64))),
        four => four,
    }
}

const TOKEN: i64 = 1000;
/// Addresses to remember before looking for those that need not be.
const SWEEP: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const EACH: Rate = Rate { tokens: 10, refill: Duration::from_secs(6) };
    const ALL: Rate = Rate { tokens: 100, refill: Duration::from_millis(100) };
    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_runs_dry_and_another_does_not() {
        let throttle = Throttle::new(EACH, ALL, NOW);
        let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
        for _ in 0..10 {
            assert_eq!(throttle.take(one, NOW), Ok(()));
        }
        assert_eq!(throttle.take(one, NOW), Err(Duration::from_secs(6)));
        assert_eq!(throttle.take(address("::ffff:192.0.2.1"), NOW), Err(Duration::from_secs(6)));
        assert_eq!(throttle.take(other, NOW), Ok(()));
        let later = NOW.plus(Duration::from_secs(6));
        assert_eq!(throttle.take(one, NOW.plus(Duration::from_millis(5_999))), Err(Duration::from_millis(6)));
        assert_eq!(throttle.take(one, later), Ok(()));
        assert!(throttle.take(one, later).is_err());
    }

    #[test]
    fn a_successful_attempt_costs_nothing() {
        let throttle = Throttle::new(EACH, ALL, NOW);
        for _ in 0..500 {
            assert_eq!(throttle.take(address("192.0.2.1"), NOW), Ok(()));
            throttle.give_back(address("192.0.2.1"), NOW);
        }
    }

    #[test]
    fn trying_while_there_is_none_left_in_all_costs_ones_own() {
        let throttle = Throttle::new(EACH, Rate { tokens: 1, refill: Duration::from_millis(100) }, NOW);
        assert_eq!(throttle.take(address("192.0.2.9"), NOW), Ok(()));
        for _ in 0..10 {
            assert_eq!(throttle.take(address("192.0.2.1"), NOW), Err(Duration::from_millis(100)));
        }
        let later = NOW.plus(Duration::from_millis(100));
        // Six seconds, less the 16 thousandths of a token that have come back.
        assert_eq!(throttle.take(address("192.0.2.1"), later), Err(Duration::from_millis(5_904)), "it has none of its own");
        assert_eq!(throttle.take(address("192.0.2.2"), later), Ok(()), "and has taken none of another's");
    }

    #[test]
    fn a_whole_ipv6_network_is_one() {
        let throttle = Throttle::new(EACH, ALL, NOW);
        for host in 0..10 {
            assert_eq!(throttle.take(address(&format!("2001:db8::{host}")), NOW), Ok(()));
        }
        assert!(throttle.take(address("2001:db8::ffff"), NOW).is_err());
        assert_eq!(throttle.take(address("2001:db8:0:1::1"), NOW), Ok(()));
    }

    #[test]
    fn many_addresses_share_one_bound_and_little_memory() {
        let throttle = Throttle::new(EACH, ALL, NOW);
        let taken = (0..100_000_u32).filter(|n| throttle.take(IpAddr::V4((0x0a00_0000 + n).into()), NOW).is_ok()).count();
        assert_eq!(taken, 100);
        for minute in 1..200_i64 {
            for n in 0..200_u32 {
                let client = IpAddr::V4((u32::try_from(minute).unwrap() * 1000 + n).into());
                let _may_be_refused = throttle.take(client, Timestamp(NOW.0 + minute * 60_000));
            }
        }
        assert!(throttle.state.lock().unwrap().addresses.len() <= SWEEP + 100);
    }
}
