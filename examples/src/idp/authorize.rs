//! `/authorize`: is this a request that may be answered, and who is sitting there?

use std::collections::BTreeMap;
use std::time::Duration;

use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use hyper::body::Incoming;
use url::Url;

use super::ledger::{Asked, Attempt, Grant, SignedIn};
use super::{Provider, pages, tokens};
use crate::chance;
use crate::web::{self, Reply};

/// Who the browser is, over several attempts.
pub(super) const BROWSER_COOKIE: &str = "__Host-demo-idp-browser";
/// Who is signed in.
pub(super) const SESSION_COOKIE: &str = "__Host-demo-idp-session";

/// Why a request is not answered with a code; the names are those of RFC 6749 section 4.1.2.1 and OpenID Connect Core 3.1.2.6.
type OAuthError = (&'static str, &'static str);

impl Provider {
    pub(super) async fn authorize(&self, request: Request<Incoming>) -> Reply {
        let headers = request.headers().clone();
        let fields = match *request.method() {
            Method::POST => web::form(request).await,
            _ => web::fields(request.uri().query().unwrap_or_default().as_bytes()),
        };
        let Ok(fields) = fields else { return refused("The request has a parameter twice, or cannot be read.") };
        let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();

        // Until client and address are known to be right, nobody is sent anywhere.
        let Some(client) = self.client(field("client_id")) else { return refused("No such client is registered.") };
        let redirect_uri = field("redirect_uri");
        if !client.redirect_uris.iter().any(|registered| registered == redirect_uri) {
            return refused("That return address is not registered for this client.");
        }
        let state = fields.get("state").map(String::as_str);
        let asked = match check(&fields) {
            Ok(asked) => asked,
            Err(error) => return self.send_back(redirect_uri, state, &error_fields(error)),
        };
        match self.already_signed_in(&headers, &fields) {
            Some(who) => self.give_code(asked, who),
            None if field("prompt") == "none" => {
                self.send_back(redirect_uri, state, &error_fields(("login_required", "nobody is signed in")))
            }
            None => self.ask_who(&headers, asked),
        }
    }

    /// Sends the person back with a code.
    pub(super) fn give_code(&self, asked: Asked, who: SignedIn) -> Reply {
        let (redirect_uri, state) = (asked.redirect_uri.clone(), asked.state.clone());
        let Some(code) = chance::token() else { return failed() };
        if self.ledger().codes.put(code.clone(), chance::now(), Grant { asked, who }).is_none() {
            return failed();
        }
        self.send_back(&redirect_uri, state.as_deref(), &[("code", &code)])
    }

    /// The session that is good enough for this request.
    fn already_signed_in(&self, headers: &HeaderMap, fields: &BTreeMap<String, String>) -> Option<SignedIn> {
        let now = chance::now();
        let who = self.ledger().sessions.get(web::cookie(headers, SESSION_COOKIE)?, now)?.clone();
        let wants = |name: &str, value: &str| fields.get(name).is_some_and(|list| list.split(' ').any(|item| item == value));
        let too_old = fields.get("max_age").is_some_and(|secs| {
            let allowed = secs.parse().map_or(Duration::ZERO, Duration::from_secs);
            now.saturating_sub(who.at) > allowed
        });
        let too_weak = wants("acr_values", tokens::ACR_TWO_FACTORS) && !who.second_factor;
        (!wants("prompt", "login") && !too_old && !too_weak).then_some(who)
    }

    /// Shows the sign-in page. The attempt is tied to this browser, so that nobody signs another person in.
    fn ask_who(&self, headers: &HeaderMap, asked: Asked) -> Reply {
        let known = web::cookie(headers, BROWSER_COOKIE).filter(|value| value.len() == 43).map(str::to_owned);
        let (Some(browser), Some(attempt)) = (known.or_else(chance::token), chance::token()) else { return failed() };
        let client = asked.client.clone();
        let kept = self.ledger().attempts.put(attempt.clone(), chance::now(), Attempt { browser: browser.clone(), asked });
        if kept.is_none() {
            return failed();
        }
        let page = pages::sign_in(&self.settings.people, &client, &attempt, None);
        with_cookie(web::html(StatusCode::OK, page), BROWSER_COOKIE, &browser)
    }

    /// Back to the client, with the issuer's name as RFC 9207 wants it.
    fn send_back(&self, redirect_uri: &str, state: Option<&str>, fields: &[(&str, &str)]) -> Reply {
        let Ok(mut to) = Url::parse(redirect_uri) else { return refused("The registered return address is not an address.") };
        to.query_pairs_mut()
            .extend_pairs(fields)
            .extend_pairs(state.map(|value| ("state", value)))
            .append_pair("iss", self.issuer());
        web::redirect(to.as_str())
    }
}

/// Adds a cookie that only this host sees, only over https, and that no script reads.
pub(super) fn with_cookie(mut reply: Reply, name: &str, value: &str) -> Reply {
    match HeaderValue::from_str(&format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax")) {
        Ok(line) => {
            reply.headers_mut().append(SET_COOKIE, line);
            reply
        }
        Err(_unprintable) => failed(),
    }
}

pub(super) fn refused(why: &str) -> Reply {
    web::html(StatusCode::BAD_REQUEST, pages::problem(why))
}

pub(super) fn failed() -> Reply {
    web::html(StatusCode::SERVICE_UNAVAILABLE, pages::problem("The demonstration has no room or no randomness left. Try again."))
}

/// What is asked, if it is asked rightly.
fn check(fields: &BTreeMap<String, String>) -> Result<Asked, OAuthError> {
    let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    let scope: Vec<_> = field("scope").split(' ').collect();
    let challenge = field("code_challenge");
    if field("response_type") != "code" {
        return Err(("unsupported_response_type", "only the code flow is offered"));
    }
    if !matches!(field("response_mode"), "" | "query") {
        return Err(("invalid_request", "only response_mode=query is offered"));
    }
    if fields.contains_key("request") || fields.contains_key("request_uri") {
        return Err(("request_not_supported", "request objects are not offered"));
    }
    if !scope.contains(&"openid") {
        return Err(("invalid_scope", "the scope has to name openid"));
    }
    if field("code_challenge_method") != "S256" || challenge.len() != 43 {
        return Err(("invalid_request", "PKCE with S256 is required"));
    }
    Ok(Asked {
        client: field("client_id").to_owned(),
        redirect_uri: field("redirect_uri").to_owned(),
        state: fields.get("state").cloned(),
        nonce: fields.get("nonce").cloned(),
        challenge: challenge.to_owned(),
        offline: scope.contains(&"offline_access"),
    })
}

fn error_fields((error, description): OAuthError) -> [(&'static str, &'static str); 2] {
    [("error", error), ("error_description", description)]
}
