//! Our cookies: opaque, of one size, host-only.

use http::HeaderMap;
use http::header::COOKIE;

use crate::secret::{Digest, Secret};

/// One of our cookies. The prefix makes browsers keep it to one host, https and the whole of it (RFC 6265bis, section 4.1.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cookie {
    /// Opens a session on this host.
    Session,
    /// Ties an attempt to sign in, or a hand-over, to this browser.
    Attempt,
}

/// What a request has of a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// None.
    Absent,
    /// One that we cannot have made, or the same name twice: the browser is told to forget it.
    Malformed,
    /// One; the digest of its value.
    Token(Digest),
}

impl Cookie {
    /// Its name, which is compared exactly.
    pub fn name(self) -> &'static str {
        match self {
            Self::Session => "__Host-sekisho",
            Self::Attempt => "__Host-sekisho-attempt",
        }
    }

    /// Looks for it in the `Cookie` headers of a request.
    pub fn sent(self, headers: &HeaderMap) -> Sent {
        self.among(headers.get_all(COOKIE).iter().map(http::HeaderValue::as_bytes))
    }

    /// Looks for it in one `Cookie` header.
    pub fn sent_in(self, header: Option<&str>) -> Sent {
        self.among(header.into_iter().map(str::as_bytes))
    }

    /// A key that only the browser has that sent the cookie: made from its value, of which the gate keeps no more than a digest.
    pub fn key_in(self, header: Option<&str>) -> Option<Secret<[u8; 32]>> {
        let Sent::Token(_) = self.sent_in(header) else { return None };
        let values = header?.split(';').filter_map(|pair| pair.trim().strip_prefix(self.name())?.strip_prefix('='));
        values.map(|value| Self::key_of(value.as_bytes())).next()
    }

    /// As [`Cookie::key_in`], for a cookie's value that is about to be given to a browser.
    pub fn key_of(value: &[u8]) -> Secret<[u8; 32]> {
        // A label that no cookie's value begins with: the key is not the digest that is kept.
        let labelled = Secret::new([b"sekisho: a key from a cookie\0", value].concat());
        Secret::new(Digest::of(labelled.expose()).0)
    }

    fn among<'a>(self, headers: impl Iterator<Item = &'a [u8]>) -> Sent {
        let pairs = headers.flat_map(|header| header.split(|&byte| byte == b';'));
        let mut found = Sent::Absent;
        for pair in pairs {
            let Some(value) = pair.trim_ascii().strip_prefix(self.name().as_bytes()) else { continue };
            let Some(value) = value.strip_prefix(b"=") else { continue };
            found = match found {
                Sent::Absent if is_token(value) => Sent::Token(Digest::of(value)),
                _ => Sent::Malformed,
            };
        }
        found
    }

    /// `Set-Cookie` that gives it to the browser for `max_age_seconds`.
    pub fn set(self, token: &str, max_age_seconds: u64) -> String {
        format!("{}={token}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={max_age_seconds}", self.name())
    }

    /// `Set-Cookie` that takes it away.
    pub fn clear(self) -> String {
        format!("{}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0", self.name())
    }
}

/// What [`crate::secret::token`] makes: 256 bits as unpadded base64url.
fn is_token(value: &[u8]) -> bool {
    value.len() == 43 && value.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn sent(header: &str) -> Sent {
        Cookie::Session.sent_in(Some(header))
    }

    #[test]
    fn it_is_found_among_others() {
        let token = Sent::Token(Digest::of(TOKEN.as_bytes()));
        assert_eq!(sent(&format!("__Host-sekisho={TOKEN}")), token);
        assert_eq!(sent(&format!("a=1;  __Host-sekisho={TOKEN} ; b=2")), token);
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, "a=1".parse().unwrap());
        headers.append(COOKIE, format!("__Host-sekisho={TOKEN}").parse().unwrap());
        assert_eq!(Cookie::Session.sent(&headers), token);
        assert_eq!(Cookie::Attempt.sent(&headers), Sent::Absent);
    }

    #[test]
    fn other_names_are_not_ours() {
        for name in
            ["__host-sekisho", "__Host-Sekisho", "__Host-sekisho-attempt", "x__Host-sekisho", "sekisho", "__Host-sekisho "]
        {
            assert_eq!(sent(&format!("{name}={TOKEN}")), Sent::Absent, "{name}");
        }
        assert_eq!(sent("__Host-sekisho"), Sent::Absent);
    }

    #[test]
    fn what_we_did_not_make_is_malformed() {
        for value in [
            "",
            "short",
            TOKEN.strip_suffix("A").unwrap(),
            &format!("{TOKEN}A"),
            &format!("\"{}\"", TOKEN.strip_suffix("AA").unwrap()),
            &"é".repeat(21),
            &TOKEN.replace('A', "%"),
        ] {
            assert_eq!(sent(&format!("__Host-sekisho={value}")), Sent::Malformed, "{value}");
        }
    }

    #[test]
    fn the_same_name_twice_names_nobody() {
        assert_eq!(sent(&format!("__Host-sekisho={TOKEN}; __Host-sekisho={TOKEN}")), Sent::Malformed);
        assert_eq!(sent(&format!("__Host-sekisho=x; __Host-sekisho={TOKEN}")), Sent::Malformed);
        assert_eq!(sent(&format!("__Host-sekisho={TOKEN}; __Host-sekisho=")), Sent::Malformed);
    }

    #[test]
    fn the_key_is_neither_the_value_nor_its_digest() {
        let sent = format!("a=1; __Host-sekisho={TOKEN}; b=2");
        let key = Cookie::Session.key_in(Some(&sent)).unwrap();
        assert_eq!(key.expose(), Cookie::key_of(TOKEN.as_bytes()).expose());
        assert_ne!(*key.expose(), Digest::of(TOKEN.as_bytes()).0);
        assert!(Cookie::Attempt.key_in(Some(&sent)).is_none());
        assert!(Cookie::Session.key_in(Some(&format!("{sent}; __Host-sekisho={TOKEN}"))).is_none());
    }

    #[test]
    fn it_is_host_only() {
        let header = Cookie::Session.set(TOKEN, 60);
        assert!(header.contains("; Secure;") && header.contains("; HttpOnly;") && header.contains("; Path=/;"), "{header}");
        assert!(header.contains("SameSite=Lax") && !header.to_ascii_lowercase().contains("domain"), "{header}");
    }
}
