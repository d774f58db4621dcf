//! The request to a provider, and what its answer says.
//!
//! Not by the OpenID library, which exchanges codes: it forgets the status of an answer, without which a provider in trouble that says
//! `invalid_grant` with a 503 would end everybody's session.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode, Uri};
use url::form_urlencoded;

use crate::identify_user::claims;
use crate::identify_user::keys::SecretIn;
use crate::identify_user::{Members, object};
use crate::secret::Secret;
use crate::sign_in::provider::Conversation;

/// What a refresh token was exchanged for.
#[derive(Debug)]
pub(super) struct Refreshed {
    pub(super) access_token: Secret<String>,
    /// Some providers give none.
    pub(super) id_token: Option<Secret<String>>,
    /// In place of the one that was shown.
    pub(super) refresh_token: Option<Secret<String>>,
}

/// Nothing was given for a refresh token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotRefreshed {
    /// `invalid_grant`: it is used up, revoked, or its person is gone. The one answer that ends a session.
    #[error("the identity provider does not take the refresh token any more")]
    Refused,
    /// Status 400, and not a word about the reason: some providers say so that they do not take the token. Not enough to end a session,
    /// and nothing that would be wrong with the provider.
    #[error("the identity provider refuses the refresh token with status 400, and does not say why")]
    Unexplained,
    /// No answer, or one that says that something is wrong with the provider.
    #[error("the identity provider cannot be reached: {0}")]
    Unreachable(String),
    /// It has nothing for the gate, whoever is asked about: `invalid_client` after the gate's secret was changed, or no such endpoint.
    #[error("the identity provider does not deal with the gate: {0}")]
    Estranged(String),
    /// Another error, which may be about this person only, such as `interaction_required`.
    #[error("the identity provider gave nothing for the refresh token: {0}")]
    Declined(String),
    /// An answer of no use.
    #[error("the identity provider's answer cannot be used: {0}")]
    Unusable(String),
}

impl Conversation<'_> {
    /// What the refresh token is worth (RFC 6749, section 6).
    pub(super) async fn refresh(&self, token: &Secret<String>) -> Result<Refreshed, NotRefreshed> {
        let endpoint = self.metadata.token_endpoint.as_ref();
        let endpoint = endpoint.ok_or_else(|| NotRefreshed::Estranged("it has no token endpoint".to_owned()))?;
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token.expose())];
        let request =
            self.request(endpoint, &fields).ok_or_else(|| NotRefreshed::Estranged("its secret cannot be sent".to_owned()))?;
        let answer = self.http.send(request).await.map_err(|error| NotRefreshed::Unreachable(error.to_string()))?;
        read(&answer)
    }

    /// Gives a refresh token back; false if the provider did not take it.
    pub(super) async fn revoke(&self, token: &Secret<String>) -> bool {
        let fields = [("token", token.expose().as_str()), ("token_type_hint", "refresh_token")];
        let request = self.metadata.revocation_endpoint.as_ref().and_then(|endpoint| self.request(endpoint, &fields));
        let Some(request) = request else { return false };
        self.http.send(request).await.is_ok_and(|answer| answer.status() == StatusCode::OK)
    }

    /// A form from the gate as the client that it is (RFC 6749, section 2.3.1).
    fn request(&self, endpoint: &Uri, fields: &[(&str, &str)]) -> Option<Request<Bytes>> {
        let (id, secret) = (self.settings.id.as_str(), self.settings.secret.as_ref().map(|secret| secret.expose().as_str()));
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        let mut authorization = None;
        match (secret, self.metadata.secret_in) {
            (Some(secret), Some(SecretIn::Header)) => {
                let plain = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let basic = format!("Basic {}", STANDARD.encode(format!("{}:{}", plain(id), plain(secret))));
                let mut value = HeaderValue::from_str(&basic).ok()?;
                value.set_sensitive(true);
                authorization = Some(value);
            }
            (Some(secret), _) => drop(form.append_pair("client_id", id).append_pair("client_secret", secret)),
            (None, _) => drop(form.append_pair("client_id", id)),
        }
        let mut request = Request::post(endpoint.clone())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(Bytes::from(form.finish()))
            .ok()?;
        if let Some(value) = authorization {
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        Some(request)
    }
}

fn read(answer: &Response<Bytes>) -> Result<Refreshed, NotRefreshed> {
    let status = answer.status();
    let unusable = |what: &str| NotRefreshed::Unusable(what.to_owned());
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return Err(NotRefreshed::Unreachable(format!("it answered with status {}", status.as_u16())));
    }
    let members = object(answer.body());
    if status != StatusCode::OK {
        let error = members.as_ref().ok().and_then(|members| members.get("error")?.as_str());
        return Err(match error {
            Some("invalid_grant") if status.is_client_error() => NotRefreshed::Refused,
            Some("invalid_client") => NotRefreshed::Estranged("it answered with the error \"invalid_client\"".to_owned()),
            Some(error @ ("temporarily_unavailable" | "server_error")) => {
                NotRefreshed::Unreachable(format!("it answered with the error {error:?}"))
            }
            // The word is the provider's and may be anything: Debug escapes it.
            Some(error) if status.is_client_error() => NotRefreshed::Declined(format!("it answered with the error {error:?}")),
            Some(error) => NotRefreshed::Unusable(format!("it answered with the error {error:?}")),
            None if status == StatusCode::BAD_REQUEST && answer.body().is_empty() => NotRefreshed::Unexplained,
            None => NotRefreshed::Unusable(format!("it answered with status {}", status.as_u16())),
        });
    }
    let members = members.map_err(|_not| unusable("it is not JSON"))?;
    let access_token = token(&members, "access_token")?.ok_or_else(|| unusable("it has no access token"))?;
    Ok(Refreshed { access_token, id_token: token(&members, "id_token")?, refresh_token: token(&members, "refresh_token")? })
}

fn token(members: &Members, name: &'static str) -> Result<Option<Secret<String>>, NotRefreshed> {
    let text = claims::text(members, name).map_err(|problem| NotRefreshed::Unusable(problem.to_string()))?;
    Ok(text.filter(|text| !text.is_empty()).map(|text| Secret::new(text.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &'static str) -> Result<Refreshed, NotRefreshed> {
        let mut answer = Response::new(Bytes::from_static(body.as_bytes()));
        *answer.status_mut() = StatusCode::from_u16(status).unwrap();
        read(&answer)
    }

    #[test]
    fn one_answer_ends_a_session_and_no_other_does() {
        for status in [400, 401, 403] {
            assert_eq!(answer(status, r#"{"error":"invalid_grant"}"#).unwrap_err(), NotRefreshed::Refused, "{status}");
        }
        for (status, body) in [
            (200, r#"{"error":"invalid_grant"}"#),
            (302, r#"{"error":"invalid_grant"}"#),
            (400, r#"{"error":["invalid_grant"]}"#),
            (400, r#"{"error":"invalid_grant","error":"x"}"#),
            (400, "invalid_grant"),
            (404, "<html>"),
            (400, "<html>"),
            (401, ""),
            (404, ""),
        ] {
            assert!(matches!(answer(status, body), Err(NotRefreshed::Unusable(_))), "{status} {body}");
        }
        assert_eq!(answer(400, "").unwrap_err(), NotRefreshed::Unexplained);
        for status in [429, 500, 502, 503] {
            let refused = answer(status, r#"{"error":"invalid_grant"}"#);
            assert!(matches!(refused, Err(NotRefreshed::Unreachable(_))), "{status}");
        }
        for error in ["temporarily_unavailable", "server_error", "invalid_client", "interaction_required", "invalid_scope", "x"] {
            let body: &'static str = format!(r#"{{"error":"{error}"}}"#).leak();
            let refused = answer(400, body).unwrap_err();
            let expected = match error {
                "temporarily_unavailable" | "server_error" => matches!(refused, NotRefreshed::Unreachable(_)),
                "invalid_client" => matches!(refused, NotRefreshed::Estranged(_)),
                _ => matches!(refused, NotRefreshed::Declined(_)),
            };
            assert!(expected, "{error}: {refused:?}");
        }
    }

    #[test]
    fn tokens_are_texts_or_absent() {
        let refreshed = answer(200, r#"{"access_token":"a","refresh_token":"r","id_token":""}"#).unwrap();
        assert_eq!(refreshed.access_token.expose(), "a");
        assert_eq!(refreshed.refresh_token.unwrap().expose(), "r");
        assert!(refreshed.id_token.is_none());
        for body in ["{}", "[]", r#"{"access_token":"a","refresh_token":1}"#, r#"{"access_token":"a","id_token":null}"#] {
            assert!(matches!(answer(200, body), Err(NotRefreshed::Unusable(_))), "{body}");
        }
    }
}
