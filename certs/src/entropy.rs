//! Random bytes from the crypto provider.

/// The system has no randomness to give.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the system gave no random bytes")]
pub struct NoEntropy;

/// A certificate serial number: 20 octets (RFC 5280, 4.1.2.2 allows no more), positive, 158 random bits.
pub(crate) fn serial() -> Result<[u8; 20], NoEntropy> {
    let mut serial = [0; 20];
    aws_lc_rs::rand::fill(&mut serial).map_err(|_unspecified| NoEntropy)?;
    if let Some(first) = serial.first_mut() {
        // The top bit would make it negative; the next one set keeps the length the same for all.
        *first = *first & 0x7f | 0x40;
    }
    Ok(serial)
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}
