//! The one normaliser of host names: TLS, routing, policies and cookies all use its result.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

/// A host name in its one canonical form: lower case, no port, no trailing dot, plain DNS labels, or an IP address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host(Arc<str>);

/// The text is not a host name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a host name: labels of a-z, 0-9 and `-`, joined by dots, at most 253 characters")]
pub struct InvalidHost;

impl Host {
    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a certificate's name covers this host: the same name, or `*.` in place of its first label (RFC 9525 section 6.3).
    /// An address is covered only by itself.
    pub fn is_covered_by(&self, name: &str) -> bool {
        let name = name.strip_suffix('.').unwrap_or(name);
        match name.strip_prefix("*.") {
            Some(parent) => {
                let labels = !self.is_address() && parent.contains('.') && !parent.contains('*');
                labels && self.0.split_once('.').is_some_and(|(_first, rest)| rest.eq_ignore_ascii_case(parent))
            }
            None => self.0.trim_matches(['[', ']']).eq_ignore_ascii_case(name.trim_matches(['[', ']'])),
        }
    }

    /// Whether it is an IP address.
    pub fn is_address(&self) -> bool {
        self.0.starts_with('[') || self.0.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()))
    }
}

impl FromStr for Host {
    type Err = InvalidHost;

    /// Lower-cases, and takes off one trailing dot. A port is not part of a host and makes it invalid here.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let address: std::net::Ipv6Addr = inner.parse().map_err(|_malformed| InvalidHost)?;
            return Ok(Self(format!("[{address}]").into()));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let numeric = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
        if numeric {
            // What looks like an IPv4 address must be one, in its only form: no `127.1`, no leading zeros.
            return match name.parse::<IpAddr>() {
                Ok(IpAddr::V4(address)) => Ok(Self(address.to_string().into())),
                _ => Err(InvalidHost),
            };
        }
        if name.is_empty() || name.len() > 253 || !name.split('.').all(is_label) {
            return Err(InvalidHost);
        }
        Ok(Self(name.to_ascii_lowercase().into()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_label(label: &str) -> bool {
    let plain = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    plain && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form_for_every_spelling() {
        for (written, canonical) in [
            ("Wiki.Corp.Example", "wiki.corp.example"),
            ("wiki.corp.example.", "wiki.corp.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("127.0.0.1", "127.0.0.1"),
            ("[::0001]", "[::1]"),
        ] {
            assert_eq!(written.parse::<Host>().map(|host| host.as_str().to_owned()), Ok(canonical.to_owned()), "{written}");
        }
    }

    #[test]
    fn a_wildcard_covers_one_label() {
        let host = |text: &str| text.parse::<Host>().unwrap();
        for (name, covered) in [
            ("wiki.corp.example", true),
            ("WIKI.corp.example.", true),
            ("*.corp.example", true),
            ("*.Corp.Example", true),
            ("corp.example", false),
            ("*.example", false),
            ("*.wiki.corp.example", false),
            ("*.*.example", false),
            ("*", false),
            ("w*.corp.example", false),
            ("", false),
            ("*.", false),
        ] {
            assert_eq!(host("wiki.corp.example").is_covered_by(name), covered, "{name}");
        }
        assert!(!host("a.wiki.corp.example").is_covered_by("*.corp.example"));
        assert!(host("127.0.0.1").is_covered_by("127.0.0.1"));
        assert!(!host("127.0.0.1").is_covered_by("*.0.0.1"));
        assert!(host("[::1]").is_covered_by("::1"));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for written in [
            "",
            ".",
            "a..b",
            "a_b.example",
            "-a.example",
            "a-.example",
            "a.example..",
            "a b",
            "a:443",
            "a,b",
            "a@b",
            "a/b",
            "127.1",
            "0127.0.0.1",
            "1.2.3",
            "bücher.example",
            "[::1",
            "::1",
            "*.example",
            "a%2eb",
        ] {
            assert_eq!(written.parse::<Host>(), Err(InvalidHost), "{written}");
        }
    }
}
