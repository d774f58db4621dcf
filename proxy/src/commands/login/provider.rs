//! The conversation with the identity provider, as a client that keeps no secret and shows the device's certificate (RFC 8705).

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Request, Uri};
use rustls_pki_types::CertificateDer;
use serde::Deserialize;
use url::form_urlencoded;

use super::error::LoginError;
use super::offer::Offered;
use crate::commands::output::plain;
use crate::enrol::client::Shown;
use crate::identify_user::keys::Metadata;
use crate::outbound::Outbound;
use crate::secret::Secret;

/// A provider whose description of itself was read.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) offered: Offered,
    pub(super) metadata: Metadata,
    http: Outbound,
}

/// What a provider says to a form.
#[derive(Debug)]
pub(super) enum Said {
    /// What was asked for, as JSON.
    Yes(Bytes),
    /// An error (RFC 6749, section 5.2), as it may be shown.
    No { error: String, description: String },
}

#[derive(Deserialize)]
struct OAuthError {
    error: String,
    error_description: Option<String>,
}

impl Provider {
    /// Reads what the provider says about itself. `roots`: those that it is known by; empty: the system's.
    ///
    /// # Errors
    /// [`LoginError`].
    pub(super) async fn of(offered: Offered, roots: &[CertificateDer<'static>], shown: &Shown) -> Result<Self, LoginError> {
        let http = Outbound::with_identity(roots, shown.chain.clone(), Arc::clone(&shown.key))?;
        let malformed = |_details| LoginError::Answer("its issuer is no address");
        let request = Request::get(Metadata::address(&offered.issuer)).header(ACCEPT, "application/json").body(Bytes::new());
        let answer = http.send(request.map_err(malformed)?).await?;
        if !answer.status().is_success() {
            return Err(LoginError::Answer("it does not describe itself at /.well-known/openid-configuration"));
        }
        let metadata = Metadata::parse(answer.body(), &offered.issuer, &offered.hosts)?;
        Ok(Self { offered, metadata, http })
    }

    /// Where tokens are had: where the provider asks for certificates, if it names such a place.
    ///
    /// # Errors
    /// [`LoginError::Lacks`].
    pub(super) fn token_endpoint(&self) -> Result<&Uri, LoginError> {
        let usual = self.metadata.token_endpoint.as_ref();
        self.metadata.with_certificate.token_endpoint.as_ref().or(usual).ok_or(LoginError::Lacks("a token endpoint"))
    }

    /// Sends a form, to which the client's name and what it wants a token for are added.
    ///
    /// # Errors
    /// [`LoginError::Provider`], [`LoginError::Answer`].
    pub(super) async fn ask(&self, uri: &Uri, form: &[(&str, &str)]) -> Result<Said, LoginError> {
        let mut text = form_urlencoded::Serializer::new(String::new());
        text.extend_pairs(form).append_pair("client_id", &self.offered.client_id);
        if let Some(resource) = &self.offered.resource {
            text.append_pair("resource", resource);
        }
        let request = Request::post(uri.clone())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(Bytes::from(text.finish()))
            .map_err(|_details| LoginError::Answer("one of its addresses is none"))?;
        let answer = self.http.send(request).await?;
        if answer.status().is_success() {
            return Ok(Said::Yes(answer.into_body()));
        }
        let told: OAuthError =
            serde_json::from_slice(answer.body()).map_err(|_details| LoginError::Answer("it failed, and does not say why"))?;
        let bounded = |text: &str| plain(&text.chars().take(MOST_WORDS).collect::<String>());
        let description = told.error_description.as_deref().map(bounded).unwrap_or_default();
        Ok(Said::No { error: bounded(&told.error), description })
    }

    /// Gives tokens back (RFC 7009), each as it is called there.
    ///
    /// # Errors
    /// Why the provider does not know of it.
    pub(super) async fn give_back(&self, tokens: &[(&str, &Secret<String>)]) -> Result<(), LoginError> {
        let usual = self.metadata.revocation_endpoint.as_ref();
        let uri = self.metadata.with_certificate.revocation_endpoint.as_ref().or(usual);
        let uri = uri.ok_or(LoginError::Lacks("a revocation endpoint"))?;
        for (hint, token) in tokens {
            match self.ask(uri, &[("token", token.expose()), ("token_type_hint", hint)]).await? {
                // Some have nothing of access tokens to take back: those end by themselves.
                Said::Yes(_) => {}
                Said::No { error, .. } if error == "unsupported_token_type" => {}
                Said::No { error, description } => return Err(refused(&error, &description)),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
impl Provider {
    /// One that describes itself so.
    pub(super) fn described(offered: Offered, document: &[u8]) -> Self {
        let metadata = Metadata::parse(document, &offered.issuer, &offered.hosts).unwrap();
        Self { offered, metadata, http: Outbound::new(&[]).unwrap() }
    }
}

/// The provider's no, as people read it.
pub(super) fn refused(error: &str, description: &str) -> LoginError {
    if error == "access_denied" {
        return LoginError::Declined;
    }
    LoginError::Refused(if description.is_empty() { error.to_owned() } else { format!("{error} ({description})") })
}

/// Characters of what a provider says that are shown.
const MOST_WORDS: usize = 300;
