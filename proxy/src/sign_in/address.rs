//! Our own addresses, and where a person may be led back to.

use std::collections::BTreeMap;

use super::visit::Endpoint;
use crate::config::{Config, Host};

/// The https addresses of the gate and its apps, as browsers see them.
#[derive(Debug)]
pub(super) struct Addresses {
    gate: Host,
    /// `host` or `host:port`, for each host that we serve.
    authorities: BTreeMap<String, Host>,
    port: Option<u16>,
}

/// Where a person goes once signed in: a path on a host of ours. Made only from what was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReturnTo {
    pub(super) host: Host,
    /// Begins with one `/`.
    path_and_query: String,
}

impl Addresses {
    pub(super) fn of(config: &Config) -> Self {
        let port = Some(config.listen.public_port).filter(|&port| port != 443);
        let gate = config.sign_in.host.clone();
        let hosts = config.apps.iter().map(|app| app.host.clone()).chain([gate.clone()]);
        let authorities = hosts.map(|host| (authority(&host, port), host)).collect();
        Self { gate, authorities, port }
    }

    /// The sign-in host.
    pub(super) fn gate(&self) -> &Host {
        &self.gate
    }

    /// Whether we serve it.
    pub(super) fn serves(&self, host: &Host) -> bool {
        self.authorities.values().any(|known| known == host)
    }

    /// `https://host[:port]`.
    pub(super) fn origin(&self, host: &Host) -> String {
        format!("https://{}", authority(host, self.port))
    }

    /// One of our own addresses on `host`.
    pub(super) fn endpoint(&self, host: &Host, endpoint: Endpoint) -> String {
        format!("{}{}", self.origin(host), endpoint.path())
    }

    /// The whole address.
    pub(super) fn location(&self, to: &ReturnTo) -> String {
        format!("{}{}", self.origin(&to.host), to.path_and_query)
    }

    /// Reads a return address: `https://`, then exactly one of our authorities, then a path. What is anything else leads to
    /// the front page of the sign-in host. Nothing is normalised: what browsers might read in another way does not match.
    pub(super) fn parse(&self, to: Option<&str>) -> ReturnTo {
        to.and_then(|to| self.try_parse(to)).unwrap_or_else(|| self.front(&self.gate))
    }

    fn try_parse(&self, to: &str) -> Option<ReturnTo> {
        let rest = to.strip_prefix("https://")?;
        let (authority, _) = rest.split_once('/')?;
        let host = self.authorities.get(authority)?;
        Some(self.on(host, rest.strip_prefix(authority)?))
    }

    /// `path_and_query` on `host`; its front page if the path could be read in another way, is one of our own, or is too long.
    pub(super) fn on(&self, host: &Host, path_and_query: &str) -> ReturnTo {
        let path = path_and_query.split('?').next().unwrap_or_default();
        let plain = path_and_query.bytes().all(|byte| (b'!'..=b'~').contains(&byte) && !b"\\#<>\"`{}|^".contains(&byte));
        let page = *host == self.gate && path_and_query == DEVICES;
        let ours = !page && (path == "/.sekisho" || path.starts_with("/.sekisho/"));
        if plain && path.starts_with('/') && !path.starts_with("//") && !ours && path_and_query.len() <= MAX_RETURN {
            ReturnTo { host: host.clone(), path_and_query: path_and_query.to_owned() }
        } else {
            self.front(host)
        }
    }

    fn front(&self, host: &Host) -> ReturnTo {
        ReturnTo { host: host.clone(), path_and_query: "/".to_owned() }
    }
}

fn authority(host: &Host, port: Option<u16>) -> String {
    port.map_or_else(|| host.to_string(), |port| format!("{host}:{port}"))
}

impl ReturnTo {
    /// Path and query.
    pub(super) fn path_and_query(&self) -> &str {
        &self.path_and_query
    }

    #[cfg(test)]
    pub(super) fn for_test(host: &Host, path_and_query: &str) -> Self {
        Self { host: host.clone(), path_and_query: path_and_query.to_owned() }
    }
}

/// The one page of our own that people are led back to: to open it changes nothing.
const DEVICES: &str = "/.sekisho/devices";

/// A longer deep link would not fit into the headers of common servers.
const MAX_RETURN: usize = 4096;
