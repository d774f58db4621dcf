//! Which requests and events are asked for.

use memchr::memmem::Finder;

use crate::record::event::{EventKind, EventLine};
use crate::record::line::{Access, Decision, Start};

/// What must be so of a request or an event. Several of one kind mean any of them; kinds must all fit. Nothing: everything does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Ids of devices; also those that a stolen credential belonged to.
    pub devices: Vec<String>,
    /// `provider/subject`; also those whose credential was shown by another device.
    pub users: Vec<String>,
    /// Public names of sessions; also those that were shown by another device.
    pub sessions: Vec<String>,
    /// Names of apps.
    pub apps: Vec<String>,
    /// Beginnings of paths, by segment: `/a` fits `/a` and `/a/b`, but not `/ab`.
    pub paths: Vec<String>,
    /// Hosts.
    pub hosts: Vec<String>,
    /// HTTP methods.
    pub methods: Vec<String>,
    /// What was decided.
    pub decisions: Vec<Decision>,
    /// Why, in the words of the record.
    pub reasons: Vec<String>,
    /// Statuses, or hundreds of them.
    pub statuses: Vec<StatusWanted>,
    /// Ids of requests.
    pub requests: Vec<String>,
    /// Ids of policies that decided.
    pub policies: Vec<String>,
    /// Kinds of events. If there are any, only events fit.
    pub events: Vec<EventKind>,
}

/// A status, or a class of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatusWanted {
    /// This one.
    Exactly(u16),
    /// Those of a hundred, such as 4 for 400 to 499.
    Class(u16),
}

/// The bytes that a line must have to fit a [`Filter`]. Most lines are judged by them, without being parsed.
#[derive(Clone, Debug)]
pub(super) struct Sieve {
    /// Of each, any.
    needed: Vec<Vec<Finder<'static>>>,
    /// The same for lines that have no decision, status, reason or policy yet.
    needed_early: usize,
}

impl Filter {
    /// Whether an `access` line fits.
    pub fn fits(&self, access: &Access) -> bool {
        let Access { device, user, session, stolen_from, stolen_user, stolen_session, app, .. } = access;
        some_of(&self.devices, &[device, stolen_from])
            && some_of(&self.users, &[user, stolen_user])
            && some_of(&self.sessions, &[session, stolen_session])
            && some_of(&self.apps, &[app])
            && one(&self.requests, &access.request)
            && self.fits_target(&access.method, &access.host, &access.path)
            && (self.decisions.is_empty() || self.decisions.contains(&access.decision))
            && self.is_for_requests()
            && one(&self.reasons, &access.reason)
            && (self.statuses.is_empty() || self.statuses.iter().any(|wanted| wanted.is(access.status)))
            && self.fits_policies(&access.policies)
    }

    /// Whether a `start` line fits, as far as it can be told yet.
    pub(super) fn fits_start(&self, start: &Start) -> bool {
        some_of(&self.devices, &[&start.device])
            && some_of(&self.users, &[&start.user])
            && some_of(&self.sessions, &[&start.session])
            && one(&self.apps, &start.app)
            && one(&self.requests, &start.request)
            && self.is_for_requests()
            && self.fits_target(&start.method, &start.host, &start.path)
            && self.fits_policies(&start.policies)
    }

    /// Whether what was begun and never answered fits: it was allowed, and that is all that is known.
    pub(super) fn fits_unanswered(&self) -> bool {
        self.is_for_requests()
            && self.statuses.is_empty()
            && self.reasons.is_empty()
            && (self.decisions.is_empty() || self.decisions.contains(&Decision::Allow))
    }

    /// Whether an `event` line fits. What only requests have fits no event.
    pub fn fits_event(&self, event: &EventLine) -> bool {
        some_of(&self.devices, &[&event.device])
            && some_of(&self.users, &[&event.user])
            && some_of(&self.sessions, &[&event.session])
            && some_of(&self.apps, &[&event.app])
            && some_of(&self.requests, &[&event.request])
            && (self.events.is_empty() || self.events.iter().any(|kind| kind.as_str() == event.event))
            && self.is_for_events()
    }

    /// Whether any request can fit.
    fn is_for_requests(&self) -> bool {
        self.events.is_empty()
    }

    /// Whether any event can fit.
    pub(super) fn is_for_events(&self) -> bool {
        self.paths.is_empty()
            && self.hosts.is_empty()
            && self.methods.is_empty()
            && self.decisions.is_empty()
            && self.reasons.is_empty()
            && self.statuses.is_empty()
            && self.policies.is_empty()
    }

    fn fits_target(&self, method: &str, host: &str, path: &str) -> bool {
        one(&self.methods, method)
            && one(&self.hosts, host)
            && (self.paths.is_empty() || self.paths.iter().any(|prefix| is_below(path, prefix)))
    }

    fn fits_policies(&self, policies: &[String]) -> bool {
        self.policies.is_empty() || policies.iter().any(|policy| self.policies.contains(policy))
    }
}

impl StatusWanted {
    fn is(self, status: u16) -> bool {
        match self {
            Self::Exactly(wanted) => status == wanted,
            Self::Class(class) => status / 100 == class,
        }
    }
}

impl Sieve {
    pub(super) fn of(filter: &Filter) -> Self {
        let mut needed = Vec::new();
        // What any line about a request has, in any of the fields that count.
        for words in [&filter.devices, &filter.users, &filter.sessions, &filter.apps, &filter.requests] {
            needed.push(words.iter().map(|word| quoted(word)).collect());
        }
        needed.push(filter.hosts.iter().map(|host| field("host", host)).collect());
        needed.push(filter.methods.iter().map(|method| field("method", method)).collect());
        needed.push(filter.paths.iter().map(|prefix| beginning("path", prefix.trim_end_matches('/'))).collect());
        needed.push(filter.policies.iter().map(|policy| quoted(policy)).collect());
        needed.push(filter.events.iter().map(|kind| field("event", kind.as_str())).collect());
        let early = needed.iter().filter(|words: &&Vec<_>| !words.is_empty()).count();
        needed.push(filter.decisions.iter().map(|decision| field("decision", decision.as_str())).collect());
        needed.push(filter.reasons.iter().map(|reason| field("reason", reason)).collect());
        needed.push(filter.statuses.iter().map(StatusWanted::needle).collect());
        needed.retain(|words| !words.is_empty());
        Self { needed, needed_early: early }
    }

    /// Whether an `access` line may fit. A line that fits is never refused.
    pub(super) fn passes(&self, line: &[u8]) -> bool {
        self.needed.iter().all(|words| words.iter().any(|word| word.find(line).is_some()))
    }

    /// The same for a `start` or `event` line.
    pub(super) fn passes_early(&self, line: &[u8]) -> bool {
        self.needed.iter().take(self.needed_early).all(|words| words.iter().any(|word| word.find(line).is_some()))
    }
}

impl StatusWanted {
    fn needle(&self) -> Finder<'static> {
        let text = match self {
            Self::Exactly(status) => format!(r#","status":{status}"#),
            Self::Class(class) => format!(r#","status":{class}"#),
        };
        Finder::new(text.as_bytes()).into_owned()
    }
}

/// By segment: `/a` is above `/a` and `/a/b`, but not above `/ab`; `/a/` is above `/a/b` only.
fn is_below(path: &str, prefix: &str) -> bool {
    let Some(rest) = path.strip_prefix(prefix) else { return false };
    rest.is_empty() || prefix.ends_with('/') || prefix.is_empty() || rest.starts_with('/')
}

fn some_of(wanted: &[String], found: &[&Option<String>]) -> bool {
    wanted.is_empty() || found.iter().any(|found| found.as_ref().is_some_and(|found| wanted.contains(found)))
}

fn one(wanted: &[String], found: &str) -> bool {
    wanted.is_empty() || wanted.iter().any(|wanted| wanted == found)
}

/// As the writer of lines writes a text: the same text has the same bytes.
fn text(word: &str) -> String {
    serde_json::to_string(word).unwrap_or_default()
}

fn quoted(word: &str) -> Finder<'static> {
    Finder::new(text(word).as_bytes()).into_owned()
}

fn field(name: &str, word: &str) -> Finder<'static> {
    Finder::new(format!(r#""{name}":{}"#, text(word)).as_bytes()).into_owned()
}

fn beginning(name: &str, word: &str) -> Finder<'static> {
    let text = text(word);
    Finder::new(format!(r#""{name}":{}"#, text.strip_suffix('"').unwrap_or(&text)).as_bytes()).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::line::Line;

    /// Few words, so that they meet; with what JSON escapes, and what begins alike.
    fn word() -> impl Strategy<Value = String> {
        prop::sample::select(vec!["ana", "ana-7k2q", "corp/ana", "a\"b", "ü\n\\", "s-1", "wiki", ""]).prop_map(str::to_owned)
    }

    fn path() -> impl Strategy<Value = String> {
        prop::sample::select(vec!["", "/", "/a", "/a/", "/a/b", "/ab", "/%22x", "/\"x"]).prop_map(str::to_owned)
    }

    fn decision() -> impl Strategy<Value = Decision> {
        prop::sample::select(vec![Decision::Allow, Decision::Deny, Decision::Own])
    }

    prop_compose! {
        fn access()(
            words in prop::collection::vec(prop::option::of(word()), 7), path in path(), decision in decision(),
            reason in word(), status in prop::sample::select(vec![0_u16, 4, 40, 200, 403, 404, 500]), policies in prop::collection::vec(word(), 0..2),
            method in word(), host in word(), request in word(),
        ) -> Access {
            let [device, user, session, stolen_from, stolen_user, stolen_session, app] = <[Option<String>; 7]>::try_from(words).unwrap();
            Access {
                at: "2026-01-01T00:00:00.000Z".into(),
                device, user, session, stolen_from, stolen_user, stolen_session, app, path, decision, reason, status, policies,
                method, host, request,
                ..Access::default()
            }
        }
    }

    prop_compose! {
        fn filter()(
            words in prop::collection::vec(prop::collection::vec(word(), 0..2), 9), paths in prop::collection::vec(path(), 0..2),
            decisions in prop::collection::vec(decision(), 0..2),
            statuses in prop::collection::vec(prop_oneof![Just(StatusWanted::Exactly(403)), Just(StatusWanted::Class(4))], 0..2),
            keep in prop::collection::vec(any::<bool>(), 12),
        ) -> Filter {
            let [devices, users, sessions, apps, hosts, methods, reasons, requests, policies] = <[Vec<String>; 9]>::try_from(words).unwrap();
            let mut filter = Filter {
                devices, users, sessions, apps, paths, hosts, methods, decisions, reasons, statuses, requests, policies, events: Vec::new(),
            };
            // Few kinds at a time, so that lines do fit.
            let mut keep = keep.into_iter().enumerate().map(|(n, keep)| keep && n % 3 == 0);
            let mut thin = |words: &mut Vec<String>| if !keep.next().unwrap_or(false) { words.clear() };
            thin(&mut filter.devices);
            thin(&mut filter.hosts);
            thin(&mut filter.users);
            thin(&mut filter.methods);
            thin(&mut filter.apps);
            thin(&mut filter.requests);
            thin(&mut filter.paths);
            thin(&mut filter.policies);
            thin(&mut filter.reasons);
            filter
        }
    }

    fn written(access: &Access) -> Vec<u8> {
        let mut out = Vec::new();
        Line::Access(access).write_to(&mut out).unwrap();
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn the_sieve_never_keeps_back_what_fits(access in access(), filter in filter()) {
            if filter.fits(&access) {
                prop_assert!(Sieve::of(&filter).passes(&written(&access)));
            }
        }
    }

    #[test]
    fn paths_fit_by_segment() {
        let below = |path, prefix| is_below(path, prefix);
        assert!(below("/a", "/a") && below("/a/b", "/a") && below("/a/b", "/a/") && below("/x", "/") && below("", ""));
        assert!(!below("/ab", "/a") && !below("/a", "/a/") && !below("/A", "/a"));
    }

    #[test]
    fn an_event_is_found_by_its_kind_and_by_nothing_that_only_requests_have() {
        let line =
            |kind: EventKind| EventLine { event: kind.as_str().into(), device: Some("lap-7".into()), ..EventLine::default() };
        let written = |event: &EventLine| serde_json::to_vec(event).unwrap();
        let retired = line(EventKind::DeviceRetired);
        let wanted =
            |events: &[EventKind]| Filter { devices: vec!["lap-7".into()], events: events.to_vec(), ..Filter::default() };
        for (events, fits) in [
            (vec![], true),
            (vec![EventKind::DeviceRetired], true),
            (vec![EventKind::DeviceApproved, EventKind::DeviceRetired], true),
            (vec![EventKind::DeviceApproved], false),
        ] {
            let filter = wanted(&events);
            assert_eq!(filter.fits_event(&retired), fits, "{events:?}");
            assert_eq!(Sieve::of(&filter).passes_early(&written(&retired)), fits, "{events:?}");
        }
        let with_status = Filter { statuses: vec![StatusWanted::Class(4)], ..wanted(&[EventKind::DeviceRetired]) };
        assert!(!with_status.fits_event(&retired));
    }

    #[test]
    fn each_kind_keeps_back_what_is_otherwise() {
        let access = Access {
            device: Some("lap-7".into()),
            user: Some("corp/ana".into()),
            session: Some("s-1".into()),
            app: Some("wiki".into()),
            method: "GET".into(),
            host: "wiki.example".into(),
            path: "/a/b".into(),
            decision: Decision::Deny,
            reason: "no_permit".into(),
            status: 403,
            request: "r1".into(),
            policies: vec!["p".into()],
            ..Access::default()
        };
        let one = |word: &str| vec![word.to_owned()];
        let fitting = Filter {
            devices: one("lap-7"),
            users: one("corp/ana"),
            sessions: one("s-1"),
            apps: one("wiki"),
            paths: one("/a"),
            hosts: one("wiki.example"),
            methods: one("GET"),
            decisions: vec![Decision::Deny],
            reasons: one("no_permit"),
            statuses: vec![StatusWanted::Class(4)],
            requests: one("r1"),
            policies: one("p"),
            events: Vec::new(),
        };
        assert!(fitting.fits(&access) && Sieve::of(&fitting).passes(&written(&access)));
        let mut others = vec![fitting.clone(); 13];
        others[0].devices = one("lap-8");
        others[1].users = one("corp/bob");
        others[2].sessions = one("s-2");
        others[3].apps = one("crm");
        others[4].paths = one("/a/b/c");
        others[5].hosts = one("crm.example");
        others[6].methods = one("POST");
        others[7].decisions = vec![Decision::Allow];
        others[8].reasons = one("forbidden");
        others[9].statuses = vec![StatusWanted::Exactly(404)];
        others[10].requests = one("r2");
        others[11].policies = one("q");
        others[12].events = vec![EventKind::DeviceRetired];
        for other in others {
            assert!(!other.fits(&access) && !Sieve::of(&other).passes(&written(&access)), "{other:?}");
        }
        let stolen = Access { stolen_from: Some("lap-7".into()), ..Access::default() };
        assert!(Filter { devices: one("lap-7"), ..Filter::default() }.fits(&stolen));
    }
}
