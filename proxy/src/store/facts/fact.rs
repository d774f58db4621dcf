//! One thing that somebody says of a device.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::inventory::FactValue;

/// One thing that somebody says of a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceFact {
    /// What it is about: [`MANAGED`](super::MANAGED), [`PLATFORM`](super::PLATFORM), or a fact of its posture.
    pub name: String,
    /// Who says it.
    pub source: String,
    /// How it is.
    pub value: FactValue,
    /// When it was like that.
    pub at: Timestamp,
    /// Until when it counts; `None`: for good.
    pub ends_at: Option<Timestamp>,
    /// It does not count any more.
    pub ended: bool,
}

/// What a source calls a device.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DeviceAlias {
    /// The source.
    pub source: String,
    /// The name.
    pub alias: String,
}

impl DeviceFact {
    /// As people read it.
    pub(super) fn words(name: &str, value: Option<&FactValue>) -> String {
        match value {
            None => format!("{name} is unset"),
            Some(FactValue::Flag(flag)) => format!("{name}={flag}"),
            Some(FactValue::Number(number)) => format!("{name}={number}"),
            Some(FactValue::Text(text)) => format!("{name}={text:?}"),
        }
    }
}
