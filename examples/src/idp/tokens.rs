//! ID tokens, access tokens and `/userinfo`.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::ledger::Grant;
use super::{IdpError, Person, Provider};
use crate::chance;
use crate::web::{self, Reply};

/// One factor (REFEDS single-factor profile).
pub(super) const ACR_ONE_FACTOR: &str = "https://refeds.org/profile/sfa";
/// More than one factor (REFEDS multi-factor profile).
pub(super) const ACR_TWO_FACTORS: &str = "https://refeds.org/profile/mfa";

/// An access token to make for a script.
#[derive(Clone, Debug)]
pub struct Mint<'a> {
    /// Whose it is.
    pub person: &'a str,
    /// `aud`: whom it is for.
    pub audience: &'a str,
    /// How long it is good.
    pub lifetime: Duration,
    /// SHA-256 of the DER of the client certificate that it is bound to (RFC 8705); `None`: whoever has it can use it.
    pub certificate: Option<[u8; 32]>,
}

impl Provider {
    /// Makes an access token (RFC 9068) as if the person had asked for one just now.
    ///
    /// # Errors
    /// If there is no such person, or the token cannot be signed.
    pub fn mint(&self, mint: &Mint<'_>) -> Result<String, IdpError> {
        let person = self.person(mint.person).ok_or_else(|| IdpError::NoSuchPerson(mint.person.to_owned()))?;
        let now = chance::now().as_secs();
        let mut claims = about(person);
        merge(
            &mut claims,
            &json!({
                "iss": self.issuer(), "aud": mint.audience, "client_id": mint.audience, "scope": "openid profile email",
                "iat": now, "nbf": now, "exp": now.saturating_add(mint.lifetime.as_secs()),
                "jti": chance::token().ok_or(IdpError::NoRandomness)?,
                "auth_time": now, "acr": ACR_ONE_FACTOR, "amr": ["pwd"],
            }),
        );
        if let Some(thumbprint) = mint.certificate {
            merge(&mut claims, &json!({ "cnf": { "x5t#S256": chance::base64url(&thumbprint) } }));
        }
        self.key.sign("at+jwt", &claims)
    }

    /// The tokens that a code or refresh token is exchanged for: `(access_token, id_token)`.
    pub(super) fn issue(&self, grant: &Grant) -> Result<(String, String), IdpError> {
        let client = grant.asked.client.as_str();
        let mint = Mint { person: &grant.who.person, audience: client, lifetime: ACCESS_LIFETIME, certificate: None };
        let access = self.mint(&mint)?;
        let person = self.person(&grant.who.person).ok_or_else(|| IdpError::NoSuchPerson(grant.who.person.clone()))?;
        let now = chance::now().as_secs();
        let half: Vec<u8> = chance::sha256(access.as_bytes()).into_iter().take(16).collect();
        let mut claims = about(person);
        let (acr, amr) = match grant.who.second_factor {
            true => (ACR_TWO_FACTORS, vec!["pwd", "otp"]),
            false => (ACR_ONE_FACTOR, vec!["pwd"]),
        };
        merge(
            &mut claims,
            &json!({
                "iss": self.issuer(), "aud": client, "iat": now, "exp": now.saturating_add(ID_LIFETIME.as_secs()),
                "auth_time": grant.who.at.as_secs(), "acr": acr, "amr": amr, "sid": grant.who.id,
                "at_hash": chance::base64url(&half),
            }),
        );
        if let Some(nonce) = &grant.asked.nonce {
            merge(&mut claims, &json!({ "nonce": nonce }));
        }
        Ok((access, self.key.sign("JWT", &claims)?))
    }

    pub(super) fn userinfo(&self, headers: &HeaderMap) -> Reply {
        let token = web::header(headers, "authorization").and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
        });
        let claims = token.and_then(|token| self.key.open(token, "at+jwt", self.issuer(), false));
        let person = claims.and_then(|claims| self.person(claims.get("sub")?.as_str()?));
        match person {
            Some(person) => web::json(StatusCode::OK, &about(person)),
            None => {
                let mut reply = web::json(StatusCode::UNAUTHORIZED, &json!({ "error": "invalid_token" }));
                let challenge = http::HeaderValue::from_static("Bearer error=\"invalid_token\"");
                reply.headers_mut().insert(http::header::WWW_AUTHENTICATE, challenge);
                reply
            }
        }
    }
}

/// What every token and `/userinfo` say of a person.
fn about(person: &Person) -> Value {
    json!({
        "sub": person.id, "name": person.name, "preferred_username": person.id,
        "email": person.email, "email_verified": true, "groups": person.groups,
    })
}

fn merge(claims: &mut Value, more: &Value) {
    if let (Some(claims), Some(more)) = (claims.as_object_mut(), more.as_object()) {
        claims.extend(more.clone());
    }
}

/// How long an access token from `/token` is good.
pub(super) const ACCESS_LIFETIME: Duration = Duration::from_secs(600);
const ID_LIFETIME: Duration = Duration::from_secs(300);
