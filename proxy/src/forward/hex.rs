//! Bytes as hex digits, on the way of every request: without the formatting machinery.

/// Appends lower-case hex digits.
pub(super) fn push(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        out.push(digit(byte >> 4));
        out.push(digit(byte & 15));
    }
}

fn digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_digits_for_each_byte() {
        let mut out = Vec::new();
        push(&mut out, &[0x00, 0x9a, 0xff]);
        assert_eq!(out, b"009aff");
    }
}
