//! What many things have in common is kept once.

use std::collections::HashSet;
use std::hash::Hash;

/// Values that are cheap to clone because a clone shares what it holds. Equal ones become one.
#[derive(Debug)]
pub(super) struct Once<T>(HashSet<T>);

impl<T: Clone + Eq + Hash> Once<T> {
    /// The one that is equal to `value`; `value` itself if it is the first.
    pub(super) fn of(&mut self, value: T) -> T {
        if let Some(known) = self.0.get(&value) {
            return known.clone();
        }
        // Values that differ from one to the next are not worth remembering, and those that nobody has any more are not either:
        // whatever comes again is kept once from then on.
        if self.0.len() >= MOST {
            self.0.clear();
        }
        self.0.insert(value.clone());
        value
    }
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self(HashSet::new())
    }
}

/// Values that are remembered.
const MOST: usize = 8192;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn equal_values_become_one_and_memory_is_bounded() {
        let mut once: Once<Arc<str>> = Once::default();
        let first = once.of("staff".into());
        assert!(Arc::ptr_eq(&first, &once.of("staff".into())));
        assert!(!Arc::ptr_eq(&first, &once.of("hr".into())));
        for number in 0..3 * MOST {
            once.of(number.to_string().into());
            assert!(once.0.len() <= MOST);
        }
        assert_eq!(*once.of("staff".into()), *first, "forgotten, and right all the same");
    }
}
