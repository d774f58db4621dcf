//! Addresses that cannot be listened on, in words.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;

use tokio::net::TcpListener;

/// Listens on an address that a setting names, if it names one.
pub(super) async fn bind(setting: &str, address: Option<SocketAddr>, problems: &mut Vec<String>) -> Option<TcpListener> {
    let address = address?;
    TcpListener::bind(address).await.map_err(|error| problems.push(cannot_listen(setting, address, &error))).ok()
}

/// Why the address of a setting cannot be listened on, and what to do about it.
pub(super) fn cannot_listen(setting: &str, address: SocketAddr, error: &Error) -> String {
    let port = address.port();
    let hint = match error.kind() {
        ErrorKind::PermissionDenied if (1..FREE_PORTS).contains(&port) => format!(
            "; ports below {FREE_PORTS} take the capability CAP_NET_BIND_SERVICE, which `AmbientCapabilities=CAP_NET_BIND_SERVICE` of a systemd \
             unit gives (examples/systemd/sekisho.service has it), or write a higher port in {setting}"
        ),
        ErrorKind::AddrInUse => {
            format!(
                "; another program listens there (`ss -ltnp 'sport = :{port}'` names it): end it, or write another port in {setting}"
            )
        }
        ErrorKind::AddrNotAvailable => {
            format!("; no interface of this machine has that address: see `ip address`, and {setting}")
        }
        _ => String::new(),
    };
    format!("{setting}: cannot listen on {address}: {error}{hint}")
}

/// From this port on, anybody may listen.
const FREE_PORTS: u16 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn words(kind: ErrorKind, address: &str) -> String {
        cannot_listen("listen.http", address.parse().unwrap(), &Error::from(kind))
    }

    #[test]
    fn a_low_port_without_the_capability_is_explained() {
        let told = words(ErrorKind::PermissionDenied, "0.0.0.0:80");
        assert!(told.starts_with("listen.http: cannot listen on 0.0.0.0:80: "), "{told}");
        assert!(told.contains("AmbientCapabilities=CAP_NET_BIND_SERVICE") && told.contains("sekisho.service"), "{told}");
        assert!(!words(ErrorKind::PermissionDenied, "0.0.0.0:8080").contains("CAP_NET"), "something else is the matter");
    }

    #[tokio::test]
    async fn a_port_in_use_names_its_setting() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap();
        let mut problems = Vec::new();
        assert!(bind("listen.metrics", Some(address), &mut problems).await.is_none());
        let way_out =
            format!("`ss -ltnp 'sport = :{}'` names it): end it, or write another port in listen.metrics", address.port());
        assert!(problems[0].starts_with("listen.metrics: ") && problems[0].ends_with(&way_out), "{problems:?}");
        drop(taken);
        assert!(bind("listen.metrics", Some(address), &mut problems).await.is_some() && problems.len() == 1);
    }
}
