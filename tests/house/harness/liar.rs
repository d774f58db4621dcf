//! An identity provider that is true to the protocol until a test has it lie, and remembers what it was asked.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::{Url, form_urlencoded};

use super::client::{Client, Reply};
use super::signer::{Signer, changed, jwks};

/// It listens on loopback, over plain http, which the gate takes for providers on its own machine. It ends with the test.
#[derive(Clone)]
pub(crate) struct Liar {
    pub(crate) name: &'static str,
    pub(crate) issuer: String,
    pub(crate) signer: Signer,
    /// Its answers at the callback name it (RFC 9207), as its metadata promise.
    names_itself: bool,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    pages: Mutex<HashMap<String, Page>>,
    lies: Mutex<Lies>,
    heard: Mutex<Heard>,
    /// Codes that nobody has shown yet.
    codes: Mutex<HashMap<String, Brought>>,
}

/// What is at a path.
#[derive(Clone)]
pub(crate) enum Page {
    /// This.
    Text(u16, String),
    /// Somewhere else.
    Redirect(String),
    /// Bytes without end.
    Endless,
    /// A byte now and then, without end.
    Slow,
}

/// What it does wrong when it signs people in. Objects are merged into the true ones; null takes a member out.
#[derive(Clone, Default)]
pub(crate) struct Lies {
    pub(crate) header: Value,
    pub(crate) claims: Value,
    pub(crate) userinfo: Value,
    /// Sent instead of the ID token.
    pub(crate) id_token: Option<String>,
}

/// What it was asked, and what it gave.
#[derive(Default)]
pub(crate) struct Heard {
    paths: Vec<String>,
    codes: usize,
    /// The forms that came to the token endpoint.
    pub(crate) exchanges: Vec<HashMap<String, String>>,
    /// The ID tokens that it gave out.
    pub(crate) given: Vec<String>,
}

/// What a browser brought from the gate.
#[derive(Clone)]
pub(crate) struct Brought {
    pub(crate) redirect_uri: String,
    pub(crate) state: String,
    pub(crate) nonce: String,
    pub(crate) challenge: String,
    pub(crate) method: String,
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

impl Liar {
    /// One whose metadata differ from the usual in these members. The gate has to hear of it: [`Liar::section`].
    pub(crate) async fn open(name: &'static str, metadata: &Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let at = |path: &str| format!("{issuer}{path}");
        let usual = json!({
            "issuer": issuer, "jwks_uri": at("/jwks"), "authorization_endpoint": at("/auth"), "token_endpoint": at("/token"),
            "userinfo_endpoint": at("/userinfo"), "code_challenge_methods_supported": ["S256"],
        });
        let liar = Self {
            name,
            signer: Signer::es256(&format!("{name}-1")),
            names_itself: metadata["authorization_response_iss_parameter_supported"] == true,
            shared: Arc::default(),
            issuer,
        };
        liar.shows("/.well-known/openid-configuration", Page::json(&changed(&usual, metadata)));
        liar.shows("/jwks", Page::Text(200, jwks([liar.signer.jwk()])));
        let serving = liar.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let liar = serving.clone();
                let service = service_fn(move |request| {
                    let liar = liar.clone();
                    async move { Ok::<_, Infallible>(liar.answer(request).await) }
                });
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service));
            }
        });
        liar
    }

    /// Its section in the configuration, with more lines.
    pub(crate) fn section(&self, lines: &str) -> String {
        format!("[[identity_provider]]\nname = \"{}\"\nissuer = \"{}\"\n{lines}\n", self.name, self.issuer)
    }

    /// From now on this is at `path`.
    pub(crate) fn shows(&self, path: &str, page: Page) {
        self.shared.pages.lock().unwrap().insert(path.to_owned(), page);
    }

    /// A further issuer below its own, with a document that has these members changed, and this key set. Gives the issuer.
    pub(crate) fn tenant(&self, name: &str, document: &Value, keys: Page) -> String {
        let issuer = format!("{}/{name}", self.issuer);
        let whole = json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/jwks") });
        self.shows(&format!("/{name}/.well-known/openid-configuration"), Page::json(&changed(&whole, document)));
        self.shows(&format!("/{name}/jwks"), keys);
        issuer
    }

    pub(crate) fn lies(&self) -> MutexGuard<'_, Lies> {
        self.shared.lies.lock().unwrap()
    }

    pub(crate) fn heard(&self) -> MutexGuard<'_, Heard> {
        self.shared.heard.lock().unwrap()
    }

    /// How often it was asked for `path`.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.heard().paths.iter().filter(|asked| *asked == path).count()
    }

    /// Claims that are as they should be, but for whom they are about.
    pub(crate) fn claims(&self, subject: &str) -> Value {
        let now = now();
        json!({ "iss": self.issuer, "aud": "sekisho", "sub": subject, "iat": now, "exp": now + 300 })
    }

    /// The claims of a true ID token, which is about Ana.
    pub(crate) fn id_claims(&self, nonce: &str) -> Value {
        changed(&self.claims("ana"), &json!({ "nonce": nonce, "auth_time": now(), "groups": ["staff"] }))
    }

    /// An ID token, truly signed.
    pub(crate) fn sign_id(&self, claims: &Value) -> String {
        let header = changed(&self.signer.header(), &json!({ "typ": "JWT" }));
        self.signer.sign_with(&changed(&header, &self.lies().header), claims)
    }

    /// What the gate asks for at `location`, which has to be at this provider.
    pub(crate) fn brought(&self, location: &str) -> Brought {
        assert!(self.is_sign_in(location), "{location}");
        let fields: HashMap<String, String> = Url::parse(location).unwrap().query_pairs().into_owned().collect();
        let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
        assert_eq!((field("response_type").as_str(), field("client_id").as_str()), ("code", "sekisho"));
        Brought {
            redirect_uri: field("redirect_uri"),
            state: field("state"),
            nonce: field("nonce"),
            challenge: field("code_challenge"),
            method: field("code_challenge_method"),
        }
    }

    fn is_sign_in(&self, location: &str) -> bool {
        location.starts_with(&format!("{}/auth?", self.issuer))
    }

    /// Ana signs in; gives the code.
    pub(crate) fn code(&self, brought: &Brought) -> String {
        let mut heard = self.heard();
        heard.codes += 1;
        let code = format!("{}-code-{}", self.name, heard.codes);
        self.shared.codes.lock().unwrap().insert(code.clone(), brought.clone());
        code
    }

    /// The address that a browser at `location` is sent back to, with everything right.
    pub(crate) fn back(&self, location: &str) -> String {
        let brought = self.brought(location);
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("code", &self.code(&brought)).append_pair("state", &brought.state);
        if self.names_itself {
            query.append_pair("iss", &self.issuer);
        }
        format!("{}?{}", brought.redirect_uri, query.finish())
    }

    /// Signs Ana in from `start`, which leads to its `/auth`; gives where that ends.
    pub(crate) async fn sign_in(&self, client: &Client, start: &str) -> Reply {
        let mut reply = client.click(start).await;
        for _ in 0..10 {
            let Some(to) = reply.location() else { return reply };
            reply = client.click(&if self.is_sign_in(&to) { self.back(&to) } else { to }).await;
        }
        panic!("signing in does not end; the last answer was {}", reply.shown());
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        self.heard().paths.push(path.clone());
        let page = self.shared.pages.lock().unwrap().get(&path).cloned();
        let page = match (page, path.as_str()) {
            (Some(page), _) => page,
            (None, "/token") => self.token(&request.into_body().collect().await.unwrap().to_bytes()),
            (None, "/userinfo") => Page::json(&changed(&person(), &self.lies().userinfo)),
            (None, _) => Page::Text(404, String::new()),
        };
        page.answer()
    }

    fn token(&self, body: &[u8]) -> Page {
        let form: HashMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
        let brought = self.shared.codes.lock().unwrap().remove(&form["code"]);
        self.heard().exchanges.push(form.clone());
        let is_theirs = |brought: &Brought| {
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, form["code_verifier"].as_bytes());
            URL_SAFE_NO_PAD.encode(digest.as_ref()) == brought.challenge && form["redirect_uri"] == brought.redirect_uri
        };
        let Some(brought) = brought.filter(is_theirs) else {
            return Page::Text(400, json!({ "error": "invalid_grant" }).to_string());
        };
        let Lies { claims, id_token, .. } = self.lies().clone();
        let id_token = id_token.unwrap_or_else(|| self.sign_id(&changed(&self.id_claims(&brought.nonce), &claims)));
        self.heard().given.push(id_token.clone());
        Page::json(&json!({ "access_token": ACCESS_TOKEN, "token_type": "Bearer", "expires_in": 300, "id_token": id_token }))
    }
}

impl Page {
    pub(crate) fn json(value: &Value) -> Self {
        Self::Text(200, value.to_string())
    }

    fn answer(self) -> Response<Body> {
        let (status, body) = match self {
            Self::Text(status, text) => (status, Full::new(Bytes::from(text)).boxed_unsync()),
            Self::Redirect(to) => {
                return Response::builder().status(302).header("location", to).body(Full::default().boxed_unsync()).unwrap();
            }
            Self::Endless => {
                let pieces = futures_util::stream::repeat_with(|| Ok(Frame::data(Bytes::from(vec![b' '; 64 * 1024]))));
                (200, StreamBody::new(pieces).boxed_unsync())
            }
            Self::Slow => {
                let pieces = futures_util::stream::unfold((), |()| async {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    Some((Ok(Frame::data(Bytes::from_static(b" "))), ()))
                });
                (200, StreamBody::new(pieces).boxed_unsync())
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        response.headers_mut().insert("content-type", "application/json".parse().unwrap());
        response
    }
}

/// Ana, as userinfo tells of her.
fn person() -> Value {
    json!({ "sub": "ana", "name": "Ana", "email": "ana@corp.example", "email_verified": true, "groups": ["staff"] })
}

/// Seconds since the epoch.
pub(crate) fn now() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp()
}

/// What it gives out beside each ID token.
pub(crate) const ACCESS_TOKEN: &str = "an-access-token-that-is-nobodys-business";
/// Lines of a [`Liar::section`]: the gate has a secret with it, and takes groups from it.
pub(crate) const CONFIDENTIAL: &str = "client_id = \"sekisho\"\nclient_secret_file = \"oidc-secret\"\ngroups_claim = \"groups\"";
