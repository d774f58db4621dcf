//! A small OpenID provider for demonstrations: real protocol, invented people.
//!
//! Arrives: a browser with an authorisation request, or a client with a code. Leaves: a signed ID token for one of the demo people.
//! Refused: clients and addresses that are not registered, requests without PKCE S256, codes that are used, old or somebody else's.
//! State is in memory: if the process ends, everybody is signed out and the key is another.
//!
//! It follows OpenID Connect Core 1.0, Discovery 1.0, RP-Initiated Logout 1.0, PKCE (RFC 7636) and RFC 9207, so that the gate in
//! front of it needs no exception. It is not for production: a click signs anybody in.

mod authorize;
mod keys;
mod ledger;
mod pages;
mod people;
mod sign_in;
mod sign_out;
mod token;
mod tokens;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use serde_json::json;
use tokio::net::TcpListener;

use crate::web::{self, Reply};

pub use people::{Client, Person, demo_people};
pub use tokens::Mint;

/// What the provider is made from.
#[derive(Debug)]
pub struct Settings {
    /// Its own address without a trailing slash, such as `https://login.localhost:8444`: the issuer, exactly.
    pub issuer: String,
    /// Who may ask it to sign people in.
    pub clients: Vec<Client>,
    /// Whom it knows; [`demo_people`] gives three.
    pub people: Vec<Person>,
    /// Certificate and key for its https.
    pub tls: Arc<rustls::ServerConfig>,
}

/// The provider.
#[derive(Debug)]
pub struct Provider {
    settings: Settings,
    key: keys::SigningKey,
    ledger: Mutex<ledger::Ledger>,
}

/// The provider cannot work.
#[derive(Debug, thiserror::Error)]
pub enum IdpError {
    /// The crypto library gave no key.
    #[error("cannot make a signing key")]
    NoKey,
    /// A token could not be signed.
    #[error("cannot sign a token: {0}")]
    Sign(#[from] jsonwebtoken::errors::Error),
    /// The system has no randomness.
    #[error("the system gave no random bytes")]
    NoRandomness,
    /// No person has this id.
    #[error("there is no demo person {0:?}")]
    NoSuchPerson(String),
}

impl Provider {
    /// Makes the provider and its ES256 key.
    ///
    /// # Errors
    /// [`IdpError::NoKey`] if the crypto library cannot make one.
    pub fn new(settings: Settings) -> Result<Arc<Self>, IdpError> {
        Ok(Arc::new(Self { settings, key: keys::SigningKey::generate()?, ledger: Mutex::default() }))
    }

    /// Serves until `shutdown` is ready.
    ///
    /// # Errors
    /// If the listener fails.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let tls = Arc::clone(&self.settings.tls);
        web::serve(listener, Some(tls), shutdown, move |request| {
            let provider = Arc::clone(&self);
            async move { provider.answer(request).await }
        })
        .await
    }

    /// Its issuer.
    pub fn issuer(&self) -> &str {
        &self.settings.issuer
    }

    async fn answer(&self, request: Request<Incoming>) -> Reply {
        let path = request.uri().path().to_owned();
        match (request.method().clone(), path.as_str()) {
            (Method::GET, "/.well-known/openid-configuration") => self.discovery(),
            (Method::GET, "/jwks") => web::json(StatusCode::OK, &json!({ "keys": [self.key.public()] })),
            (Method::GET | Method::POST, "/authorize") => self.authorize(request).await,
            (Method::POST, "/sign-in") => self.sign_in(request).await,
            (Method::POST, "/token") => self.token(request).await,
            (Method::GET | Method::POST, "/userinfo") => self.userinfo(request.headers()),
            (Method::GET | Method::POST, "/end_session") => self.sign_out(request).await,
            (Method::GET, "/") => web::html(StatusCode::OK, pages::about(&self.settings)),
            (Method::GET, "/healthz") => web::text(StatusCode::OK, "ok\n"),
            _ => web::html(StatusCode::NOT_FOUND, pages::problem("There is no such page here.")),
        }
    }

    fn discovery(&self) -> Reply {
        let issuer = self.issuer();
        let document = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "userinfo_endpoint": format!("{issuer}/userinfo"),
            "end_session_endpoint": format!("{issuer}/end_session"),
            "jwks_uri": format!("{issuer}/jwks"),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "scopes_supported": ["openid", "profile", "email", "groups", "offline_access"],
            "claims_supported": ["sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "name", "email",
                                 "email_verified", "groups"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "acr_values_supported": [tokens::ACR_ONE_FACTOR, tokens::ACR_TWO_FACTORS],
            "prompt_values_supported": ["none", "login"],
            "authorization_response_iss_parameter_supported": true,
            "request_parameter_supported": false,
            "request_uri_parameter_supported": false,
            "claims_parameter_supported": false,
        });
        web::json(StatusCode::OK, &document)
    }

    fn client(&self, id: &str) -> Option<&Client> {
        self.settings.clients.iter().find(|client| client.id == id)
    }

    fn person(&self, id: &str) -> Option<&Person> {
        self.settings.people.iter().find(|person| person.id == id)
    }

    /// The ledger; never held across an await.
    fn ledger(&self) -> MutexGuard<'_, ledger::Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
