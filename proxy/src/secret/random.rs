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
