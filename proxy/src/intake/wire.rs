//! A push as it comes: in our own form.
//!
//! `{"devices": [{"device": "ana-7k2q", "at": "2026-11-23T10:00:00Z", "facts": {"disk_encrypted": true}}]}`, with no member twice.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::refusal::IntakeRefusal;
use crate::clock::Timestamp;
use crate::identify_user::json;

/// What a source says of one device, before anybody has judged it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item {
    /// As the source names it.
    pub(super) device: String,
    /// When it was like that; `None`: now.
    pub(super) at: Option<Timestamp>,
    /// By name. `Value::Null`: the source takes back what it said.
    pub(super) facts: BTreeMap<String, Value>,
    /// What cannot be taken of it, if that is known already.
    pub(super) unfit: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Push {
    devices: Vec<Pushed>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pushed {
    device: String,
    #[serde(default)]
    at: Option<String>,
    facts: BTreeMap<String, Value>,
}

/// Reads a push.
///
/// # Errors
/// [`IntakeRefusal::Malformed`], with what is wrong and where.
pub(super) fn read(body: &[u8]) -> Result<Vec<Item>, IntakeRefusal> {
    let malformed = |problem: &dyn std::fmt::Display| IntakeRefusal::Malformed(problem.to_string());
    // Two readers of a repeated member may see different values: then nobody knows what was said.
    let object = json::object(body).map_err(|problem| malformed(&problem))?;
    let push: Push = serde_json::from_value(object.into()).map_err(|problem| malformed(&problem))?;
    bounded(push.devices.len())?;
    push.devices.into_iter().map(item).collect()
}

fn item(pushed: Pushed) -> Result<Item, IntakeRefusal> {
    let Pushed { device, at, facts } = pushed;
    let no_time = |text: &str| {
        let what = format!(
            "`at` of {device:.64?} is {text:.64?}, and has to be a time as RFC 3339 writes it, such as 2026-11-23T10:00:00Z"
        );
        IntakeRefusal::Malformed(what)
    };
    let at = at.map(|text| time(&text).ok_or_else(|| no_time(&text))).transpose()?;
    Ok(Item { device, at, facts, unfit: None })
}

/// RFC 3339.
fn time(text: &str) -> Option<Timestamp> {
    text.parse::<jiff::Timestamp>().ok().map(|at| Timestamp(at.as_millisecond()))
}

/// # Errors
/// If it speaks of more devices than one push may.
pub(super) fn bounded(devices: usize) -> Result<(), IntakeRefusal> {
    if devices > MOST_DEVICES {
        return Err(IntakeRefusal::Malformed(format!(
            "it has {devices} entries, and {MOST_DEVICES} fit into one push: send it in parts"
        )));
    }
    Ok(())
}

/// Bytes of a push.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;
const MOST_DEVICES: usize = 1000;
