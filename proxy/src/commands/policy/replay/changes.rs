//! What would be decided otherwise: grouped, counted, with examples.

use std::collections::HashMap;

use sekisho_policy::Verdict;
use serde::Serialize;

use crate::record::read::AccessLine;

/// Requests that would have another answer.
#[derive(Debug, Default)]
pub(super) struct Changes {
    groups: HashMap<String, Group>,
    /// Used again for each request, so that only a new group costs memory.
    key: String,
}

/// Requests of one user to one app that change alike.
#[derive(Debug, Serialize)]
pub(super) struct Group {
    /// Which way.
    pub(super) change: Change,
    /// `provider/subject`; empty for anybody.
    pub(super) user: String,
    /// The app.
    pub(super) app: String,
    /// The action.
    pub(super) action: &'static str,
    /// The policies that decided, as recorded.
    pub(super) old: Vec<String>,
    /// The policies that would decide.
    pub(super) new: Vec<String>,
    /// Why it would be denied; absent if it would be allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) why: Option<&'static str>,
    /// How many requests.
    pub(super) requests: u64,
    /// A few of them, of different paths where there are.
    pub(super) examples: Vec<Example>,
}

/// One request.
#[derive(Debug, Serialize)]
pub(super) struct Example {
    request: String,
    at: String,
    method: String,
    host: String,
    pub(super) path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
}

/// Which way an answer changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    /// It was allowed and would be denied.
    Loss,
    /// It was denied and would be allowed.
    Gain,
}

impl Changes {
    /// One more request that changes this way.
    pub(super) fn add(&mut self, change: Change, line: &AccessLine<'_>, verdict: &Verdict) {
        self.write_key(change, line, verdict);
        if !self.groups.contains_key(&self.key) {
            self.groups.insert(self.key.clone(), Group::new(change, line, verdict));
        }
        let Some(group) = self.groups.get_mut(&self.key) else { return };
        group.requests += 1;
        if group.examples.len() < EXAMPLES && group.examples.iter().all(|example| example.path != *line.path) {
            group.examples.push(Example::of(line));
        }
    }

    /// The groups, losses first, then by app, action and policies, the largest first.
    pub(super) fn into_groups(self) -> Vec<Group> {
        let mut groups: Vec<_> = self.groups.into_values().collect();
        groups.sort_by(|a, b| a.kind().cmp(&b.kind()).then(b.requests.cmp(&a.requests)).then(a.user.cmp(&b.user)));
        groups
    }

    /// Texts of the record are not trusted: each part goes with its length, so that two groups never have one key.
    fn write_key(&mut self, change: Change, line: &AccessLine<'_>, verdict: &Verdict) {
        use std::fmt::Write as _;
        let key = &mut self.key;
        key.clear();
        key.push(if change == Change::Loss { '-' } else { '+' });
        let texts = [line.user.as_deref(), line.app.as_deref(), line.action.map(sekisho_policy::Action::as_str)];
        let old = line.policies.iter().map(|policy| &**policy);
        let all = texts.into_iter().map(Option::unwrap_or_default).chain(old).chain(["|", why(verdict).unwrap_or_default()]);
        for text in all.chain(verdict.policies.iter().map(|policy| &**policy)) {
            // Writing to a string does not fail.
            let _written = write!(key, "{}:{text}", text.len());
        }
    }
}

impl Group {
    fn new(change: Change, line: &AccessLine<'_>, verdict: &Verdict) -> Self {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        Self {
            change,
            user: text(line.user.as_deref()),
            app: text(line.app.as_deref()),
            action: line.action.map_or("", sekisho_policy::Action::as_str),
            old: line.policies.iter().map(ToString::to_string).collect(),
            new: verdict.policies.iter().map(ToString::to_string).collect(),
            why: why(verdict),
            requests: 0,
            examples: Vec::new(),
        }
    }

    /// What groups of different users have in common.
    pub(super) fn kind(&self) -> (Change, &str, &str, &[String], &[String], Option<&'static str>) {
        (self.change, &self.app, self.action, &self.old, &self.new, self.why)
    }
}

impl Example {
    fn of(line: &AccessLine<'_>) -> Self {
        Self {
            request: line.request.to_string(),
            at: line.at.to_string(),
            method: line.method.to_string(),
            host: line.host.to_string(),
            path: line.path.to_string(),
            device: line.device.as_deref().map(str::to_owned),
        }
    }

    /// One line.
    pub(super) fn text(&self) -> String {
        let Self { request, at, method, host, path, .. } = self;
        format!("{at} {method} https://{host}{path} (request {request})")
    }
}

fn why(verdict: &Verdict) -> Option<&'static str> {
    match verdict.decision {
        sekisho_policy::Decision::Allow => None,
        sekisho_policy::Decision::Deny(reason) => Some(reason.as_str()),
    }
}

/// Examples of a group.
const EXAMPLES: usize = 3;
