//! What ties each line of the record to the one before it. The one place that makes this form, and the one that checks it.
//!
//! A line ends with `,"seq":N,"chain":"H"}`. `N` counts the lines of one chain from 1, over all its segments. `H` is the unpadded
//! base64url of SHA-256(hash of the line before, 32 bytes, zeros for the first ‖ this line from `{` up to `,"chain":"`).

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::secret::Digest;

/// The hash that a line ends with. Prints as 43 characters of base64url.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChainHash(pub [u8; 32]);

/// Where a chain stands: how many lines it has, and the hash of the last. The default is a chain without lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Number of the last line; 0 if there is none.
    pub seq: u64,
    /// Its hash.
    pub hash: ChainHash,
}

/// A line, taken apart. Nothing of it is checked but its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed<'a> {
    /// From `{` up to `,"seq":`.
    pub content: &'a [u8],
    /// What was hashed: from `{` up to `,"chain":"`.
    pub hashed: &'a [u8],
    /// The number and the hash that it says it has.
    pub head: Head,
}

/// Follows a chain line by line. It goes on after a line that is wrong, from what is written in it, so that each is named.
#[derive(Clone, Copy, Debug)]
pub struct Verifier {
    head: Head,
}

/// A line is not what was written after the line before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// It does not end as all lines do.
    #[error("the line has no number and hash at its end, as all lines have")]
    NotSealed,
    /// It has another number than comes next.
    #[error("the line has number {found}, and {expected} comes next: lines are missing, or stand in another order")]
    OutOfOrder {
        /// What comes next.
        expected: u64,
        /// What it says.
        found: u64,
    },
    /// It was changed, or a line before it was, after it was written.
    #[error("the hash of line {seq} does not fit: it, or what stands before it, was changed after it was written")]
    Changed {
        /// Its number.
        seq: u64,
    },
    /// The text is not the hash of a line.
    #[error("not the hash of a line: 43 characters of base64url are needed")]
    NoHash,
}

/// Takes a line, without its newline, apart; `None` if it does not end as ours do.
pub fn sealed(line: &[u8]) -> Option<Sealed<'_>> {
    let (hashed, end) = line.split_at_checked(line.len().checked_sub(END)?)?;
    let hash = end.strip_prefix(CHAIN)?.strip_suffix(b"\"}")?;
    let mark = hashed.iter().rposition(|byte| !byte.is_ascii_digit())? + 1;
    let (before, digits) = hashed.split_at_checked(mark)?;
    let content = before.strip_suffix(SEQ)?;
    let canonical = digits.first().is_some_and(|first| *first != b'0');
    let seq = str::from_utf8(digits).ok().filter(|_| canonical)?.parse().ok()?;
    Some(Sealed { content, hashed, head: Head { seq, hash: ChainHash::parse(hash)? } })
}

/// Checks a line, without its newline, against the hash of the line before it.
///
/// # Errors
/// [`ChainError::NotSealed`] or [`ChainError::Changed`]; whether its number is the next is [`Verifier`]'s business.
pub fn check_line(previous: ChainHash, line: &[u8]) -> Result<Head, ChainError> {
    let sealed = sealed(line).ok_or(ChainError::NotSealed)?;
    if hash_of(previous, sealed.hashed) == sealed.head.hash {
        Ok(sealed.head)
    } else {
        Err(ChainError::Changed { seq: sealed.head.seq })
    }
}

impl Verifier {
    /// Begins after `head`: the default for the first line of a chain, else what the segment's `open` line follows.
    pub fn after(head: Head) -> Self {
        Self { head }
    }

    /// The next line, without its newline.
    ///
    /// # Errors
    /// [`ChainError`]. What follows is then checked against what is written in this line.
    pub fn next(&mut self, line: &[u8]) -> Result<Head, ChainError> {
        let Head { seq, hash } = self.head;
        let written = sealed(line).ok_or(ChainError::NotSealed)?.head;
        self.head = written;
        let expected = seq.saturating_add(1);
        if written.seq != expected {
            return Err(ChainError::OutOfOrder { expected, found: written.seq });
        }
        check_line(hash, line)
    }

    /// The line that was seen last.
    pub fn head(&self) -> Head {
        self.head
    }
}

impl Head {
    /// Appends `line`, which ends with `}` and has no newline, to `out` as this chain's next, with its newline.
    ///
    /// If `out` has at least 32 bytes, the hash of the line before is put there for the moment of hashing, so that nothing is
    /// copied and no hashing context is made for a line.
    pub fn seal(&mut self, line: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        let seq = self.seq.saturating_add(1);
        out.extend_from_slice(line.strip_suffix(b"}").unwrap_or(line));
        out.extend_from_slice(SEQ);
        push_number(seq, out);
        let hash = match start.checked_sub(ROOM).and_then(|room| out.get_mut(room..)) {
            Some(text) => hash_behind(self.hash, text),
            None => hash_of(self.hash, out.get(start..).unwrap_or_default()),
        };
        out.extend_from_slice(CHAIN);
        hash.push_to(out);
        out.extend_from_slice(b"\"}\n");
        *self = Self { seq, hash };
    }
}

fn hash_of(previous: ChainHash, hashed: &[u8]) -> ChainHash {
    let mut context = Context::new(&SHA256);
    context.update(&previous.0);
    context.update(hashed);
    let mut hash = ChainHash::default();
    hash.0.copy_from_slice(context.finish().as_ref());
    hash
}

/// The hash of `previous` and of what stands behind the first [`ROOM`] bytes of `text`, which are as before afterwards.
fn hash_behind(previous: ChainHash, text: &mut [u8]) -> ChainHash {
    let Some(room) = text.first_chunk_mut::<ROOM>() else { return previous };
    let kept = std::mem::replace(room, previous.0);
    let hash = ChainHash(Digest::of(text).0);
    if let Some(room) = text.first_chunk_mut::<ROOM>() {
        *room = kept;
    }
    hash
}

/// Decimal digits, without going through `fmt`.
pub(super) fn push_number(number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let (mut rest, mut used) = (number, 0);
    for place in digits.iter_mut().rev() {
        *place = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        used += 1;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(digits.len() - used..).unwrap_or_default());
}

impl ChainHash {
    fn parse(text: &[u8]) -> Option<Self> {
        let mut hash = [0; 32];
        let read = URL_SAFE_NO_PAD.decode_slice(text, &mut hash).ok()?;
        (read == hash.len() && text.len() == HASH_TEXT).then_some(Self(hash))
    }

    fn text(self) -> [u8; HASH_TEXT] {
        let mut text = [0; HASH_TEXT];
        let _exactly_43 = URL_SAFE_NO_PAD.encode_slice(self.0, &mut text);
        text
    }

    fn push_to(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.text());
    }
}

impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.text()).map_err(|_ascii| fmt::Error)?)
    }
}

impl fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChainHash({self})")
    }
}

impl FromStr for ChainHash {
    type Err = ChainError;

    fn from_str(text: &str) -> Result<Self, ChainError> {
        Self::parse(text.as_bytes()).ok_or(ChainError::NoHash)
    }
}

impl TryFrom<String> for ChainHash {
    type Error = ChainError;

    fn try_from(text: String) -> Result<Self, ChainError> {
        text.parse()
    }
}

impl From<ChainHash> for String {
    fn from(hash: ChainHash) -> Self {
        hash.to_string()
    }
}

/// Bytes that must stand before a line while it is sealed.
pub(super) const ROOM: usize = 32;
const SEQ: &[u8] = br#","seq":"#;
const CHAIN: &[u8] = br#","chain":""#;
/// Characters of a hash.
const HASH_TEXT: usize = 43;
/// Bytes from `,"chain":"` to the end of a line.
const END: usize = CHAIN.len() + HASH_TEXT + 2;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Lines of one chain, without their newlines.
    fn chained(contents: &[String]) -> Vec<Vec<u8>> {
        // The first lines have less room before them than hashing in place needs.
        let (mut head, mut out) = (Head::default(), Vec::new());
        for content in contents {
            head.seal(content.as_bytes(), &mut out);
        }
        out.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect()
    }

    /// The first that is wrong, counted from 0; lines that are missing at the end are wrong too.
    fn first_bad(lines: &[Vec<u8>], whole: Head) -> Option<usize> {
        let mut verifier = Verifier::after(Head::default());
        let bad = lines.iter().position(|line| verifier.next(line).is_err());
        bad.or_else(|| (verifier.head() != whole).then_some(lines.len()))
    }

    #[test]
    fn the_form_is_as_documented() {
        let lines = chained(&[r#"{"line":"end","at":"x"}"#.into(), "{\"a\":1}".into()]);
        let hashed = br#"{"line":"end","at":"x","seq":1"#;
        let first = Digest::of(&[&[0; 32], &hashed[..]].concat());
        assert_eq!(
            str::from_utf8(&lines[0]).unwrap(),
            format!(r#"{{"line":"end","at":"x","seq":1,"chain":"{}"}}"#, first.to_base64url())
        );
        let second = Digest::of(&[&first.0, &br#"{"a":1,"seq":2"#[..]].concat());
        assert_eq!(str::from_utf8(&lines[1]).unwrap(), format!(r#"{{"a":1,"seq":2,"chain":"{}"}}"#, second.to_base64url()));
        assert_eq!(check_line(ChainHash(first.0), &lines[1]), Ok(Head { seq: 2, hash: ChainHash(second.0) }));
        assert_eq!(check_line(ChainHash::default(), &lines[1]), Err(ChainError::Changed { seq: 2 }));
        let apart = sealed(&lines[1]).unwrap();
        assert_eq!((apart.content, apart.hashed), (&b"{\"a\":1"[..], &b"{\"a\":1,\"seq\":2"[..]));
        let value: serde_json::Value = serde_json::from_slice(&lines[1]).unwrap();
        assert_eq!(value["seq"], 2);
    }

    #[test]
    fn a_hash_comes_back_from_its_text_and_nothing_else_is_one() {
        let hash = ChainHash([0xfe; 32]);
        let text = hash.to_string();
        assert_eq!(text.parse(), Ok(hash));
        assert_eq!(serde_json::from_str::<ChainHash>(&serde_json::to_string(&hash).unwrap()).unwrap(), hash);
        // The last two bits of 43 characters mean nothing; only zeros are ours.
        let (short, _last) = text.split_at(42);
        for bad in ["", short, &format!("{text}A"), &format!("{short}/"), &format!("{short}5")] {
            assert_eq!(bad.parse::<ChainHash>(), Err(ChainError::NoHash), "{bad}");
        }
    }

    #[test]
    fn each_bad_line_is_named_and_the_next_good_one_is_good() {
        let mut lines = chained(&(0..5).map(|n| format!("{{\"n\":{n}}}")).collect::<Vec<_>>());
        lines[1][2] = b'm';
        lines.remove(3);
        let mut verifier = Verifier::after(Head::default());
        let said: Vec<_> = lines.iter().map(|line| verifier.next(line).map(|head| head.seq)).collect();
        assert_eq!(
            said,
            [Ok(1), Err(ChainError::Changed { seq: 2 }), Ok(3), Err(ChainError::OutOfOrder { expected: 4, found: 5 })]
        );
        assert_eq!(verifier.next(b"{}"), Err(ChainError::NotSealed));
    }

    #[test]
    fn numbers_are_written_as_everybody_writes_them() {
        for number in [0, 1, 9, 10, 12_345, u64::MAX] {
            let mut out = Vec::new();
            push_number(number, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
        }
    }

    proptest! {
        #[test]
        fn whatever_is_done_to_lines_is_found(
            contents in proptest::collection::vec("\\{\"[a-z\":,]{0,30}\\}", 2..12),
            place: prop::sample::Index, other: prop::sample::Index, byte: prop::sample::Index, bit in 0..8_u32, deed in 0..5,
        ) {
            let whole = chained(&contents);
            let head = sealed(whole.last().unwrap()).unwrap().head;
            prop_assert_eq!(first_bad(&whole, head), None);
            let mut lines = whole.clone();
            let (a, b) = (place.index(lines.len()), other.index(lines.len()));
            let bad = match deed {
                0 => {
                    let byte = byte.index(lines[a].len());
                    lines[a][byte] ^= 1_u8 << bit;
                    a
                }
                1 => {
                    lines.remove(a);
                    a
                }
                2 => {
                    prop_assume!(a != b);
                    lines.swap(a, b);
                    a.min(b)
                }
                3 => {
                    lines.truncate(a);
                    a
                }
                _ => {
                    let twice = lines[a].clone();
                    lines.insert(a, twice);
                    a + 1
                }
            };
            prop_assert_eq!(first_bad(&lines, head), Some(bad));
        }

        #[test]
        fn no_bytes_make_it_panic(line: Vec<u8>, cut in 0_usize..200) {
            let _any = sealed(&line);
            let whole = chained(&["{\"a\":1}".into()]);
            let line = &whole[0][..cut.min(whole[0].len())];
            prop_assert_eq!(sealed(line).is_some(), line.len() == whole[0].len());
        }
    }
}
