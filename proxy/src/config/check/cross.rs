//! What has to fit together across sections.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::addresses;
use super::checker::Checker;
use super::gate::CheckedCertificate;
use crate::config::checked::{
    App, DeviceAuthority, DeviceAuthorityKind, DeviceIdSource, IdentityProvider, Listen, SignIn, Upstream,
};
use crate::config::host::Host;
use crate::config::problem::{At, Problem};
use crate::config::raw;
use crate::config::setting::Section as _;
use crate::config::units;

/// The sections that could be read.
pub(super) struct Parts<'a> {
    pub(super) listen: Option<&'a Listen>,
    pub(super) root: &'a raw::Root,
    pub(super) sign_in: Option<&'a SignIn>,
    pub(super) certificates: &'a [CheckedCertificate],
    pub(super) providers: &'a [(&'a raw::IdentityProvider, IdentityProvider)],
    pub(super) authorities: &'a [(&'a raw::DeviceAuthority, DeviceAuthority)],
    pub(super) apps: &'a [(&'a raw::App, App)],
    pub(super) max_fact_age: Duration,
}

pub(super) fn check(parts: &Parts<'_>, checker: &mut Checker) {
    if let Some(sign_in) = parts.sign_in {
        covered(&sign_in_host_at(parts.root), &sign_in.host, parts, checker);
    }
    for (raw, app) in parts.apps {
        covered(&raw.key("host"), &app.host, parts, checker);
        sign_in_host(raw, app, parts, checker);
        authorities(raw, app, parts, checker);
        upstreams(raw, app, parts, checker);
    }
    fact_ages(parts, checker);
    services(parts, checker);
}

/// Browsers would turn away from a host that no certificate names.
fn covered(at: &At, host: &Host, parts: &Parts<'_>, checker: &mut Checker) {
    let broken = checker.problems().iter().any(|problem| problem.path.starts_with("server_certificate"));
    let covers = |certificate: &CheckedCertificate| sekisho_certs::server::covers(&certificate.names, host.as_str());
    if !broken && !parts.certificates.iter().any(covers) {
        let names: Vec<&str> =
            parts.certificates.iter().flat_map(|certificate| certificate.names.iter()).map(String::as_str).collect();
        let what = format!("no [[server_certificate]] is for {host}");
        checker.wrong(at, what, format!("get one that names it; there are those for {}", names.join(", ")));
    }
}

fn sign_in_host(raw: &raw::App, app: &App, parts: &Parts<'_>, checker: &mut Checker) {
    if parts.sign_in.is_some_and(|sign_in| sign_in.host == app.host) {
        checker.wrong(&raw.key("host"), format!("{} is the sign-in host", app.host), "an app needs a host of its own");
    }
}

fn authorities(raw: &raw::App, app: &App, parts: &Parts<'_>, checker: &mut Checker) {
    for name in app.device_authorities.iter().flatten() {
        let broken = checker.problems().iter().any(|problem| problem.path.starts_with("device_authority"));
        if !broken && !parts.authorities.iter().any(|(_, authority)| authority.name == *name) {
            let known: Vec<&str> = parts.authorities.iter().map(|(_, authority)| &*authority.name).collect();
            let problem = Problem::new(&raw.key("device_authorities"), format!("there is no device authority {name:?}"));
            checker.report(match known.is_empty() {
                true => problem.instead("add a `[[device_authority]]`"),
                false => problem.instead(format!("those that exist are \"{}\"", known.join("\", \""))),
            });
        }
    }
}

/// An upstream that is the gate itself would loop, or lay its metrics open (what listens on loopback trusts its callers).
fn upstreams(raw: &raw::App, app: &App, parts: &Parts<'_>, checker: &mut Checker) {
    let Some(listen) = parts.listen else { return };
    for upstream in &app.upstreams {
        let ours = [Some(listen.https), listen.http, listen.metrics];
        let hit = ours.into_iter().flatten().find(|ours| targets(upstream).any(|target| addresses::reaches(target, *ours)));
        let by_name =
            (upstream.port == listen.public_port || upstream.port == listen.https.port()) && is_own_host(upstream, parts);
        if let Some(address) = hit.or(by_name.then_some(listen.https)) {
            let what = format!("\"{upstream}\" is the gate itself, which listens on {address}");
            checker.wrong(&raw.key("upstream"), what, "name the app's own address");
        }
    }
}

fn targets(upstream: &Upstream) -> impl Iterator<Item = SocketAddr> {
    let local = &*upstream.host == "localhost" || upstream.host.ends_with(".localhost");
    let addresses = match upstream.host.parse::<IpAddr>() {
        Ok(address) => vec![address],
        Err(_) if local => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        Err(_) => Vec::new(),
    };
    let port = upstream.port;
    addresses.into_iter().map(move |address| SocketAddr::new(address, port))
}

fn is_own_host(upstream: &Upstream, parts: &Parts<'_>) -> bool {
    let sign_in = parts.sign_in.is_some_and(|sign_in| sign_in.host.as_str() == &*upstream.host);
    sign_in || parts.apps.iter().any(|(_, app)| app.host.as_str() == &*upstream.host)
}

/// Facts that are refreshed less often than they are believed would refuse everybody in between.
fn fact_ages(parts: &Parts<'_>, checker: &mut Checker) {
    for (raw, provider) in parts.providers.iter().filter(|(_, provider)| provider.refresh > parts.max_fact_age) {
        let what = format!(
            "facts are refreshed every {}, but believed for {} only",
            units::show_duration(provider.refresh),
            units::show_duration(parts.max_fact_age),
        );
        checker.wrong(&raw.key("refresh"), what, "write at most `max_fact_age`");
    }
}

/// Services are named by authority and name, and by provider and client: the two must not meet. And no certificate may be a service's by
/// one authority and a device's by another.
fn services(parts: &Parts<'_>, checker: &mut Checker) {
    let roots = |authority: &DeviceAuthority| match &authority.kind {
        DeviceAuthorityKind::External { roots, .. } => roots.clone(),
        DeviceAuthorityKind::Builtin { .. } => Vec::new(),
    };
    for (position, (raw, authority)) in parts.authorities.iter().enumerate() {
        let DeviceAuthorityKind::External { device_id: DeviceIdSource::Spiffe { .. }, roots: of_services, .. } = &authority.kind
        else {
            continue;
        };
        if parts.providers.iter().any(|(_, provider)| provider.name == authority.name) {
            let what = format!("{:?} is an identity provider, too, and services of the two could have one name", authority.name);
            checker.wrong(&raw.key("name"), what, "choose another name, such as \"services\"");
        }
        let others = parts.authorities.iter().enumerate().filter(|(other, _)| *other != position);
        for (_, (_, other)) in others {
            if roots(other).iter().any(|root| of_services.contains(root)) {
                let what =
                    format!("a root in it is one of {:?}, too, so that it is not clear what its certificates name", other.name);
                checker.wrong(
                    &raw.key("roots"),
                    what,
                    "let services have an authority of their own, or name the intermediate that signs them",
                );
            }
        }
    }
}

fn sign_in_host_at(root: &raw::Root) -> At {
    root.sign_in.as_ref().map_or_else(|| At::absent("sign_in.host"), |section| section.key("host"))
}
