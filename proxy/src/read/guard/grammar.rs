//! Classes of bytes (RFC 9110 section 5.6, RFC 9112 section 3) in one table.

/// `tchar`: what names, methods and tokens are made of.
pub(in crate::read) const TOKEN: u8 = 1;
/// HTAB, SP, VCHAR and obs-text: what header values are made of.
pub(super) const VALUE: u8 = 2;
/// What stands in a request target's path. Never narrower than the parser behind us, or it would answer by itself.
pub(super) const PATH: u8 = 4;
/// What stands in a request target's query.
pub(super) const QUERY: u8 = 8;
/// What stands in a `Host` header: names, addresses, a port.
pub(super) const HOST: u8 = 16;

/// Whether `byte` belongs to `class`.
pub(super) fn is(byte: u8, class: u8) -> bool {
    CLASSES.get(usize::from(byte)).is_some_and(|classes| classes & class != 0)
}

/// Whether all of `bytes` belong to [`VALUE`]. Values are most of a head, so this has no way out in between: the compiler takes many
/// bytes at once.
pub(super) fn is_value(bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |sound, &byte| sound & (((byte >= b' ') & (byte != 0x7f)) | (byte == b'\t')))
}

/// Whether all of `bytes` belong to `class`.
pub(in crate::read) fn all(bytes: &[u8], class: u8) -> bool {
    bytes.iter().all(|byte| is(*byte, class))
}

/// Without the optional white space around it.
pub(in crate::read) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

const CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0_u8;
    loop {
        let mut class = 0;
        if byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
            )
        {
            class |= TOKEN;
        }
        if matches!(byte, b'\t' | b' '..=b'~' | 0x80..=0xff) {
            class |= VALUE;
        }
        if byte.is_ascii_graphic() && !matches!(byte, b'#' | b'?' | b'<' | b'>' | b'`') {
            class |= PATH;
        }
        if byte.is_ascii_graphic() && !matches!(byte, b'#' | b'"' | b'<' | b'>') {
            class |= QUERY;
        }
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']') {
            class |= HOST;
        }
        #[expect(clippy::indexing_slicing, reason = "a u8 indexes a table of 256, at compile time")]
        {
            table[byte as usize] = class;
        }
        if byte == u8::MAX {
            return table;
        }
        byte += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_by_the_piece_are_values_by_the_byte() {
        for byte in 0..=255_u8 {
            let mut value = [b'a'; 67];
            value[41] = byte;
            assert_eq!(is_value(&value), all(&value, VALUE), "{byte:#x}");
            assert_eq!(is_value(&[byte]), is(byte, VALUE), "{byte:#x}");
        }
        assert!(is_value(b""));
    }
}
