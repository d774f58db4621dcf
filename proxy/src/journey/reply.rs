//! What signing in and out tells a browser, as an answer.

use http::header::{LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::body::Body;
use super::finish::{HTML, own_response};
use super::gate::World;
use super::landing;
use super::story::Story;
use crate::console::{
    Action, ChooserPage, ProviderChoice, RefusalPage, SendAgainPage, SignedOutPage, Target, Tone,
    content_security_policy_with_forms_to,
};
use crate::sign_in::{Endpoint, Field, FormId, PageKind, Reply};

/// The answer.
pub(super) fn render(reply: &Reply, world: &World, story: &Story) -> Response<Body> {
    let host = world.config.sign_in.host.as_str();
    let html = match &reply.page {
        None => Ok(String::new()),
        Some(PageKind::Chooser { providers }) => {
            let choices: Vec<_> = providers
                .iter()
                .map(|choice| ProviderChoice {
                    name: &choice.name,
                    issuer: world.providers.by_name(&choice.name).map_or("", |provider| &provider.settings.issuer),
                    target: Target::new(&choice.location),
                })
                .collect();
            ChooserPage { host, destination: None, choices: &choices }.render()
        }
        Some(PageKind::ConfirmSignOut) => {
            let id = story.id().to_string();
            let page = RefusalPage {
                host,
                tone: Tone::Plain,
                title: "Sign out?",
                what: "This ends your session at the gate and at every app behind it.",
                ways: &[],
                advice: &[],
                remedy: None,
                command: None,
                facts: &[],
                actions: &[Action::post("Sign out", "/.sekisho/sign-out", None), Action::link("Stay", "/")],
                status: 200,
                reason: "sign_out",
                request_id: &id,
            };
            page.render()
        }
        Some(PageKind::SignedOut) => {
            let sign_in = Action::link("Sign in again", "/.sekisho/sign-in");
            SignedOutPage { host, still_at: None, sign_in, provider_sign_out: None }.render()
        }
        Some(PageKind::SendAgain { host, path, target, bytes, fields, form }) => {
            let told: Vec<String> = fields.iter().map(told).collect();
            let fields: Vec<_> = fields.iter().zip(&told).map(|(field, told)| (field.name.as_str(), told.as_str())).collect();
            let page = SendAgainPage {
                host: host.as_str(),
                path,
                target: Target::new(target),
                bytes: *bytes,
                fields: &fields,
                name: FormId::FIELD,
                value: form.as_str(),
                discard: Target::new(Endpoint::SendAgain.path()),
            };
            page.render()
        }
    };
    let mut response = match html {
        Ok(html) => own_response(reply.status, HTML, html),
        Err(error) => {
            tracing::error!(%error, "a page could not be made");
            own_response(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", "the page could not be made\n")
        }
    };
    let headers = response.headers_mut();
    if let Some(location) = reply.location.as_deref().and_then(|location| HeaderValue::from_str(location).ok()) {
        headers.insert(LOCATION, location);
    }
    for cookie in reply.set_cookies.iter().filter_map(|cookie| HeaderValue::from_str(cookie).ok()) {
        headers.append(SET_COOKIE, cookie);
    }
    if matches!(reply.page, Some(PageKind::SendAgain { .. })) {
        // The app is told where the form comes from, as some want to know, and not the name of the kept form.
        headers.insert(http::header::REFERRER_POLICY, HeaderValue::from_static("strict-origin"));
        // Apps answer forms with redirects, which browsers hold against `form-action`.
        let port = world.config.listen.public_port;
        let apps = world.config.apps.iter().map(|app| &app.host).chain([&world.config.sign_in.host]);
        let leads_to: Vec<String> = apps.map(|host| landing::address(host.as_str(), port)).collect();
        allow_forms_to(&leads_to, headers);
    }
    if matches!(reply.page, Some(PageKind::ConfirmSignOut)) {
        // With `no-referrer`, browsers write `Origin: null` when the form is sent, and it would be refused as another site's.
        headers.insert(http::header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        // Posting leads on to the provider and back to the sign-in host, which browsers hold against `form-action`.
        let mut leads_to = vec![landing::address(host, world.config.listen.public_port)];
        for provider in world.providers.for_sign_in() {
            leads_to.push(provider.settings.issuer.clone());
            leads_to.extend(provider.ring.metadata().and_then(|known| Some(known.end_session_endpoint.as_ref()?.to_string())));
        }
        allow_forms_to(&leads_to, headers);
    }
    response
}

fn allow_forms_to(addresses: &[String], headers: &mut HeaderMap) {
    let origins: Vec<&str> = addresses.iter().map(String::as_str).collect();
    if let Ok(policy) = HeaderValue::from_str(&content_security_policy_with_forms_to(&origins)) {
        headers.insert(http::header::CONTENT_SECURITY_POLICY, policy);
    }
}

/// What may be told of a field.
fn told(field: &Field) -> String {
    match &field.file {
        Some(file) if !file.is_empty() => format!("file {file}, {} bytes", field.bytes),
        Some(_) => "no file".to_owned(),
        None => format!("{} bytes", field.bytes),
    }
}
