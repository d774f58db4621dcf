//! What was ended lately, so that a sign-in that was on its way meanwhile does not come out of it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::sessions::{FromProvider, Meant, SessionsOf};
use crate::clock::Timestamp;
use crate::inventory::{DeviceId, Session, UserId};

/// Sessions that were ended, for as long as a sign-in can take. In memory only, as are sign-ins that are under way.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// By the gate, its operators and its people.
    here: Lately,
    /// By each provider, who can say as often as it likes that somebody has signed out: it takes no room but its own, and what it has
    /// forgotten concerns nobody else's people.
    at_providers: HashMap<Arc<str>, Lately>,
}

#[derive(Debug, Default)]
struct Lately {
    /// The oldest first.
    ends: VecDeque<(Timestamp, Whose)>,
    /// Ends that had to be forgotten too early: whoever signs in since before then signs in again.
    forgotten_at: Option<Timestamp>,
}

#[derive(Debug)]
enum Whose {
    User(UserId),
    Device(DeviceId),
    AtProvider(Meant),
}

impl Ended {
    /// Notes that these were ended at `now`. One session by itself has no sign-in that is on its way.
    pub(super) fn remember(&mut self, which: &SessionsOf, now: Timestamp) {
        match which {
            SessionsOf::One(_) => {}
            SessionsOf::User(user) => self.here.remember(Whose::User(user.clone()), now),
            SessionsOf::Device(device) => self.here.remember(Whose::Device(device.clone()), now),
            SessionsOf::AtProvider(meant) => {
                // Those of providers that are not configured any more.
                self.at_providers.retain(|name, lately| *name == meant.provider || !lately.is_over(now));
                let lately = self.at_providers.entry(Arc::clone(&meant.provider)).or_default();
                lately.remember(Whose::AtProvider(meant.clone()), now);
            }
        }
    }

    /// Whether one of them ends a session too that is about to begin. A clock that is set back makes this say yes too often.
    pub(super) fn ends(&self, session: &Session, provided: &FromProvider) -> bool {
        let Some(asked_at) = provided.asked_at else { return false };
        let at_provider = self.at_providers.get(&session.user.provider);
        self.here.end(session, provided, asked_at) || at_provider.is_some_and(|lately| lately.end(session, provided, asked_at))
    }
}

impl Lately {
    fn remember(&mut self, whose: Whose, now: Timestamp) {
        while self.ends.front().is_some_and(|(at, _)| now.since(*at) >= LONGEST) {
            self.ends.pop_front();
        }
        if self.ends.len() >= MOST
            && let Some((at, _)) = self.ends.pop_front()
        {
            self.forgotten_at = self.forgotten_at.max(Some(at));
        }
        self.ends.push_back((now, whose));
    }

    fn end(&self, session: &Session, provided: &FromProvider, asked_at: Timestamp) -> bool {
        let forgotten = self.forgotten_at.is_some_and(|at| asked_at <= at);
        let since = self.ends.iter().filter(|(at, _)| asked_at <= *at);
        forgotten || since.into_iter().any(|(_, whose)| whose.covers(session, provided))
    }

    /// No sign-in that is on its way can be meant. What was forgotten is older than what was not.
    fn is_over(&self, now: Timestamp) -> bool {
        self.ends.back().is_none_or(|(at, _)| now.since(*at) >= LONGEST)
    }
}

impl Whose {
    fn covers(&self, session: &Session, provided: &FromProvider) -> bool {
        match self {
            Self::User(user) => session.user == *user,
            Self::Device(device) => session.device == *device,
            Self::AtProvider(meant) => is_meant(meant, session, provided) && session.authenticated_at <= meant.at,
        }
    }
}

/// As for sessions that are stored: one whose name at the provider is not known may be the one that is meant, if the person is.
fn is_meant(meant: &Meant, session: &Session, provided: &FromProvider) -> bool {
    let subject = meant.subject.as_ref().map(|subject| **subject == *session.user.subject);
    let sid = meant.sid.as_ref().map(|sid| provided.sid.as_ref().map(|own| own == sid));
    let named = match (sid, subject) {
        (None, None) => false,
        (None, Some(person)) => person,
        (Some(sid), None) => sid == Some(true),
        (Some(sid), Some(person)) => person && sid != Some(false),
    };
    named && meant.provider == session.user.provider
}

/// Longer than a browser may be at its provider, and the provider's answers take.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// Of each provider, and of the gate itself. About 4 MiB, where names are as long as usual.
const MOST: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{SessionId, samples};

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn at(seconds: i64) -> Timestamp {
        Timestamp(NOW.0 + 1000 * seconds)
    }

    /// Ana's, on lap-1; she was asked for her password at `authenticated`.
    fn session(authenticated: Timestamp) -> Session {
        Session { authenticated_at: authenticated, ..samples::session("s", "ana", "lap-1", NOW) }
    }

    fn provided(sid: Option<&str>, asked_at: Timestamp) -> FromProvider {
        FromProvider { sid: sid.map(str::to_owned), asked_at: Some(asked_at), ..FromProvider::default() }
    }

    fn after(which: &SessionsOf) -> Ended {
        let mut ended = Ended::default();
        ended.remember(which, NOW);
        ended
    }

    fn at_provider(sid: Option<&str>, subject: Option<&str>) -> SessionsOf {
        let user = session(NOW).user;
        let (sid, subject) = (sid.map(str::to_owned), subject.map(str::to_owned));
        SessionsOf::AtProvider(Meant { provider: user.provider, sid, subject, at: NOW })
    }

    #[test]
    fn a_sign_in_that_was_on_its_way_is_ended_too_and_one_that_began_later_is_not() {
        for which in [
            SessionsOf::User(session(NOW).user),
            SessionsOf::Device("lap-1".parse().unwrap()),
            at_provider(None, Some("ana")),
            at_provider(Some("sid-1"), None),
            at_provider(Some("sid-1"), Some("ana")),
        ] {
            let ended = after(&which);
            for (asked_at, ends) in [(at(-5), true), (NOW, true), (at(1), false)] {
                assert_eq!(ended.ends(&session(at(-3)), &provided(Some("sid-1"), asked_at)), ends, "{which:?} {asked_at}");
            }
            assert!(!ended.ends(&session(at(-3)), &FromProvider::default()));
        }
    }

    #[test]
    fn who_gave_their_password_after_the_logout_is_signed_in() {
        let ended = after(&at_provider(None, Some("ana")));
        assert!(!ended.ends(&session(at(1)), &provided(None, at(-5))));
        assert!(ended.ends(&session(NOW), &provided(None, at(-5))), "not later");
        assert!(ended.ends(&session(Timestamp::default()), &provided(None, at(-5))), "the provider does not say when");
        let by_operator = after(&SessionsOf::User(session(NOW).user));
        assert!(by_operator.ends(&session(at(1)), &provided(None, at(-5))));
    }

    #[test]
    fn others_are_left_alone() {
        for which in [
            SessionsOf::One(SessionId("s".into())),
            SessionsOf::User(samples::user("bea")),
            SessionsOf::Device("lap-2".parse().unwrap()),
            at_provider(None, None),
            at_provider(None, Some("bea")),
            at_provider(Some("sid-2"), None),
            at_provider(Some("sid-2"), Some("ana")),
            at_provider(Some("sid-1"), Some("bea")),
        ] {
            assert!(!after(&which).ends(&session(at(-3)), &provided(Some("sid-1"), at(-5))), "{which:?}");
        }
        // By its name at the provider it cannot be told, by its person it can.
        assert!(!after(&at_provider(Some("sid-1"), None)).ends(&session(at(-3)), &provided(None, at(-5))));
        assert!(after(&at_provider(Some("sid-1"), Some("ana"))).ends(&session(at(-3)), &provided(None, at(-5))));
    }

    #[test]
    fn memory_is_bounded_and_what_is_forgotten_too_early_ends_all_from_before() {
        let mut ended = Ended::default();
        let bea = SessionsOf::User(samples::user("bea"));
        let number = |number: usize| Timestamp(NOW.0 + i64::try_from(number).unwrap());
        for ending in 0..=MOST {
            ended.remember(&bea, number(ending));
        }
        assert_eq!(ended.here.ends.len(), MOST);
        assert!(ended.ends(&session(NOW), &provided(None, number(0))) && !ended.ends(&session(NOW), &provided(None, number(1))));
        ended.remember(&bea, number(MOST).plus(LONGEST));
        assert_eq!(ended.here.ends.len(), 1);
    }

    #[test]
    fn a_provider_that_signs_out_without_end_keeps_nobody_out_but_its_own_people() {
        let flood = |ended: &mut Ended| {
            for ending in 0..=MOST {
                let meant = Meant { provider: "evil".into(), sid: None, subject: Some(format!("nobody-{ending}")), at: NOW };
                ended.remember(&SessionsOf::AtProvider(meant), NOW);
            }
        };
        let mut ended = Ended::default();
        flood(&mut ended);
        let theirs = Session { user: UserId { provider: "evil".into(), subject: "zoe".into() }, ..session(NOW) };
        let asked_at = provided(None, NOW);
        assert!(ended.ends(&theirs, &asked_at), "what it made the gate forget may have been about this one");
        assert!(!ended.ends(&session(NOW), &asked_at), "of another provider");
        // And what others said is not pushed out.
        for which in [at_provider(None, Some("ana")), SessionsOf::Device("lap-1".parse().unwrap())] {
            let mut ended = after(&which);
            flood(&mut ended);
            assert!(ended.ends(&session(at(-3)), &provided(None, at(-5))), "{which:?}");
        }
    }

    #[test]
    fn providers_that_say_nothing_any_more_take_no_room() {
        let mut ended = after(&at_provider(None, Some("ana")));
        let meant = |at| Meant { provider: "next".into(), sid: None, subject: Some("zoe".to_owned()), at };
        ended.remember(&SessionsOf::AtProvider(meant(NOW)), NOW);
        assert_eq!(ended.at_providers.len(), 2);
        let later = NOW.plus(LONGEST);
        ended.remember(&SessionsOf::AtProvider(meant(later)), later);
        assert_eq!(ended.at_providers.len(), 1);
    }
}
