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

/// What changes with use, and is no fact: it is neither hashed nor recorded.
#[derive(Debug)]
struct Course {
    last_used: AtomicI64,
    /// `last_used` as it stands in the store.
    saved: AtomicI64,
    /// When the provider last said the same of the person.
    confirmed: AtomicI64,
    /// `confirmed` as it stands in the store.
    saved_confirmation: AtomicI64,
    /// After an attempt to have it confirmed that came to nothing: not again before.
    retry_at: AtomicI64,
    refreshable: AtomicBool,
    ended: AtomicBool,
    replaced: AtomicBool,
}

/// How the use of a session stands in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionUse {
    /// When it was last used.
    pub last_used: Timestamp,
    /// When its provider last said what stands in it.
    pub confirmed_at: Timestamp,
    /// There is a refresh token to ask the provider again with.
    pub refreshable: bool,
}

impl SessionUse {
    /// Of a session that began at `at`, without a refresh token.
    pub fn begun(at: Timestamp) -> Self {
        Self { last_used: at, confirmed_at: at, refreshable: false }
    }
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
    pub(crate) fn new(session: Session, used: SessionUse) -> Self {
        let course = Course {
            last_used: AtomicI64::new(used.last_used.0),
            saved: AtomicI64::new(used.last_used.0),
            confirmed: AtomicI64::new(used.confirmed_at.0),
            saved_confirmation: AtomicI64::new(used.confirmed_at.0),
            retry_at: AtomicI64::new(i64::MIN),
            refreshable: AtomicBool::new(used.refreshable),
            ended: AtomicBool::new(false),
            replaced: AtomicBool::new(false),
        };
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

    /// When its provider last said what stands in it.
    pub fn confirmed_at(&self) -> Timestamp {
        Timestamp(self.course.confirmed.load(Ordering::Relaxed))
    }

    /// Notes that the provider says the same as before. As a use, it reaches the disk within about half a minute.
    pub fn confirm(&self, at: Timestamp) {
        self.course.confirmed.fetch_max(at.0, Ordering::Relaxed);
    }

    /// Whether there is a way to ask the provider again.
    pub fn refreshable(&self) -> bool {
        self.course.refreshable.load(Ordering::Relaxed)
    }

    pub(crate) fn set_refreshable(&self, refreshable: bool) {
        self.course.refreshable.store(refreshable, Ordering::Relaxed);
    }

    /// The provider is not to be asked again about this session before `at`.
    pub fn retry_at(&self, at: Timestamp) {
        self.course.retry_at.store(at.0, Ordering::Relaxed);
    }

    /// Whether the provider may be asked about this session: it has not just failed to answer.
    pub fn may_be_asked_about(&self, now: Timestamp) -> bool {
        self.refreshable() && now.0 >= self.course.retry_at.load(Ordering::Relaxed)
    }

    /// It was ended while somebody still holds it.
    pub fn ended(&self) -> bool {
        self.course.ended.load(Ordering::Acquire)
    }

    /// It ended because its person has another in its place: its tokens are left alone.
    pub fn was_replaced(&self) -> bool {
        self.course.replaced.load(Ordering::Acquire)
    }

    pub(crate) fn replace(&self) {
        self.course.replaced.store(true, Ordering::Release);
    }

    pub(crate) fn end(&self) {
        self.course.ended.store(true, Ordering::Release);
    }

    /// What the store does not know yet.
    pub(crate) fn unsaved_use(&self) -> Option<SessionUse> {
        let (last_used, confirmed_at) = (self.last_used(), self.confirmed_at());
        let is_new = last_used.0 > self.course.saved.load(Ordering::Relaxed)
            || confirmed_at.0 > self.course.saved_confirmation.load(Ordering::Relaxed);
        is_new.then(|| SessionUse { last_used, confirmed_at, refreshable: self.refreshable() })
    }

    pub(crate) fn use_was_saved(&self, used: SessionUse) {
        self.course.saved.fetch_max(used.last_used.0, Ordering::Relaxed);
        self.course.saved_confirmation.fetch_max(used.confirmed_at.0, Ordering::Relaxed);
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
        let live = LiveSession::new(samples::session("s1", "ana", "lap-1", Timestamp(0)), SessionUse::begun(Timestamp(0)));
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
        let live = LiveSession::new(samples::session("s1", "ana", "lap-1", Timestamp(0)), SessionUse::begun(Timestamp(0)));
        live.touch(Timestamp(9));
        live.touch(Timestamp(7));
        assert_eq!(live.last_used(), Timestamp(9));
        let used = SessionUse { last_used: Timestamp(9), ..SessionUse::begun(Timestamp(0)) };
        assert_eq!(live.unsaved_use(), Some(used));
        live.use_was_saved(used);
        assert_eq!(live.unsaved_use(), None);
    }

    #[test]
    fn a_confirmation_is_no_fact_and_is_saved_as_a_use() {
        let live = LiveSession::new(samples::session("s1", "ana", "lap-1", Timestamp(0)), SessionUse::begun(Timestamp(0)));
        let same = live.with_facts((*live.session).clone());
        live.confirm(Timestamp(9));
        live.confirm(Timestamp(7));
        assert_eq!((same.confirmed_at(), same.facts), (Timestamp(9), live.facts), "seen by all who hold it");
        let used = live.unsaved_use().unwrap();
        assert_eq!((used.last_used, used.confirmed_at), (Timestamp(0), Timestamp(9)));
        live.use_was_saved(used);
        assert_eq!(live.unsaved_use(), None);
    }

    #[test]
    fn only_what_has_a_token_and_has_not_just_failed_is_asked_about() {
        let live = LiveSession::new(samples::session("s1", "ana", "lap-1", Timestamp(0)), SessionUse::begun(Timestamp(0)));
        assert!(!live.may_be_asked_about(Timestamp(5)));
        live.set_refreshable(true);
        assert!(live.may_be_asked_about(Timestamp(5)));
        live.retry_at(Timestamp(8));
        assert!(!live.may_be_asked_about(Timestamp(7)) && live.may_be_asked_about(Timestamp(8)));
    }
}
