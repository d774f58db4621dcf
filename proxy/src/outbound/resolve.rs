//! Names to addresses. `localhost` and everything below it is this machine (RFC 6761, section 6.3), whatever DNS says: the
//! system's resolver knows only the first of them.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::Name;
use tower::Service;

/// The system's resolver, with the loopback names answered here.
#[derive(Clone, Copy, Debug, Default)]
pub struct Resolver;

impl Resolver {
    /// The addresses of `name`, with port 0.
    ///
    /// # Errors
    /// As the system's resolver.
    pub async fn addresses(name: &str) -> io::Result<Vec<SocketAddr>> {
        if is_loopback_name(name) {
            return Ok(vec![(Ipv4Addr::LOCALHOST, 0).into(), (Ipv6Addr::LOCALHOST, 0).into()]);
        }
        Ok(tokio::net::lookup_host((name, 0)).await?.collect())
    }
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(async move { Ok(Self::addresses(name.as_str()).await?.into_iter()) })
    }
}

/// `localhost` or a name below it, in any case, with or without the dot of the root.
pub(super) fn is_loopback_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case("localhost"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_below_localhost_are_this_machine() {
        for name in ["localhost", "idp.localhost", "IdP.LocalHost", "a.b.localhost."] {
            let addresses = Resolver::addresses(name).await.unwrap();
            assert!(!addresses.is_empty() && addresses.iter().all(|address| address.ip().is_loopback()), "{name}");
        }
    }

    #[test]
    fn names_that_only_look_like_it_are_not() {
        for name in ["localhost.example", "notlocalhost", "localhost.evil.example", ""] {
            assert!(!is_loopback_name(name), "{name}");
        }
    }
}
