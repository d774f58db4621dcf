//! How a denial could have come out otherwise: looked for only when somebody was denied, and only so often.
//!
//! It costs milliseconds where a decision costs microseconds, so that whoever is denied could make the gate work for nothing.
//! Hence: only for a known person on a known device; the same question is explained once in half a minute; and each session,
//! and all of a core together, have a bounded number of explanations. Beyond that a denial is one without remedies.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::Arc;

use quick_cache::unsync::Cache;
use sekisho_policy::{Effort, PolicySet, Query, Way};

use super::facts;
use crate::clock::Timestamp;
use crate::secret::Digest;
use crate::sign_in::Wanted;

/// The nearest ways from a denial to a permit, each of which was decided, and what policies' authors say about it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Remedies {
    /// The ways, the one first that is in the hands of the person. For operators, but for what is shown of it.
    pub ways: Vec<Remedy>,
    /// `@advice` of the forbids that were met and of the policies that would permit it. For everybody.
    pub advice: Vec<String>,
    /// The sign-in that alone would turn the denial into a permit.
    pub step_up: Option<Wanted>,
}

/// One way.
#[derive(Debug, PartialEq, Eq)]
pub struct Remedy {
    /// What would have to change.
    pub way: Way,
    /// The authors of all policies in it let people know what they ask for: `@show("public")`.
    pub public: bool,
}

/// Explanations lately given. One per core, thread-confined.
pub struct Explained {
    known: RefCell<Cache<Digest, (Timestamp, Arc<Remedies>)>>,
    sessions: RefCell<Cache<Digest, Bucket>>,
    core: Cell<Bucket>,
}

/// How many explanations there may be still.
#[derive(Clone, Copy)]
struct Bucket {
    /// In thousandths.
    left: i64,
    at: Timestamp,
}

/// Explanations of one core: at once, and per second.
const CORE: (i64, i64) = (100, 30);

/// Explanations for one session: at once, and per second.
const SESSION: (i64, i64) = (20, 2);

/// Answers and sessions that a core remembers.
const REMEMBERED: usize = 1024;

/// How long an explanation holds. Nobody waits for it to hold any longer, and its times and ages would be wrong.
const HOLDS_MS: i64 = 30_000;

/// Most policies whose advice is shown, and most characters of each.
const MOST_ADVICE: (usize, usize) = (3, 500);

impl Explained {
    /// Nothing yet.
    pub fn new() -> Self {
        let full = Bucket { left: CORE.0 * 1000, at: Timestamp(0) };
        Self {
            known: RefCell::new(Cache::new(REMEMBERED)),
            sessions: RefCell::new(Cache::new(REMEMBERED)),
            core: Cell::new(full),
        }
    }

    /// The remedies of a question that `set` denied to `session`; `None` if there were too many of late.
    pub(super) fn explain(
        &self,
        set: &PolicySet,
        hash: Digest,
        session: Digest,
        now: Timestamp,
        query: &Query,
    ) -> Option<Arc<Remedies>> {
        let key = key(hash, query)?;
        if let Some((at, known)) = self.known.borrow_mut().get(&key)
            && (0..HOLDS_MS).contains(&now.0.saturating_sub(at.0))
        {
            return Some(Arc::clone(known));
        }
        if !self.may(session, now) {
            return None;
        }
        let found = Arc::new(find(set, query));
        self.known.borrow_mut().insert(key, (now, Arc::clone(&found)));
        Some(found)
    }

    /// Whether there may be one more.
    fn may(&self, session: Digest, now: Timestamp) -> bool {
        let mut sessions = self.sessions.borrow_mut();
        let mut own = sessions.get(&session).copied().unwrap_or(Bucket { left: SESSION.0 * 1000, at: now });
        let mut core = self.core.get();
        let may = own.refill(SESSION, now) && core.refill(CORE, now);
        if may {
            own.left -= 1000;
            core.left -= 1000;
        }
        sessions.insert(session, own);
        self.core.set(core);
        may
    }
}

impl Default for Explained {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Explained").finish_non_exhaustive()
    }
}

impl Bucket {
    /// Whether one is left now.
    fn refill(&mut self, (most, each_second): (i64, i64), now: Timestamp) -> bool {
        let waited_ms = now.0.saturating_sub(self.at.0).max(0);
        self.left = self.left.saturating_add(waited_ms.saturating_mul(each_second)).min(most * 1000);
        self.at = now;
        self.left >= 1000
    }
}

/// Everything that the explanation depends on but the time. People choose paths: a hash that can be made to collide would show one
/// person what is meant for another. `None`: the question cannot be told from others.
fn key(hash: Digest, query: &Query) -> Option<Digest> {
    let mut untimed = query.clone();
    untimed.request.at = sekisho_policy::Moment::utc(0);
    let mut text = hash.as_ref().to_vec();
    serde_json::to_writer(&mut text, &untimed).ok()?;
    Some(Digest::of(&text))
}

fn find(set: &PolicySet, query: &Query) -> Remedies {
    let Ok(explanation) = set.explain(query, Effort::BRIEF) else { return Remedies::default() };
    let named = explanation.policies.iter().chain(explanation.ways.iter().flat_map(|way| &way.policies));
    let mut advice: Vec<String> = Vec::new();
    for text in named.filter_map(|id| set.policy(id)?.advice) {
        let short: String = text.chars().take(MOST_ADVICE.1).collect();
        if !advice.contains(&short) && advice.len() < MOST_ADVICE.0 {
            advice.push(short);
        }
    }
    let shown = |id: &String| set.policy(id).is_some_and(|policy| policy.shown);
    let remedy = |way: Way| {
        let public = way.policies.iter().any(shown) && way.lifts.iter().all(shown);
        Remedy { way, public }
    };
    let step_up = explanation.step_up.map(facts::wanted);
    Remedies { ways: explanation.ways.into_iter().map(remedy).collect(), advice, step_up }
}

#[cfg(test)]
mod tests {
    use sekisho_policy::{
        Action, App, AskedFor, Catalogue, Identity, Moment, Principal, RequestFacts, SessionFacts, Source, UserFacts,
    };

    use super::*;

    fn set(policies: &str) -> PolicySet {
        let catalogue = Catalogue { apps: vec![App::new::<&str>("wiki", [])], groups: None, ..Catalogue::default() };
        PolicySet::load(&[Source::new("a.cedar", policies)], &[], &catalogue).unwrap().set
    }

    fn query(path: &str, now: Timestamp) -> Query {
        let user = UserFacts { id: "corp/ana".to_owned(), ..UserFacts::default() };
        let who = Identity {
            principal: Principal::User(user),
            device: sekisho_policy::DeviceFacts::default(),
            session: SessionFacts::default(),
        };
        let mut facts = RequestFacts::new("wiki", Action::Read);
        facts.path = path;
        facts.at = Moment::utc(now.0);
        Query { who: Some(who), request: AskedFor::from(&facts) }
    }

    #[test]
    fn advice_and_publicity_are_the_authors_choice() {
        let set = set(r#"
            @id("mfa") @advice("Ask Bea.") permit (principal, action in Action::"use", resource) when { context.session.mfa };
            @id("hr") @show("public") permit (principal in Group::"hr", action in Action::"use", resource);
            @id("other") @advice("Not this.") permit (principal is Service, action in Action::"use", resource);
        "#);
        let found = find(&set, &query("/", Timestamp(1_790_000_000_000)));
        assert_eq!(found.advice, ["Ask Bea."]);
        let ways: Vec<_> = found.ways.iter().map(|remedy| (remedy.way.policies.join(" "), remedy.public)).collect();
        assert_eq!(ways, [("mfa".to_owned(), false), ("hr".to_owned(), true)]);
    }

    #[test]
    fn a_way_past_a_forbid_is_public_only_if_the_forbid_is() {
        let policies = |show: &str| {
            set(&format!(
                "@id(\"all\") @show(\"public\") permit (principal, action in Action::\"use\", resource);
                 @id(\"no\") {show} forbid (principal, action in Action::\"use\", resource) unless {{ context.device.managed }};"
            ))
        };
        let public =
            |show| find(&policies(show), &query("/", Timestamp(1))).ways.iter().map(|remedy| remedy.public).collect::<Vec<_>>();
        assert_eq!(public(""), [false]);
        assert_eq!(public("@show(\"public\")"), [true]);
    }

    #[test]
    fn one_question_is_another_for_another_person_set_or_path_and_not_at_another_time() {
        let asked = query("/", Timestamp(1));
        let known = |set: &[u8], query: &Query| key(Digest::of(set), query).unwrap();
        assert_eq!(known(b"set", &asked), known(b"set", &query("/", Timestamp(2))));
        let mut bob = asked.clone();
        if let Some(Identity { principal: Principal::User(user), .. }) = &mut bob.who {
            user.id = "corp/bob".to_owned();
        }
        for (set, other) in [(&b"set"[..], &bob), (b"set", &query("/x", Timestamp(1))), (b"other", &asked)] {
            assert_ne!(known(b"set", &asked), known(set, other));
        }
    }

    #[test]
    fn who_is_denied_cannot_make_the_gate_work() {
        let set = set("permit (principal, action in Action::\"use\", resource) when { context.session.mfa };");
        let explained = Explained::new();
        let (hash, session, other) = (Digest::of(b"set"), Digest::of(b"ana"), Digest::of(b"bob"));
        let start = Timestamp(1_790_000_000_000);
        let ask = |session, path: &str, now| explained.explain(&set, hash, session, now, &query(path, now)).is_some();
        let given = (0..1000).filter(|n| ask(session, &format!("/{n}"), start)).count();
        assert_eq!(given, 20);
        // What was explained is known; somebody else is not held back; after a second there are some more.
        assert!(ask(session, "/0", start) && !ask(session, "/999", start));
        assert!(ask(other, "/other", start));
        let later = Timestamp(start.0 + 1000);
        assert_eq!((0..1000).filter(|n| ask(session, &format!("/later/{n}"), later)).count(), 2);
        // All together are bounded, too.
        let many = (0..1000).filter(|n| ask(Digest::of(format!("{n}").as_bytes()), &format!("/many/{n}"), later)).count();
        assert!((70..=110).contains(&many), "{many}");
    }
}
