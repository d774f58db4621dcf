//! The `Authorization` header.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

/// What a request has of an `Authorization` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Authorization<'a> {
    /// None, or one of another scheme, which is the app's business.
    NotOurs,
    /// More than one, or one that is no text.
    Malformed,
    /// `Bearer`.
    Bearer(Presented<'a>),
}

/// What stands behind `Bearer`. Nothing of it was looked at yet: it is long, and mostly known from the request before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Presented<'a>(&'a [u8]);

impl<'a> Authorization<'a> {
    pub(crate) fn of(headers: &'a HeaderMap) -> Self {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        match (values.next(), values.next()) {
            (None, _) => Self::NotOurs,
            (Some(value), None) => Self::of_value(value),
            (Some(_), Some(_)) => Self::Malformed,
        }
    }

    /// Of a header that came once.
    pub(crate) fn of_value(value: &'a HeaderValue) -> Self {
        let value = value.as_bytes();
        let scheme = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
        let (scheme, shown) = value.split_at_checked(scheme).unwrap_or((value, b""));
        if scheme.eq_ignore_ascii_case(b"bearer") {
            return Self::Bearer(Presented(without_blanks(shown)));
        }
        if value.is_ascii() { Self::NotOurs } else { Self::Malformed }
    }
}

impl<'a> Presented<'a> {
    /// As it came, without the blanks around it.
    pub(super) fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The token (RFC 6750, section 2.1); `None` if it is not exactly one.
    pub(crate) fn token(self) -> Option<&'a str> {
        str::from_utf8(self.0).ok().filter(|text| is_token68(text))
    }
}

fn without_blanks(mut bytes: &[u8]) -> &[u8] {
    while let Some(rest) = bytes.strip_prefix(b" ") {
        bytes = rest;
    }
    while let Some(rest) = bytes.strip_suffix(b" ") {
        bytes = rest;
    }
    bytes
}

/// RFC 9110, section 11.2.
fn is_token68(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    // Without a way out in between, so that the compiler takes many bytes at once: tokens are long.
    let sound = body.bytes().fold(true, |sound, byte| {
        let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
        let digit = byte.wrapping_sub(b'0') < 10;
        // `.` and `/` are neighbours.
        let other = (byte == b'-') | (byte & !1 == b'.') | (byte == b'_') | (byte == b'~') | (byte == b'+');
        sound & (letter | digit | other)
    });
    sound && !body.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The token, if there is exactly one.
    fn token(values: &[&str]) -> Option<String> {
        match Authorization::of(&headers(values)) {
            Authorization::Bearer(presented) => presented.token().map(str::to_owned),
            Authorization::NotOurs | Authorization::Malformed => None,
        }
    }

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (AUTHORIZATION, value.parse().unwrap())).collect()
    }

    #[test]
    fn one_bearer_token_in_any_case() {
        for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c"] {
            assert_eq!(token(&[value]), Some("a.b.c".to_owned()), "{value}");
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
            assert_eq!(token(values), None, "{values:?}");
            assert_ne!(Authorization::of(&headers(values)), Authorization::NotOurs, "{values:?}");
        }
    }
}
