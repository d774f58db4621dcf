//! What a request was routed and decided by, kept while its answer is on its way.

use std::sync::Arc;

use http::header::ORIGIN;
use http::{HeaderValue, Method};

use super::routed::Routed;
use crate::config::Host;
use crate::read::Kind;

/// As much of a request as it takes to route it and to decide on it again.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The one host it is for.
    pub host: Host,
    /// The path in canonical form.
    pub path: Arc<str>,
    /// The method.
    pub method: Method,
    /// What is asked for.
    pub kind: Kind,
    /// For a WebSocket: the origin of the page that opened it, if a page did.
    pub origin: Option<HeaderValue>,
}

impl Standing {
    /// Of a request that was just routed.
    pub fn of(routed: &Routed) -> Self {
        let request = &routed.request;
        let origin = if request.kind == Kind::WebSocket { request.headers.get(ORIGIN).cloned() } else { None };
        Self {
            host: request.host.clone(),
            path: request.path.clone(),
            method: request.method.clone(),
            kind: request.kind,
            origin,
        }
    }
}
