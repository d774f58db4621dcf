use std::collections::BTreeMap;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use rustls::ClientConfig;
use serde_json::Value;
use url::Url;

use super::*;
use crate::chance;
use crate::testing::{listener, send, tls};

const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters-in-all";
const BACK: &str = "https://gate.localhost:8443/.sekisho/callback";

struct Idp {
    provider: Arc<Provider>,
    address: SocketAddr,
    tls: Arc<ClientConfig>,
}

impl Idp {
    async fn open() -> Self {
        let (listener, address) = listener().await;
        let (server, client) = tls();
        let gate = Client {
            id: "sekisho".to_owned(),
            secret: "s3cret+/".to_owned(),
            redirect_uris: vec![BACK.to_owned()],
            post_logout_redirect_uris: vec!["https://gate.localhost:8443/bye".to_owned()],
        };
        let other = Client { id: "other".to_owned(), ..gate.clone() };
        let settings =
            Settings { issuer: format!("https://{address}"), clients: vec![gate, other], people: demo_people(), tls: server };
        let provider = Provider::new(settings).unwrap();
        tokio::spawn(Arc::clone(&provider).serve(listener, pending()));
        Self { provider, address, tls: client }
    }

    async fn get(&self, path: &str, cookies: &str) -> Response<Bytes> {
        let request = Request::get(path).header("cookie", cookies).body(String::new()).unwrap();
        send(self.address, Some(&self.tls), request).await
    }

    async fn post(&self, path: &str, cookies: &str, fields: &[(&str, &str)]) -> Response<Bytes> {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = Request::post(path).header("cookie", cookies).header("content-type", "application/x-www-form-urlencoded");
        send(self.address, Some(&self.tls), request.body(form).unwrap()).await
    }

    /// Signs in with these form fields; gives the reply to the form.
    async fn sign_in(&self, change: &[(&str, &str)], fields: &[(&str, &str)]) -> Response<Bytes> {
        let page = self.get(&authorize(change), "").await;
        let body = String::from_utf8(page.body().to_vec()).unwrap();
        let attempt = body.split("name=\"attempt\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        let mut all = vec![("attempt", attempt)];
        all.extend_from_slice(fields);
        self.post("/sign-in", &cookie_of(&page), &all).await
    }

    async fn exchange(&self, code: &str, change: &[(&str, &str)]) -> (u16, Value) {
        let mut fields = BTreeMap::from([
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", BACK),
            ("code_verifier", VERIFIER),
            ("client_id", "sekisho"),
            ("client_secret", "s3cret+/"),
        ]);
        fields.extend(change.iter().copied());
        let fields: Vec<_> = fields.into_iter().collect();
        let reply = self.post("/token", "", &fields).await;
        (reply.status().as_u16(), serde_json::from_slice(reply.body()).unwrap())
    }
}

fn authorize(change: &[(&str, &str)]) -> String {
    let challenge = chance::base64url(&chance::sha256(VERIFIER.as_bytes()));
    let mut fields = BTreeMap::from([
        ("response_type", "code"),
        ("client_id", "sekisho"),
        ("redirect_uri", BACK),
        ("scope", "openid email"),
        ("state", "st"),
        ("nonce", "no"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ]);
    fields.extend(change.iter().copied());
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    format!("/authorize?{query}")
}

fn cookie_of(reply: &Response<Bytes>) -> String {
    reply.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned()
}

fn sent_back(reply: &Response<Bytes>) -> BTreeMap<String, String> {
    assert_eq!(reply.status(), 303, "{reply:?}");
    let to = Url::parse(reply.headers()["location"].to_str().unwrap()).unwrap();
    assert!(to.as_str().starts_with(BACK));
    to.query_pairs().into_owned().collect()
}

#[tokio::test]
async fn a_code_becomes_tokens_that_say_who_it_is() {
    let idp = Idp::open().await;
    let back = sent_back(&idp.sign_in(&[], &[("person", "alice"), ("second_factor", "yes")]).await);
    assert_eq!((back["state"].as_str(), back["iss"].as_str()), ("st", idp.provider.issuer()));

    let (status, tokens) = idp.exchange(&back["code"], &[]).await;
    assert_eq!(status, 200, "{tokens}");
    let claims = idp.provider.key.open(tokens["id_token"].as_str().unwrap(), "JWT", idp.provider.issuer(), false).unwrap();
    assert_eq!((&claims["sub"], &claims["aud"], &claims["nonce"]), (&json!("alice"), &json!("sekisho"), &json!("no")));
    assert_eq!((&claims["groups"], &claims["amr"]), (&json!(["staff", "admins"]), &json!(["pwd", "otp"])));
    assert_eq!((&claims["email"], &claims["email_verified"]), (&json!("alice@corp.example"), &json!(true)));

    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let request = Request::get("/userinfo").header("authorization", bearer).body(String::new()).unwrap();
    let info: Value = serde_json::from_slice(send(idp.address, Some(&idp.tls), request).await.body()).unwrap();
    assert_eq!(info["sub"], "alice");
    assert_eq!(idp.get("/userinfo", "").await.status(), 401);
}

#[tokio::test]
async fn one_fact_wrong_and_there_are_no_tokens() {
    let idp = Idp::open().await;
    for (change, error) in [
        (("code_verifier", "another"), "invalid_grant"),
        (("redirect_uri", "https://evil.example/"), "invalid_grant"),
        (("client_id", "other"), "invalid_grant"),
        (("client_secret", "s3cret"), "invalid_client"),
        (("client_id", "nobody"), "invalid_client"),
        (("grant_type", "password"), "unsupported_grant_type"),
    ] {
        let back = sent_back(&idp.sign_in(&[], &[("person", "bob")]).await);
        let (_, answer) = idp.exchange(&back["code"], &[change]).await;
        assert_eq!(answer["error"], error, "{change:?}");
    }
    let back = sent_back(&idp.sign_in(&[], &[("person", "bob")]).await);
    assert_eq!(idp.exchange(&back["code"], &[]).await.0, 200);
    assert_eq!(idp.exchange(&back["code"], &[]).await.1["error"], "invalid_grant", "a code is good once");
}

#[tokio::test]
async fn requests_that_are_not_right_are_sent_back_or_nowhere() {
    let idp = Idp::open().await;
    for change in [("client_id", "nobody"), ("redirect_uri", "https://evil.example/")] {
        assert_eq!(idp.get(&authorize(&[change]), "").await.status(), 400, "{change:?}");
    }
    for (change, error) in [
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge", ""), "invalid_request"),
        (("scope", "email"), "invalid_scope"),
        (("response_type", "token"), "unsupported_response_type"),
        (("prompt", "none"), "login_required"),
    ] {
        let back = sent_back(&idp.get(&authorize(&[change]), "").await);
        assert_eq!((back["error"].as_str(), back["state"].as_str()), (error, "st"), "{change:?}");
    }
}

#[tokio::test]
async fn the_form_belongs_to_one_browser_and_names_need_passwords() {
    let idp = Idp::open().await;
    assert_eq!(idp.sign_in(&[], &[("username", "alice"), ("password", "alice-demo")]).await.status(), 303);
    assert_eq!(idp.sign_in(&[], &[("username", "alice"), ("password", "guess")]).await.status(), 401);
    let page = idp.get(&authorize(&[]), "").await;
    let body = String::from_utf8(page.body().to_vec()).unwrap();
    let attempt = body.split("name=\"attempt\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(idp.post("/sign-in", "", &[("attempt", attempt), ("person", "alice")]).await.status(), 400);
}

#[tokio::test]
async fn who_is_signed_in_is_not_asked_again_until_signed_out() {
    let idp = Idp::open().await;
    let signed_in = idp.sign_in(&[], &[("person", "carol")]).await;
    let session = cookie_of(&signed_in);
    assert_eq!(idp.get(&authorize(&[]), &session).await.status(), 303);
    assert_eq!(idp.get(&authorize(&[("prompt", "login")]), &session).await.status(), 200);
    assert_eq!(idp.get(&authorize(&[("acr_values", tokens::ACR_TWO_FACTORS)]), &session).await.status(), 200);

    let (_, tokens) = idp.exchange(&sent_back(&signed_in)["code"], &[]).await;
    let leave =
        |to: &str| format!("/end_session?id_token_hint={}&post_logout_redirect_uri={to}", tokens["id_token"].as_str().unwrap());
    assert_eq!(idp.get(&leave("https://evil.example/"), &session).await.status(), 400);
    let asked = idp.get("/end_session", &session).await;
    assert_eq!(asked.status(), 200, "asks first");
    assert_eq!(idp.get(&authorize(&[]), &session).await.status(), 303, "still signed in");
    assert_eq!(idp.get(&leave("https://gate.localhost:8443/bye"), &session).await.status(), 303);
    assert_eq!(idp.get(&authorize(&[]), &session).await.status(), 200, "asked again");
}

#[tokio::test]
async fn minted_tokens_name_their_certificate() {
    let idp = Idp::open().await;
    let mint = Mint { person: "alice", audience: "sekisho", lifetime: Duration::from_secs(60), certificate: Some([7; 32]) };
    let claims = idp.provider.key.open(&idp.provider.mint(&mint).unwrap(), "at+jwt", idp.provider.issuer(), false).unwrap();
    assert_eq!(claims["cnf"]["x5t#S256"], chance::base64url(&[7; 32]));
    assert!(idp.provider.mint(&Mint { person: "mallory", ..mint }).is_err());
}

#[tokio::test]
async fn refresh_tokens_are_good_once_and_only_where_asked_for() {
    let idp = Idp::open().await;
    let back = sent_back(&idp.sign_in(&[], &[("person", "alice")]).await);
    assert_eq!(idp.exchange(&back["code"], &[]).await.1.get("refresh_token"), None);
    let back = sent_back(&idp.sign_in(&[("scope", "openid offline_access")], &[("person", "alice")]).await);
    let (_, tokens) = idp.exchange(&back["code"], &[]).await;
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let again = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
    assert_eq!(idp.exchange("", &again).await.0, 200);
    assert_eq!(idp.exchange("", &again).await.1["error"], "invalid_grant");
}
