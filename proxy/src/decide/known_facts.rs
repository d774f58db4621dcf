//! What can be said of a device: the facts that the live policies can ask for.

use std::collections::BTreeMap;
use std::fmt;

use sekisho_policy::{FactKind, PolicySet};
use serde_json::Value;

use crate::inventory::{FactValue, Platform, UnknownPlatform};
use crate::store::{MANAGED, PLATFORM, did_you_mean, near};

/// The facts that can be said of a device: those of its posture that the policies declare, and whether it is managed and what it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownFacts(BTreeMap<String, Kind>);

/// What a fact's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// True or false.
    Flag,
    /// A whole number.
    Number,
    /// A text.
    Text,
    /// What a device runs.
    Platform,
}

/// What cannot be said of a device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FactProblem {
    /// No policy could ask for it.
    #[error("there is no fact called {name:?}{}", did_you_mean(near))]
    Unknown {
        /// What was said.
        name: String,
        /// What could have been meant.
        near: Vec<String>,
    },
    /// It is something else.
    #[error("`{name}` is {kind}")]
    Kind {
        /// The fact.
        name: String,
        /// What it is.
        kind: Kind,
    },
    /// There is no such platform.
    #[error(transparent)]
    Platform(#[from] UnknownPlatform),
    /// Texts are kept for each device.
    #[error("`{name}` is a text of 1 to {LONGEST_TEXT} bytes without control characters")]
    Text {
        /// The fact.
        name: String,
    },
}

impl KnownFacts {
    /// Those of `set`.
    pub fn of(set: &PolicySet) -> Self {
        let kind = |kind| match kind {
            FactKind::Flag => Kind::Flag,
            FactKind::Number => Kind::Number,
            FactKind::Text => Kind::Text,
        };
        let posture = set.posture_facts().iter().map(|fact| (fact.name.clone(), kind(fact.kind)));
        // A fact of the posture that is called like one of these cannot be said.
        let own = [(MANAGED.to_owned(), Kind::Flag), (PLATFORM.to_owned(), Kind::Platform)];
        Self(posture.chain(own).collect())
    }

    /// What the fact's value is.
    ///
    /// # Errors
    /// [`FactProblem::Unknown`].
    pub fn kind(&self, name: &str) -> Result<Kind, FactProblem> {
        let unknown = || {
            let names = self.0.keys().map(String::as_str);
            FactProblem::Unknown { name: shown(name), near: near(name, names) }
        };
        self.0.get(name).copied().ok_or_else(unknown)
    }

    /// A value as people write it.
    ///
    /// # Errors
    /// [`FactProblem`].
    pub fn written(&self, name: &str, text: &str) -> Result<FactValue, FactProblem> {
        let value = match self.kind(name)? {
            Kind::Flag => text.parse().ok().map(Value::Bool),
            Kind::Number => text.parse::<i64>().ok().map(Value::from),
            Kind::Text | Kind::Platform => Some(Value::from(text)),
        };
        self.value(name, &value.unwrap_or_default())
    }

    /// A value as programs send it.
    ///
    /// # Errors
    /// [`FactProblem`].
    pub fn value(&self, name: &str, value: &Value) -> Result<FactValue, FactProblem> {
        let kind = self.kind(name)?;
        match (kind, value) {
            (Kind::Flag, Value::Bool(flag)) => Some(FactValue::Flag(*flag)),
            (Kind::Number, Value::Number(number)) => number.as_i64().map(FactValue::Number),
            (Kind::Platform, Value::String(text)) => Some(FactValue::Text(text.parse::<Platform>()?.as_str().to_owned())),
            (Kind::Text, Value::String(text)) if !(1..=LONGEST_TEXT).contains(&text.len()) || text.contains(char::is_control) => {
                return Err(FactProblem::Text { name: name.to_owned() });
            }
            (Kind::Text, Value::String(text)) => Some(FactValue::Text(text.clone())),
            _ => None,
        }
        .ok_or_else(|| FactProblem::Kind { name: name.to_owned(), kind })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flag => "true or false",
            Self::Number => "a whole number",
            Self::Text => "a text",
            Self::Platform => "one of linux, macos, windows, android, ios and unknown",
        })
    }
}

/// As much of a name as fits into an answer.
fn shown(name: &str) -> String {
    name.chars().take(LONGEST_NAME).collect()
}

/// Bytes of a text: it may be there once for each device.
const LONGEST_TEXT: usize = 128;
const LONGEST_NAME: usize = 64;

#[cfg(test)]
mod tests {
    use sekisho_policy::{Catalogue, Source};
    use serde_json::json;

    use super::*;

    fn facts() -> KnownFacts {
        let addition = "type Posture = { edr_running: Bool, risk_score?: Long, os_version?: String };";
        let set = PolicySet::load(&[], &[Source::new("posture.cedarschema", addition)], &Catalogue::default()).unwrap().set;
        KnownFacts::of(&set)
    }

    #[test]
    fn values_are_what_their_facts_are() {
        let facts = facts();
        for (name, text, json, value) in [
            ("disk_encrypted", "true", json!(true), FactValue::Flag(true)),
            ("edr_running", "false", json!(false), FactValue::Flag(false)),
            ("managed", "true", json!(true), FactValue::Flag(true)),
            ("risk_score", "-7", json!(-7), FactValue::Number(-7)),
            ("os_version", "14.2", json!("14.2"), FactValue::Text("14.2".into())),
            ("platform", "ios", json!("ios"), FactValue::Text("ios".into())),
        ] {
            assert_eq!(facts.written(name, text).unwrap(), value, "{name}");
            assert_eq!(facts.value(name, &json).unwrap(), value, "{name}");
        }
    }

    #[test]
    fn what_cannot_be_said_is_told_with_what_could_be_meant() {
        let facts = facts();
        let told = |name: &str, value: Value| facts.value(name, &value).unwrap_err().to_string();
        assert_eq!(
            told("disk_encryptd", json!(true)),
            "there is no fact called \"disk_encryptd\"; did you mean `disk_encrypted`?"
        );
        assert_eq!(told("\u{1b}[2J", json!(1)), "there is no fact called \"\\u{1b}[2J\"");
        assert_eq!(told("disk_encrypted", json!("true")), "`disk_encrypted` is true or false");
        assert_eq!(told("disk_encrypted", json!(1)), "`disk_encrypted` is true or false");
        assert_eq!(told("risk_score", json!(1.5)), "`risk_score` is a whole number");
        assert_eq!(told("risk_score", json!(u64::MAX)), "`risk_score` is a whole number");
        assert_eq!(told("os_version", json!(14)), "`os_version` is a text");
        assert!(told("os_version", json!("x".repeat(129))).contains("1 to 128 bytes"));
        assert!(told("os_version", json!("a\nb")).contains("control characters"));
        assert!(told("os_version", json!("")).contains("1 to 128"));
        assert!(told("platform", json!("plan9")).starts_with("a platform is one of linux"));
        assert!(told(&"x".repeat(500), json!(1)).len() < 100);
        assert_eq!(facts.written("disk_encrypted", "yes").unwrap_err().to_string(), "`disk_encrypted` is true or false");
        assert_eq!(facts.written("risk_score", "many").unwrap_err().to_string(), "`risk_score` is a whole number");
    }
}
