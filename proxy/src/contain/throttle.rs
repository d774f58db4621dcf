//! How often somebody may try what strangers may try. Nothing can be guessed so; this bounds what trying costs us, and keeps the record
//! readable.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::network::Network;
use crate::clock::Timestamp;

/// Failed attempts of each network. An attempt takes a token; one that succeeds gives it back, so that a whole office behind one
/// address can enrol in a morning, and a provider sign everybody out.
///
/// Nobody takes what is another's: what all attempts together may cost is bounded where they wait for it, by
/// [`Turns`](super::Turns).
#[derive(Debug)]
pub struct Throttle {
    each: Rate,
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
    buckets: HashMap<Network, Bucket>,
    swept_at: Timestamp,
}

/// Tokens in thousandths, so that milliseconds fill it evenly.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    level: i64,
    at: Timestamp,
}

impl Throttle {
    /// So many for each address (IPv6: /64), and for wider networks as [`Network::times`] says.
    pub fn new(each: Rate) -> Self {
        Self { each, state: Mutex::new(State { buckets: HashMap::new(), swept_at: Timestamp::default() }) }
    }

    /// Takes a token.
    ///
    /// # Errors
    /// How long until there is one.
    pub fn take(&self, client: IpAddr, now: Timestamp) -> Result<(), Duration> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for network in Network::of(client) {
            let size = self.each.of(network);
            state.buckets.get(&network).copied().map_or(Ok(()), |mut bucket| bucket.take(size, now))?;
        }
        state.sweep(self.each, now);
        for network in Network::of(client) {
            let size = self.each.of(network);
            // Where there is no room, the newest are not remembered: they are not refused for what others did.
            if state.buckets.len() < MOST || state.buckets.contains_key(&network) {
                let _there_is_one = state.buckets.entry(network).or_insert_with(|| Bucket::full(size, now)).take(size, now);
            }
        }
        Ok(())
    }

    /// Gives the token of a successful attempt back.
    pub fn give_back(&self, client: IpAddr, now: Timestamp) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for network in Network::of(client) {
            let size = self.each.of(network);
            if let Some(bucket) = state.buckets.get_mut(&network) {
                bucket.add(size, now);
            }
        }
    }
}

impl State {
    /// Full buckets need no memory.
    fn sweep(&mut self, each: Rate, now: Timestamp) {
        let long_ago = now < self.swept_at || now.since(self.swept_at) >= SWEEP;
        if self.buckets.len() >= MANY && long_ago {
            self.swept_at = now;
            self.buckets.retain(|network, bucket| !bucket.is_full(each.of(*network), now));
        }
    }
}

impl Rate {
    /// The same for a network that may be wider.
    fn of(self, network: Network) -> Self {
        let times = u32::try_from(network.times()).unwrap_or(u32::MAX);
        Self { tokens: self.tokens.saturating_mul(i64::from(times)), refill: self.refill / times.max(1) }
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

const TOKEN: i64 = 1000;
/// Networks to remember before looking for those that need not be.
const MANY: usize = 1024;
/// Networks to remember: about 3 MiB.
const MOST: usize = 48 * 1024;
/// Between two looks.
const SWEEP: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const EACH: Rate = Rate { tokens: 10, refill: Duration::from_secs(6) };
    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_runs_dry_and_another_does_not() {
        let throttle = Throttle::new(EACH);
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
        let throttle = Throttle::new(EACH);
        for client in ["192.0.2.1", "2001:db8::1"] {
            for _ in 0..500 {
                assert_eq!(throttle.take(address(client), NOW), Ok(()));
                throttle.give_back(address(client), NOW);
            }
        }
    }

    #[test]
    fn a_whole_ipv6_network_is_one() {
        let throttle = Throttle::new(EACH);
        for host in 0..10 {
            assert_eq!(throttle.take(address(&format!("2001:db8::{host}")), NOW), Ok(()));
        }
        assert!(throttle.take(address("2001:db8::ffff"), NOW).is_err());
        assert_eq!(throttle.take(address("2001:db8:0:1::1"), NOW), Ok(()));
    }

    #[test]
    fn many_networks_of_one_home_or_site_have_a_bound_together() {
        let taken = |address_of: &dyn Fn(u32) -> String| {
            let throttle = Throttle::new(EACH);
            (0..5_000_u32).filter(|n| throttle.take(address(&address_of(*n)), NOW).is_ok()).count()
        };
        assert_eq!(taken(&|n| format!("2001:db8:0:{:x}::1", n % 256)), 40, "of a /56");
        assert_eq!(taken(&|n| format!("2001:db8:0:{n:x}::1")), 160, "of a /48");
        assert_eq!(taken(&|n| format!("2001:db8:{n:x}::1")), 5_000, "of many");
    }

    #[test]
    fn however_many_there_are_little_is_remembered_and_nobody_pays_for_others() {
        let throttle = Throttle::new(EACH);
        let taken = (0..100_000_u32).filter(|n| throttle.take(IpAddr::V4((0x0a00_0000 + n).into()), NOW).is_ok()).count();
        assert_eq!(taken, 100_000);
        assert_eq!(throttle.state.lock().unwrap().buckets.len(), MOST);
        assert_eq!(throttle.take(address("192.0.2.1"), NOW), Ok(()));
        let later = NOW.plus(Duration::from_secs(6));
        assert_eq!(throttle.take(address("192.0.2.1"), later), Ok(()));
        assert_eq!(throttle.state.lock().unwrap().buckets.len(), 1, "whose buckets are full are forgotten");
    }
}
