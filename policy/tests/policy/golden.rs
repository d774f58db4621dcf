//! Golden cases: facts in, verdict out, with the policies that decided and the errors. One file is one policy set.
//!
//! A case may stand on another (`like = "its name"`) and change some facts (`but`) or leave some out (`without`). Every case
//! that is allowed has a twin that stands on it, differs in one fact, and is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use sekisho_policy::{
    Action, App, Catalogue, Decision, Identity, Loaded, Moment, PolicySet, RequestFacts, Source, Usage, Verdict, Weekday,
};
use serde::Deserialize;
use toml::{Table, Value};

use super::support::{NOW_MS, beside, ids, lines};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Golden {
    policies: String,
    #[serde(default)]
    schema: String,
    apps: BTreeMap<String, BTreeSet<String>>,
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    like: Option<String>,
    /// Left out with a path: nobody asks, as for public paths.
    identity: Option<Table>,
    #[serde(default)]
    request: Table,
    #[serde(default)]
    but: BTreeMap<String, Value>,
    #[serde(default)]
    without: Vec<String>,
    expect: Expected,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct Expected {
    decision: String,
    #[serde(default)]
    policies: Vec<String>,
    /// Ids of the policies that failed; "-" for a question that could not be put.
    #[serde(default)]
    errors: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    app: String,
    #[serde(default = "read")]
    action: Action,
    #[serde(default)]
    host: String,
    #[serde(default = "root")]
    path: String,
    #[serde(default = "get")]
    method: String,
    #[serde(default = "somewhere")]
    source_ip: IpAddr,
    #[serde(default)]
    usage: Usage,
    local_ms: Option<u32>,
    weekday: Option<Weekday>,
}

#[test]
fn golden_cases_come_out_as_written() {
    let mut files: Vec<_> = std::fs::read_dir(beside("tests/golden")).unwrap().map(|entry| entry.unwrap().path()).collect();
    // Folders hold the cases of others.
    files.retain(|file| file.is_file() && file.file_name().is_some_and(|name| name != "warnings.toml"));
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let golden: Golden =
            toml::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"));
        play(&name, &golden);
    }
}

fn play(file: &str, golden: &Golden) {
    let apps = golden.apps.iter().map(|(name, tags)| App { name: name.clone(), tags: tags.clone() }).collect();
    let additions: Vec<Source> =
        (!golden.schema.is_empty()).then(|| Source::new("schema", golden.schema.as_str())).into_iter().collect();
    let Loaded { set, .. } = PolicySet::load(
        &[Source::new(file, golden.policies.as_str())],
        &additions,
        &Catalogue { apps, groups: None, ..Catalogue::default() },
    )
    .unwrap_or_else(|problems| panic!("{file}: {}", lines(&problems)));
    for case in &golden.case {
        let (identity, request) = facts(golden, case);
        let verdict = decide(&set, identity, request);
        assert_eq!(expected(&verdict), case.expect, "{file}: {}: {:?}", case.name, verdict.errors);
    }
    for allowed in golden.case.iter().filter(|case| case.expect.decision == "allow") {
        let refused = |case: &&Case| {
            case.like.as_ref() == Some(&allowed.name)
                && case.but.len() + case.without.len() == 1
                && case.expect.decision != "allow"
        };
        assert!(golden.case.iter().any(|case| refused(&case)), "{file}: `{}` has no refused twin", allowed.name);
    }
}

/// The identity and request of a case, with what it stands on.
fn facts(golden: &Golden, case: &Case) -> (Option<Table>, Table) {
    let (mut identity, mut request) = match &case.like {
        Some(name) => {
            let other = golden.case.iter().find(|case| case.name == *name).unwrap_or_else(|| panic!("no case `{name}`"));
            facts(golden, other)
        }
        None => (case.identity.clone(), case.request.clone()),
    };
    let mut whole = Table::new();
    whole.extend(identity.take().map(|identity| ("identity".to_owned(), Value::Table(identity))));
    whole.insert("request".to_owned(), Value::Table(std::mem::take(&mut request)));
    for (path, value) in &case.but {
        assert_ne!(change(&mut whole, path, Some(value.clone())).as_ref(), Some(value), "{}: `{path}` was so before", case.name);
    }
    for path in &case.without {
        assert!(change(&mut whole, path, None).is_some(), "{}: there was no `{path}`", case.name);
    }
    let mut take = |name: &str| whole.remove(name).map(|value| value.try_into::<Table>().unwrap());
    (take("identity"), take("request").unwrap())
}

/// Sets or removes what is at a dotted path; gives back what was there.
fn change(table: &mut Table, path: &str, value: Option<Value>) -> Option<Value> {
    match path.split_once('.') {
        Some((first, rest)) => {
            let inner = table.entry(first).or_insert_with(|| Value::Table(Table::new()));
            change(inner.as_table_mut().unwrap(), rest, value)
        }
        None => match value {
            Some(value) => table.insert(path.to_owned(), value),
            None => table.remove(path),
        },
    }
}

fn decide(set: &PolicySet, identity: Option<Table>, request: Table) -> Verdict {
    let asked: Asked = request.try_into().unwrap();
    let mut at = Moment::utc(NOW_MS);
    at.local_ms = asked.local_ms.unwrap_or(at.local_ms);
    at.weekday = asked.weekday.unwrap_or(at.weekday);
    let facts = RequestFacts {
        app: &asked.app,
        action: asked.action,
        host: &asked.host,
        path: &asked.path,
        method: &asked.method,
        source_ip: asked.source_ip,
        usage: asked.usage,
        at,
    };
    let verdict = match identity {
        Some(identity) => {
            let identity: Identity = identity.try_into().unwrap();
            let prepared = set.prepare(&identity).unwrap();
            let verdict = set.decide(&prepared, &facts);
            assert_eq!(verdict, set.decide_naively(&prepared, &facts));
            verdict
        }
        None => set.decide(set.anonymous(), &facts),
    };
    assert_eq!(verdict.errors.is_empty(), verdict.decision != Decision::Deny(sekisho_policy::DenyReason::EvaluationFailed));
    verdict
}

fn expected(verdict: &Verdict) -> Expected {
    let decision = match verdict.decision {
        Decision::Allow => "allow",
        Decision::Deny(reason) => reason.as_str(),
    };
    let errors = verdict.errors.iter().map(|error| error.policy.as_deref().unwrap_or("-").to_owned()).collect();
    Expected { decision: decision.to_owned(), policies: ids(verdict), errors }
}

fn read() -> Action {
    Action::Read
}

fn root() -> String {
    "/".to_owned()
}

fn get() -> String {
    "GET".to_owned()
}

fn somewhere() -> IpAddr {
    [192, 0, 2, 7].into()
}
