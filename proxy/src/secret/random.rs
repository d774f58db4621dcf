//! Random values from the crypto provider's generator, which is seeded by the operating system.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The system has no randomness to give. Nothing that needs a secret may go on.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the system gave no random bytes")]
pub struct NoRandomness;

/// `N` random bytes.
///
/// # Errors
/// [`NoRandomness`] if the generator fails; callers refuse (never fall back to something weaker).
pub fn bytes<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut out = [0; N];
    aws_lc_rs::rand::fill(&mut out).map_err(|_unspecified| NoRandomness)?;
    Ok(out)
}

/// 256 random bits as 43 characters of unpadded base64url: session tokens, state, nonces, one-time codes.
///
/// # Errors
/// As [`bytes`].
pub fn token() -> Result<String, NoRandomness> {
    Ok(URL_SAFE_NO_PAD.encode(bytes::<32>()?))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ten_thousand_tokens_and_none_twice() {
        let tokens: HashSet<String> = (0..10_000).map(|_| token().unwrap()).collect();
        assert_eq!(tokens.len(), 10_000);
        assert!(tokens.iter().all(|token| token.len() == 43));
        // 96 bits each: what session and request ids have at least.
        let ids: HashSet<[u8; 12]> = (0..10_000).map(|_| bytes().unwrap()).collect();
        assert_eq!(ids.len(), 10_000);
        // Every bit of them is as often set as not: 5,000 times, give or take eight standard deviations.
        for bit in 0..96 {
            let set = ids.iter().filter(|id| id[bit / 8] >> (bit % 8) & 1 == 1).count();
            assert!((4600..=5400).contains(&set), "bit {bit} is set {set} times");
        }
    }
}
