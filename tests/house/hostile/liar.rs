//! A provider that is true to the protocol until it is told to lie.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use url::{Url, form_urlencoded};

use crate::harness::House;

/// The provider. It ends with the test.
pub(super) struct Liar {
    pub(super) name: &'static str,
    pub(super) issuer: String,
    key: EcdsaKeyPair,
    metadata: Value,
    lies: Mutex<Lies>,
    codes: Mutex<HashMap<String, Asked>>,
}

/// What it does wrong, and what it was asked. Objects are merged into the true ones; null takes a member out.
#[derive(Default)]
pub(super) struct Lies {
    pub(super) claims: Value,
    pub(super) userinfo: Value,
    /// Sent instead of the ID token.
    pub(super) id_token: Option<String>,
    /// The forms that came to the token endpoint.
    pub(super) exchanges: Vec<HashMap<String, String>>,
    /// The ID tokens that it gave out.
    pub(super) given: Vec<String>,
}

/// What came with the browser.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) redirect_uri: String,
    pub(super) state: String,
    pub(super) nonce: String,
    pub(super) challenge: String,
    pub(super) method: String,
}

impl Liar {
    /// Opens it, with other metadata than the usual. The house has to hear of it: [`Liar::section`].
    pub(super) async fn open(house: &House, name: &'static str, metadata: Value) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = format!("{name}.localhost");
        let identity = house.authority.server([host.as_str()]);
        let chain = CertificateDer::pem_slice_iter(identity.chain.as_bytes()).map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
        let tls = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let liar = Arc::new(Self {
            name,
            issuer: format!("https://{host}:{}", listener.local_addr().unwrap().port()),
            key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            metadata,
            lies: Mutex::default(),
            codes: Mutex::default(),
        });
        let serving = Arc::clone(&liar);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (liar, acceptor) = (Arc::clone(&serving), acceptor.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(socket).await else { return };
                    let service = service_fn(|request| async { Ok::<_, Infallible>(liar.answer(request).await) });
                    let _gone = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        liar
    }

    /// Its section of the configuration.
    pub(super) fn section(&self) -> String {
        format!(
            "[[identity_provider]]\nname = \"{}\"\nissuer = \"{}\"\nclient_id = \"sekisho\"\nclient_secret_file = \"oidc-secret\"\n\
             groups_claim = \"groups\"\nca = \"root.pem\"",
            self.name, self.issuer
        )
    }

    pub(super) fn lies(&self) -> MutexGuard<'_, Lies> {
        self.lies.lock().unwrap()
    }

    /// What the gate asks for at `location`, which has to be at this provider.
    pub(super) fn asked(&self, location: &str) -> Asked {
        assert!(location.starts_with(&format!("{}/auth?", self.issuer)), "{location}");
        let fields: HashMap<String, String> = Url::parse(location).unwrap().query_pairs().into_owned().collect();
        let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
        assert_eq!((field("response_type").as_str(), field("client_id").as_str()), ("code", "sekisho"));
        Asked {
            redirect_uri: field("redirect_uri"),
            state: field("state"),
            nonce: field("nonce"),
            challenge: field("code_challenge"),
            method: field("code_challenge_method"),
        }
    }

    /// The person signs in at `location`; gives the code.
    pub(super) fn code(&self, asked: &Asked) -> String {
        let mut codes = self.codes.lock().unwrap();
        let code = format!("{}-code-{}", self.name, codes.len());
        codes.insert(code.clone(), asked.clone());
        code
    }

    /// The address that the browser is sent back to, with everything right.
    pub(super) fn back(&self, location: &str) -> String {
        let asked = self.asked(location);
        let code = self.code(&asked);
        let issuer = self.metadata["authorization_response_iss_parameter_supported"].as_bool().unwrap_or_default();
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("code", &code).append_pair("state", &asked.state);
        if issuer {
            query.append_pair("iss", &self.issuer);
        }
        format!("{}?{}", asked.redirect_uri, query.finish())
    }

    /// A token with these claims, signed with this provider's key.
    pub(super) fn sign(&self, claims: &Value) -> String {
        let header = json!({"alg": "ES256", "kid": self.name, "typ": "JWT"}).to_string();
        let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = self.key.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    /// The claims of a true ID token.
    pub(super) fn claims(&self, nonce: &str) -> Value {
        let now = time::OffsetDateTime::now_utc().unix_timestamp();
        json!({
            "iss": self.issuer, "aud": "sekisho", "sub": "alice", "nonce": nonce, "iat": now, "exp": now + 300, "auth_time": now,
            "groups": ["staff"],
        })
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        match path.as_str() {
            "/.well-known/openid-configuration" => answer(&merged(
                json!({
                    "issuer": self.issuer, "jwks_uri": format!("{}/jwks", self.issuer),
                    "authorization_endpoint": format!("{}/auth", self.issuer), "token_endpoint": format!("{}/token", self.issuer),
                    "userinfo_endpoint": format!("{}/userinfo", self.issuer), "code_challenge_methods_supported": ["S256"],
                }),
                &self.metadata,
            )),
            "/jwks" => {
                let point = self.key.public_key().as_ref();
                let coordinate = |at: usize| URL_SAFE_NO_PAD.encode(&point[at..at + 32]);
                let key = json!({
                    "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.name, "x": coordinate(1), "y": coordinate(33),
                });
                answer(&json!({ "keys": [key] }))
            }
            "/token" => self.token(&body),
            "/userinfo" => {
                let truth = json!({"sub": "alice", "name": "Alice", "email": "alice@corp.example", "email_verified": true});
                answer(&merged(truth, &self.lies().userinfo))
            }
            _ => Response::builder().status(404).body(Full::default()).unwrap(),
        }
    }

    fn token(&self, body: &[u8]) -> Response<Full<Bytes>> {
        let form: HashMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
        let asked = self.codes.lock().unwrap().remove(&form["code"]);
        let mut lies = self.lies();
        lies.exchanges.push(form.clone());
        let right = |asked: &Asked| {
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, form["code_verifier"].as_bytes());
            URL_SAFE_NO_PAD.encode(digest.as_ref()) == asked.challenge && form["redirect_uri"] == asked.redirect_uri
        };
        let Some(asked) = asked.filter(right) else {
            let mut refused = answer(&json!({"error": "invalid_grant"}));
            *refused.status_mut() = StatusCode::BAD_REQUEST;
            return refused;
        };
        let true_one = self.sign(&merged(self.claims(&asked.nonce), &lies.claims));
        let id_token = lies.id_token.clone().unwrap_or(true_one);
        lies.given.push(id_token.clone());
        answer(&json!({"access_token": ACCESS_TOKEN, "token_type": "Bearer", "expires_in": 300, "id_token": id_token}))
    }
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

fn answer(body: &Value) -> Response<Full<Bytes>> {
    Response::builder().header("content-type", "application/json").body(Full::from(body.to_string())).unwrap()
}

/// What it gives out beside each ID token.
pub(super) const ACCESS_TOKEN: &str = "an-access-token-that-is-nobodys-business";
