//! What a provider answers with tokens, and whether they are bound to this device: what is not is not kept.

use serde::Deserialize;
use serde_json::Value;

use super::error::LoginError;
use super::offer::Offered;
use crate::clock::Timestamp;
use crate::identify_user::Members;
use crate::identify_user::claims::{self, Validity};
use crate::identify_user::jws::Jws;
use crate::secret::{self, Digest, Secret};

/// Tokens as they came.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) access_token: Secret<String>,
    pub(super) refresh_token: Option<Secret<String>>,
    id_token: Option<Secret<String>>,
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    token_type: String,
    refresh_token: Option<String>,
    id_token: Option<String>,
}

impl Given {
    /// Reads a provider's answer (RFC 6749, section 5.1).
    ///
    /// # Errors
    /// [`LoginError::Answer`].
    pub(super) fn read(body: &[u8]) -> Result<Self, LoginError> {
        let answer: Answer = serde_json::from_slice(body).map_err(|_details| LoginError::Answer("it has no tokens"))?;
        // A token that is bound to a certificate is a bearer token as well (RFC 8705, section 3); another kind is shown otherwise.
        if !answer.token_type.eq_ignore_ascii_case("Bearer") {
            return Err(LoginError::Answer("its token is of another kind than `Bearer`"));
        }
        if answer.access_token.is_empty() {
            return Err(LoginError::Answer("it has no tokens"));
        }
        Ok(Self {
            access_token: Secret::new(answer.access_token),
            refresh_token: answer.refresh_token.map(Secret::new),
            id_token: answer.id_token.map(Secret::new),
        })
    }

    /// When the access token ends, if it is bound to the certificate with this thumbprint.
    ///
    /// It is not verified here: it came from the provider itself over TLS, and whether it is good for anything is for the gate to say.
    ///
    /// # Errors
    /// [`LoginError::Opaque`], [`LoginError::NotBound`], [`LoginError::BoundElsewhere`], [`LoginError::Claims`].
    pub(super) fn bound_until(&self, thumbprint: Digest) -> Result<Timestamp, LoginError> {
        let token = Jws::parse(self.access_token.expose()).map_err(|_details| LoginError::Opaque)?;
        match token.payload.get("cnf").and_then(|confirmation| confirmation.get("x5t#S256")) {
            Some(Value::String(bound)) if secret::same(bound.as_bytes(), thumbprint.to_base64url().as_bytes()) => {}
            Some(_) => return Err(LoginError::BoundElsewhere),
            None => return Err(LoginError::NotBound),
        }
        Ok(Validity::of(&token.payload)?.expires_at)
    }

    /// Whether the ID token is the answer to this attempt (OpenID Connect Core 1.0, section 3.1.3.7; that it came from the provider
    /// over TLS stands for its signature there, number 6). `nonce`: what was sent; `None` where there is no place for one.
    ///
    /// # Errors
    /// [`LoginError::IdToken`] also if there is none, though `openid` was asked for.
    pub(super) fn check_id_token(&self, offered: &Offered, nonce: Option<&str>, now: Timestamp) -> Result<(), LoginError> {
        let Some(token) = &self.id_token else {
            let asked = offered.scopes.iter().any(|scope| scope == "openid");
            return if asked && nonce.is_some() { Err(LoginError::IdToken("there is none")) } else { Ok(()) };
        };
        let token = Jws::parse(token.expose()).map_err(|_details| LoginError::IdToken("it cannot be read"))?;
        is_of(&token.payload, offered, nonce)?;
        Ok(Validity::of(&token.payload)?.check(now)?)
    }
}

fn is_of(claims: &Members, offered: &Offered, nonce: Option<&str>) -> Result<(), LoginError> {
    if claims::text(claims, "iss")? != Some(&offered.issuer) {
        return Err(LoginError::IdToken("it is of another issuer"));
    }
    let audience = claims::audience(claims)?;
    let party = claims::text(claims, "azp")?;
    if !audience.contains(&offered.client_id.as_str()) || party.is_some_and(|party| party != offered.client_id) {
        return Err(LoginError::IdToken("it is for another client"));
    }
    let stated = claims::text(claims, "nonce")?.unwrap_or_default();
    if nonce.is_some_and(|nonce| !secret::same(stated.as_bytes(), nonce.as_bytes())) {
        return Err(LoginError::IdToken("it is not of this attempt"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);

    fn jwt(claims: &Value) -> String {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256"}"#);
        format!("{header}.{}.AA", URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    fn given(access: &str, id: Option<&Value>) -> Given {
        let mut answer = json!({ "access_token": access, "token_type": "bearer", "expires_in": 60 });
        if let Some(id) = id {
            answer["id_token"] = jwt(id).into();
        }
        Given::read(answer.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn only_a_token_that_is_bound_to_this_certificate_is_taken() {
        let ours = Digest::of(b"certificate");
        let bound = |cnf: Value| given(&jwt(&json!({ "exp": NOW.as_secs() + 60, "cnf": cnf })), None).bound_until(ours);
        assert_eq!(bound(json!({ "x5t#S256": ours.to_base64url() })).unwrap(), Timestamp::from_secs(NOW.as_secs() + 60));
        for loose in [json!(null), json!({}), json!({ "jkt": "x" }), json!("x5t#S256")] {
            assert!(matches!(bound(loose.clone()), Err(LoginError::NotBound)), "{loose}");
        }
        for other in [json!({ "x5t#S256": Digest::of(b"other").to_base64url() }), json!({ "x5t#S256": 7 })] {
            assert!(matches!(bound(other.clone()), Err(LoginError::BoundElsewhere)), "{other}");
        }
        assert!(matches!(given("opaque", None).bound_until(ours), Err(LoginError::Opaque)));
        let endless = given(&jwt(&json!({ "cnf": { "x5t#S256": ours.to_base64url() } })), None);
        assert!(matches!(endless.bound_until(ours), Err(LoginError::Claims(_))));
    }

    #[test]
    fn an_id_token_is_of_this_attempt() {
        let text = json!({ "name": "corp", "issuer": "https://login.example", "client_id": "cli", "scopes": ["openid"] });
        let offered: Offered = serde_json::from_value(text).unwrap();
        let good = json!({ "iss": "https://login.example", "aud": "cli", "nonce": "n", "exp": NOW.as_secs() + 60 });
        let check = |id: Option<&Value>, nonce| given("a", id).check_id_token(&offered, nonce, NOW);
        assert!(check(Some(&good), Some("n")).is_ok());
        assert!(check(None, None).is_ok(), "a device code has no place for a nonce, and need not bring one");
        assert!(matches!(check(None, Some("n")), Err(LoginError::IdToken("there is none"))));
        for (claim, value) in [
            ("iss", json!("https://evil.example")),
            ("aud", json!("other")),
            ("aud", json!([])),
            ("azp", json!("other")),
            ("nonce", json!("m")),
            ("nonce", json!("")),
        ] {
            let mut wrong = good.clone();
            wrong[claim] = value;
            assert!(matches!(check(Some(&wrong), Some("n")), Err(LoginError::IdToken(_))), "{wrong}");
        }
        let mut old = good;
        old["exp"] = json!(NOW.as_secs() - 60);
        assert!(matches!(check(Some(&old), Some("n")), Err(LoginError::Claims(_))));
    }

    #[test]
    fn what_is_no_answer_gives_no_tokens() {
        for text in ["", "{}", r#"{"access_token":"","token_type":"Bearer"}"#, r#"{"access_token":"a","token_type":"DPoP"}"#] {
            assert!(matches!(Given::read(text.as_bytes()), Err(LoginError::Answer(_))), "{text}");
        }
    }
}
