//! `[[identity_provider]]`

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use super::checker::Checker;
use super::files::Shared;
use super::{DAY, MINUTE, SECOND, files, terminal};
use crate::config::checked::{IdentityProvider, KeySource, OidcClient};
use crate::config::environment::Secrets;
use crate::config::host::Host;
use crate::config::raw;
use crate::config::setting::{List, Section as _, Text};

pub(super) fn all<'a>(
    raw: Option<&'a List<raw::IdentityProvider>>,
    secrets: &Secrets,
    checker: &mut Checker,
) -> Vec<(&'a raw::IdentityProvider, IdentityProvider)> {
    let sections = raw.iter().flat_map(|list| &list.items);
    let providers: Vec<_> = sections.filter_map(|section| Some((section, one(section, secrets, checker)?))).collect();
    super::unique(providers.iter().map(|(section, provider)| (section.key("name"), &*provider.name)), checker);
    super::unique(providers.iter().map(|(section, provider)| (section.key("issuer"), provider.issuer.as_str())), checker);
    providers
}

fn one(raw: &raw::IdentityProvider, secrets: &Secrets, checker: &mut Checker) -> Option<IdentityProvider> {
    let name = checker.name(raw, raw.name.as_ref(), "name = \"corp\"");
    checker.not_reserved(raw.name.as_ref());
    let issuer = issuer(raw, checker);
    let client = client(raw, secrets, checker);
    let terminal = terminal::client(raw, client.as_ref(), checker);
    let audience = checker.text(raw.audience.as_ref());
    let mfa_acr = checker.texts(raw.mfa_acr.as_ref());
    let mfa_acr_values = asked(raw, &mfa_acr, checker);
    let keys = keys(raw, checker);
    let ca = raw.ca.as_ref().map(|text| files::roots(text, checker)).unwrap_or_default();
    let refresh = checker.duration(raw.refresh.as_ref(), 15 * MINUTE, SECOND..=DAY);
    let (keys_refresh, keys_max_age) = key_ages(raw, checker);
    let longest = raw.max_token_lifetime.as_ref();
    let max_token_lifetime = longest.map(|text| checker.duration(Some(text), DAY, MINUTE..=3650 * DAY));
    let hosts = hosts(raw, checker);
    if let (Some(list), None) = (&raw.known_groups, &raw.groups_claim) {
        checker.wrong(&list.at, "this has no effect without a `groups_claim`, which is where groups come from", "take it out");
    }
    Some(IdentityProvider {
        audience,
        keys,
        client,
        groups_claim: checker.text(raw.groups_claim.as_ref()),
        known_groups: raw.known_groups.as_ref().map(|groups| checker.texts(Some(groups))),
        claims: checker.texts(raw.claims.as_ref()),
        service_clients: checker.texts(raw.service_clients.as_ref()),
        terminal,
        mfa_acr,
        mfa_acr_values,
        ca,
        refresh,
        keys_refresh,
        keys_max_age,
        max_token_lifetime,
        hosts,
        name: name?,
        issuer: issuer?,
    })
}

fn issuer(raw: &raw::IdentityProvider, checker: &mut Checker) -> Option<String> {
    let Some(text) = &raw.issuer else {
        checker.missing(raw, "issuer", "issuer = \"https://login.corp.example\"");
        return None;
    };
    let Some(url) = url::Url::parse(&text.value).ok().filter(|url| url.host().is_some()) else {
        let what = format!("{:?} is not a URL", text.value);
        checker.wrong(&text.at, what, "write it as the provider does, such as \"https://login.corp.example\"");
        return None;
    };
    let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
    if !plain {
        checker.wrong(
            &text.at,
            "an issuer has no user name, query or fragment",
            "write it without (OpenID Connect Discovery 1.0)",
        );
    } else if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(&url)) {
        let instead = "write https://; plain http is for providers on this machine only";
        checker.wrong(&text.at, format!("{:?} is not protected on its way", text.value), instead);
    } else {
        return Some(text.value.clone());
    }
    None
}

/// What a provider is asked for when a second factor is missing. `acr_values` is a list with spaces between.
fn asked(raw: &raw::IdentityProvider, mfa_acr: &BTreeSet<String>, checker: &mut Checker) -> Vec<String> {
    let can = |acr: &String| IdentityProvider::can_ask_for(acr);
    let Some(list) = &raw.mfa_acr_values else {
        return mfa_acr.iter().filter(|acr| can(acr)).cloned().collect();
    };
    if raw.client_id.is_none() {
        checker.wrong(&list.at, "this has no effect without a `client_id`, which is what signs people in", "take it out");
    }
    for text in list.items.iter().filter(|text| !text.value.is_empty() && !can(&text.value)) {
        let what = format!("{:?} cannot stand in a list with spaces between", text.value);
        checker.wrong(&text.at, what, "write each value on its own, of visible ASCII without quotes and backslashes");
    }
    checker.texts(Some(list))
}

pub(super) fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(url::Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

fn client(raw: &raw::IdentityProvider, secrets: &Secrets, checker: &mut Checker) -> Option<OidcClient> {
    let shared_secret_file = raw.shared_secret_file.as_ref().filter(|flag| flag.value);
    let Some(id) = &raw.client_id else {
        let why = "without a `client_id`, which is what signs people in";
        checker.useless(raw.client_secret_file.as_ref(), why);
        checker.useless(shared_secret_file, why);
        if let Some(scopes) = &raw.scopes {
            checker.wrong(&scopes.at, format!("this has no effect {why}"), "take it out");
        }
        checker.useless(raw.offline_access.as_ref(), why);
        return None;
    };
    if let Some(file) = &raw.jwks_file {
        let what = "`jwks_file` is for providers that cannot be reached, and signing in (`client_id`) needs to reach it";
        checker.wrong(&file.at, what, "take out the one or the other");
    }
    let variable = raw.name.as_ref().and_then(|name| secrets.client_secret(&name.value));
    let shared = Shared::new("shared_secret_file", raw.shared_secret_file.as_ref());
    if raw.client_secret_file.is_none() {
        checker.useless(shared_secret_file, "without a `client_secret_file`");
    }
    let secret = match (variable, &raw.client_secret_file) {
        (Some((name, _)), Some(file)) => {
            checker.wrong(&file.at, format!("the secret is also given by {name}"), "give it in one place");
            None
        }
        (Some((_, secret)), None) => Some(secret),
        (None, Some(file)) => files::secret_line(file, shared, checker),
        (None, None) => None,
    };
    let default = || vec!["profile".to_owned(), "email".to_owned()];
    let mut scopes = raw.scopes.as_ref().map_or_else(default, |scopes| checker.texts(Some(scopes)));
    scopes.retain(|scope| scope != "openid");
    let offline_access = raw.offline_access.as_ref().is_none_or(|flag| flag.value);
    Some(OidcClient { id: checker.text(Some(id))?, secret, readers: shared.readers(), scopes, offline_access })
}

fn keys(raw: &raw::IdentityProvider, checker: &mut Checker) -> KeySource {
    let Some(file) = &raw.jwks_file else {
        if raw.client_id.is_none() && raw.audience.is_none() {
            checker.missing_unless(
                raw,
                "audience",
                "write `audience = \"…\"` for bearer tokens, `client_id = \"…\"` to sign people in, or both",
            );
        }
        return KeySource::Discovery;
    };
    if raw.audience.is_none() && raw.client_id.is_none() {
        checker.missing(raw, "audience", "audience = \"the name of this gate in tokens\"");
    }
    for given in [&raw.keys_refresh, &raw.keys_max_age, &raw.ca] {
        checker.useless(given.as_ref(), "beside `jwks_file`");
    }
    if let Some(bytes) = files::read(file, checker) {
        match serde_json::from_slice::<jsonwebtoken::jwk::JwkSet>(&bytes) {
            Ok(set) if !set.keys.is_empty() => {}
            Ok(_) => checker.wrong(&file.at, "this key set has no key", "without one, no token can be believed"),
            Err(error) => checker.wrong(&file.at, format!("{:?} is not a JSON Web Key Set: {error}", file.value), "see RFC 7517"),
        }
    }
    KeySource::File(checker.path(file))
}

/// Names as they stand in addresses, without port: a document that names another is not followed.
fn hosts(raw: &raw::IdentityProvider, checker: &mut Checker) -> Vec<String> {
    let Some(list) = &raw.hosts else { return Vec::new() };
    if raw.jwks_file.is_some() {
        checker.wrong(&list.at, "this has no effect beside `jwks_file`", "take it out");
    }
    for text in &list.items {
        // Names within a network may have underscores.
        let read: Option<Host> = text.value.replace('_', "x").parse().ok();
        if text.value.contains('*') {
            let what = format!("{:?} is a pattern, and would never match", text.value);
            checker.wrong(
                &text.at,
                what,
                "name each host as the provider's discovery document does, such as \"keys.corp.example\"",
            );
        } else if read.is_none_or(|host| host.as_str() != text.value.replace('_', "x")) {
            let what = format!("{:?} is not a host in lower case", text.value);
            checker.wrong(&text.at, what, "write it without https://, port and final dot, such as \"keys.corp.example\"");
        }
    }
    checker.texts(Some(list))
}

fn key_ages(raw: &raw::IdentityProvider, checker: &mut Checker) -> (Duration, Duration) {
    let refresh = checker.duration(raw.keys_refresh.as_ref(), 10 * MINUTE, SECOND..=DAY);
    let max_age = checker.duration(raw.keys_max_age.as_ref(), DAY, SECOND..=30 * DAY);
    if max_age < refresh {
        let at = |text: &Option<Text>| text.as_ref().map(|text| text.at.clone());
        if let Some(at) = at(&raw.keys_max_age).or_else(|| at(&raw.keys_refresh)) {
            checker.wrong(
                &at,
                "keys would be too old before they are fetched again",
                "let keys_max_age be longer than keys_refresh",
            );
        }
    }
    (refresh, max_age)
}
