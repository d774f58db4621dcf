//! Whom a request is for: one host, one path, one query.

use std::sync::Arc;

use http::header::HOST;
use http::request::Parts;
use http::uri::Scheme;
use http::{Method, Version};

use super::authority::LastHost;
use super::guard::{HeadFacts, TargetForm};
use super::refusal::ReadRefusal;
use crate::config::{Host, canonical_path};

/// A request target with one reading.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) host: Host,
    pub(super) path: Arc<str>,
    pub(super) query: Option<Box<str>>,
}

/// The one reading of what `parts` are for. `last` is what the connection asked for before.
pub(super) fn read(parts: &Parts, last: &LastHost, public_port: u16, longest: usize) -> Result<Target, ReadRefusal> {
    if parts.uri.scheme().is_some_and(|scheme| *scheme != Scheme::HTTPS) {
        return Err(ReadRefusal::Scheme);
    }
    let host = host(parts, last, public_port)?;
    let whole = parts.uri.path_and_query().map(http::uri::PathAndQuery::as_str).unwrap_or_default();
    if whole.len() > longest {
        return Err(ReadRefusal::TargetTooLong);
    }
    if whole == "*" && parts.method == Method::OPTIONS {
        return Err(ReadRefusal::ServerWide);
    }
    let (path, query) = whole.split_once('?').map_or((whole, None), |(path, query)| (path, Some(query)));
    let path = canonical_path(path)?;
    if query.is_some_and(|query| !query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')) {
        return Err(ReadRefusal::Query);
    }
    Ok(Target { host, path, query: query.map(Box::from) })
}

/// `Host` and the target's authority, where both are there, must be the same.
fn host(parts: &Parts, last: &LastHost, public_port: u16) -> Result<Host, ReadRefusal> {
    let mut headers = parts.headers.get_all(HOST).into_iter();
    let header = headers.next();
    if headers.next().is_some() {
        return Err(ReadRefusal::HostTwice);
    }
    let header = header
        .map(|value| value.to_str().map_err(|_not_text| ReadRefusal::Host).and_then(|text| last.read(text, public_port)))
        .transpose()?;
    let target = parts.uri.authority().map(|target| last.read(target.as_str(), public_port)).transpose()?;
    match (header, target) {
        (Some(header), Some(target)) if header != target => Err(ReadRefusal::HostsDiffer),
        (Some(host), _) | (None, Some(host)) => Ok(host),
        (None, None) => Err(ReadRefusal::HostMissing),
    }
}

/// Whether hyper read in an HTTP/1 head what the guard read in it. HTTP/2 has no guard.
pub(super) fn agrees_with_guard(parts: &Parts, facts: Option<&HeadFacts>) -> bool {
    match (parts.version, facts) {
        (Version::HTTP_2, None) => true,
        (Version::HTTP_10 | Version::HTTP_11, Some(facts)) => {
            let whole = parts.uri.path_and_query().map(http::uri::PathAndQuery::as_str);
            let same_target = match facts.form {
                TargetForm::Origin => parts.uri.authority().is_none() && whole == Some(&*facts.target),
                TargetForm::Absolute => parts.uri.authority().is_some(),
                TargetForm::Asterisk => whole == Some("*"),
            };
            same_target && parts.method.as_str() == &*facts.method
        }
        _ => false,
    }
}
