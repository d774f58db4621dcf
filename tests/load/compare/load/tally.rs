//! Counts what comes back, and takes the proxy's time at the right moments.

use std::time::{Duration, Instant};

use super::super::histogram::Histogram;
use super::super::order::{Order, Outcome};
use super::super::process::{self, Spent};

/// Of one run.
#[derive(Debug)]
pub(super) struct Tally {
    watched: u32,
    upstream: u32,
    warm_up: Duration,
    warm_until: Option<Instant>,
    lasts: Duration,
    begun: Option<Begun>,
    /// The measured time is over; what is under way is waited for.
    pub(super) over: bool,
    times: Histogram,
    outcome: Outcome,
}

#[derive(Clone, Copy, Debug)]
struct Begun {
    at: Instant,
    proxy: Spent,
    /// The load's and the upstream's.
    own: f64,
    machine: f64,
}

impl Begun {
    fn now(watched: u32, upstream: u32) -> Self {
        let own = process::spent(std::process::id()).all() + process::spent(upstream).all();
        Self { proxy: process::spent(watched), own, machine: process::machine(), at: Instant::now() }
    }
}

impl Tally {
    pub(super) fn new(order: &Order) -> Self {
        Self {
            watched: order.watched,
            upstream: order.upstream,
            warm_up: Duration::from_secs_f64(order.warm_up),
            warm_until: None,
            lasts: Duration::from_secs_f64(order.seconds),
            begun: None,
            over: false,
            times: Histogram::new(),
            outcome: Outcome { memory_before: process::memory(order.watched), ..Outcome::default() },
        }
    }

    /// Begins and ends the measured time when it is time to. Called as soon as all connections stand, and again and again from then on.
    pub(super) fn look(&mut self) {
        let now = Instant::now();
        let warm_until = *self.warm_until.get_or_insert(now + self.warm_up);
        match self.begun {
            None if now >= warm_until => self.begun = Some(Begun::now(self.watched, self.upstream)),
            Some(begun) if !self.over && now - begun.at >= self.lasts => self.end(),
            _ => {}
        }
    }

    /// Ends the measured time.
    pub(super) fn end(&mut self) {
        if self.over {
            return;
        }
        self.over = true;
        let (Some(begun), now) = (self.begun, Begun::now(self.watched, self.upstream)) else { return };
        let proxy = now.proxy.since(begun.proxy);
        self.outcome.seconds = (now.at - begun.at).as_secs_f64();
        (self.outcome.user, self.outcome.system) = (proxy.user, proxy.system);
        let others = (now.machine - begun.machine) - proxy.all() - (now.own - begun.own);
        self.outcome.others = others.max(0.0) / self.outcome.seconds;
    }

    pub(super) fn answer(&mut self, status: u16, asked: Instant) {
        self.outcome.answers += 1;
        if status != 200 {
            self.outcome.problem.get_or_insert_with(|| format!("status {status}"));
        }
        if self.begun.is_none() || self.over {
            return;
        }
        if status == 200 {
            self.outcome.good += 1;
            self.times.note(u64::try_from(asked.elapsed().as_nanos()).unwrap_or(u64::MAX));
        } else {
            self.outcome.refused += 1;
        }
    }

    /// A WebSocket stands: for the record, a request that was answered.
    pub(super) fn upgraded(&mut self) {
        self.outcome.answers += 1;
    }

    /// A message came back.
    pub(super) fn message(&mut self, sent: Instant) {
        if self.begun.is_some() && !self.over {
            self.outcome.good += 1;
            self.times.note(u64::try_from(sent.elapsed().as_nanos()).unwrap_or(u64::MAX));
        }
    }

    pub(super) fn body(&mut self, bytes: usize) {
        if self.begun.is_some() && !self.over {
            self.outcome.bytes += bytes as u64;
        }
    }

    pub(super) fn broke(&mut self, how: &str) {
        self.outcome.broken += 1;
        self.outcome.problem.get_or_insert_with(|| how.to_owned());
    }

    /// All connections are open and idle now.
    pub(super) fn idle(&mut self, open: usize) {
        self.outcome.open = open as u64;
        self.outcome.memory = process::memory(self.watched);
    }

    pub(super) fn broken(&self) -> u64 {
        self.outcome.broken
    }

    pub(super) fn into_outcome(mut self) -> Outcome {
        (self.outcome.median, self.outcome.p99) = (self.times.at(0.5), self.times.at(0.99));
        self.outcome
    }
}
