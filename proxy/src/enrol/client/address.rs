//! Where the gate is.

use std::fmt;
use std::str::FromStr;

use crate::config::Host;

/// `https://gate.corp.example` or `https://gate.corp.example:8443`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateAddress {
    host: Host,
    port: u16,
}

/// The text is not the address of a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not the address of a gate: write https:// and its host, such as https://gate.corp.example, with a port if it is not 443"
)]
pub struct InvalidGateAddress;

impl GateAddress {
    /// The host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The value of a `Host` header.
    pub(super) fn authority(&self) -> String {
        if self.port == 443 { self.host.to_string() } else { format!("{}:{}", self.host, self.port) }
    }
}

impl FromStr for GateAddress {
    type Err = InvalidGateAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = url::Url::parse(text.trim()).map_err(|_malformed| InvalidGateAddress)?;
        let bare = url.username().is_empty()
            && url.password().is_none()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none();
        if url.scheme() != "https" || !bare {
            return Err(InvalidGateAddress);
        }
        let host = url.host_str().ok_or(InvalidGateAddress)?.parse().map_err(|_malformed| InvalidGateAddress)?;
        Ok(Self { host, port: url.port_or_known_default().ok_or(InvalidGateAddress)? })
    }
}

impl fmt::Display for GateAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}", self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_gates() {
        for (text, shown) in [
            ("https://gate.corp.example", "https://gate.corp.example"),
            ("https://Gate.Corp.Example/", "https://gate.corp.example"),
            ("https://gate.localhost:8443", "https://gate.localhost:8443"),
            ("https://127.0.0.1:8443/", "https://127.0.0.1:8443"),
            ("https://[::1]:8443", "https://[::1]:8443"),
        ] {
            assert_eq!(text.parse::<GateAddress>().map(|gate| gate.to_string()), Ok(shown.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_none() {
        for text in [
            "",
            "gate.corp.example",
            "http://gate.corp.example",
            "https://",
            "https://user@gate.corp.example",
            "https://gate.corp.example/.sekisho/enroll",
            "https://gate.corp.example/?code=x",
            "https://gate.corp.example/#x",
            "https://gate_corp.example",
        ] {
            assert_eq!(text.parse::<GateAddress>(), Err(InvalidGateAddress), "{text}");
        }
    }
}
