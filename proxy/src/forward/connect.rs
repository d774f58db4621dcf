//! A new connection to an upstream.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::error::ForwardError;
use super::io::AppIo;
use crate::config::Upstream;
use crate::outbound::Resolver;

/// How to reach an upstream; built when the configuration is loaded.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) upstream: Upstream,
    /// For https: the client's side of TLS, and the name that the certificate must have.
    pub(super) tls: Option<(Arc<rustls::ClientConfig>, ServerName<'static>)>,
    /// Where the gate itself listens. No upstream is there, whatever its name resolves to.
    pub(super) ours: Arc<[SocketAddr]>,
}

impl Route {
    /// Whether a connection made by one is as good as one made by the other: same address, same trust, same certificate shown.
    pub(super) fn same_way(&self, other: &Self) -> bool {
        let same_tls = match (&self.tls, &other.tls) {
            (None, None) => true,
            (Some((ours, _)), Some((theirs, _))) => Arc::ptr_eq(ours, theirs),
            (Some(_), None) | (None, Some(_)) => false,
        };
        self.upstream == other.upstream && same_tls
    }
}

/// Connects, TLS included, until `deadline`. Addresses of a name are tried in turn.
///
/// # Errors
/// [`ForwardError::ConnectFailed`], [`ForwardError::ConnectTimedOut`] or [`ForwardError::TlsFailed`].
pub(super) async fn connect(route: &Route, deadline: Instant) -> Result<AppIo, ForwardError> {
    timeout_at(deadline, async {
        let tcp = connect_tcp(&route.upstream, deadline).await?;
        if is_the_gate(&tcp, &route.ours) {
            tracing::error!(host = %route.upstream.host, port = route.upstream.port, "the upstream is the gate itself");
            return Err(ForwardError::ConnectFailed);
        }
        // Requests and answers are written whole; waiting to fill a segment would only delay them.
        if tcp.set_nodelay(true).is_err() {
            return Err(ForwardError::ConnectFailed);
        }
        match &route.tls {
            None => Ok(AppIo::Plain(tcp)),
            Some((config, name)) => {
                let connecting = TlsConnector::from(Arc::clone(config)).connect(name.clone(), tcp);
                let stream = connecting.await.map_err(|problem| tls_problem(route, &problem))?;
                Ok(AppIo::Tls(Box::new(stream)))
            }
        }
    })
    .await
    .unwrap_or(Err(ForwardError::ConnectTimedOut))
}

async fn connect_tcp(upstream: &Upstream, deadline: Instant) -> Result<TcpStream, ForwardError> {
    let mut addresses = resolve(upstream).await.map_err(|problem| {
        tracing::warn!(host = %upstream.host, %problem, "the name of an upstream does not resolve");
        ForwardError::ConnectFailed
    })?;
    let mut timed_out = false;
    while let Some(address) = addresses.pop() {
        // One address that swallows packets must not use up the time of the others.
        let now = Instant::now();
        let share = deadline.saturating_duration_since(now) / u32::try_from(addresses.len() + 1).unwrap_or(u32::MAX);
        match timeout_at(now + share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(problem)) => tracing::debug!(%address, %problem, "an upstream refused a connection"),
            Err(_elapsed) => timed_out = true,
        }
    }
    Err(if timed_out { ForwardError::ConnectTimedOut } else { ForwardError::ConnectFailed })
}

/// Whether a connection ends at one of the gate's own listeners. The configuration is looked through for that, too; but only who
/// has connected knows what a name stood for, and which addresses are this machine's: there both ends are the same.
fn is_the_gate(stream: &TcpStream, ours: &[SocketAddr]) -> bool {
    let (Ok(peer), Ok(local)) = (stream.peer_addr(), stream.local_addr()) else { return true };
    let (to, from) = (peer.ip().to_canonical(), local.ip().to_canonical());
    let here = to.is_loopback() || to == from;
    ours.iter().any(|ours| ours.port() == peer.port() && (ours.ip().to_canonical() == to || (here && ours.ip().is_unspecified())))
}

/// The addresses of an upstream, the first to try last.
async fn resolve(upstream: &Upstream) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = upstream.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, upstream.port)]);
    }
    let mut addresses = Resolver::addresses(&upstream.host).await?;
    addresses.iter_mut().for_each(|address| address.set_port(upstream.port));
    addresses.reverse();
    Ok(addresses)
}

fn tls_problem(route: &Route, problem: &io::Error) -> ForwardError {
    tracing::warn!(host = %route.upstream.host, port = route.upstream.port, %problem, "no TLS connection to an upstream");
    ForwardError::TlsFailed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::UpstreamScheme;

    #[tokio::test]
    async fn who_connects_to_the_gate_itself_knows_it() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let other = SocketAddr::from(([127, 0, 0, 1], address.port() ^ 1));
        for (ours, hit) in [
            (address, true),
            (SocketAddr::from(([0, 0, 0, 0], address.port())), true),
            (SocketAddr::from(([0; 16], address.port())), true),
            (other, false),
            (SocketAddr::from(([192, 0, 2, 7], address.port())), false),
        ] {
            assert_eq!(is_the_gate(&stream, &[other, ours]), hit, "{ours}");
        }
    }

    #[tokio::test]
    async fn literals_are_taken_as_they_are_and_names_get_the_port() {
        for (host, first) in
            [("192.0.2.7", "192.0.2.7:8080"), ("2001:db8::7", "[2001:db8::7]:8080"), ("wiki.localhost", "127.0.0.1:8080")]
        {
            let upstream = Upstream { scheme: UpstreamScheme::Http, host: host.into(), port: 8080 };
            let addresses = resolve(&upstream).await.unwrap();
            assert_eq!(addresses.last().map(ToString::to_string).as_deref(), Some(first), "{host}");
        }
    }
}
