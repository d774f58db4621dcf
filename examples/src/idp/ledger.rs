//! What the provider remembers: requests under way, codes, refresh tokens and who is signed in. Bounded, and forgotten with time.

use std::collections::HashMap;
use std::time::Duration;

/// An authorisation request that was found good.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) client: String,
    pub(crate) redirect_uri: String,
    pub(crate) state: Option<String>,
    pub(crate) nonce: Option<String>,
    pub(crate) challenge: String,
    pub(crate) offline: bool,
}

/// Who proved what, and when.
#[derive(Clone, Debug)]
pub(crate) struct SignedIn {
    pub(crate) person: String,
    /// `sid` of the tokens.
    pub(crate) id: String,
    pub(crate) second_factor: bool,
    /// `auth_time`.
    pub(crate) at: Duration,
}

/// A request that waits for the person to sign in, in one browser.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) browser: String,
    pub(crate) asked: Asked,
}

/// What a code or a refresh token stands for.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) asked: Asked,
    pub(crate) who: SignedIn,
}

/// Things that last a while, by a random name. Full means refused, never forgotten early.
#[derive(Debug)]
pub(crate) struct Shelf<T> {
    lasting: Duration,
    things: HashMap<String, (Duration, T)>,
}

/// Everything that is remembered.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) attempts: Shelf<Attempt>,
    pub(crate) codes: Shelf<Grant>,
    pub(crate) refresh: Shelf<Grant>,
    pub(crate) sessions: Shelf<SignedIn>,
}

impl<T> Shelf<T> {
    fn lasting(secs: u64) -> Self {
        Self { lasting: Duration::from_secs(secs), things: HashMap::new() }
    }

    /// Keeps a thing; `None` if there is no room.
    pub(crate) fn put(&mut self, name: String, now: Duration, thing: T) -> Option<()> {
        self.things.retain(|_, (until, _)| *until > now);
        if self.things.len() >= ROOM {
            return None;
        }
        self.things.insert(name, (now + self.lasting, thing));
        Some(())
    }

    /// Looks at a thing.
    pub(crate) fn get(&self, name: &str, now: Duration) -> Option<&T> {
        self.things.get(name).filter(|(until, _)| *until > now).map(|(_, thing)| thing)
    }

    /// Takes a thing away: what is taken cannot be taken again.
    pub(crate) fn take(&mut self, name: &str, now: Duration) -> Option<T> {
        self.things.remove(name).filter(|(until, _)| *until > now).map(|(_, thing)| thing)
    }

    /// Forgets what `gone` says.
    pub(crate) fn forget(&mut self, gone: impl Fn(&T) -> bool) {
        self.things.retain(|_, (_, thing)| !gone(thing));
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            attempts: Shelf::lasting(600),
            codes: Shelf::lasting(60),
            refresh: Shelf::lasting(12 * 3600),
            sessions: Shelf::lasting(12 * 3600),
        }
    }
}

const ROOM: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_or_old_is_gone() {
        let mut shelf = Shelf::lasting(60);
        shelf.put("a".to_owned(), Duration::ZERO, 1);
        shelf.put("b".to_owned(), Duration::ZERO, 2);
        assert_eq!(shelf.take("a", Duration::from_secs(59)), Some(1));
        assert_eq!(shelf.take("a", Duration::from_secs(59)), None);
        assert_eq!(shelf.get("b", Duration::from_secs(60)), None);
    }

    #[test]
    fn a_full_shelf_takes_nothing() {
        let mut shelf = Shelf::lasting(60);
        for number in 0..ROOM {
            assert_eq!(shelf.put(number.to_string(), Duration::ZERO, ()), Some(()));
        }
        assert_eq!(shelf.put("one more".to_owned(), Duration::ZERO, ()), None);
        assert_eq!(shelf.put("later".to_owned(), Duration::from_secs(61), ()), Some(()));
    }
}
