//! What is counted by what.

use crate::commands::audit::report::figures::{Tally, When};

/// What was asked for, told apart by app, method, host and path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PathKey {
    pub(super) app: u32,
    pub(super) method: u32,
    pub(super) host: u32,
    pub(super) path: Box<str>,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(in crate::commands::audit::report) struct PathRow {
    pub(in crate::commands::audit::report) tally: Tally,
    /// Statuses of the answers, and how often each; in the order of the statuses.
    pub(in crate::commands::audit::report) statuses: Vec<(u16, u64)>,
    /// The largest length that an answer declared.
    pub(in crate::commands::audit::report) length: Option<u64>,
}

/// Refusals of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct DeniedKey {
    pub(super) app: u32,
    pub(super) reason: Box<str>,
    pub(super) policies: Vec<Box<str>>,
}

/// How many, and a few of them.
#[derive(Clone, Debug, Default)]
pub(in crate::commands::audit::report) struct DeniedRow {
    pub(in crate::commands::audit::report) times: u64,
    pub(in crate::commands::audit::report) first: Option<When>,
    pub(in crate::commands::audit::report) last: Option<When>,
    /// The earliest of different paths.
    pub(in crate::commands::audit::report) examples: Vec<Example>,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub(in crate::commands::audit::report) struct Example {
    pub(in crate::commands::audit::report) at: When,
    pub(in crate::commands::audit::report) request: String,
    pub(in crate::commands::audit::report) status: u16,
    pub(in crate::commands::audit::report) method: String,
    pub(in crate::commands::audit::report) host: String,
    pub(in crate::commands::audit::report) path: String,
    /// Of the page that made a browser send it, if it is refused for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::commands::audit::report) origin: Option<String>,
}

/// A session, person, device or address, and with whom it was seen.
#[derive(Clone, Debug, Default)]
pub(in crate::commands::audit::report) struct PartyRow {
    pub(in crate::commands::audit::report) tally: Tally,
    /// Whose it is (of a session), and on which device: the last that was seen.
    pub(super) with: Option<(Option<u32>, Option<u32>)>,
}

/// A person on a device, of anybody's requests.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PairRow {
    pub(super) allowed: u64,
    pub(super) denied: u64,
    pub(super) first: Option<When>,
    pub(super) last: Option<When>,
}

impl Example {
    /// On one line. Of what was refused before it was understood, there may be little to tell.
    pub(in crate::commands::audit::report) fn told(&self) -> String {
        let Self { method, host, path, origin, .. } = self;
        let page = origin.as_ref().map_or_else(String::new, |origin| format!(", by a page of {origin}"));
        let address = match (host.as_str(), path.as_str()) {
            ("", "") => String::new(),
            (host, path) => format!("https://{host}{path}"),
        };
        match (method.as_str(), address.as_str()) {
            ("", "") => "something of which nothing can be told".to_owned(),
            (method, address) => format!("{method} {address}{page}").trim().to_owned(),
        }
    }
}

impl PathRow {
    /// One more answer with this status.
    pub(super) fn status(&mut self, status: u16, times: u64) {
        match self.statuses.binary_search_by_key(&status, |(status, _)| *status) {
            Ok(at) => {
                if let Some((_, count)) = self.statuses.get_mut(at) {
                    *count += times;
                }
            }
            Err(at) => self.statuses.insert(at, (status, times)),
        }
    }
}

impl DeniedRow {
    /// One more.
    pub(super) fn add(&mut self, example: Example) {
        self.times += 1;
        let at = example.at;
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        self.last = Some(self.last.map_or(at, |last| last.max(at)));
        // The earliest of each path, of the paths that were asked for earliest: the same in whatever order they come.
        let place = |one: &Example| (one.at, one.request.clone());
        match self.examples.iter().position(|known| known.host == example.host && known.path == example.path) {
            Some(known) => {
                if let Some(known) = self.examples.get_mut(known)
                    && place(&example) < place(known)
                {
                    *known = example;
                }
            }
            None => self.examples.push(example),
        }
        self.examples.sort_by_key(place);
        self.examples.truncate(EXAMPLES);
    }
}

impl PairRow {
    /// One more request.
    pub(super) fn saw(&mut self, at: When, denied: bool) {
        self.allowed += u64::from(!denied);
        self.denied += u64::from(denied);
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        self.last = Some(self.last.map_or(at, |last| last.max(at)));
    }
}

/// Requests that are shown of each kind of refusal.
const EXAMPLES: usize = 5;
