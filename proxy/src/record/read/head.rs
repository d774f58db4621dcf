//! The beginning that all lines have: what they are, when, and of which request.

use memchr::{memchr, memmem};

/// What a line tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LineKind {
    /// Something is about to go to an app.
    Start,
    /// What was decided and answered.
    Access,
    /// An answer is over.
    End,
    /// The record could not be written for a while.
    Gap,
    /// Facts that other lines name by their hash.
    Facts,
    /// How far a long stream has come.
    Progress,
    /// Something happened that is no request.
    Event,
    /// The first line of a file.
    Open,
    /// The last line of a file that was finished.
    Close,
}

/// A time as lines have it: RFC 3339 in UTC with milliseconds, so that later is greater.
pub(in crate::record) type At = [u8; 24];

/// The kind and the time of a line that begins as ours do; looked at without reading the rest.
pub(in crate::record) fn head(line: &[u8]) -> Option<(LineKind, At)> {
    let (kind, rest) = KINDS.iter().find_map(|(start, kind)| Some((*kind, line.strip_prefix(*start)?)))?;
    let (at, rest) = rest.split_first_chunk::<24>()?;
    (rest.first() == Some(&b'"') && is_time(at)).then_some((kind, *at))
}

/// Cheap, and enough to compare by: digits and marks where they belong.
fn is_time(at: &At) -> bool {
    // Without a way out in between, so that the compiler takes many bytes at once: each line that is written is looked at.
    let bounds = b"0000-00-00T00:00:00.000Z".iter().zip(b"9999-99-99T99:99:99.999Z");
    at.iter().zip(bounds).fold(true, |fits, (letter, (least, most))| fits & (letter >= least) & (letter <= most))
}

/// The id of the request that a line is about, looked at without reading the rest: it stands behind the time.
pub(super) fn request(line: &[u8]) -> Option<&[u8]> {
    let from = line.get(..line.len().min(NEAR)).and_then(|near| memmem::find(near, REQUEST))? + REQUEST.len();
    let rest = line.get(from..)?;
    rest.get(..memchr(b'"', rest)?)
}

/// In our lines the id begins within these bytes.
const NEAR: usize = 100;
const REQUEST: &[u8] = br#"","request":""#;

const KINDS: [(&[u8], LineKind); 9] = [
    (br#"{"line":"access","at":""#, LineKind::Access),
    (br#"{"line":"end","at":""#, LineKind::End),
    (br#"{"line":"start","at":""#, LineKind::Start),
    (br#"{"line":"facts","at":""#, LineKind::Facts),
    (br#"{"line":"gap","at":""#, LineKind::Gap),
    (br#"{"line":"progress","at":""#, LineKind::Progress),
    (br#"{"line":"event","at":""#, LineKind::Event),
    (br#"{"line":"open","at":""#, LineKind::Open),
    (br#"{"line":"close","at":""#, LineKind::Close),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_a_line_is_read_and_nothing_else_is_one() {
        let line = br#"{"line":"end","at":"2026-01-01T00:00:00.000Z","request":"x"}"#;
        assert_eq!(head(line), Some((LineKind::End, *b"2026-01-01T00:00:00.000Z")));
        for end in 0..45 {
            assert_eq!(head(&line[..end]), None);
        }
        for bad in [
            r#"{"line":"ended","at":"2026-01-01T00:00:00.000Z"}"#,
            r#"{"line":"end","at":"2026-01-01T00:00:00Z"}"#,
            r#"{"line":"end","at":"+026-01-01T00:00:00.000Z"}"#,
            r#"["line","end"]"#,
            "\u{feff}{}",
        ] {
            assert_eq!(head(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(request(line), Some(&b"x"[..]));
        assert_eq!(request(br#"{"line":"gap","at":"2026-01-01T00:00:00.000Z","lost":3}"#), None);
    }
}
