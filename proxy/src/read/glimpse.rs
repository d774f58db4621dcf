//! What can be told of a request that is refused before it is understood.

use http::header::HOST;
use http::request::Parts;

use super::guard::grammar::{self, TOKEN};

/// What a request seems to ask for: for the record only, nothing is decided by it. It is what was read, as it came: without query, port
/// and user name, shortened, and with every byte percent-encoded that is no visible ASCII. Empty where nothing could be made out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Glimpse {
    /// The method, if it is a token.
    pub method: Box<str>,
    /// The host of the target, else of the first `Host`.
    pub host: Box<str>,
    /// The path of the target.
    pub path: Box<str>,
}

impl Glimpse {
    /// Of an HTTP/1 head, or of the beginning of one.
    pub(super) fn of_head(head: &[u8]) -> Self {
        let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let first = lines.find(|line| !line.is_empty()).unwrap_or_default();
        let Some((method, target)) = split(first, |byte| byte == b' ') else { return Self::default() };
        let target = until(target, |byte| byte.is_ascii_whitespace());
        let (authority, path) = parts_of(target);
        let field = lines.take_while(|line| !line.is_empty()).find_map(host_field);
        Self { method: token(method), host: host(authority.or(field).unwrap_or_default()), path: path_shown(path) }
    }

    /// Of what hyper read.
    pub(super) fn of_parts(parts: &Parts) -> Self {
        let field = || parts.headers.get(HOST).map(|value| host(value.as_bytes()));
        let target = parts.uri.authority().map(|authority| host(authority.as_str().as_bytes()));
        let host = target.or_else(field).unwrap_or_default();
        Self { method: token(parts.method.as_str().as_bytes()), host, path: path_shown(parts.uri.path().as_bytes()) }
    }
}

fn token(method: &[u8]) -> Box<str> {
    if grammar::all(method, TOKEN) { shown(method, METHOD) } else { Box::default() }
}

/// Authority and path of a target.
fn parts_of(target: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let whole = until(target, |byte| matches!(byte, b'?' | b'#'));
    if matches!(whole, [b'/', ..] | b"*") {
        return (None, whole);
    }
    let scheme = [&b"https://"[..], b"http://"];
    let rest = scheme.into_iter().find_map(|scheme| {
        let (start, rest) = whole.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    });
    let Some(rest) = rest else { return (None, b"") };
    // Whoever writes a password with a `/` in it means something else by it than we do.
    if until(rest, |byte| byte == b'/').len() < rest.iter().rposition(|byte| *byte == b'@').unwrap_or_default() {
        return (Some(b""), b"");
    }
    let authority = until(rest, |byte| byte == b'/');
    (Some(authority), rest.get(authority.len()..).unwrap_or_default())
}

fn host_field(line: &[u8]) -> Option<&[u8]> {
    let (name, value) = split(line, |byte| byte == b':')?;
    grammar::trim(name).eq_ignore_ascii_case(b"host").then(|| grammar::trim(value))
}

/// Without what stands before an `@`, which may be a password, and without a port: a reason says what is wrong with either.
fn host(authority: &[u8]) -> Box<str> {
    let host = authority.rsplit(|byte| *byte == b'@').next().unwrap_or_default();
    let port = host.iter().rposition(|byte| *byte == b':').filter(|at| host.iter().skip(at + 1).all(u8::is_ascii_digit));
    let host = port.and_then(|at| host.get(..at)).unwrap_or(host);
    shown(&host.to_ascii_lowercase(), HOST_NAME)
}

/// Up to a path's first parameter: apps have put sessions there (`;jsessionid=…`).
fn path_shown(path: &[u8]) -> Box<str> {
    let encoded = |at: &usize| path.get(*at..).is_some_and(|rest| rest.starts_with(b"%3B") || rest.starts_with(b"%3b"));
    let end = (0..path.len()).find(|at| path.get(*at) == Some(&b';') || encoded(at));
    match end.and_then(|end| path.get(..end)) {
        Some(before) => format!("{};…", shown(before, PATH)).into(),
        None => shown(path, PATH),
    }
}

fn shown(bytes: &[u8], most: usize) -> Box<str> {
    let mut text = String::new();
    for byte in bytes {
        if text.len() >= most {
            text.push('…');
            break;
        }
        if byte.is_ascii_graphic() {
            text.push(char::from(*byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text.into()
}

fn until(bytes: &[u8], end: impl Fn(u8) -> bool) -> &[u8] {
    let at = bytes.iter().position(|byte| end(*byte)).unwrap_or(bytes.len());
    bytes.get(..at).unwrap_or_default()
}

fn split(bytes: &[u8], at: impl Fn(u8) -> bool) -> Option<(&[u8], &[u8])> {
    let before = until(bytes, at);
    Some((before, bytes.get(before.len() + 1..)?))
}

const METHOD: usize = 32;
const HOST_NAME: usize = 253;
const PATH: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(head: &str) -> [String; 3] {
        let Glimpse { method, host, path } = Glimpse::of_head(head.as_bytes());
        [method, host, path].map(String::from)
    }

    #[test]
    fn what_a_broken_head_is_about_is_made_out() {
        for (head, expected) in [
            ("GET /a HTTP/1.1\nHost: Wiki.example:8443\n", ["GET", "wiki.example", "/a"]),
            (
                "POST /a/../b?token=SECRET HTTP/1.1\r\nContent-Length: x\r\nHOST : wiki.example\r\n",
                ["POST", "wiki.example", "/a/../b"],
            ),
            (
                "\r\n\r\nGET https://ana:SECRET@Wiki.example/b#SECRET HTTP/1.1\r\nHost: other.example",
                ["GET", "wiki.example", "/b"],
            ),
            ("GET /a;jsessionid=SECRET/b HTTP/1.1\r\nHost: wiki.example\r\n", ["GET", "wiki.example", "/a;…"]),
            ("GET /a%3bv=SECRET HTTP/1.1\r\nHost: wiki.example\r\n", ["GET", "wiki.example", "/a;…"]),
            ("GET https://ana:SEC/RET@wiki.example/b HTTP/1.1\r\nHost: a\r\n", ["GET", "", ""]),
            ("GET https://wiki.example/@ana HTTP/1.1\r\nHost: a\r\n", ["GET", "", ""]),
            ("GET /@ana HTTP/1.1\r\nHost: a\r\n", ["GET", "a", "/@ana"]),
            ("GET /a b?c HTTP/1.1\r\nHost: ana:SECRET@wiki.example\r\nHost: b\r\n", ["GET", "wiki.example", "/a"]),
            ("OPTIONS * HTTP/1.1\r\n\r\nHost: of-the-body\r\n", ["OPTIONS", "", "*"]),
            ("G(T /a\u{1b}[2J\u{e9}\" HTTP/1.1\r\n", ["", "", "/a%1B[2J%C3%A9\""]),
            ("CONNECT wiki.example:443 HTTP/1.1\r\nHost: [::1]:443\r\n", ["CONNECT", "[::1]", ""]),
            ("GET /slow", ["GET", "", "/slow"]),
            ("SECRET\r\n", ["", "", ""]),
            ("\u{16}\u{3}\u{1}", ["", "", ""]),
            ("", ["", "", ""]),
        ] {
            assert_eq!(seen(head), expected, "{head:?}");
        }
    }

    #[test]
    fn nothing_of_it_is_long() {
        let long = |length| "\u{1}".repeat(length);
        let [method, host, path] = seen(&format!("{} /{} HTTP/1.1\r\nHost: {}\r\n", "M".repeat(9000), long(9000), long(9000)));
        assert_eq!(method, format!("{}…", "M".repeat(32)));
        assert!(host.len() < 263 && path.len() < 263, "{} {}", host.len(), path.len());
        assert!(path.starts_with("/%01%01") && path.ends_with("%01…"));
    }
}
