//! The `Authorization` header.

use http::HeaderMap;
use http::header::AUTHORIZATION;

/// What a request has of an `Authorization` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Authorization<'a> {
    /// None, or one of another scheme, which is the app's business.
    NotOurs,
    /// `Bearer`, and not exactly one token.
    Malformed,
    /// A bearer token (RFC 6750, section 2.1).
    Bearer(&'a str),
}

impl<'a> Authorization<'a> {
    pub(crate) fn of(headers: &'a HeaderMap) -> Self {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let Some(value) = values.next() else { return Self::NotOurs };
        let alone = values.next().is_none();
        let Some(value) = ascii(value.as_bytes()) else { return Self::Malformed };
        let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
        let token = token.trim_matches(' ');
        if !alone {
            return Self::Malformed;
        }
        match scheme.eq_ignore_ascii_case("bearer") {
            false => Self::NotOurs,
            true if is_token68(token) => Self::Bearer(token),
            true => Self::Malformed,
        }
    }
}

/// RFC 9110, section 11.2.
fn is_token68(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    // Without a way out in between, so that the compiler takes many bytes at once: tokens are long, and come with every request.
    let sound = body.bytes().fold(true, |sound, byte| {
        let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
        let digit = byte.wrapping_sub(b'0') < 10;
        // `.` and `/` are neighbours.
        let other = (byte == b'-') | (byte & !1 == b'.') | (byte == b'_') | (byte == b'~') | (byte == b'+');
        sound & (letter | digit | other)
    });
    sound && !body.is_empty()
}

/// As [`http::HeaderValue::to_str`], many bytes at once: what is in a header value and is ASCII is visible.
fn ascii(bytes: &[u8]) -> Option<&str> {
    if bytes.is_ascii() { str::from_utf8(bytes).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (AUTHORIZATION, value.parse().unwrap())).collect()
    }

    #[test]
    fn one_bearer_token_in_any_case() {
        for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c"] {
            assert_eq!(Authorization::of(&headers(&[value])), Authorization::Bearer("a.b.c"), "{value}");
        }
    }

    #[test]
    fn the_characters_of_a_token_are_those_of_the_standard() {
        for byte in 0..=255_u8 {
            let text = char::from(byte).to_string();
            let expected = byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
            assert_eq!(is_token68(&text), expected, "{text:?}");
            assert_eq!(is_token68(&format!("abcdefghijklmnopqrstuvwxyz{text}0123456789")), expected, "{text:?}");
        }
    }

    #[test]
    fn other_schemes_are_the_apps_business() {
        for value in ["Basic YTpi", "Digest x", "DPoP a.b.c", "Bearerx a.b.c"] {
            assert_eq!(Authorization::of(&headers(&[value])), Authorization::NotOurs, "{value}");
        }
        assert_eq!(Authorization::of(&HeaderMap::new()), Authorization::NotOurs);
    }

    #[test]
    fn anything_but_one_token_is_malformed() {
        for values in [
            &["Bearer"][..],
            &["Bearer "],
            &["Bearer a b"],
            &["Bearer a,b"],
            &["Bearer a.b.c, Bearer d"],
            &["Bearer \"a.b.c\""],
            &["Bearer a.b.c", "Bearer a.b.c"],
            &["Basic YTpi", "Bearer a.b.c"],
            &["Bearer ="],
        ] {
            assert_eq!(Authorization::of(&headers(values)), Authorization::Malformed, "{values:?}");
        }
    }
}
