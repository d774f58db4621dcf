//! A table that does not grow without bound.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// Rows by key. When there are as many as may be, what is new goes into one further row, so that sums stay right.
#[derive(Clone, Debug)]
pub(in crate::commands::audit::report) struct Table<K, V> {
    rows: HashMap<K, V>,
    rest: V,
    /// How often something went into `rest`.
    overflown: u64,
    most: usize,
}

/// Numbers for names, so that a name is kept once.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    numbers: HashMap<Box<str>, u32>,
    names: Vec<Box<str>>,
}

impl<K: Hash + Eq, V: Default> Table<K, V> {
    /// Of at most this many rows.
    pub(super) fn new(most: usize) -> Self {
        Self { rows: HashMap::new(), rest: V::default(), overflown: 0, most }
    }

    /// The row of this key, which `make` makes if it is new.
    pub(super) fn row<Q: Hash + Eq + ?Sized>(&mut self, key: &Q, make: impl FnOnce() -> K) -> &mut V
    where
        K: Borrow<Q>,
    {
        if !self.rows.contains_key(key) {
            if self.rows.len() >= self.most {
                self.overflown += 1;
                return &mut self.rest;
            }
            self.rows.insert(make(), V::default());
        }
        // It is there: found or inserted just now.
        self.rows.get_mut(key).unwrap_or(&mut self.rest)
    }

    /// The row of this key, if there is one.
    pub(super) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.rows.get(key)
    }

    /// The keys that have rows.
    pub(super) fn keys(&self) -> impl Iterator<Item = &K> {
        self.rows.keys()
    }

    /// The rows, and what found no room among them.
    pub(super) fn into_parts(self) -> (HashMap<K, V>, Option<V>) {
        (self.rows, (self.overflown > 0).then_some(self.rest))
    }
}

impl<V: Default> Table<Box<str>, V> {
    /// The row of this name.
    pub(super) fn named(&mut self, name: &str) -> &mut V {
        self.row(name, || name.into())
    }
}

impl Names {
    /// The number of this name. Names that a hostile record makes up share one number when there are too many.
    pub(super) fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let name = if self.names.len() < MOST_NAMES { name } else { OTHERS };
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name.into());
        self.numbers.insert(name.into(), number);
        number
    }

    /// The name of this number.
    pub(super) fn name(&self, number: u32) -> &str {
        usize::try_from(number).ok().and_then(|number| self.names.get(number)).map_or(OTHERS, |name| name)
    }
}

/// Names that are told apart.
const MOST_NAMES: usize = 1_000_000;
/// What names beyond those are called.
const OTHERS: &str = "(others)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_is_kept_in_sum() {
        let mut table = Table::<Box<str>, u64>::new(2);
        for name in ["a", "b", "c", "a", "d"] {
            *table.named(name) += 1;
        }
        let (rows, rest) = table.into_parts();
        assert_eq!((rows.len(), rows["a"], rest), (2, 2, Some(2)));
        let mut roomy = Table::<Box<str>, u64>::new(2);
        *roomy.named("a") += 1;
        assert_eq!(roomy.into_parts().1, None);
    }

    #[test]
    fn a_name_has_one_number() {
        let mut names = Names::default();
        let (wiki, files) = (names.number("wiki"), names.number("files"));
        assert_ne!(wiki, files);
        assert_eq!((names.number("wiki"), names.name(files)), (wiki, "files"));
    }
}
