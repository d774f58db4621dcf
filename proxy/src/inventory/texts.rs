//! Sets and maps of texts that rest in memory for hours, a hundred thousand times: sorted lists that take no more room than their texts.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::user::ClaimValue;

/// A set of texts, in their order. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Texts(Arc<[Arc<str>]>);

/// Claims by their names, in the order of these. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Claims(Arc<[(Arc<str>, ClaimValue)]>);

impl Texts {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|text| &**text)
    }

    /// Whether `text` is one of them.
    pub fn contains(&self, text: &str) -> bool {
        self.0.binary_search_by(|known| (**known).cmp(text)).is_ok()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same set, of texts that `share` gives for its own.
    pub(super) fn sharing(&self, share: impl FnMut(Arc<str>) -> Arc<str>) -> Self {
        Self(self.0.iter().cloned().map(share).collect())
    }
}

impl Claims {
    /// The claim of that name.
    pub fn get(&self, name: &str) -> Option<&ClaimValue> {
        self.iter().find_map(|(known, value)| (known == name).then_some(value))
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ClaimValue)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// The same claims, under names that `share` gives for its own.
    pub(super) fn sharing(&self, mut share: impl FnMut(Arc<str>) -> Arc<str>) -> Self {
        Self(self.0.iter().map(|(name, value)| (share(Arc::clone(name)), value.clone())).collect())
    }
}

impl<T: Into<Arc<str>>> FromIterator<T> for Texts {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        let sorted: BTreeSet<Arc<str>> = texts.into_iter().map(Into::into).collect();
        Self(sorted.into_iter().collect())
    }
}

impl<N: Into<Arc<str>>> FromIterator<(N, ClaimValue)> for Claims {
    /// Of two with one name, the first counts.
    fn from_iter<I: IntoIterator<Item = (N, ClaimValue)>>(claims: I) -> Self {
        let mut sorted: Vec<(Arc<str>, ClaimValue)> = claims.into_iter().map(|(name, value)| (name.into(), value)).collect();
        sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
        sorted.dedup_by(|(later, _), (earlier, _)| later == earlier);
        Self(sorted.into())
    }
}

impl Default for Texts {
    fn default() -> Self {
        Self(Arc::new([]))
    }
}

impl Default for Claims {
    fn default() -> Self {
        Self(Arc::new([]))
    }
}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Serialize for Texts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl Serialize for Claims {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<Arc<str>>::deserialize(deserializer)?.into_iter().collect())
    }
}

impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ClaimsVisitor)
    }
}

struct ClaimsVisitor;

impl<'de> Visitor<'de> for ClaimsVisitor {
    type Value = Claims;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("claims by their names")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Claims, M::Error> {
        let mut claims: Vec<(Arc<str>, ClaimValue)> = Vec::new();
        while let Some(claim) = map.next_entry()? {
            claims.push(claim);
        }
        Ok(claims.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = ClaimValue> {
        prop_oneof![
            any::<String>().prop_map(ClaimValue::Text),
            prop::collection::btree_set(any::<String>(), 0..4).prop_map(ClaimValue::Texts),
        ]
    }

    proptest! {
        #[test]
        fn texts_are_what_a_set_is(texts in prop::collection::vec(any::<String>(), 0..8)) {
            let set: BTreeSet<String> = texts.iter().cloned().collect();
            let ours: Texts = texts.into_iter().collect();
            prop_assert!(ours.iter().eq(set.iter().map(String::as_str)));
            prop_assert_eq!(ours.is_empty(), set.is_empty());
            for text in set.iter().map(String::as_str).chain(["", "a", "zz"]) {
                prop_assert_eq!(ours.contains(text), set.contains(text));
            }
            let json = serde_json::to_string(&set).unwrap();
            prop_assert_eq!(&serde_json::to_string(&ours).unwrap(), &json);
            prop_assert_eq!(serde_json::from_str::<Texts>(&json).unwrap(), ours.clone());
            prop_assert_eq!(ours.sharing(|text| text), ours);
        }

        #[test]
        fn claims_are_what_a_map_is(map in prop::collection::btree_map(any::<String>(), value(), 0..6)) {
            // In another order than their own.
            let ours: Claims = map.iter().rev().map(|(name, value)| (name.as_str(), value.clone())).collect();
            prop_assert!(ours.iter().eq(map.iter().map(|(name, value)| (name.as_str(), value))));
            for name in map.keys() {
                prop_assert_eq!(ours.get(name), map.get(name));
            }
            let json = serde_json::to_string(&map).unwrap();
            prop_assert_eq!(&serde_json::to_string(&ours).unwrap(), &json);
            prop_assert_eq!(serde_json::from_str::<Claims>(&json).unwrap(), ours.clone());
            prop_assert_eq!(serde_json::from_str::<BTreeMap<String, ClaimValue>>(&json).unwrap(), map);
            prop_assert_eq!(ours.sharing(|name| name), ours);
        }
    }
}
