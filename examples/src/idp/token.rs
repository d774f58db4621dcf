//! `/token`: a code (once, with its verifier) or a refresh token (once) for tokens.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{PRAGMA, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use hyper::body::Incoming;
use serde_json::json;

use super::ledger::Grant;
use super::{Client, Provider, tokens};
use crate::chance;
use crate::web::{self, Reply};

/// An error of RFC 6749 section 5.2.
#[derive(Clone, Copy, Debug)]
struct TokenError(StatusCode, &'static str, &'static str);

impl Provider {
    pub(super) async fn token(&self, request: Request<Incoming>) -> Reply {
        let headers = request.headers().clone();
        let Ok(fields) = web::form(request).await else {
            return refuse(TokenError(StatusCode::BAD_REQUEST, "invalid_request", "the form cannot be read"));
        };
        match self.exchange(&headers, &fields) {
            Ok(reply) => reply,
            Err(error) => refuse(error),
        }
    }

    fn exchange(&self, headers: &HeaderMap, fields: &BTreeMap<String, String>) -> Result<Reply, TokenError> {
        let client = self.authenticate(headers, fields)?;
        let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
        let grant = match field("grant_type") {
            "authorization_code" => {
                // Taken before it is checked: a code that was shown wrongly is used up.
                let grant = self.ledger().codes.take(field("code"), chance::now()).ok_or(BAD_GRANT)?;
                let challenge = chance::base64url(&chance::sha256(field("code_verifier").as_bytes()));
                let matches =
                    chance::same(&challenge, &grant.asked.challenge) && grant.asked.redirect_uri == field("redirect_uri");
                if matches { grant } else { return Err(BAD_GRANT) }
            }
            "refresh_token" => self.ledger().refresh.take(field("refresh_token"), chance::now()).ok_or(BAD_GRANT)?,
            _ => return Err(TokenError(StatusCode::BAD_REQUEST, "unsupported_grant_type", "codes and refresh tokens only")),
        };
        if grant.asked.client != client.id {
            return Err(BAD_GRANT);
        }
        self.hand_over(&grant)
    }

    fn hand_over(&self, grant: &Grant) -> Result<Reply, TokenError> {
        const BROKEN: TokenError = TokenError(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "cannot make tokens");
        let (access, id) = self.issue(grant).map_err(|_unsigned| BROKEN)?;
        let mut answer = json!({
            "access_token": access, "token_type": "Bearer", "expires_in": tokens::ACCESS_LIFETIME.as_secs(), "id_token": id,
        });
        if grant.asked.offline {
            let refresh = chance::token().ok_or(BROKEN)?;
            self.ledger().refresh.put(refresh.clone(), chance::now(), grant.clone()).ok_or(BROKEN)?;
            if let Some(fields) = answer.as_object_mut() {
                fields.insert("refresh_token".to_owned(), refresh.into());
            }
        }
        let mut reply = web::json(StatusCode::OK, &answer);
        reply.headers_mut().insert(PRAGMA, HeaderValue::from_static("no-cache"));
        Ok(reply)
    }

    /// The client, by `client_secret_basic` or `client_secret_post`, but not by both (RFC 6749 section 2.3).
    fn authenticate(&self, headers: &HeaderMap, fields: &BTreeMap<String, String>) -> Result<&Client, TokenError> {
        let posted =
            fields.get("client_secret").map(|secret| (fields.get("client_id").cloned().unwrap_or_default(), secret.clone()));
        let ((Some((id, secret)), None) | (None, Some((id, secret)))) = (basic(headers), posted) else { return Err(BAD_CLIENT) };
        let named_otherwise = fields.get("client_id").is_some_and(|named| *named != id);
        let client = self.client(&id).filter(|client| chance::same(&client.secret, &secret) && !named_otherwise);
        client.ok_or(BAD_CLIENT)
    }
}

/// `Authorization: Basic`: form-encoded id and secret (RFC 6749 section 2.3.1).
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let encoded = web::header(headers, "authorization")?.strip_prefix("Basic ")?;
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let plain =
        |text: &str| url::form_urlencoded::parse(format!("v={text}").as_bytes()).next().map(|(_, value)| value.into_owned());
    Some((plain(id)?, plain(secret)?))
}

fn refuse(TokenError(status, error, description): TokenError) -> Reply {
    let mut reply = web::json(status, &json!({ "error": error, "error_description": description }));
    if status == StatusCode::UNAUTHORIZED {
        reply.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"token\""));
    }
    reply
}

const BAD_CLIENT: TokenError = TokenError(StatusCode::UNAUTHORIZED, "invalid_client", "client id and secret do not match");
const BAD_GRANT: TokenError = TokenError(StatusCode::BAD_REQUEST, "invalid_grant", "unknown, used, old or somebody else's");
