//! One path, one spelling: what policy sees is what the app gets.
//!
//! - A percent-encoded unreserved character (RFC 3986 section 2.3) is decoded, once; every other triplet stays, in upper case.
//! - A character that a path must not have raw, but that browsers send (`[ ] | ^ " { }`), is encoded.
//! - A reserved character and its triplet stay two spellings, as RFC 3986 section 2.2 has it: `+` is not `%2B`.
//! - What servers are known to read in two ways is refused: dot segments, empty segments, path parameters (`;` and `%3B`),
//!   backslashes, encoded slashes and control characters, a second level of encoding (`%25` before two hex digits), and bytes that
//!   are not UTF-8.
//!
//! An encoded semicolon is no path parameter by RFC 3986, but stays none only if nobody on the way decodes: web servers that hand a
//! request on decode the path and write `;` again, because that may stand raw. The app behind them then reads `/admin%3Bx`, which
//! no rule for `/admin` was asked about, as `/admin`. The characters that they do encode again (`?`, `#`, `%`) may be encoded.
//!
//! The result is its own canonical form.

use std::fmt::Write as _;
use std::sync::Arc;

/// Why a path was refused. Always 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathRefusal {
    /// It does not begin with `/`.
    #[error("it does not begin with a slash")]
    NoSlash,
    /// `//`
    #[error("it has an empty segment")]
    EmptySegment,
    /// `.` or `..`, however written.
    #[error("it has a dot segment")]
    DotSegment,
    /// `;` or `%3B`
    #[error("it has a semicolon, behind which some apps read a path parameter")]
    Parameter,
    /// `\` or `%5C`
    #[error("it has a backslash")]
    Backslash,
    /// `%2F`
    #[error("it has an encoded slash")]
    EncodedSlash,
    /// A control character, raw or encoded.
    #[error("it has a control character")]
    Control,
    /// `%` without two hex digits.
    #[error("it has a broken percent-encoding")]
    BrokenTriplet,
    /// `%25` before two hex digits.
    #[error("it is percent-encoded twice")]
    DoubleEncoding,
    /// A byte that must be encoded, or that has no place in a path.
    #[error("it has a character that must be percent-encoded")]
    Raw,
    /// What it encodes is not UTF-8.
    #[error("it is not UTF-8")]
    NotText,
}

impl PathRefusal {
    /// The label in metrics and the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoSlash => "path_no_slash",
            Self::EmptySegment => "path_empty_segment",
            Self::DotSegment => "path_dot_segment",
            Self::Parameter => "path_parameter",
            Self::Backslash => "path_backslash",
            Self::EncodedSlash => "path_encoded_slash",
            Self::Control => "path_control",
            Self::BrokenTriplet => "path_broken_triplet",
            Self::DoubleEncoding => "path_double_encoding",
            Self::Raw => "path_raw",
            Self::NotText => "path_not_text",
        }
    }
}

/// The canonical form of a raw path (without query).
///
/// # Errors
/// [`PathRefusal`] if it has none.
pub fn canonical(raw: &str) -> Result<Arc<str>, PathRefusal> {
    if !raw.starts_with('/') {
        return Err(PathRefusal::NoSlash);
    }
    if raw.bytes().fold(true, |plain, byte| plain & is_plain(byte)) {
        // Most are written as they should be.
        check_segments(raw)?;
        return Ok(raw.into());
    }
    let path = spell(raw)?;
    check_segments(&path)?;
    if path.contains('%') {
        check_text(&path)?;
    }
    Ok(path.into())
}

/// What stands for itself, and for nothing else.
fn is_plain(byte: u8) -> bool {
    byte == b'/' || is_unreserved(byte)
}

/// Every byte in its one spelling.
fn spell(raw: &str) -> Result<String, PathRefusal> {
    let mut path = String::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        let encoded = byte == b'%';
        let value = if encoded { triplet(bytes.next(), bytes.next())? } else { byte };
        match value {
            0..=0x1f | 0x7f => return Err(PathRefusal::Control),
            b'\\' => return Err(PathRefusal::Backslash),
            b'/' if encoded => return Err(PathRefusal::EncodedSlash),
            b';' => return Err(PathRefusal::Parameter),
            b' ' | b'#' | b'?' | b'<' | b'>' | b'`' | 0x80.. if !encoded => return Err(PathRefusal::Raw),
            _ => {}
        }
        if is_unreserved(value) || (!encoded && is_reserved(value)) {
            path.push(char::from(value));
        } else {
            // Writing to a `String` cannot fail.
            let _infallible = write!(path, "%{value:02X}");
        }
    }
    Ok(path)
}

/// Empty segments and dot segments, also those that a server would make by taking spaces off.
fn check_segments(path: &str) -> Result<(), PathRefusal> {
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        if segment.is_empty() && segments.peek().is_some() {
            return Err(PathRefusal::EmptySegment);
        }
        if !segment.starts_with(['.', '%']) {
            continue;
        }
        if segment.contains('.') && segment.replace("%20", "").bytes().all(|byte| byte == b'.') {
            return Err(PathRefusal::DotSegment);
        }
    }
    Ok(())
}

/// What the triplets of a canonical path stand for.
fn check_text(path: &str) -> Result<(), PathRefusal> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [byte, after @ ..] = rest {
        if let [b'%', high, low, after @ ..] = rest {
            let value = triplet(Some(*high), Some(*low))?;
            if value == b'%' && matches!(after, [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()) {
                return Err(PathRefusal::DoubleEncoding);
            }
            decoded.push(value);
            rest = after;
        } else {
            decoded.push(*byte);
            rest = after;
        }
    }
    let text = std::str::from_utf8(&decoded).map_err(|_invalid| PathRefusal::NotText)?;
    if text.chars().any(char::is_control) {
        return Err(PathRefusal::Control);
    }
    Ok(())
}

fn triplet(high: Option<u8>, low: Option<u8>) -> Result<u8, PathRefusal> {
    let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
    let value = digit(high).zip(digit(low)).map(|(high, low)| high * 16 + low).ok_or(PathRefusal::BrokenTriplet)?;
    u8::try_from(value).map_err(|_too_large| PathRefusal::BrokenTriplet)
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// What may stand raw in a path beside unreserved characters: `pchar` and `/`, without the `;` that was refused.
fn is_reserved(byte: u8) -> bool {
    matches!(byte, b'/' | b':' | b'@' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spelled(raw: &str) -> Result<String, PathRefusal> {
        canonical(raw).map(|path| path.as_ref().to_owned())
    }

    #[test]
    fn one_spelling() {
        for (raw, expected) in [
            ("/", "/"),
            ("/a/b/", "/a/b/"),
            ("/%61%2Dmin", "/a-min"),
            ("/%7euser", "/~user"),
            ("/%e5%a0%b1%E5%91%8A.pdf", "/%E5%A0%B1%E5%91%8A.pdf"),
            ("/a%20b", "/a%20b"),
            ("/[slug]/x|y", "/%5Bslug%5D/x%7Cy"),
            ("/%5bslug%5d", "/%5Bslug%5D"),
            ("/a+b", "/a+b"),
            ("/a%2bb", "/a%2Bb"),
            ("/secret%23/endpoint", "/secret%23/endpoint"),
            ("/.well-known/x", "/.well-known/x"),
            ("/%2esekisho/whoami", "/.sekisho/whoami"),
            ("/100%25", "/100%25"),
            ("/100%25%20off", "/100%25%20off"),
            ("/a..b/...c", "/a..b/...c"),
        ] {
            assert_eq!(spelled(raw).as_deref(), Ok(expected), "{raw}");
        }
    }

    #[test]
    fn two_readings_are_refused() {
        use PathRefusal as R;
        for (raw, refusal) in [
            ("", R::NoSlash),
            ("admin", R::NoSlash),
            ("*", R::NoSlash),
            ("//evil.test", R::EmptySegment),
            ("/a//b", R::EmptySegment),
            ("/a//", R::EmptySegment),
            ("/..", R::DotSegment),
            ("/.", R::DotSegment),
            ("/public/../admin", R::DotSegment),
            ("/public/%2e%2e/admin", R::DotSegment),
            ("/public/.%2E/admin", R::DotSegment),
            ("/public/./x", R::DotSegment),
            ("/public/..%20/admin", R::DotSegment),
            ("/public/..%3b/admin", R::Parameter),
            ("/admin%3Bx", R::Parameter),
            ("/a%3bb", R::Parameter),
            ("/public/%20../admin", R::DotSegment),
            ("/public/.../admin", R::DotSegment),
            ("/public/..;/admin", R::Parameter),
            ("/admin;x", R::Parameter),
            ("/a\\b", R::Backslash),
            ("/a%5Cb", R::Backslash),
            ("/a%2fb", R::EncodedSlash),
            ("/a%00", R::Control),
            ("/a%0d%0a", R::Control),
            ("/a%7f", R::Control),
            ("/a\u{1}", R::Control),
            ("/a%c2%85", R::Control),
            ("/%", R::BrokenTriplet),
            ("/%2", R::BrokenTriplet),
            ("/%zz", R::BrokenTriplet),
            ("/%u002e", R::BrokenTriplet),
            ("/%%32%65", R::BrokenTriplet),
            ("/%252e%252e/admin", R::DoubleEncoding),
            ("/%2561dmin", R::DoubleEncoding),
            ("/%25%32%65%25%32%65/admin", R::DoubleEncoding),
            ("/a b", R::Raw),
            ("/a#b", R::Raw),
            ("/a?b", R::Raw),
            ("/é", R::Raw),
            ("/%c0%ae%c0%ae", R::NotText),
            ("/%c0%af", R::NotText),
            ("/%ff", R::NotText),
        ] {
            assert_eq!(spelled(raw).as_deref(), Err(&refusal), "{raw}");
        }
    }

    proptest! {
        #[test]
        fn the_canonical_form_is_its_own(raw in "/([a-zA-Z./%;?+ \\\\\\[-]|%[0-9a-fA-F]{2}|%25|%2e|\\PC){0,24}") {
            if let Ok(path) = canonical(&raw) {
                prop_assert_eq!(canonical(&path), Ok(path.clone()));
                prop_assert!(path.is_ascii());
                prop_assert!(path.starts_with('/') && !path.contains("//") && !path.contains("/../"));
            }
        }

        #[test]
        fn no_reading_of_an_accepted_path_climbs(raw in "/(\\.|%2e|%2E|a|/|;|%3b|%20|%25|2|e|%c0|%ae){0,16}") {
            if let Ok(path) = canonical(&raw) {
                // Decode twice, cut parameters: what the most careless server would see.
                let careless = decode(&decode(&path));
                prop_assert!(!careless.contains(';'), "{} reads as {}", path, careless);
                for name in careless.split('/').map(str::trim) {
                    prop_assert!(name != "." && name != "..", "{} reads as {}", path, careless);
                }
            }
        }
    }

    fn decode(path: &str) -> String {
        let mut out = Vec::new();
        let mut rest = path.as_bytes();
        while let [byte, after @ ..] = rest {
            match rest {
                [b'%', high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                    out.push(triplet(Some(*high), Some(*low)).unwrap());
                    rest = after;
                }
                _ => {
                    out.push(*byte);
                    rest = after;
                }
            }
        }
        String::from_utf8_lossy(&out).into_owned()
    }
}
