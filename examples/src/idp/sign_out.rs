//! `/end_session`: signing out, asked for by a client (OpenID Connect RP-Initiated Logout 1.0).

use std::collections::BTreeMap;

use http::{HeaderMap, Method, Request, StatusCode};
use hyper::body::Incoming;
use serde_json::Value;
use url::Url;

use super::authorize::{SESSION_COOKIE, refused};
use super::{Provider, pages};
use crate::chance;
use crate::web::{self, Reply};

impl Provider {
    pub(super) async fn sign_out(&self, request: Request<Incoming>) -> Reply {
        let headers = request.headers().clone();
        let confirmed = request.method() == Method::POST && web::header(&headers, "origin") == Some(self.issuer());
        let fields = match *request.method() {
            Method::POST => web::form(request).await,
            _ => web::fields(request.uri().query().unwrap_or_default().as_bytes()),
        };
        let Ok(fields) = fields else { return refused("The request has a parameter twice, or cannot be read.") };
        let hint = match fields.get("id_token_hint") {
            None => None,
            Some(token) => match self.key.open(token, "JWT", self.issuer(), true) {
                Some(claims) => Some(claims),
                None => return refused("The ID token in the request is not one of ours."),
            },
        };
        let back = match self.way_back(&fields, hint.as_ref()) {
            Ok(back) => back,
            Err(why) => return refused(why),
        };
        // Without a token that names the session, anybody's link could sign people out: ask.
        if !confirmed && hint.is_none() {
            return web::html(StatusCode::OK, pages::confirm_sign_out(&fields));
        }
        self.end(&headers, hint.as_ref());
        match back {
            Some(to) => web::redirect(&to),
            None => web::html(StatusCode::OK, pages::signed_out()),
        }
    }

    /// Ends the browser's session, and the one that the token names.
    fn end(&self, headers: &HeaderMap, hint: Option<&Value>) {
        let mut ledger = self.ledger();
        let shown = web::cookie(headers, SESSION_COOKIE).and_then(|cookie| ledger.sessions.take(cookie, chance::now()));
        let named = hint.and_then(|claims| claims.get("sid")?.as_str()).map(str::to_owned);
        for id in shown.map(|who| who.id).into_iter().chain(named) {
            ledger.sessions.forget(|who| who.id == id);
            ledger.refresh.forget(|grant| grant.who.id == id);
        }
    }

    /// Where to go afterwards: only to an address that is registered for the client that is named.
    fn way_back(&self, fields: &BTreeMap<String, String>, hint: Option<&Value>) -> Result<Option<String>, &'static str> {
        let Some(to) = fields.get("post_logout_redirect_uri") else { return Ok(None) };
        let hinted = hint.and_then(|claims| claims.get("aud")?.as_str());
        let named = fields.get("client_id").map(String::as_str);
        if let (Some(hinted), Some(named)) = (hinted, named)
            && hinted != named
        {
            return Err("The request and its ID token name different clients.");
        }
        let client =
            hinted.or(named).and_then(|id| self.client(id)).ok_or("The request does not say which client it is from.")?;
        if !client.post_logout_redirect_uris.contains(to) {
            return Err("That address is not registered for this client.");
        }
        let mut to = Url::parse(to).map_err(|_bad| "The registered address is not an address.")?;
        if let Some(state) = fields.get("state") {
            to.query_pairs_mut().append_pair("state", state);
        }
        Ok(Some(to.into()))
    }
}
