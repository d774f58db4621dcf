//! The conversation with a provider: where the browser is sent, and what its code is worth.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Request, StatusCode, Uri};
use openidconnect::core::CoreResponseType;
use openidconnect::{
    AsyncHttpClient, AuthType, AuthUrl, AuthenticationContextClass, AuthenticationFlow, AuthorizationCode, ClientId,
    ClientSecret, CsrfToken, ErrorResponseType, HttpRequest, HttpResponse, IssuerUrl, JsonWebKeySet, Nonce, OAuth2TokenResponse,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, TokenUrl,
};
use serde_json::json;

use super::refusal::SignInRefusal;
use super::tokens::OidcClient;
use crate::config;
use crate::identify_user::keys::{Metadata, Provider, SecretIn};
use crate::identify_user::{Members, object};
use crate::outbound::{Outbound, OutboundError};
use crate::secret::Secret;

/// What is asked of a provider beyond a sign-in: empty for an ordinary one, more for a step-up (RFC 9470).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Demand {
    /// `max_age` in seconds: ask again if they were given longer ago.
    pub(super) max_age: Option<u64>,
    /// `acr_values`, the most wanted first.
    pub(super) acr_values: Vec<String>,
}

/// The secrets of one attempt. All of them are fresh.
#[derive(Debug)]
pub(super) struct AttemptSecrets {
    pub(super) state: Secret<String>,
    pub(super) nonce: Secret<String>,
    pub(super) verifier: Secret<String>,
}

/// What a code was exchanged for.
#[derive(Debug)]
pub(super) struct Exchanged {
    pub(super) id_token: Secret<String>,
    pub(super) access_token: Secret<String>,
    pub(super) refresh_token: Option<Secret<String>>,
}

/// A provider that can sign people in, ready to be talked to.
pub(super) struct Conversation<'a> {
    client: OidcClient,
    pub(super) settings: &'a config::OidcClient,
    pub(super) http: &'a Outbound,
    pub(super) metadata: &'a Metadata,
}

impl<'a> Conversation<'a> {
    pub(super) fn with(provider: &'a Provider, metadata: &'a Metadata, redirect: &str) -> Result<Self, SignInRefusal> {
        let settings = provider.settings.client.as_ref().ok_or(SignInRefusal::UnknownProvider)?;
        if !metadata.pkce {
            return Err(SignInRefusal::ProviderUnfit("PKCE with S256"));
        }
        let authorization = endpoint(metadata.authorization_endpoint.as_ref(), "an authorization endpoint")?;
        let token = endpoint(metadata.token_endpoint.as_ref(), "a token endpoint")?;
        let unfit = |_malformed| SignInRefusal::ProviderUnfit("well-formed addresses");
        let mut client = OidcClient::<_, _>::new(
            ClientId::new(settings.id.clone()),
            IssuerUrl::new(provider.settings.issuer.clone()).map_err(unfit)?,
            JsonWebKeySet::default(),
        )
        .set_redirect_uri(RedirectUrl::new(redirect.to_owned()).map_err(unfit)?)
        .set_auth_uri(AuthUrl::new(authorization).map_err(unfit)?)
        .set_token_uri(TokenUrl::new(token).map_err(unfit)?);
        if let Some(secret) = &settings.secret {
            client =
                client.set_client_secret(ClientSecret::new(secret.expose().clone())).set_auth_type(match metadata.secret_in {
                    Some(SecretIn::Header) => AuthType::BasicAuth,
                    Some(SecretIn::Body) => AuthType::RequestBody,
                    None => return Err(SignInRefusal::ProviderUnfit("client_secret_basic or client_secret_post")),
                });
        }
        Ok(Self { client, settings, http: &provider.client, metadata })
    }

    /// Where to send the browser.
    pub(super) fn authorization(&self, secrets: &AttemptSecrets, demand: &Demand) -> String {
        let state = CsrfToken::new(secrets.state.expose().clone());
        let nonce = Nonce::new(secrets.nonce.expose().clone());
        let verifier = PkceCodeVerifier::new(secrets.verifier.expose().clone());
        let flow = AuthenticationFlow::<CoreResponseType>::AuthorizationCode;
        let mut request = self
            .client
            .authorize_url(flow, || state, || nonce)
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .add_scopes(self.settings.scopes.iter().cloned().chain(self.for_later()).map(Scope::new));
        if let Some(seconds) = demand.max_age {
            request = request.set_max_age(std::time::Duration::from_secs(seconds));
        }
        if self.metadata.claims_parameter && !demand.acr_values.is_empty() {
            // Essential: the provider has to reach it or say no. `acr_values` only wishes (OpenID Connect Core 1.0, section
            // 5.5.1.1), and what both together mean is not defined.
            let essential = json!({ "id_token": { "acr": { "essential": true, "values": demand.acr_values } } });
            request = request.add_extra_param("claims", essential.to_string());
        } else {
            for value in &demand.acr_values {
                request = request.add_auth_context_value(AuthenticationContextClass::new(value.clone()));
            }
        }
        request.url().0.into()
    }

    /// What is asked for so that the provider can be asked again, if it has it and is not asked for it anyway.
    fn for_later(&self) -> Option<String> {
        let wanted = self.settings.offline_access && self.metadata.offline_access;
        (wanted && !self.settings.scopes.iter().any(|scope| scope == OFFLINE_ACCESS)).then(|| OFFLINE_ACCESS.to_owned())
    }

    /// What the code is worth.
    pub(super) async fn exchange(&self, code: &str, verifier: &Secret<String>) -> Result<Exchanged, SignInRefusal> {
        let http = TokenEndpoint(self.http.clone());
        let answer = self
            .client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.expose().clone()))
            .request_async(&http)
            .await;
        let tokens = answer.map_err(|error| refusal_of(&error))?;
        let id_token = tokens.raw_id_token().ok_or(SignInRefusal::ProviderAnswer("it has no ID token"))?;
        Ok(Exchanged {
            id_token: Secret::new(id_token.to_owned()),
            access_token: Secret::new(tokens.access_token().secret().clone()),
            refresh_token: tokens.refresh_token().map(|token| Secret::new(token.secret().clone())),
        })
    }

    /// Whether there is more to learn than the ID token says.
    pub(super) fn has_userinfo(&self) -> bool {
        self.metadata.userinfo_endpoint.is_some()
    }

    /// What the provider says about whoever the access token is for. Not signed: TLS vouches for it, and its `sub` still has to
    /// be compared.
    pub(super) async fn userinfo(&self, access_token: &Secret<String>) -> Result<Members, SignInRefusal> {
        let endpoint = self.metadata.userinfo_endpoint.clone().ok_or(SignInRefusal::ProviderUnfit("a userinfo endpoint"))?;
        let malformed = SignInRefusal::ProviderAnswer("its userinfo is not what it should be");
        let Ok(mut authorization) = HeaderValue::from_str(&format!("Bearer {}", access_token.expose())) else {
            return Err(malformed);
        };
        authorization.set_sensitive(true);
        let request = Request::get(endpoint)
            .header(ACCEPT, "application/json")
            .header(AUTHORIZATION, authorization)
            .body(Bytes::new())
            .map_err(|_malformed| SignInRefusal::ProviderUnfit("a userinfo endpoint"))?;
        let answer = self.http.send(request).await.map_err(|error| down(&error))?;
        let json = answer.headers().get(CONTENT_TYPE).is_none_or(|kind| {
            kind.to_str().is_ok_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("application/json"))
        });
        if answer.status() != StatusCode::OK || !json {
            tracing::warn!(status = %answer.status(), json, "the userinfo endpoint did not answer with JSON");
            return Err(if answer.status().is_server_error() { SignInRefusal::ProviderDown } else { malformed });
        }
        object(answer.body()).map_err(|_not| malformed)
    }
}

/// The provider's metadata; if it was never reached, one attempt is awaited.
pub(super) async fn metadata(provider: &Provider) -> Result<std::sync::Arc<Metadata>, SignInRefusal> {
    if let Some(metadata) = provider.ring.metadata() {
        return Ok(metadata);
    }
    provider.ring.renewed().await;
    provider.ring.metadata().ok_or(SignInRefusal::ProviderDown)
}

fn endpoint(uri: Option<&Uri>, what: &'static str) -> Result<String, SignInRefusal> {
    uri.map(Uri::to_string).ok_or(SignInRefusal::ProviderUnfit(what))
}

/// How the OpenID library reaches a provider. A type of its own, since the compiler cannot see that the future of a closure is
/// `Send` for every lifetime.
struct TokenEndpoint(Outbound);

impl<'c> AsyncHttpClient<'c> for TokenEndpoint {
    type Error = OutboundError;
    type Future = BoxFuture<'c, Result<HttpResponse, OutboundError>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move { Ok(self.0.send(request.map(Bytes::from)).await?.map(Vec::from)) })
    }
}

fn refusal_of<T>(error: &RequestTokenError<OutboundError, openidconnect::StandardErrorResponse<T>>) -> SignInRefusal
where
    T: ErrorResponseType + std::fmt::Display,
{
    match error {
        RequestTokenError::Request(error) => down(error),
        RequestTokenError::ServerResponse(told) => {
            // The description is the provider's and may be anything: Debug escapes it.
            tracing::warn!(error = ?told.error().to_string(), description = ?told.error_description(), "the provider refused the code");
            SignInRefusal::Code
        }
        RequestTokenError::Parse(..) => SignInRefusal::ProviderAnswer("its tokens are not what they should be"),
        RequestTokenError::Other(_) => SignInRefusal::ProviderAnswer("it answered without tokens"),
    }
}

pub(super) fn down(error: &OutboundError) -> SignInRefusal {
    tracing::warn!(%error, "the identity provider cannot be reached");
    SignInRefusal::ProviderDown
}

/// The scope of refresh tokens (OpenID Connect Core 1.0, section 11).
const OFFLINE_ACCESS: &str = "offline_access";
