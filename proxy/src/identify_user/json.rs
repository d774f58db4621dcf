//! JSON objects with exactly one reading: no member twice, at any depth.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The members of an object, each once.
///
/// Tokens have a dozen, and are read anew with each that was never seen: looking through a short list costs less than a table of hashes.
/// What has many is in order, so that no text makes finding something slow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Members(Vec<(String, Value)>);

/// The text is not one JSON object with one reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON object, or one with a member twice")]
pub struct NotAnObject;

/// The members of the object that is the whole of `text`.
///
/// Two readers of a repeated member may see different values (RFC 8259, section 4); RFC 7515 lets a verifier refuse it.
///
/// # Errors
/// [`NotAnObject`] for anything else than UTF-8 text of one object, a byte order mark included.
pub fn object(text: &[u8]) -> Result<Members, NotAnObject> {
    serde_json::from_slice(text).map_err(|_not| NotAnObject)
}

impl Members {
    /// The value of a member.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let found = if self.0.len() <= FEW {
            self.0.iter().find(|(known, _)| known == name)
        } else {
            self.0.binary_search_by(|(known, _)| known.as_str().cmp(name)).ok().and_then(|at| self.0.get(at))
        };
        found.map(|(_, value)| value)
    }

    /// Whether there is such a member.
    pub fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// `None` if one is there twice.
    fn of(mut all: Vec<(String, Value)>) -> Option<Self> {
        let twice = if all.len() <= FEW {
            let mut rest = all.as_slice();
            std::iter::from_fn(|| {
                let ((name, _), others) = rest.split_first()?;
                rest = others;
                Some(others.iter().any(|(other, _)| other == name))
            })
            .any(|twice| twice)
        } else {
            all.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
            all.windows(2).any(|pair| matches!(pair, [(one, _), (other, _)] if one == other))
        };
        (!twice).then_some(Self(all))
    }
}

impl From<Members> for Value {
    fn from(members: Members) -> Self {
        Self::Object(members.0.into_iter().collect())
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Whole)
    }
}

/// Reads the object that is the whole of a text.
struct Whole;

impl<'de> Visitor<'de> for Whole {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object without repeated members")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Members, A::Error> {
        let mut all = Vec::with_capacity(USUAL);
        while let Some((name, Unambiguous(value))) = members.next_entry::<String, Unambiguous>()? {
            all.push((name, value));
        }
        Members::of(all).ok_or_else(|| A::Error::custom("a member twice"))
    }
}

struct Unambiguous(Value);

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Once).map(Self)
    }
}

struct Once;

impl<'de> Visitor<'de> for Once {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without repeated members")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Value, E> {
        Number::from_f64(number).map(Value::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(Unambiguous(item)) = items.next_element()? {
            all.push(item);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some((name, Unambiguous(value))) = members.next_entry::<String, Unambiguous>()? {
            if all.insert(name, value).is_some() {
                return Err(A::Error::custom("a member twice"));
            }
        }
        Ok(Value::Object(all))
    }
}

/// Members up to which each is compared with each.
const FEW: usize = 32;

/// Members that most tokens have at most.
const USUAL: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_read() {
        let members = object(br#"{"a":[1,2.5,null,true,"x"],"b":{"c":{}}}"#).unwrap();
        assert_eq!(Value::from(members), serde_json::json!({"a": [1, 2.5, null, true, "x"], "b": {"c": {}}}));
    }

    #[test]
    fn what_has_more_or_less_than_one_reading_is_refused() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":{"b":1,"b":2}}"#,
            r#"{"x":[{"b":1,"b":2}]}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"a":1e400}"#,
            r#"{"a":NaN}"#,
            r#"{"a":1} x"#,
            "[]",
            "\"x\"",
            "",
            "\u{feff}{}",
        ] {
            assert_eq!(object(text.as_bytes()), Err(NotAnObject), "{text}");
        }
        assert_eq!(object(b"{\"a\":\"\xff\"}"), Err(NotAnObject));
    }

    #[test]
    fn few_and_many_members_are_found_and_none_is_there_twice() {
        for count in [0, 1, 2, FEW - 1, FEW, FEW + 1, 3 * FEW] {
            let name = |number: usize| format!("member-{}", number * 7919 % 1000);
            let text = |names: &[String]| {
                let members: Vec<String> = names.iter().enumerate().map(|(at, name)| format!("{name:?}:{at}")).collect();
                format!("{{{}}}", members.join(","))
            };
            let names: Vec<String> = (0..count).map(name).collect();
            let members = object(text(&names).as_bytes()).unwrap();
            for (at, name) in names.iter().enumerate() {
                assert_eq!(members.get(name), Some(&Value::from(at)), "{count}: {name}");
            }
            assert!(!members.contains_key("member-x") && !members.contains_key(""));
            for again in [0, count / 2, count.saturating_sub(1)].into_iter().filter(|_| count > 0) {
                let twice: Vec<String> = names.iter().chain(names.get(again)).cloned().collect();
                assert_eq!(object(text(&twice).as_bytes()), Err(NotAnObject), "{count}: {again}");
            }
        }
    }
}
