//! What the record tells that is in no account yet, after a crash.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::account::{Account, Holder};
use super::ledger::{Usage, Whose};
use super::snapshot::{Restored, Under, unhex};
use crate::clock::Timestamp;

/// Takes what the record tells since a snapshot, or, without one, of the last day; line by line, in its order.
#[derive(Debug)]
pub struct Rebuild<'a> {
    usage: &'a Usage,
    now: Timestamp,
    under: HashMap<[u8; 16], Under>,
    /// Requests that a `start` line told of, whose `access` line did not come yet.
    begun: HashSet<[u8; 16]>,
}

impl<'a> Rebuild<'a> {
    /// On top of what was restored.
    pub fn new(usage: &'a Usage, restored: Restored, now: Timestamp) -> Self {
        Self { usage, now, under: restored.streams, begun: HashSet::new() }
    }

    /// As requests find it: it may be one that is shared.
    fn account(&self, holder: &Holder) -> Arc<Account> {
        let Holder { user, device, app } = holder;
        Arc::clone(self.usage.hold(Whose { user, device, app }, self.now).account())
    }

    /// A `start` line: a request is let through, and its answer has not begun.
    pub fn begins(&mut self, request: &str, holder: &Holder, at: Timestamp) {
        let Some(request) = unhex(request) else { return };
        let account = self.account(holder);
        account.count_past(at, self.now);
        self.begun.insert(request);
    }

    /// The `access` line of a request that was let through, asked about at `at`: its answer begins. `length` is what it declares.
    pub fn answers(&mut self, request: &str, holder: &Holder, at: Timestamp, length: Option<u64>, tunnel: bool) {
        let Some(request) = unhex(request) else { return };
        let account = self.account(holder);
        if !self.begun.remove(&request) {
            account.count_past(at, self.now);
        }
        self.under.entry(request).or_insert(Under { account, counted: 0, owed: length, tunnel });
    }

    /// A `progress` line: so many bytes were handed on up to then.
    pub fn moved(&mut self, request: &str, at: Timestamp, sent: u64) {
        let Some(under) = unhex(request).and_then(|request| self.under.get_mut(&request)) else { return };
        let more = sent.saturating_sub(under.counted);
        under.account.charge_past(at, self.now, more);
        under.counted += more;
        under.owed = under.owed.map(|owed| owed.saturating_sub(more));
    }

    /// An `end` line: so many bytes were handed on in all.
    pub fn ends(&mut self, request: &str, at: Timestamp, sent: u64) {
        self.moved(request, at, sent);
        if let Some(request) = unhex(request) {
            self.under.remove(&request);
        }
    }

    /// No more lines. Streams without an `end` were cut by the crash: what they handed on after their last line is not known, and is
    /// taken to be as much as it can have been. Returns how many there were.
    pub fn finish(self) -> usize {
        for under in self.under.values() {
            let most = if under.tunnel { TUNNEL_REST } else { REST };
            under.account.charge_past(self.now, self.now, under.owed.unwrap_or(most).min(most));
        }
        self.usage.count();
        self.under.len()
    }
}

/// An answer hands on at most this much between two `progress` lines, and a little.
const REST: u64 = 17 * 1024 * 1024;
/// A WebSocket is mostly idle, and rarely for files: its last megabyte.
const TUNNEL_REST: u64 = 1024 * 1024;
