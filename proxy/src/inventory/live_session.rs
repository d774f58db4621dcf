//! A session while the gate runs: the facts, and what changes with use.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::session::Session;
use crate::clock::Timestamp;
use crate::secret::Digest;

/// A session in the live state. Shared by every request that uses it; all of it can be read and touched without waiting.
#[derive(Debug)]
pub struct LiveSession {
    /// The facts. A change of facts makes a new `LiveSession`.
    pub session: Arc<Session>,
    /// Content hash of the facts: SHA-256 of [`Session::facts_json`].
    pub facts: Digest,
    /// Shared with earlier and later facts of the same session.
    course: Arc<Course>,
    /// Hashes of its cookies. Only the one task that applies changes takes this lock, and never across an await.
    cookies: Mutex<Vec<Digest>>,
}

/// What changes with use.
#[derive(Debug)]
struct Course {
    last_used: AtomicI64,
    /// `last_used` as it stands in the store.
    saved: AtomicI64,
    ended: AtomicBool,
}

/// A session that is over. The person signs in again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionOver {
    /// By sign-out or by an administrator.
    #[error("the session was ended")]
    Ended,
    /// It reached its absolute end.
    #[error("the session reached the end of its lifetime")]
    Expired,
    /// It was not used for too long.
    #[error("the session was not used for too long")]
    Idle,
}

impl LiveSession {
    pub(crate) fn new(session: Session, last_used: Timestamp) -> Self {
        let course =
            Course { last_used: AtomicI64::new(last_used.0), saved: AtomicI64::new(last_used.0), ended: AtomicBool::new(false) };
        Self::on(session, Arc::new(course), Vec::new())
    }

    /// The same session with other facts. Whoever still holds `self` sees the end of both.
    pub(crate) fn with_facts(&self, session: Session) -> Self {
        Self::on(session, Arc::clone(&self.course), self.cookies().clone())
    }

    fn on(session: Session, course: Arc<Course>, cookies: Vec<Digest>) -> Self {
        let facts = Digest::of(session.facts_json().as_bytes());
        Self { session: Arc::new(session), facts, course, cookies: Mutex::new(cookies) }
    }

    /// Whether it may be used at `now`, if sessions end when unused for `idle_timeout`.
    ///
    /// # Errors
    /// [`SessionOver`] says how it came to its end.
    pub fn usable(&self, now: Timestamp, idle_timeout: Duration) -> Result<(), SessionOver> {
        if self.course.ended.load(Ordering::Acquire) {
            return Err(SessionOver::Ended);
        }
        if now >= self.session.expires_at {
            return Err(SessionOver::Expired);
        }
        if now >= self.last_used().plus(idle_timeout) {
            return Err(SessionOver::Idle);
        }
        Ok(())
    }

    /// Notes that it was used. Costs one atomic operation; reaches the disk within about half a minute.
    pub fn touch(&self, now: Timestamp) {
        self.course.last_used.fetch_max(now.0, Ordering::Relaxed);
    }

    /// When it was last used.
    pub fn last_used(&self) -> Timestamp {
        Timestamp(self.course.last_used.load(Ordering::Relaxed))
    }

    /// It was ended while somebody still holds it.
    pub fn ended(&self) -> bool {
        self.course.ended.load(Ordering::Acquire)
    }

    pub(crate) fn end(&self) {
        self.course.ended.store(true, Ordering::Release);
    }

    /// What the store does not know yet.
    pub(crate) fn unsaved_use(&self) -> Option<Timestamp> {
        let last_used = self.course.last_used.load(Ordering::Relaxed);
        (last_used > self.course.saved.load(Ordering::Relaxed)).then_some(Timestamp(last_used))
    }

    pub(crate) fn use_was_saved(&self, at: Timestamp) {
        self.course.saved.fetch_max(at.0, Ordering::Relaxed);
    }

    pub(crate) fn cookies(&self) -> MutexGuard<'_, Vec<Digest>> {
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::samples;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn it_is_usable_until_any_of_its_ends() {
        let live = LiveSession::new(samples::session("s1", "ana", "lap-1", Timestamp(0)), Timestamp(0));
        let before = |at: Timestamp| Timestamp(at.0 - 1);
        let idle_end = Timestamp(0).plus(HOUR);
        assert_eq!(live.usable(before(idle_end), HOUR), Ok(()));
        assert_eq!(live.usable(idle_end, HOUR), Err(SessionOver::Idle));
        live.touch(Timestamp(5));
        assert_eq!(live.usable(idle_end, HOUR), Ok(()));

        let end = live.session.expires_at;
        live.touch(before(end));
        assert_eq!(live.usable(before(end), HOUR), Ok(()));
        assert_eq!(live.usable(end, HOUR), Err(SessionOver::Expired));

        live.end();
        assert_eq!(live.usable(before(end), HOUR), Err(SessionOver::Ended));
    }

    #[test]
    fn a_late_touch_does_not_turn_time_back() {
        let live = LiveSession::new(samples::session("s1", "ana", "lap-1", Timestamp(0)), Timestamp(0));
        live.touch(Timestamp(9));
        live.touch(Timestamp(7));
        assert_eq!(live.last_used(), Timestamp(9));
        assert_eq!(live.unsaved_use(), Some(Timestamp(9)));
        live.use_was_saved(Timestamp(9));
        assert_eq!(live.unsaved_use(), None);
    }
}
