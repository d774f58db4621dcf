//! Public paths, in the one form in which requests are compared with them.

use crate::config::checked::PublicPath;
use crate::config::problem::Problem;
use crate::config::setting::Text;

use super::checker::Checker;

/// Reads `/exact` or `/below/**`.
pub(super) fn public(text: &Text, checker: &mut Checker) -> Option<PublicPath> {
    let (path, below) = match text.value.strip_suffix("/**") {
        Some(path) => (path, true),
        None => (text.value.as_str(), false),
    };
    // `/**` is everything: what is left of it is the empty path, which every path is below.
    let whole = below && path.is_empty();
    if let Err((what, instead)) = if whole { Ok(()) } else { canonical(path) } {
        checker.report(Problem { instead, ..Problem::new(&text.at, format!("{:?} {what}", text.value)) });
        return None;
    }
    if path == OURS || path.strip_prefix(OURS).is_some_and(|rest| rest.starts_with('/')) {
        checker.wrong(&text.at, "addresses below /.sekisho are the gate's own", "take it out");
        return None;
    }
    Some(if below { PublicPath::Below(path.to_owned()) } else { PublicPath::Exact(path.to_owned()) })
}

/// The form in which a request's path arrives here: a public path in any other would never match, or match too much.
pub(super) fn canonical(path: &str) -> Result<(), (&'static str, Option<String>)> {
    let Some(rest) = path.strip_prefix('/') else {
        return Err(("does not begin with a slash", Some(format!("write \"/{path}\""))));
    };
    if path.contains('*') {
        return Err(("has a wildcard that is not a trailing `/**`", Some("write whole segments, or end with `/**`".to_owned())));
    }
    if path.contains(['?', '#']) {
        return Err(("has a query or fragment", Some("write the path alone".to_owned())));
    }
    let inner = rest.strip_suffix('/').unwrap_or(rest);
    if !rest.is_empty() && inner.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err(("has an empty segment, `.` or `..`", Some("write the path that is meant".to_owned())));
    }
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            encoded(bytes.next(), bytes.next())?;
        } else if !unreserved(byte) && !SEGMENT.contains(&byte) {
            return Err(("has a character that has to be percent-encoded", Some(format!("write \"{}\"", encode(path)))));
        }
    }
    Ok(())
}

fn encoded(high: Option<u8>, low: Option<u8>) -> Result<(), (&'static str, Option<String>)> {
    let digit = |byte: Option<u8>| match byte {
        Some(byte @ (b'0'..=b'9' | b'A'..=b'F')) => char::from(byte).to_digit(16),
        _ => None,
    };
    let (Some(high), Some(low)) = (digit(high), digit(low)) else {
        return Err(("has a `%` that is not followed by two digits of 0-9 and A-F", None));
    };
    let byte = u8::try_from(high * 16 + low).unwrap_or(0);
    if unreserved(byte) {
        return Err(("encodes a character that needs no encoding", Some(format!("write `{}` for it", char::from(byte)))));
    }
    if byte < 0x20 || byte == 0x7f || b"/\\".contains(&byte) {
        return Err(("encodes a slash or a control character, which no request may have", None));
    }
    Ok(())
}

fn encode(path: &str) -> String {
    let plain = |byte: u8| unreserved(byte) || byte == b'%' || SEGMENT.contains(&byte);
    path.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// RFC 3986, section 2.3.
fn unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// What may stand in a path as it is, beside unreserved characters (RFC 3986, section 3.3).
const SEGMENT: &[u8] = b"/:@!$&'()+,;=";

const OURS: &str = "/.sekisho";
