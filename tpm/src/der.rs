//! As much of DER as a key file and a signature need.

/// Reads one value with this tag from the front; its contents, and the rest. `None`: something else is there.
pub(crate) fn read(tag: u8, octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = octets.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => {
            let (&length, rest) = rest.split_first()?;
            (usize::from(length), rest)
        }
        0x82 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        _ => return None,
    };
    (found == tag).then(|| rest.split_at_checked(length)).flatten()
}

/// Writes one value. Contents are a few hundred octets at most.
pub(crate) fn write(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match u8::try_from(contents.len()) {
        Ok(short) if short < 0x80 => out.push(short),
        Ok(length) => out.extend([0x81, length]),
        Err(_longer) => {
            let length = u16::try_from(contents.len()).unwrap_or(u16::MAX);
            out.push(0x82);
            out.extend(length.to_be_bytes());
        }
    }
    out.extend(contents);
    out
}

/// A number that is not negative, from its octets with the highest one first.
pub(crate) fn number(octets: &[u8]) -> Vec<u8> {
    let begin = octets.iter().position(|&octet| octet != 0).unwrap_or(octets.len());
    let significant = octets.get(begin..).unwrap_or_default();
    let negative = significant.first().is_none_or(|first| *first >= 0x80);
    let contents = if negative { [&[0], significant].concat() } else { significant.to_vec() };
    write(INTEGER, &contents)
}

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;
/// `[0]`, with another value in it.
pub(crate) const EXPLICIT_0: u8 = 0xa0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        for length in [0, 1, 127, 128, 255, 256, 4000] {
            let contents = vec![7; length];
            let written = write(OCTET_STRING, &contents);
            assert_eq!(read(OCTET_STRING, &written), Some((contents.as_slice(), [].as_slice())));
            assert_eq!(read(INTEGER, &written), None);
            assert_eq!(read(OCTET_STRING, &written[..written.len() - 1]), None);
        }
        assert_eq!(read(OCTET_STRING, &[0x04, 0x83, 0, 0, 0]), None);
    }

    #[test]
    fn numbers_are_positive_and_short() {
        assert_eq!(number(&[0, 0, 5]), [2, 1, 5]);
        assert_eq!(number(&[0x80]), [2, 2, 0, 0x80]);
        assert_eq!(number(&[0, 0]), [2, 1, 0]);
    }
}
