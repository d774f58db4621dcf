//! Sessions that their provider took back: whoever comes with one of their cookies is told so, and not that nobody knows them.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::secret::Digest;

/// The cookies of such sessions, by their hashes. In memory only, and bounded: what is forgotten is a session that is not known.
#[derive(Debug, Default)]
pub struct RefusedSessions(Mutex<Cookies>);

#[derive(Debug, Default)]
struct Cookies {
    known: HashSet<Digest>,
    /// The oldest first.
    order: VecDeque<Digest>,
}

impl RefusedSessions {
    /// From now on they are known as such. Where there is no room, the oldest make it.
    pub(super) fn remember(&self, cookies: &[Digest]) {
        let mut all = self.lock();
        for cookie in cookies {
            if !all.known.insert(*cookie) {
                continue;
            }
            all.order.push_back(*cookie);
            if all.order.len() > MOST
                && let Some(oldest) = all.order.pop_front()
            {
                all.known.remove(&oldest);
            }
        }
    }

    /// Whether this cookie opened one of them.
    pub fn has(&self, cookie: &Digest) -> bool {
        self.lock().known.contains(cookie)
    }

    fn lock(&self) -> MutexGuard<'_, Cookies> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Some 2 MiB.
const MOST: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_the_newest_stay() {
        let refused = RefusedSessions::default();
        let cookie = |number: usize| Digest::of(&number.to_le_bytes());
        for number in 0..=MOST {
            refused.remember(&[cookie(number), cookie(number)]);
        }
        assert!(!refused.has(&cookie(0)) && refused.has(&cookie(1)) && refused.has(&cookie(MOST)));
        let kept = refused.lock();
        assert_eq!((kept.known.len(), kept.order.len()), (MOST, MOST));
    }
}
