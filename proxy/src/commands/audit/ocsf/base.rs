//! What events of all classes have.

use std::net::SocketAddr;

use serde_json::{Map, Value, json};

use crate::record::read::Place;

/// A class of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Class {
    pub(super) uid: u32,
    pub(super) name: &'static str,
    pub(super) category: &'static str,
}

/// An event under construction.
#[derive(Debug)]
pub(super) struct Draft(Map<String, Value>);

pub(super) const BASE: Class = Class { uid: 0, name: "Base Event", category: "Uncategorized" };
pub(super) const FINDING: Class = Class { uid: 2004, name: "Detection Finding", category: "Findings" };
pub(super) const ACCOUNT: Class = Class { uid: 3001, name: "Account Change", category: "Identity & Access Management" };
pub(super) const AUTHENTICATION: Class = Class { uid: 3002, name: "Authentication", category: "Identity & Access Management" };
pub(super) const ENTITY: Class = Class { uid: 3004, name: "Entity Management", category: "Identity & Access Management" };
pub(super) const HTTP: Class = Class { uid: 4002, name: "HTTP Activity", category: "Network Activity" };
pub(super) const LIFECYCLE: Class = Class { uid: 6002, name: "Application Lifecycle", category: "Application Activity" };
pub(super) const ERROR: Class = Class { uid: 6008, name: "Application Error", category: "Application Activity" };

pub(super) const INFORMATIONAL: u32 = 1;
pub(super) const LOW: u32 = 2;
pub(super) const MEDIUM: u32 = 3;
pub(super) const HIGH: u32 = 4;

pub(super) const UNKNOWN: u32 = 0;
pub(super) const SUCCESS: u32 = 1;
pub(super) const FAILURE: u32 = 2;
/// An activity that the class has no number for; it is named then.
pub(super) const OTHER: u32 = 99;

impl Draft {
    /// Of this class and activity, which happened at `at` and stands at `place`.
    pub(super) fn new(class: Class, activity: u32, activity_name: &str, at: &str, place: &Place) -> Self {
        let Class { uid, name, category } = class;
        let mut draft = Self(Map::new());
        draft.set("metadata", metadata(at, place));
        draft.set("time", json!(at.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_millisecond)));
        draft.set("category_uid", json!(uid / 1000));
        draft.set("category_name", json!(category));
        draft.set("class_uid", json!(uid));
        draft.set("class_name", json!(name));
        draft.set("activity_id", json!(activity));
        draft.set("activity_name", json!(activity_name));
        draft.set("type_uid", json!(uid * 100 + activity));
        draft.set("type_name", json!(format!("{name}: {activity_name}")));
        draft
    }

    /// Sets a field. What says nothing is left out, at every depth.
    pub(super) fn set(&mut self, name: &str, value: Value) {
        if let Some(value) = told(value) {
            self.0.insert(name.to_owned(), value);
        }
    }

    /// How serious it is.
    pub(super) fn severity(&mut self, severity: u32) {
        self.set("severity_id", json!(severity));
        let names = ["Unknown", "Informational", "Low", "Medium", "High"];
        self.set("severity", json!(usize::try_from(severity).ok().and_then(|severity| names.get(severity))));
    }

    /// What came of it: [`SUCCESS`], [`FAILURE`] or [`UNKNOWN`].
    pub(super) fn status(&mut self, status: u32) {
        self.set("status_id", json!(status));
        let name = match status {
            SUCCESS => "Success",
            FAILURE => "Failure",
            _ => "Unknown",
        };
        self.set("status", json!(name));
    }

    /// Names the request that it belongs to.
    pub(super) fn correlate(&mut self, request: Option<&str>) {
        if let (Some(request), Some(Value::Object(metadata))) = (request, self.0.get_mut("metadata")) {
            metadata.insert("correlation_uid".to_owned(), json!(request));
        }
    }

    /// Names the profiles whose fields it has.
    pub(super) fn profiles(&mut self, profiles: &[&str]) {
        if let Some(Value::Object(metadata)) = self.0.get_mut("metadata") {
            metadata.insert("profiles".to_owned(), json!(profiles));
        }
    }

    pub(super) fn done(self) -> Value {
        Value::Object(self.0)
    }
}

fn metadata(at: &str, place: &Place) -> Value {
    json!({
        "version": SCHEMA,
        "product": product(),
        // Where the line stands: it can be found and verified again.
        "uid": format!("{}:{}", place.segment.name(), place.number),
        "log_name": "access record",
        "original_time": at,
    })
}

/// This program.
pub(super) fn product() -> Value {
    json!({ "name": "Sekisho", "vendor_name": "Sekisho", "version": env!("CARGO_PKG_VERSION") })
}

/// A device of the inventory. What kind of computer it is, the record does not say.
pub(super) fn device(id: Option<&str>) -> Value {
    id.map_or(Value::Null, |id| json!({ "uid": id, "name": id, "type_id": UNKNOWN, "type": "Unknown" }))
}

/// A person, `provider/subject`.
pub(super) fn user(id: Option<&str>) -> Value {
    id.map_or(Value::Null, |id| json!({ "uid": id, "type_id": 1, "type": "User" }))
}

/// A user that a class cannot do without.
pub(super) fn some_user(id: Option<&str>) -> Value {
    if id.is_some() { user(id) } else { json!({ "name": "unknown", "type_id": UNKNOWN, "type": "Unknown" }) }
}

/// A session, with the provider that vouched for it.
pub(super) fn session(id: Option<&str>, user: Option<&str>) -> Value {
    let issuer = user.and_then(|user| user.split_once('/')).map(|(provider, _)| provider);
    id.map_or(Value::Null, |id| json!({ "uid": id, "issuer": issuer, "is_remote": true }))
}

/// The client's end of a connection.
pub(super) fn client(text: &str) -> Value {
    match text.parse::<SocketAddr>() {
        Ok(address) => json!({ "ip": address.ip().to_canonical().to_string(), "port": address.port() }),
        Err(_foreign) if text.is_empty() => Value::Null,
        Err(_foreign) => json!({ "name": text }),
    }
}

/// The value without what says nothing; `None` if nothing is left.
fn told(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Object(fields) => {
            let fields: Map<_, _> = fields.into_iter().filter_map(|(name, value)| Some((name, told(value)?))).collect();
            (!fields.is_empty()).then_some(Value::Object(fields))
        }
        Value::Array(items) => {
            let items: Vec<_> = items.into_iter().filter_map(told).collect();
            (!items.is_empty()).then_some(Value::Array(items))
        }
        other => Some(other),
    }
}

/// Of the schema.
const SCHEMA: &str = "1.6.0";
