//! The room's one step: a request as hyper gives it becomes a [`Clean`] one.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, Method, Request, Version};
use http_body::Body as _;
use hyper::body::Incoming;

use super::authority::LastHost;
use super::clean::{Clean, Kind, RequestId};
use super::content::{Content, Leftover, Stream};
use super::glimpse::Glimpse;
use super::guard::{BodyFraming, HeadFacts};
use super::refusal::ReadRefusal;
use super::{hygiene, target, websocket};
use crate::clock::Timestamp;
use crate::config::{Config, Host};

/// Reads requests. One for each configuration.
#[derive(Clone, Debug)]
pub struct Reader {
    public_port: u16,
    target_bytes: usize,
    head_bytes: usize,
    headers: usize,
}

/// A request that has none, and what it seems to ask for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Unread {
    /// Why.
    pub why: ReadRefusal,
    /// For the record only.
    pub seen: Glimpse,
}

/// A request's head with exactly one meaning.
#[derive(Debug)]
struct CleanHead {
    method: Method,
    host: Host,
    path: Arc<str>,
    query: Option<Box<str>>,
    headers: HeaderMap,
    kind: Kind,
    version: Version,
}

impl Reader {
    /// With the limits and the port of `config`.
    pub fn new(config: &Config) -> Self {
        let limits = &config.limits;
        Self {
            public_port: config.listen.public_port,
            target_bytes: limits.target_bytes,
            head_bytes: limits.head_bytes,
            headers: limits.headers,
        }
    }

    /// The one meaning of `request`. For HTTP/1, `facts` is what the guard knows of it
    /// ([`Turn::facts`](super::guard::Turn::facts)); for HTTP/2, `None`. What nobody reads of its body goes to `leftover`. `last` is
    /// the connection's.
    ///
    /// # Errors
    /// [`Unread`] if it has none.
    pub fn clean(
        &self,
        mut request: Request<Incoming>,
        facts: Option<&HeadFacts>,
        id: RequestId,
        at: Timestamp,
        leftover: Option<Leftover>,
        last: &LastHost,
    ) -> Result<Box<Clean>, Unread> {
        let length = request.body().size_hint().exact();
        // Taken off first, so that no path leaves it in the extensions.
        let upgrade = hyper::upgrade::on(&mut request);
        let (mut parts, body) = request.into_parts();
        let body = Content::Streaming(Stream::new(body, leftover));
        let head = self.head(&mut parts, facts, length == Some(0), last);
        let head = head.map_err(|why| Unread { why, seen: Glimpse::of_parts(&parts) })?;
        let CleanHead { method, host, path, query, headers, kind, version } = head;
        let upgrade = (kind == Kind::WebSocket).then_some(upgrade);
        Ok(Box::new(Clean { id, at, method, host, path, query, headers, kind, version, body, length, upgrade }))
    }

    fn head(&self, parts: &mut Parts, facts: Option<&HeadFacts>, empty: bool, last: &LastHost) -> Result<CleanHead, ReadRefusal> {
        if !target::agrees_with_guard(parts, facts) {
            return Err(ReadRefusal::Unguarded);
        }
        // Of HTTP/1, the guard has seen to this.
        if facts.is_none() && head_bytes(parts) > self.head_bytes {
            return Err(ReadRefusal::HeadTooLarge);
        }
        if parts.headers.len() > self.headers {
            return Err(ReadRefusal::TooManyHeaders);
        }
        if parts.method == Method::TRACE || parts.method.as_str() == "TRACK" {
            return Err(ReadRefusal::Method);
        }
        let no_body = facts.is_some_and(|facts| facts.body == BodyFraming::None);
        let kind = websocket::kind(parts, no_body, empty)?;
        if facts.is_some_and(|facts| facts.asks_tunnel != (kind == Kind::WebSocket)) {
            return Err(ReadRefusal::Unguarded);
        }
        let target = target::read(parts, last, self.public_port, self.target_bytes)?;
        hygiene::clean(parts)?;
        // An extended CONNECT is what HTTP/1 says with GET, and that is what the app gets.
        let method = std::mem::take(&mut parts.method);
        let method = if method == Method::CONNECT { Method::GET } else { method };
        Ok(CleanHead {
            method,
            host: target.host,
            path: target.path,
            query: target.query,
            headers: std::mem::take(&mut parts.headers),
            kind,
            version: parts.version,
        })
    }
}

/// How large a head of HTTP/2 is, names and values together.
fn head_bytes(parts: &Parts) -> usize {
    let fields: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    let target = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
    let host = parts.uri.authority().map_or(0, |host| host.as_str().len());
    fields + target + host
}

#[cfg(test)]
mod tests;
