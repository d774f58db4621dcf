//! Signing in with a browser on the same machine (RFC 8252): it comes back to a port of the loopback interface.

use std::process::Stdio;
use std::time::Duration;

use url::Url;

use super::error::LoginError;
use super::listen::{Came, Listener};
use super::provider::{Provider, Said, refused};
use super::tokens::Given;
use crate::clock::Clock;
use crate::commands::output::note;
use crate::secret::{self, Digest, Secret};

/// The secrets of one attempt.
struct Attempt {
    state: Secret<String>,
    nonce: Secret<String>,
    verifier: Secret<String>,
}

/// Has somebody sign in, and gives what the provider gives for it.
///
/// # Errors
/// [`LoginError`].
pub(super) async fn sign_in(provider: &Provider, open: bool, clock: &Clock) -> Result<Given, LoginError> {
    if !provider.metadata.pkce {
        return Err(LoginError::Lacks("PKCE with S256"));
    }
    let attempt = Attempt {
        state: Secret::new(secret::token()?),
        nonce: Secret::new(secret::token()?),
        verifier: Secret::new(secret::token()?),
    };
    let listener = Listener::open(&attempt.state).await?;
    let there = address(provider, &attempt, listener.redirect_uri())?;
    note(&format!("To sign in, open this address in a browser on this machine:\n\n    {there}\n\n"));
    let begin = listener.leads_to(there)?;
    if open {
        open_browser(&begin);
    }
    let came = match tokio::time::timeout(PATIENCE, listener.wait()).await {
        Ok(came) => came,
        Err(_elapsed) => return Err(LoginError::TooLate("10 minutes")),
    };
    let redirect = listener.redirect_uri().to_owned();
    drop(listener);
    let code = of_this_provider(provider, came)?;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.expose().as_str()),
        ("redirect_uri", &redirect),
        ("code_verifier", attempt.verifier.expose()),
    ];
    match provider.ask(provider.token_endpoint()?, &form).await? {
        Said::Yes(body) => {
            let given = Given::read(&body)?;
            given.check_id_token(&provider.offered, Some(attempt.nonce.expose()), clock.now())?;
            Ok(given)
        }
        Said::No { error, description } => Err(refused(&error, &description)),
    }
}

fn address(provider: &Provider, attempt: &Attempt, redirect: &str) -> Result<String, LoginError> {
    let endpoint = provider.metadata.authorization_endpoint.as_ref().ok_or(LoginError::Lacks("an authorization endpoint"))?;
    let mut url = Url::parse(&endpoint.to_string()).map_err(|_details| LoginError::Answer("one of its addresses is none"))?;
    let offered = &provider.offered;
    let challenge = Digest::of(attempt.verifier.expose().as_bytes()).to_base64url();
    let mut query = url.query_pairs_mut();
    query
        .append_pair("response_type", "code")
        .append_pair("client_id", &offered.client_id)
        .append_pair("redirect_uri", redirect)
        .append_pair("scope", &offered.scopes.join(" "))
        .append_pair("state", attempt.state.expose())
        .append_pair("nonce", attempt.nonce.expose())
        .append_pair("code_challenge", &challenge)
        .append_pair("code_challenge_method", "S256");
    if let Some(resource) = &offered.resource {
        query.append_pair("resource", resource);
    }
    drop(query);
    Ok(url.into())
}

/// The code, if it is this provider's (RFC 9207). Where the provider says who it is on each callback, silence is somebody else's.
fn of_this_provider(provider: &Provider, came: Came) -> Result<Secret<String>, LoginError> {
    let said = came.issuer.as_deref();
    if said.is_some_and(|issuer| issuer != provider.offered.issuer) || (said.is_none() && provider.metadata.issuer_on_callback) {
        return Err(LoginError::OtherIssuer);
    }
    came.outcome.map_err(|(error, description)| refused(&error, &description))
}

/// Whether there is a browser, nobody can tell for sure; the address was printed in any case. What stands on the command line, which
/// everybody on this machine can read, is good for the first who opens it, and tells nothing afterwards.
fn open_browser(address: &str) {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let mut command = tokio::process::Command::new(program);
    command.arg(address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Err(error) = command.spawn() {
        tracing::debug!(%error, program, "no browser was opened");
    }
}

/// For somebody to sign in.
const PATIENCE: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn provider(more: &[(&str, Value)]) -> Provider {
        let mut document = json!({
            "issuer": "https://login.example",
            "jwks_uri": "https://login.example/jwks",
            "authorization_endpoint": "https://login.example/auth?tenant=7",
        });
        for (name, value) in more {
            document[*name] = value.clone();
        }
        let offered = json!({
            "name": "corp", "issuer": "https://login.example", "client_id": "cli", "scopes": ["openid", "groups"], "resource": "urn:gate",
        });
        Provider::described(serde_json::from_value(offered).unwrap(), document.to_string().as_bytes())
    }

    #[test]
    fn the_browser_is_sent_with_a_challenge_and_never_with_what_it_is_made_of() {
        let attempt = Attempt {
            state: Secret::new("the-state".to_owned()),
            nonce: Secret::new("the-nonce".to_owned()),
            verifier: Secret::new("the-verifier".to_owned()),
        };
        let there = address(&provider(&[]), &attempt, "http://127.0.0.1:1/callback").unwrap();
        let url = Url::parse(&there).unwrap();
        let sent: std::collections::BTreeMap<_, _> = url.query_pairs().into_owned().collect();
        let challenge = Digest::of(b"the-verifier").to_base64url();
        for (name, value) in [
            ("tenant", "7"),
            ("response_type", "code"),
            ("client_id", "cli"),
            ("redirect_uri", "http://127.0.0.1:1/callback"),
            ("scope", "openid groups"),
            ("resource", "urn:gate"),
            ("state", "the-state"),
            ("nonce", "the-nonce"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ] {
            assert_eq!(sent.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert!(!there.contains("the-verifier"));
    }

    #[test]
    fn an_answer_of_another_provider_is_not_used() {
        let came = |issuer: Option<&str>| Came { outcome: Ok(Secret::new("code".to_owned())), issuer: issuer.map(str::to_owned) };
        let plain = provider(&[]);
        assert!(of_this_provider(&plain, came(Some("https://login.example"))).is_ok());
        assert!(of_this_provider(&plain, came(None)).is_ok(), "it does not promise to say who it is");
        assert!(matches!(of_this_provider(&plain, came(Some("https://evil.example"))), Err(LoginError::OtherIssuer)));
        let says = provider(&[("authorization_response_iss_parameter_supported", json!(true))]);
        assert!(matches!(of_this_provider(&says, came(None)), Err(LoginError::OtherIssuer)));
        assert!(of_this_provider(&says, came(Some("https://login.example"))).is_ok());
        let declined = Came { outcome: Err(("access_denied".to_owned(), String::new())), issuer: None };
        assert!(matches!(of_this_provider(&plain, declined), Err(LoginError::Declined)));
    }
}
