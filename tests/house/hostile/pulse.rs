//! How a gate is doing that somebody tries to wear out.

use std::time::Duration;

use crate::harness::{Client, House, allowed, eventually};

/// What the gate used before.
pub(super) struct Pulse {
    memory: usize,
    files: usize,
    in_flight: f64,
}

impl Pulse {
    /// Takes it when the gate has been used already, so that what is made once is there.
    pub(super) async fn of(house: &House) -> Self {
        Self {
            memory: memory(house),
            files: files(house),
            in_flight: house.metrics().await.sum("sekisho_requests_in_flight", &[]),
        }
    }

    /// Waits until the gate is as it was: its files, its requests, and nearly its memory.
    pub(super) async fn returns(&self, house: &House) {
        eventually("the gate closes what was opened", async || (files(house) <= self.files + SPARE_FILES).then_some(())).await;
        eventually("no request is under way any more", async || {
            let in_flight = house.metrics().await.sum("sekisho_requests_in_flight", &[]);
            (in_flight <= self.in_flight).then_some(())
        })
        .await;
        self.is_calm(house);
    }

    /// The gate has not taken much more memory.
    #[track_caller]
    pub(super) fn is_calm(&self, house: &House) {
        let now = memory(house);
        assert!(now < self.memory + SPARE_MEMORY, "from {} MiB to {} MiB", self.memory >> 20, now >> 20);
    }
}

/// Somebody honest is served, and soon.
pub(super) async fn is_served(client: &Client, url: &str) {
    let reply = tokio::time::timeout(Duration::from_secs(10), client.get(url)).await.expect("an answer, and soon");
    allowed(&reply);
}

/// Resident bytes.
pub(super) fn memory(house: &House) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", house.gate.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// Open files.
pub(super) fn files(house: &House) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", house.gate.id())).unwrap().count()
}

/// Connections to the store and to apps come and go.
const SPARE_FILES: usize = 8;
/// A build for tests, and an allocator that keeps some of what it had.
const SPARE_MEMORY: usize = 96 << 20;
