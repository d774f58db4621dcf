//! `SEKISHO_…`: settings and secrets from the environment. The one place that reads it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;

use super::document::{Node, Value};
use super::problem::{At, Place, Problem};
use super::raw::Root;
use super::setting::{Setting, Shape};
use super::suggest;
use crate::secret::Secret;

/// Secrets that came by the environment; each is taken by the setting that it is for.
#[derive(Debug, Default)]
pub(in crate::config) struct Secrets(RefCell<BTreeMap<String, Secret<String>>>);

/// The process's environment, to hand to [`Config::load`](crate::config::Config::load).
pub fn environment() -> Vec<(OsString, OsString)> {
    std::env::vars_os().collect()
}

/// Lays the scalars of the environment over the file, and sets the secrets aside.
pub(in crate::config) fn lay_over<I>(root: &mut Node, variables: I, problems: &mut Vec<Problem>) -> Secrets
where
    I: IntoIterator<Item = (OsString, OsString)>,
{
    let settings = settings();
    let secrets = Secrets::default();
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)).map(str::to_owned) else { continue };
        if NOT_SETTINGS.contains(&name.as_str()) {
            continue;
        }
        let at = At { path: String::new(), place: Place::Environment(name.clone()) };
        let Ok(value) = value.into_string() else {
            problems.push(Problem::new(&at, "its value is not UTF-8"));
            continue;
        };
        if let Some((_, keys, shape)) = settings.iter().find(|(known, ..)| *known == name) {
            match node(&value, *shape, &at.place) {
                Ok(node) => set(root, keys, node),
                Err(words) => problems.push(Problem::new(&at, words)),
            }
        } else if name.starts_with(SECRET_PREFIX) && name.ends_with(SECRET_SUFFIX) {
            secrets.0.borrow_mut().insert(name, Secret::new(value));
        } else {
            let known: Vec<&str> = settings.iter().map(|(known, ..)| known.as_str()).collect();
            let problem = Problem::new(&at, "no setting has this name");
            problems.push(match suggest::nearest(&name, &known) {
                Some(nearest) => problem.instead(format!("did you mean {nearest}?")),
                None => problem.instead("only single values outside of lists can be set by the environment"),
            });
        }
    }
    secrets
}

impl Secrets {
    /// The client secret of the provider with this name, and the variable that it came by.
    pub(in crate::config) fn client_secret(&self, provider: &str) -> Option<(String, Secret<String>)> {
        self.0.borrow_mut().remove_entry(&client_secret_variable(provider))
    }

    /// After all were taken: those that nobody asked for.
    pub(in crate::config) fn report_strays(&self, problems: &mut Vec<Problem>) {
        for name in self.0.borrow().keys() {
            let at = At { path: String::new(), place: Place::Environment(name.clone()) };
            problems.push(Problem::new(&at, "no [[identity_provider]] with a client_id has this name"));
        }
    }
}

/// `SEKISHO_IDENTITY_PROVIDER_<NAME>_CLIENT_SECRET`: the name in upper case, what is not a letter or digit as `_`.
pub(in crate::config) fn client_secret_variable(provider: &str) -> String {
    format!("{SECRET_PREFIX}{}{SECRET_SUFFIX}", shout(provider))
}

/// Every scalar that is not in a list: its variable, its keys and its kind.
pub(in crate::config) fn settings() -> Vec<(String, Vec<&'static str>, Shape)> {
    let mut found = Vec::new();
    gather(Root::SHAPE, &mut Vec::new(), &mut found);
    found
}

fn gather(shape: Shape, path: &mut Vec<&'static str>, found: &mut Vec<(String, Vec<&'static str>, Shape)>) {
    match shape {
        Shape::Table(keys) => {
            for (name, shape) in keys {
                path.push(name);
                gather(*shape, path, found);
                path.pop();
            }
        }
        Shape::List(_) => {}
        Shape::Text | Shape::Number | Shape::Flag => {
            found.push((format!("{PREFIX}{}", shout(&path.join("_"))), path.clone(), shape));
        }
    }
}

fn shout(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

fn node(value: &str, shape: Shape, place: &Place) -> Result<Node, &'static str> {
    let value = match shape {
        Shape::Number => Value::Number(Some(value.parse().map_err(|_malformed| "it has to be a whole number")?)),
        Shape::Flag => Value::Flag(value.parse().map_err(|_malformed| "it has to be true or false")?),
        Shape::Text | Shape::List(_) | Shape::Table(_) => Value::Text(value.to_owned()),
    };
    Ok(Node { value, place: place.clone() })
}

/// Puts a value at its path, in place of what the file says. A section of the wrong kind is left for its reader to report.
fn set(table: &mut Node, keys: &[&str], node: Node) {
    let (Value::Table(entries), Some((first, rest))) = (&mut table.value, keys.split_first()) else { return };
    let index = entries.iter().position(|(name, _)| name == first).unwrap_or_else(|| {
        entries.push(((*first).to_owned(), Node::empty_table()));
        entries.len() - 1
    });
    let Some((_, entry)) = entries.get_mut(index) else { return };
    if rest.is_empty() {
        *entry = node;
    } else {
        set(entry, rest, node);
    }
}

const PREFIX: &str = "SEKISHO_";
const SECRET_PREFIX: &str = "SEKISHO_IDENTITY_PROVIDER_";
const SECRET_SUFFIX: &str = "_CLIENT_SECRET";

/// Variables that begin alike and are not settings: what to log and in which form, and the path of the file itself.
const NOT_SETTINGS: &[&str] = &["SEKISHO_ADMIN_SOCKET", "SEKISHO_CONFIG", "SEKISHO_LOG", "SEKISHO_LOG_FORMAT", "SEKISHO_SOLVER"];
