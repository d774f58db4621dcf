//! Addresses of sockets and networks.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::checker::Checker;
use crate::config::setting::Text;

pub(super) fn socket(text: &Text, example: &str, checker: &mut Checker) -> Option<SocketAddr> {
    let parsed = text.value.parse().ok();
    if parsed.is_none() {
        let what = format!("{:?} is not an IP address with a port", text.value);
        checker.wrong(
            &text.at,
            what,
            format!("write it as \"{example}\" or \"[::]:{}\"", example.rsplit(':').next().unwrap_or_default()),
        );
    }
    parsed
}

/// A network such as `10.0.0.0/8`, or one address.
pub(super) fn network(text: &Text, checker: &mut Checker) -> Option<IpNet> {
    if let Ok(address) = text.value.parse::<IpAddr>() {
        return Some(address.into());
    }
    match text.value.parse::<IpNet>() {
        Ok(network) if network == network.trunc() => Some(network),
        Ok(network) => {
            let instead = format!("write \"{}\" for the network, or \"{}\" for the one address", network.trunc(), network.addr());
            checker.wrong(&text.at, format!("{:?} names an address within a network", text.value), instead);
            None
        }
        Err(_) => {
            let what = format!("{:?} is not an address or network", text.value);
            checker.wrong(&text.at, what, "write it as \"10.0.0.5\" or \"10.0.0.0/24\"");
            None
        }
    }
}

/// Whether something that connects to `target` reaches what listens on `listening`, as far as can be known without asking
/// the system for its addresses.
pub(super) fn reaches(target: SocketAddr, listening: SocketAddr) -> bool {
    let (to, on) = (target.ip().to_canonical(), listening.ip().to_canonical());
    let local = to.is_loopback() || to.is_unspecified();
    target.port() == listening.port() && (to == on || (local && on.is_unspecified()) || (to.is_unspecified() && on.is_loopback()))
}
