//! A provider for tests, true to the protocol until it is told to lie.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use crate::clock::Timestamp;
use crate::identify_user::testing::{Signer, jwks};
use crate::outbound::testing::serve;
use crate::secret::Digest;

/// The provider. Public fields are the lies.
pub(super) struct Liar {
    pub(super) signer: Signer,
    pub(super) now: Timestamp,
    pub(super) lies: Mutex<Lies>,
    codes: Mutex<HashMap<String, Asked>>,
}

/// What it does wrong. Objects are merged into the true ones; null takes a member out.
#[derive(Default)]
pub(super) struct Lies {
    pub(super) claims: Value,
    pub(super) header: Value,
    pub(super) metadata: Value,
    pub(super) userinfo: Value,
    pub(super) userinfo_status: Option<u16>,
    /// Sent instead of the ID token.
    pub(super) id_token: Option<String>,
    pub(super) token_status: Option<StatusCode>,
    /// It gives refresh tokens, each good once.
    pub(super) gives_refresh_tokens: bool,
    /// Its answer to a refresh, instead of the true one.
    pub(super) refresh_answer: Option<(u16, String)>,
    /// What else is in its answer to a refresh.
    pub(super) refresh_members: Value,
    /// How much later it is by its clock.
    pub(super) later: Duration,
    /// The refresh tokens that it was shown.
    pub(super) saw_refresh_tokens: Vec<String>,
    /// Those that it was given back.
    pub(super) saw_revoked: Vec<String>,
    /// The `Authorization` header of the last token request.
    pub(super) saw_authorization: Option<String>,
    /// The form of the last token request.
    pub(super) saw_form: HashMap<String, String>,
}

/// What came with the browser.
#[derive(Clone)]
struct Asked {
    nonce: String,
    challenge: String,
}

impl Liar {
    pub(super) async fn start(now: Timestamp) -> (Arc<Self>, String) {
        let liar = Arc::new(Self { signer: Signer::es256("k1"), now, lies: Mutex::default(), codes: Mutex::default() });
        let serving = Arc::clone(&liar);
        let issuer = serve(move |request| serving.answer(&request)).await;
        (liar, issuer)
    }

    pub(super) fn lies(&self) -> MutexGuard<'_, Lies> {
        self.lies.lock().unwrap()
    }

    /// The person signs in at `location`; gives the query that the browser brings back.
    pub(super) fn sign_in(&self, location: &str) -> String {
        let asked: HashMap<String, String> = Url::parse(location).unwrap().query_pairs().into_owned().collect();
        assert_eq!((asked["response_type"].as_str(), asked["code_challenge_method"].as_str()), ("code", "S256"));
        assert!(asked["scope"].split(' ').any(|scope| scope == "openid"));
        let mut codes = self.codes.lock().unwrap();
        let code = format!("code-{}", codes.len());
        codes.insert(code.clone(), Asked { nonce: asked["nonce"].clone(), challenge: asked["code_challenge"].clone() });
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("code", &code).append_pair("state", &asked["state"]).finish()
    }

    fn answer(&self, request: &Request<Bytes>) -> Response<String> {
        let issuer = format!("http://{}", request.headers()["host"].to_str().unwrap());
        match request.uri().path() {
            "/.well-known/openid-configuration" => json_answer(&self.metadata(&issuer)),
            "/jwks" => Response::new(jwks(&[&self.signer])),
            "/token" => self.token(request, &issuer),
            "/userinfo" => {
                assert_eq!(request.headers()["authorization"], "Bearer access");
                let userinfo = json!({"sub": "ana", "name": "Ana", "email": "ana@corp.example", "email_verified": true, "groups": ["staff"]});
                let lies = self.lies();
                let mut answer = json_answer(&merged(userinfo, &lies.userinfo));
                *answer.status_mut() = StatusCode::from_u16(lies.userinfo_status.unwrap_or(200)).unwrap();
                answer
            }
            "/revoke" => {
                let form: HashMap<String, String> = form_urlencoded::parse(request.body()).into_owned().collect();
                self.lies().saw_revoked.push(form["token"].clone());
                Response::new(String::new())
            }
            path => panic!("nobody asks for {path}"),
        }
    }

    fn metadata(&self, issuer: &str) -> Value {
        let metadata = json!({
            "issuer": issuer, "jwks_uri": format!("{issuer}/jwks"), "authorization_endpoint": format!("{issuer}/auth"),
            "token_endpoint": format!("{issuer}/token"), "userinfo_endpoint": format!("{issuer}/userinfo"),
            "end_session_endpoint": format!("{issuer}/end"), "revocation_endpoint": format!("{issuer}/revoke"),
            "code_challenge_methods_supported": ["S256"],
        });
        merged(metadata, &self.lies().metadata)
    }

    fn token(&self, request: &Request<Bytes>, issuer: &str) -> Response<String> {
        let form: HashMap<String, String> = form_urlencoded::parse(request.body()).into_owned().collect();
        let authorization = request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
        if form["grant_type"] == "refresh_token" {
            return self.refresh(&form, authorization.as_deref(), issuer);
        }
        let asked = self.codes.lock().unwrap().remove(&form["code"]);
        let mut lies = self.lies();
        lies.saw_authorization = authorization;
        lies.saw_form.clone_from(&form);
        if let Some(status) = lies.token_status {
            return Response::builder().status(status).body("<html>oops</html>".to_owned()).unwrap();
        }
        let verified = |asked: &Asked| Digest::of(form["code_verifier"].as_bytes()).to_base64url() == asked.challenge;
        let Some(asked) = asked.filter(verified) else {
            let mut refused = json_answer(&json!({"error": "invalid_grant", "error_description": "<script>"}));
            *refused.status_mut() = StatusCode::BAD_REQUEST;
            return refused;
        };
        let id_token = self.id_token(&lies, &json!({ "nonce": asked.nonce }), issuer);
        let refresh_token = if lies.gives_refresh_tokens { json!("refresh-0") } else { Value::Null };
        json_answer(&merged(tokens(&id_token), &json!({ "refresh_token": refresh_token })))
    }

    /// Each refresh token is good once, and the next one comes with the answer.
    fn refresh(&self, form: &HashMap<String, String>, authorization: Option<&str>, issuer: &str) -> Response<String> {
        assert!(authorization.is_some_and(|value| value.starts_with("Basic ")) && !form.contains_key("client_secret"));
        let mut lies = self.lies();
        let shown = form["refresh_token"].clone();
        lies.saw_refresh_tokens.push(shown.clone());
        let number = lies.saw_refresh_tokens.len();
        if let Some((status, body)) = &lies.refresh_answer {
            return Response::builder().status(*status).body(body.clone()).unwrap();
        }
        assert_eq!(shown, format!("refresh-{}", number - 1), "shown twice, or lost: {:?}", lies.saw_refresh_tokens);
        let id_token = self.id_token(&lies, &Value::Null, issuer);
        let answer = merged(tokens(&id_token), &json!({ "refresh_token": format!("refresh-{number}") }));
        json_answer(&merged(answer, &lies.refresh_members))
    }

    fn id_token(&self, lies: &Lies, more: &Value, issuer: &str) -> String {
        let now = self.now.plus(lies.later).as_secs();
        let claims = json!({
            "iss": issuer, "aud": "sekisho", "sub": "ana", "iat": now, "exp": now + 300,
            "auth_time": now - 5, "groups": ["staff", "hr"], "email": "ana@corp.example", "email_verified": true, "name": "Ana",
            "department": "people",
        });
        let header = merged(self.signer.header(), &lies.header).to_string();
        let id_token = self.signer.sign_text(&header, &merged(merged(claims, more), &lies.claims).to_string());
        lies.id_token.clone().unwrap_or(id_token)
    }
}

fn tokens(id_token: &str) -> Value {
    json!({ "access_token": "access", "token_type": "Bearer", "expires_in": 300, "id_token": id_token })
}

fn merged(mut object: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().into_iter().flatten() {
        match value {
            Value::Null => object.as_object_mut().unwrap().remove(name),
            value => object.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    object
}

fn json_answer(body: &Value) -> Response<String> {
    Response::builder().header("content-type", "application/json").body(body.to_string()).unwrap()
}
