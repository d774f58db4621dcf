//! A push as osquery writes the results of its scheduled queries (osquery's manual, "Logging"), and as Fleet passes them on to its log
//! destinations: one result, a list of them, or one a line.
//!
//! Of a snapshot, its only row counts; of the changes since the last time, the row that was added. Columns are texts.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::refusal::IntakeRefusal;
use super::wire::{Item, bounded};
use crate::clock::Timestamp;
use crate::config::QueryFact;
use crate::decide::{Kind, KnownFacts};
use crate::identify_user::json::Members;

/// Reads a push, and takes from it what `facts` ask for. Results of other queries are nobody's business here.
///
/// # Errors
/// [`IntakeRefusal::Malformed`].
pub(super) fn read(body: &[u8], facts: &[QueryFact], known: &KnownFacts) -> Result<Vec<Item>, IntakeRefusal> {
    let results = results(body)?;
    bounded(results.len())?;
    Ok(results.iter().flat_map(|result| of_one(result, facts, known)).collect())
}

fn results(body: &[u8]) -> Result<Vec<Members>, IntakeRefusal> {
    let malformed = |problem: serde_json::Error| {
        IntakeRefusal::Malformed(format!("it is neither a result of osquery, nor a list of them, nor one a line: {problem}"))
    };
    if body.trim_ascii_start().first() == Some(&b'[') {
        return serde_json::from_slice(body).map_err(malformed);
    }
    serde_json::Deserializer::from_slice(body).into_iter::<Members>().map(|one| one.map_err(malformed)).collect()
}

/// What one result says of its device: nothing, if it is of a query that nobody asks for, or only says what is no more.
fn of_one(result: &Members, facts: &[QueryFact], known: &KnownFacts) -> Option<Item> {
    let text = |name: &str| result.get(name).and_then(Value::as_str);
    let query = text("name")?;
    let asked: Vec<&QueryFact> = facts.iter().filter(|fact| fact.query == query).collect();
    if asked.is_empty() {
        return None;
    }
    let device = text("hostIdentifier").or_else(|| text("hostname")).unwrap_or_default().to_owned();
    let at = match result.get("unixTime") {
        Some(Value::String(text)) => text.parse::<i64>().ok(),
        Some(number) => number.as_i64(),
        None => None,
    };
    let at = at.map(Timestamp::from_secs);
    let mut item = Item { device, at, facts: BTreeMap::new(), unfit: None };
    let rows = match rows(result) {
        Rows::None => return None,
        Rows::All(rows) => rows,
        Rows::Unfit(why) => {
            item.unfit = Some(why);
            return Some(item);
        }
    };
    for fact in asked {
        let value = match (&fact.column, rows.as_slice()) {
            (None, rows) => Value::Bool(!rows.is_empty()),
            (Some(column), [row]) => match row.get(column) {
                Some(value) => as_kind(value, known.kind(&fact.fact).ok()),
                None => {
                    item.unfit = Some(format!("query {query:?} has no column {column:?}"));
                    return Some(item);
                }
            },
            // A query that finds nothing says nothing good.
            (Some(_), []) => Value::Null,
            (Some(_), _) => {
                item.unfit = Some(format!("query {query:?} has {} rows, and a column of one is asked for", rows.len()));
                return Some(item);
            }
        };
        item.facts.insert(fact.fact.clone(), value);
    }
    Some(item)
}

enum Rows<'a> {
    /// Only what was there before is told.
    None,
    All(Vec<&'a Map<String, Value>>),
    Unfit(String),
}

fn rows(result: &Members) -> Rows<'_> {
    let action = result.get("action").and_then(Value::as_str);
    let found = match (action, result.get("diffResults")) {
        (Some("snapshot"), _) => objects(result.get("snapshot")),
        (Some("added"), _) => result.get("columns").and_then(Value::as_object).map(|row| vec![row]),
        (Some("removed"), _) => return Rows::None,
        (None, Some(changes)) => match objects(changes.get("added")) {
            Some(added) if added.is_empty() => return Rows::None,
            added => added,
        },
        _ => None,
    };
    match found {
        Some(rows) => Rows::All(rows),
        None => Rows::Unfit("it is neither a snapshot nor what was added or removed".to_owned()),
    }
}

/// All of the list, if all of it are objects.
fn objects(list: Option<&Value>) -> Option<Vec<&Map<String, Value>>> {
    list?.as_array()?.iter().map(Value::as_object).collect()
}

/// A column is a text, whatever it means.
fn as_kind(value: &Value, kind: Option<Kind>) -> Value {
    let Value::String(text) = value else { return value.clone() };
    match (kind, text.as_str()) {
        (Some(Kind::Flag), "1" | "true") => Value::Bool(true),
        (Some(Kind::Flag), "0" | "false") => Value::Bool(false),
        (Some(Kind::Number), text) => text.parse::<i64>().map_or_else(|_no_number| value.clone(), Value::from),
        _ => value.clone(),
    }
}
