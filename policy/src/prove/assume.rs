//! What is true of every request that the gate can ask about, told to the solver so that its counterexamples could happen.
//!
//! Each line is one that `prepare` and `question` hold for whatever facts they are given, or that the room which gathers the
//! fact holds. Leaving a line out never makes a proof wrong: more requests have to be looked at, not fewer. So those about facts
//! that nothing speaks of are left out.

use std::collections::BTreeSet;

use cedar_policy::Policy;
use serde_json::Value;

use super::slice::{Env, Who};
use crate::action::Action;
use crate::question::UNKNOWN_AGE_S;

/// The condition that every request of `env` fulfils, as far as `policies` can tell.
pub(super) fn conditions<'a>(env: Env, policies: impl Iterator<Item = &'a Policy>) -> Vec<String> {
    let spoken = Spoken::of(policies);
    let mut all = vec![match env.who {
        Who::User => "principal != User::\"\"".to_owned(),
        Who::Service => "principal != Service::\"\"".to_owned(),
        Who::Anyone => "principal == Anonymous::\"anyone\"".to_owned(),
    }];
    let mut about = |fact: &str, lines: &[String]| {
        if spoken.names(fact) {
            all.extend_from_slice(lines);
        }
    };
    let at_least_0 = |path: &str| format!("{path} >= 0");
    let one_of = |path: &str, words: &[&str]| format!("{words:?}.contains({path})");
    if env.who != Who::Anyone {
        about("platform", &[one_of("context.device.platform", &PLATFORMS)]);
        about("key_protection", &[one_of("context.device.key_protection", &["software", "os", "tpm"])]);
        about("binding", &[one_of("context.session.binding", &["session", "certificate", "none"])]);
        about("enrolled_at", &["context.device.enrolled_at >= datetime(\"1970-01-01\")".to_owned()]);
        for (fact, path) in [("posture_age_s", "context.device.posture_age_s"), ("auth_age_s", "context.session.auth_age_s")] {
            about(fact, &[at_least_0(path), format!("{path} <= {UNKNOWN_AGE_S}")]);
        }
    }
    for fact in ["requests_1m", "bytes_1h", "bytes_1d"] {
        about(fact, &[at_least_0(&format!("context.usage.{fact}"))]);
    }
    about("now", &["context.now >= datetime(\"1970-01-01\")".to_owned(), "context.now < datetime(\"9999-01-01\")".to_owned()]);
    about(
        "local_time",
        &["context.local_time >= duration(\"0ms\")".to_owned(), "context.local_time < duration(\"1d\")".to_owned()],
    );
    about("weekday", &[one_of("context.weekday", &WEEKDAYS)]);
    match env.action {
        Action::Read => about("method", &[one_of("context.request.method", &READING)]),
        Action::Write => about("method", &[format!("!({})", one_of("context.request.method", &READING))]),
        Action::Connect => about("method", &[one_of("context.request.method", &["GET", "CONNECT"])]),
        // Any method asks for what is public; the gate's own addresses say by themselves what is asked for.
        _ => {}
    }
    if spoken.names("path") || spoken.names("path_prefixes") {
        all.push("context.request.path like \"/*\"".to_owned());
    }
    if spoken.names("path_prefixes") {
        all.push("context.request.path_prefixes.contains(context.request.path)".to_owned());
        all.extend(spoken.texts.iter().map(|text| is_prefix(text)));
    }
    all
}

/// Names of attributes and texts that policies speak of.
pub(super) struct Spoken {
    names: BTreeSet<String>,
    texts: BTreeSet<String>,
}

impl Spoken {
    pub(super) fn of<'a>(policies: impl Iterator<Item = &'a Policy>) -> Self {
        let mut spoken = Self { names: BTreeSet::new(), texts: BTreeSet::new() };
        for policy in policies {
            if let Ok(json) = policy.to_json() {
                spoken.walk(&json);
            }
        }
        spoken
    }

    /// Whether an attribute of this name is spoken of anywhere.
    pub(super) fn names(&self, attribute: &str) -> bool {
        self.names.contains(attribute)
    }

    /// Cedar's JSON form: attributes stand under `attr`, literals under `Value`, entities have `type` and `id`.
    fn walk(&mut self, json: &Value) {
        match json {
            Value::Object(fields) => {
                for (key, value) in fields {
                    match (key.as_str(), value) {
                        ("attr", Value::String(name)) => drop(self.names.insert(name.clone())),
                        // `has a.b.c` in its extended form.
                        ("attr", Value::Array(names)) => {
                            self.names.extend(names.iter().filter_map(Value::as_str).map(str::to_owned));
                        }
                        ("Value", Value::String(text)) => drop(self.texts.insert(text.clone())),
                        // A record that is compared as a whole speaks of all that is in it.
                        ("Record", Value::Object(record)) => self.names.extend(record.keys().cloned()),
                        _ => {}
                    }
                    self.walk(value);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.walk(item)),
            _ => {}
        }
    }
}

/// When `text` is one of `path_prefixes`: see [`crate::path::prefixes`].
fn is_prefix(text: &str) -> String {
    let contained = format!("context.request.path_prefixes.contains({})", quoted(text));
    if text == "/" {
        return contained;
    }
    if !text.starts_with('/') {
        return format!("!({contained})");
    }
    let below = format!("\"{}/*\"", text.escape_debug().to_string().replace('*', "\\*"));
    format!("{contained} == (context.request.path == {} || context.request.path like {below})", quoted(text))
}

/// As a Cedar string.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.escape_debug())
}

const PLATFORMS: [&str; 6] = ["linux", "macos", "windows", "android", "ios", "unknown"];
const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const READING: [&str; 3] = ["GET", "HEAD", "OPTIONS"];
