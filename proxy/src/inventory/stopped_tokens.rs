//! Bearer tokens that are not taken any more although they have not expired: they were stolen.

use papaya::HashMap;

use crate::clock::Timestamp;
use crate::secret::Digest;

/// By the hash of the whole token, until it expires by itself. In memory only, and bounded: only who has a valid token of somebody
/// else can add to it.
#[derive(Debug, Default)]
pub struct StoppedTokens {
    tokens: HashMap<Digest, Timestamp>,
}

impl StoppedTokens {
    /// From `now` on the token is not taken, until it ends at `until`. Where there is no room, the one that ends next makes it.
    pub fn stop(&self, token: Digest, until: Timestamp, now: Timestamp) {
        let tokens = self.tokens.pin();
        if tokens.len() >= MOST {
            tokens.retain(|_, until| *until > now);
        }
        if tokens.len() >= MOST
            && let Some((first, _)) = tokens.iter().min_by_key(|(_, until)| **until)
        {
            tokens.remove(first);
        }
        tokens.insert(token, until);
    }

    /// Whether it is not taken any more.
    pub fn has(&self, token: &Digest) -> bool {
        self.tokens.pin().contains_key(token)
    }
}

/// About 300 KiB.
const MOST: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn token(number: usize) -> Digest {
        Digest::of(&number.to_le_bytes())
    }

    #[test]
    fn memory_is_bounded_and_the_longest_lasting_stay() {
        let stopped = StoppedTokens::default();
        for number in 0..MOST + 10 {
            stopped.stop(token(number), Timestamp(1_000 + i64::try_from(number).unwrap()), Timestamp(0));
        }
        assert_eq!(stopped.tokens.len(), MOST);
        assert!(!stopped.has(&token(9)) && stopped.has(&token(10)) && stopped.has(&token(MOST + 9)));
        // What has ended makes room first.
        stopped.stop(token(MOST + 10), Timestamp(9_000), Timestamp(2_000));
        assert!(!stopped.has(&token(900)) && stopped.has(&token(2_000)) && stopped.has(&token(MOST + 10)));
    }
}
