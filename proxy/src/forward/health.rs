//! Active health checks. They run on the control runtime; cores read their result from the upstream's standing.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, USER_AGENT};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderValue, Request, Uri};
use http_body_util::Empty;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, timeout_at};

use super::connect::connect;
use super::shared::{Endpoint, ForwardShared, Target};
use crate::config::{HealthCheck, UpstreamProtocol, UpstreamScheme};

/// Checks the upstreams of all apps that have a health check, until dropped. After a reload: drop it and start another.
///
/// An upstream is down after two failures in a row and up again after one success. What has not been checked yet counts as up.
pub async fn watch_health(shared: Arc<ForwardShared>) {
    let mut checks = JoinSet::new();
    for target in shared.targets() {
        let Some(check) = &target.app.health else { continue };
        for endpoint in &target.endpoints {
            checks.spawn(watch(Arc::clone(target), Arc::clone(endpoint), check.clone()));
        }
    }
    while checks.join_next().await.is_some() {}
    // Nothing to check: there is no verdict to wait for either.
    std::future::pending::<()>().await;
}

async fn watch(target: Arc<Target>, endpoint: Arc<Endpoint>, check: HealthCheck) {
    let mut ticks = tokio::time::interval(check.interval.max(Duration::from_millis(10)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failures = 0_u32;
    loop {
        ticks.tick().await;
        failures = if is_healthy(&target, &endpoint, &check).await { 0 } else { failures.saturating_add(1) };
        let down = match failures {
            0 => false,
            FAILURES.. => true,
            _ => continue,
        };
        if endpoint.standing.set_down(down) {
            target.count_unhealthy();
            let upstream = &endpoint.usual.upstream;
            tracing::warn!(app = %target.app.name, host = %upstream.host, port = upstream.port, down, "an upstream's health changed");
        }
    }
}

/// One check: a GET on a connection of its own, answered by 2xx or 3xx in time.
async fn is_healthy(target: &Target, endpoint: &Endpoint, check: &HealthCheck) -> bool {
    let deadline = Instant::now() + check.timeout;
    timeout_at(deadline, ask(target, endpoint, check, deadline)).await.ok().flatten().unwrap_or(false)
}

async fn ask(target: &Target, endpoint: &Endpoint, check: &HealthCheck, deadline: Instant) -> Option<bool> {
    let io = connect(&endpoint.usual, deadline).await.ok()?;
    let path = PathAndQuery::try_from(check.path.as_str()).ok()?;
    let mut request = Request::new(Empty::<Bytes>::new());
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("sekisho-health"));
    // The connection's task ends with this set, whatever the outcome.
    let mut task = JoinSet::new();
    let response = match target.app.protocol {
        UpstreamProtocol::Http1 => {
            *request.uri_mut() = Uri::from(path);
            request.headers_mut().insert(HOST, target.authority.clone());
            let (mut sender, connection) = http1::handshake(TokioIo::new(io)).await.ok()?;
            task.spawn(connection);
            sender.send_request(request).await.ok()?
        }
        UpstreamProtocol::Http2 => {
            let scheme = if endpoint.usual.upstream.scheme == UpstreamScheme::Https { Scheme::HTTPS } else { Scheme::HTTP };
            let uri = Uri::builder().scheme(scheme).authority(target.authority.as_bytes()).path_and_query(path);
            *request.uri_mut() = uri.build().ok()?;
            let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await.ok()?;
            task.spawn(connection);
            sender.send_request(request).await.ok()?
        }
    };
    Some(response.status().is_success() || response.status().is_redirection())
}

/// Failures in a row that make an upstream down: one lost packet does not.
const FAILURES: u32 = 2;
