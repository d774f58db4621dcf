//! The cases of a folder of policy tests.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::Tester;
use super::apps;
use super::draft::Draft;
use super::facts;
use super::read::{FACTS, Fixtures, Terms, duration, fact};
use super::reader::{Reader, Value};
use crate::action::OWN_APP;
use crate::load::MAX_FILE_BYTES;
use crate::near::did_you_mean;
use crate::problem::{Place, Problem};
use crate::query::Query;
use crate::set::Source;
use crate::verdict::DenyReason;

/// One test: a question and the answer that is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// What it is called. Once in a file.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// The question.
    pub query: Query,
    /// The answer that is expected.
    pub expected: Expected,
}

/// The answer that a case expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// `expect`: whether it is let through.
    pub allow: bool,
    /// `reason`: why not.
    pub reason: Option<DenyReason>,
    /// `policies`: exactly those that decide.
    pub policies: Option<BTreeSet<String>>,
    /// `step_up`: whether another sign-in is all that is missing, and which.
    pub step_up: Option<ExpectedStepUp>,
    /// `remedy`: facts that, changed together, are one of the nearest ways to yes; none: there is no way.
    pub remedy: Option<BTreeSet<String>>,
}

/// The sign-in that a case expects to be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpectedStepUp {
    /// None: no sign-in would help.
    No,
    /// Some sign-in; what is written of it has to be so.
    Yes {
        /// How old it may be, in milliseconds.
        max_age_ms: Option<i64>,
        /// Whether more than one factor has to be used.
        mfa: Option<bool>,
        /// The authentication context class.
        acr: Option<String>,
    },
}

/// Reads `sources`, all cases of all of them.
pub(super) fn read(tester: &Tester<'_>, sources: &[Source]) -> Result<Vec<Case>, Vec<Problem>> {
    let mut cases = Vec::new();
    let mut problems = Vec::new();
    for source in sources {
        if source.text.len() > MAX_FILE_BYTES {
            let message = format!("`{}` has {} bytes; at most {MAX_FILE_BYTES} are read", source.name, source.text.len());
            problems.push(Problem::new(None, message).help("split it into several files"));
            continue;
        }
        match file(tester, source) {
            Ok(found) => cases.extend(found),
            Err(found) => problems.extend(found),
        }
    }
    if cases.len() > MAX_CASES {
        problems.push(Problem::new(None, format!("{} cases are more than are run ({MAX_CASES})", cases.len())));
    }
    if problems.is_empty() { Ok(cases) } else { Err(problems) }
}

fn file(tester: &Tester<'_>, source: &Source) -> Result<Vec<Case>, Vec<Problem>> {
    let (mut reader, root) = Reader::open(source);
    let Some(root) = root else { return Err(reader.finish()) };
    for (key, _) in &root {
        if !FILE.contains(&key.get_ref().as_ref()) {
            reader.unknown(key, "a file of tests", FILE);
        }
    }
    apps::check(&root, tester.catalogue, &mut reader);
    let posture = &tester.set.facts.posture;
    let fixtures = Fixtures::read(&root, posture, tester.zone, &mut reader);
    let apps: BTreeSet<&str> = tester.catalogue.apps.iter().map(|app| app.name.as_str()).collect();
    let terms = Terms { fixtures: &fixtures, posture, apps: &apps, zone: tester.zone };
    let defaults = defaults(&root, &terms, &mut reader);
    let mut writer = Cases { tester, terms, defaults, known: BTreeMap::new(), cases: Vec::new() };
    if let Some(list) = root.get("case").and_then(|value| reader.list(value)) {
        for value in list {
            writer.case(value, &mut reader);
        }
    }
    let cases = writer.cases;
    if reader.is_content() { Ok(cases) } else { Err(reader.finish()) }
}

fn defaults(root: &DeTable<'_>, terms: &Terms<'_>, reader: &mut Reader<'_>) -> Draft {
    let mut draft = Draft::default();
    let table = root.get("defaults").and_then(|value| reader.table(value, "`defaults`"));
    for (key, value) in table.into_iter().flatten() {
        if !fact(&mut draft, key.get_ref(), value, terms, reader) {
            reader.unknown(key, "[defaults]", FACTS);
        }
    }
    draft
}

/// The cases of one file, one after the other: each may stand on those before it.
struct Cases<'a> {
    tester: &'a Tester<'a>,
    terms: Terms<'a>,
    defaults: Draft,
    known: BTreeMap<String, Draft>,
    cases: Vec<Case>,
}

/// What a case says beside its facts.
#[derive(Default)]
struct Said {
    name: Option<String>,
    like: Option<Draft>,
    allow: Option<bool>,
    reason: Option<DenyReason>,
    policies: Option<BTreeSet<String>>,
    step_up: Option<ExpectedStepUp>,
    remedy: Option<BTreeSet<String>>,
    /// Where `user` or `service`, `device` or `session` stand.
    known_only: Option<Range<usize>>,
}

impl Cases<'_> {
    fn case(&mut self, value: &Value<'_>, reader: &mut Reader<'_>) {
        let Some(table) = reader.table(value, "a case") else { return };
        let (said, own) = self.read(table, reader);
        let draft = own.over(said.like.unwrap_or_else(|| self.defaults.clone()));
        let named = said.name.as_ref().map_or_else(|| "this case".to_owned(), |name| format!("`{name}`"));
        let at = table.get_key_value("name").map_or(value.span(), |(_, name)| name.span());
        if table.contains_key("user") && table.contains_key("service") {
            reader.wrong(&at, format!("{named} has both a user and a service"));
        }
        let query = facts::query(draft.clone(), self.terms.posture, self.terms.zone);
        if let (Some(query), Some(at)) = (&query, &said.known_only)
            && query.who.is_none()
        {
            reader.wrong(at, "nobody is known on public paths: no user, no device, no session");
        }
        if let Some(request) =
            query.as_ref().map(|query| &query.request).filter(|request| !request.action.is_asked_of(&request.app))
        {
            let whose = if request.action.is_own() { "the gate itself" } else { "apps" };
            let help = format!("`{}` is asked of {whose}; the gate itself is the app `{OWN_APP}`", request.action);
            reader.wrong_but(&at, format!("nobody asks the app `{}` for `{}`", request.app, request.action), Some(help));
        }
        for (missing, word) in [
            (said.name.is_none(), "`name`"),
            (said.allow.is_none() && !table.contains_key("expect"), "`expect`"),
            (query.is_none() && !table.contains_key("app"), "`app`"),
        ] {
            if missing {
                let help = if word == "`app`" { Some("write it here, or in [defaults]") } else { None };
                reader.wrong_but(&at, format!("{named} has no {word}"), help);
            }
        }
        let Some(name) = said.name else { return };
        if self.known.insert(name.clone(), draft).is_some() {
            reader.wrong(&at, format!("there is another case `{name}` in this file"));
        }
        if let (Some(query), Some(allow)) = (query, said.allow) {
            let of_denials =
                [(said.reason.is_some(), "reason"), (said.step_up.is_some(), "step_up"), (said.remedy.is_some(), "remedy")];
            for (_, key) in of_denials.iter().filter(|(written, _)| allow && *written) {
                reader.wrong(&at, format!("{named} expects to be allowed, and `{key}` is for denials"));
            }
            let Said { reason, policies, step_up, remedy, .. } = said;
            let expected = Expected { allow, reason, policies, step_up, remedy };
            self.cases.push(Case { name, place: reader.place(&at), query, expected });
        }
    }

    fn read(&self, table: &DeTable<'_>, reader: &mut Reader<'_>) -> (Said, Draft) {
        let (mut said, mut own) = (Said::default(), Draft::default());
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "name" => said.name = reader.text(value).filter(|name| !name.trim().is_empty()),
                "like" => said.like = self.like(value, reader),
                "expect" => said.allow = choice(value, &[("allow", true), ("deny", false)], reader),
                "reason" => said.reason = choice(value, &REASONS.map(|reason| (reason.as_str(), reason)), reader),
                "policies" => said.policies = self.policies(value, reader),
                "step_up" => said.step_up = step_up(value, reader),
                "remedy" => said.remedy = reader.texts(value),
                name => {
                    if ["user", "service", "device", "session"].contains(&name) {
                        said.known_only = Some(key.span());
                    }
                    if !fact(&mut own, name, value, &self.terms, reader) {
                        let known: Vec<&str> = SAID.iter().chain(FACTS).copied().collect();
                        reader.unknown(key, "a case", &known);
                    }
                }
            }
        }
        (said, own)
    }

    fn like(&self, value: &Value<'_>, reader: &mut Reader<'_>) -> Option<Draft> {
        let name = reader.text(value)?;
        let found = self.known.get(&name).cloned();
        if found.is_none() {
            let help = did_you_mean(&name, self.known.keys().map(String::as_str));
            let help = help.unwrap_or_else(|| "a case can stand on one that is above it in the same file".to_owned());
            reader.wrong_but(&value.span(), format!("there is no case `{name}` above this"), Some(help));
        }
        found
    }

    fn policies(&self, value: &Value<'_>, reader: &mut Reader<'_>) -> Option<BTreeSet<String>> {
        let ids = self.tester.set.policy_ids();
        let list = reader.list(value)?;
        let mut found = BTreeSet::new();
        for item in list {
            let Some(id) = reader.text(item) else { continue };
            if ids.binary_search_by(|known| (**known).cmp(id.as_str())).is_err() {
                let help = did_you_mean(&id, ids.iter().map(|id| &**id));
                reader.wrong_but(&item.span(), format!("there is no policy `{id}`"), help);
            }
            found.insert(id);
        }
        Some(found)
    }
}

fn step_up(value: &Value<'_>, reader: &mut Reader<'_>) -> Option<ExpectedStepUp> {
    let (mut max_age_ms, mut mfa, mut acr) = (None, None, None);
    match value.get_ref() {
        DeValue::Boolean(false) => return Some(ExpectedStepUp::No),
        DeValue::Boolean(true) => {}
        _ => {
            for (key, value) in reader.table(value, "`step_up`, if not true or false,").into_iter().flatten() {
                match key.get_ref().as_ref() {
                    "max_age" => max_age_ms = duration(value, reader),
                    "mfa" => mfa = reader.flag(value),
                    "acr" => acr = reader.text(value),
                    _ => reader.unknown(key, "`step_up`", STEP_UP),
                }
            }
        }
    }
    Some(ExpectedStepUp::Yes { max_age_ms, mfa, acr })
}

/// One of a few words.
fn choice<T: Copy>(value: &Value<'_>, words: &[(&str, T)], reader: &mut Reader<'_>) -> Option<T> {
    let text = reader.text(value)?;
    let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
    if found.is_none() {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let help = did_you_mean(&text, known.iter().copied()).unwrap_or_else(|| format!("write one of {}", known.join(", ")));
        reader.wrong_but(&value.span(), format!("`{text}` is not known here"), Some(help));
    }
    found
}

/// Most cases of a folder.
pub const MAX_CASES: usize = 20_000;

const FILE: &[&str] = &["apps", "defaults", "users", "services", "devices", "case"];
const SAID: &[&str] = &["name", "like", "expect", "reason", "policies", "step_up", "remedy"];
const STEP_UP: &[&str] = &["max_age", "mfa", "acr"];
const REASONS: [DenyReason; 3] = [DenyReason::NoPermit, DenyReason::Forbidden, DenyReason::EvaluationFailed];
