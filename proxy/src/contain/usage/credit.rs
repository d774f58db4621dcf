//! What a stream may hand on: charged before it does, at most 1 MiB ahead.

use std::sync::Arc;

use super::account::{Figures, Hold, Stamp};
use super::streams::{Stream, Streams};
use crate::clock::Timestamp;

/// The bytes that one stream has charged to its account and has not handed on yet.
///
/// Whatever it hands on is in the windows by then, in the bucket of that very moment: credit that was taken in an earlier bucket
/// moves on before it is used. What is left when the stream ends is given back.
#[derive(Debug)]
pub struct Credit {
    hold: Hold,
    streams: Arc<Streams>,
    of: StreamId,
    name: Option<Arc<Stream>>,
    spent: u64,
    /// What its account was charged with when the request was let through.
    before: u64,
    left: u64,
    stamp: Stamp,
    next: u64,
    /// Bytes that are still to come, if that was declared.
    owed: Option<u64>,
}

/// What a stream is called in the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamId {
    /// The request.
    pub request: [u8; 16],
    /// It is a WebSocket or the like.
    pub tunnel: bool,
}

/// The stream may not go on: its budget is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the budget is used up")]
pub struct UsedUp;

impl Credit {
    pub(super) fn new(hold: Hold, streams: Arc<Streams>, of: StreamId) -> Self {
        let before = hold.account().charged();
        let stamp = Stamp::default();
        let mut credit = Self { hold, streams, of, name: None, spent: 0, before, left: 0, stamp, next: 0, owed: None };
        if of.tunnel {
            credit.enter();
        }
        credit
    }

    /// The stream begins, and says how long it is, or does not. To be called before the record tells of it. A short one is charged as a
    /// whole.
    pub fn begins(&mut self, declared: Option<u64>, now: Timestamp) {
        self.owed = declared;
        match declared {
            Some(bytes) if bytes <= FIRST => {
                self.stamp = Stamp::of(now);
                self.hold.account().charge(self.stamp, bytes);
                self.left = bytes;
            }
            Some(_) | None => {
                self.next = declared.map_or(0, |_long| FIRST);
                self.enter();
            }
        }
    }

    /// To be called before `bytes` are handed on. Where credit runs out, `may` is asked with the figures of this moment before more
    /// is taken. Not for the first, as the request was decided only just now; unless others were charged with so much meanwhile that
    /// it matters: many that are let through at once and answered later would have far more than they may.
    ///
    /// # Errors
    /// [`UsedUp`]: nothing more may be handed on.
    pub fn spend(&mut self, bytes: u64, now: Timestamp, may: impl FnOnce(Figures) -> bool) -> Result<(), UsedUp> {
        self.move_on(now);
        let others = self.hold.account().charged().saturating_sub(self.before.saturating_add(self.left));
        let asks = if self.spent == 0 { others > MOST } else { self.left < bytes };
        if asks && !may(self.hold.figures(now)) {
            return Err(UsedUp);
        }
        if self.left < bytes {
            self.take(bytes);
        }
        self.left -= bytes.min(self.left);
        self.spent = self.spent.saturating_add(bytes);
        self.owed = self.owed.map(|owed| owed.saturating_sub(bytes));
        if let Some(name) = &self.name {
            name.note(self.spent, self.owed);
        }
        Ok(())
    }

    /// The figures of its account now.
    pub fn figures(&self, now: Timestamp) -> Figures {
        self.hold.figures(now)
    }

    /// What is still to be used moves into the bucket of now; charged there before it is taken out here.
    fn move_on(&mut self, now: Timestamp) {
        let stamp = Stamp::of(now);
        if stamp == self.stamp {
            return;
        }
        let before = std::mem::replace(&mut self.stamp, stamp);
        if self.left > 0 {
            self.hold.account().charge(stamp, self.left);
            self.hold.account().give_back(before, self.left);
        }
    }

    fn take(&mut self, bytes: u64) {
        let ahead = self.next.min(self.owed.unwrap_or(u64::MAX));
        let more = ahead.max(bytes).saturating_sub(self.left);
        self.hold.account().charge(self.stamp, more);
        self.left += more;
        self.next = self.next.saturating_mul(2).clamp(FIRST, MOST);
    }

    fn enter(&mut self) {
        self.name = Some(self.streams.enter(self.of, Arc::clone(self.hold.account()), self.owed));
    }
}

impl Drop for Credit {
    fn drop(&mut self) {
        self.hold.account().give_back(self.stamp, self.left);
        if self.name.is_some() {
            self.streams.leave(&self.of);
        }
    }
}

/// The first piece; what is declared to be no longer is charged as a whole.
const FIRST: u64 = 64 * 1024;
/// The most that is charged ahead.
const MOST: u64 = 1024 * 1024;
