//! Facts in the one form that is hashed and kept: JSON with its fields in the order of their declaration, sets and maps sorted.

use super::device::Device;
use super::session::Session;

impl Device {
    /// The facts as canonical JSON. Equal facts give equal text.
    pub fn facts_json(&self) -> String {
        // Writing plain strings, numbers and string-keyed maps into memory has no way to fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Session {
    /// The facts as canonical JSON. Equal facts give equal text.
    pub fn facts_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
