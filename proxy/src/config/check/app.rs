//! `[[app]]`

use std::collections::BTreeSet;

use super::checker::Checker;
use super::files::Shared;
use super::gate::MAX_BODY;
use super::{DAY, HOUR, MILLISECOND, MINUTE, SECOND, files, paths, upstream};
use crate::config::checked::{
    App, ClientCertificate, CorsPreflight, CrossSite, HealthCheck, Timeouts, Upstream, UpstreamProtocol, UpstreamScheme,
};
use crate::config::problem::Problem;
use crate::config::raw;
use crate::config::setting::{List, Section as _, Text};

pub(super) fn all<'a>(raw: Option<&'a List<raw::App>>, checker: &mut Checker) -> Vec<(&'a raw::App, App)> {
    let sections = raw.iter().flat_map(|list| &list.items);
    let apps: Vec<_> = sections.filter_map(|section| Some((section, one(section, checker)?))).collect();
    super::unique(apps.iter().map(|(section, app)| (section.key("name"), &*app.name)), checker);
    super::unique(apps.iter().map(|(section, app)| (section.key("host"), app.host.as_str())), checker);
    apps
}

fn one(raw: &raw::App, checker: &mut Checker) -> Option<App> {
    let name = checker.name(raw, raw.name.as_ref(), "name = \"wiki\"");
    checker.not_reserved(raw.name.as_ref());
    if raw.host.is_none() {
        checker.missing(raw, "host", "host = \"wiki.corp.example\"");
    }
    let host = raw.host.as_ref().and_then(|host| checker.host(host));
    let upstreams = upstreams(raw, checker);
    let preflights = [("answer", CorsPreflight::Answer), ("forward", CorsPreflight::Forward), ("refuse", CorsPreflight::Refuse)];
    let cross_site = [("refuse", CrossSite::Refuse), ("allow", CrossSite::Allow)];
    let protocols = [("http1", UpstreamProtocol::Http1), ("http2", UpstreamProtocol::Http2)];
    let public = raw.public.iter().flat_map(|list| &list.items);
    let app = App {
        tags: checker.words(raw.tags.as_ref()),
        public: public.filter_map(|text| paths::public(text, checker)).collect(),
        cors_preflight: checker.choice(raw.cors_preflight.as_ref(), CorsPreflight::Refuse, &preflights),
        allowed_origins: origins(raw, checker),
        cross_site: checker.choice(raw.cross_site.as_ref(), CrossSite::Refuse, &cross_site),
        ca: ca(raw, &upstreams, checker),
        client_certificate: client_certificate(raw, &upstreams, checker),
        protocol: checker.choice(raw.protocol.as_ref(), UpstreamProtocol::Http1, &protocols),
        timeouts: timeouts(raw.timeouts.as_ref(), checker),
        health: raw.health.as_ref().and_then(|health| health_check(health, checker)),
        methods: methods(raw, checker),
        device_authorities: device_authorities(raw, checker),
        pass_authorization: raw.pass_authorization.as_ref().is_some_and(|flag| flag.value),
        assertion: raw.assertion.as_ref().is_none_or(|flag| flag.value),
        max_body: raw.max_body.as_ref().map(|text| checker.size(Some(text), 0, 0..=MAX_BODY)),
        rate_limit: raw.rate_limit.as_ref().and_then(|text| checker.rate(text)),
        upstreams,
        name: name?,
        host: host?,
    };
    Some(app)
}

fn upstreams(raw: &raw::App, checker: &mut Checker) -> Vec<Upstream> {
    let written = raw.upstream.as_ref().map_or(&[][..], |list| &list.items);
    match &raw.upstream {
        None => checker.missing(raw, "upstream", "upstream = [\"http://10.0.0.5:8080\"]"),
        Some(list) if list.items.is_empty() => {
            checker.report(
                Problem::new(&list.at, "this list is empty").instead("name where the app runs, such as \"http://10.0.0.5:8080\""),
            );
        }
        Some(_) => {}
    }
    let mut upstreams = Vec::new();
    for text in written {
        let Some(upstream) = upstream::read(text, checker) else { continue };
        if upstreams.contains(&upstream) {
            checker.wrong(&text.at, format!("{:?} is in the list already", text.value), "take it out");
        } else {
            upstreams.push(upstream);
        }
    }
    upstreams
}

/// Keys about TLS to the app, where no upstream is https. A mistake there is one about what protects the connection.
fn plain(upstreams: &[Upstream]) -> bool {
    !upstreams.is_empty() && upstreams.iter().all(|upstream| upstream.scheme == UpstreamScheme::Http)
}

fn ca(raw: &raw::App, upstreams: &[Upstream], checker: &mut Checker) -> Vec<rustls_pki_types::CertificateDer<'static>> {
    let Some(text) = &raw.ca else { return Vec::new() };
    if plain(upstreams) {
        checker.wrong(&text.at, "no upstream of this app is https", "write https:// there, or take this out");
    }
    files::roots(text, checker)
}

fn client_certificate(raw: &raw::App, upstreams: &[Upstream], checker: &mut Checker) -> Option<ClientCertificate> {
    let section = raw.client_certificate.as_ref()?;
    if plain(upstreams) {
        checker.wrong(&section.at, "no upstream of this app is https", "write https:// there, or take this out");
    }
    if section.chain.is_none() {
        checker.missing(section, "chain", "chain = \"tls/gate.pem\"");
    }
    if section.key.is_none() {
        checker.missing(section, "key", "key = \"tls/gate.key\"");
    }
    let (chain, key) = (section.chain.as_ref()?, section.key.as_ref()?);
    let shared = Shared::new("shared_key", section.shared_key.as_ref());
    files::client_certificate(chain, key, shared, checker)?;
    Some(ClientCertificate { chain: checker.path(chain), key: checker.path(key), readers: shared.readers() })
}

fn timeouts(raw: Option<&raw::Timeouts>, checker: &mut Checker) -> Timeouts {
    let absent = raw::Timeouts::absent("timeouts");
    let raw = raw.unwrap_or(&absent);
    Timeouts {
        connect: checker.duration(raw.connect.as_ref(), 5 * SECOND, MILLISECOND..=10 * MINUTE),
        first_byte: checker.duration(raw.first_byte.as_ref(), MINUTE, MILLISECOND..=DAY),
        idle: checker.duration(raw.idle.as_ref(), 5 * MINUTE, MILLISECOND..=7 * DAY),
    }
}

fn health_check(raw: &raw::Health, checker: &mut Checker) -> Option<HealthCheck> {
    let interval = checker.duration(raw.interval.as_ref(), 10 * SECOND, SECOND / 10..=HOUR);
    let timeout = checker.duration(raw.timeout.as_ref(), (2 * SECOND).min(interval), MILLISECOND..=10 * MINUTE);
    if let Some(text) = raw.timeout.as_ref().filter(|_| timeout > interval) {
        checker.wrong(&text.at, "a check would begin before the last one has ended", "write at most the interval");
    }
    let Some(path) = &raw.path else {
        checker.missing(raw, "path", "path = \"/healthz\"");
        return None;
    };
    let readable = path.value.starts_with('/') && path.value.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    if !readable {
        checker.wrong(
            &path.at,
            format!("{:?} is not a path", path.value),
            "begin with a slash, and encode what is not plain ASCII",
        );
    }
    readable.then(|| HealthCheck { path: path.value.clone(), interval, timeout })
}

fn methods(raw: &raw::App, checker: &mut Checker) -> BTreeSet<String> {
    raw.methods.iter().flat_map(|list| &list.items).filter_map(|text| method(text, checker)).collect()
}

fn method(text: &Text, checker: &mut Checker) -> Option<String> {
    let token = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let upper = text.value.to_ascii_uppercase();
    let name = text.value.as_str();
    if USUAL.contains(&upper.as_str()) {
        checker.wrong(&text.at, format!("{upper} is let through anyway"), "list further methods only; they count as writes");
    } else if name.is_empty() || name.len() > 32 || !name.bytes().all(token) {
        let what = format!("{name:?} is not the name of a method");
        checker.wrong(&text.at, what, format!("write it in upper case, such as \"{}\"", suggestion(&upper)));
    } else if matches!(name, "CONNECT" | "TRACE" | "TRACK") {
        checker.wrong(&text.at, format!("{name} is never let through"), "take it out");
    } else {
        return Some(name.to_owned());
    }
    None
}

fn suggestion(upper: &str) -> &str {
    if !upper.is_empty() && upper.bytes().all(|byte| byte.is_ascii_uppercase()) { upper } else { "PROPFIND" }
}

fn origins(raw: &raw::App, checker: &mut Checker) -> BTreeSet<String> {
    raw.allowed_origins.iter().flat_map(|list| &list.items).filter_map(|text| origin(text, checker)).collect()
}

/// The form in which browsers send it (RFC 6454, section 6.2).
fn origin(text: &Text, checker: &mut Checker) -> Option<String> {
    let url = url::Url::parse(&text.value).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let Some(url) = url else {
        let what = format!("{:?} is not an origin", text.value);
        checker.wrong(&text.at, what, "write it as \"https://other.corp.example\"; every origin is named");
        return None;
    };
    let canonical = url.origin().ascii_serialization();
    if canonical != text.value {
        checker.wrong(&text.at, format!("{:?} is not what a browser would send", text.value), format!("write {canonical:?}"));
        return None;
    }
    Some(canonical)
}

fn device_authorities(raw: &raw::App, checker: &mut Checker) -> Option<BTreeSet<std::sync::Arc<str>>> {
    let list = raw.device_authorities.as_ref()?;
    if list.items.is_empty() {
        checker.wrong(
            &list.at,
            "this list is empty, so no device could reach the app",
            "name authorities, or take it out to let policies decide",
        );
    }
    Some(checker.words(Some(list)))
}

const USUAL: &[&str] = &["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"];
