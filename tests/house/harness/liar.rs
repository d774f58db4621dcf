//! An identity provider that says what a test wants, and remembers what it was asked.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

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
    pub(crate) issuer: String,
    pub(crate) signer: Signer,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    pages: Mutex<HashMap<String, Page>>,
    lies: Mutex<Lies>,
    asked: Mutex<Vec<String>>,
    nonces: Mutex<HashMap<String, String>>,
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
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

impl Liar {
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let liar = Self { issuer, signer: Signer::es256("liar-1"), shared: Arc::default() };
        let at = |path: &str| format!("{}{path}", liar.issuer);
        liar.shows(
            "/.well-known/openid-configuration",
            Page::json(&json!({
                "issuer": liar.issuer, "jwks_uri": at("/jwks"), "authorization_endpoint": at("/auth"), "token_endpoint": at("/token"),
                "userinfo_endpoint": at("/userinfo"), "code_challenge_methods_supported": ["S256"],
            })),
        );
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

    /// Its section in the configuration, under the name `liar`, with more lines.
    pub(crate) fn section(&self, lines: &str) -> String {
        format!("[[identity_provider]]\nname = \"liar\"\nissuer = \"{}\"\n{lines}\n", self.issuer)
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

    /// How often it was asked for `path`.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.shared.asked.lock().unwrap().iter().filter(|asked| *asked == path).count()
    }

    pub(crate) fn lies(&self) -> MutexGuard<'_, Lies> {
        self.shared.lies.lock().unwrap()
    }

    /// Claims that are as they should be, but for whom they are about.
    pub(crate) fn claims(&self, subject: &str) -> Value {
        let now = now();
        json!({ "iss": self.issuer, "aud": "sekisho", "sub": subject, "iat": now, "exp": now + 300 })
    }

    /// Signs Ana in from `start`, which leads to its `/auth`; gives where that ends.
    pub(crate) async fn sign_in(&self, client: &Client, start: &str) -> Reply {
        let mut reply = client.click(start).await;
        for _ in 0..10 {
            let Some(to) = reply.location() else { return reply };
            let there = to.starts_with(&format!("{}/auth?", self.issuer));
            reply = client.click(&if there { self.comes_back(&to) } else { to }).await;
        }
        panic!("signing in does not end; the last answer was {}", reply.shown());
    }

    /// Where a browser that is sent to `/auth` is sent back to.
    fn comes_back(&self, auth: &str) -> String {
        let asked: HashMap<String, String> = Url::parse(auth).unwrap().query_pairs().into_owned().collect();
        let mut nonces = self.shared.nonces.lock().unwrap();
        let code = format!("code-{}", nonces.len());
        nonces.insert(code.clone(), asked["nonce"].clone());
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("code", &code)
            .append_pair("state", &asked["state"])
            .finish();
        format!("{}?{query}", asked["redirect_uri"])
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        self.shared.asked.lock().unwrap().push(path.clone());
        let page = self.shared.pages.lock().unwrap().get(&path).cloned();
        match (page, path.as_str()) {
            (Some(page), _) => page.answer(),
            (None, "/token") => self.token(&request.into_body().collect().await.unwrap().to_bytes()),
            (None, "/userinfo") => Page::json(&changed(&person(), &self.lies().userinfo)).answer(),
            (None, _) => Page::Text(404, String::new()).answer(),
        }
    }

    fn token(&self, body: &[u8]) -> Response<Body> {
        let form: HashMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
        let nonce = self.shared.nonces.lock().unwrap()[&form["code"]].clone();
        let lies = self.lies();
        let claims = changed(&changed(&self.claims("ana"), &json!({ "nonce": nonce })), &lies.claims);
        let header = changed(&changed(&self.signer.header(), &json!({ "typ": "JWT" })), &lies.header);
        let id_token = self.signer.sign_with(&header, &claims);
        Page::json(&json!({ "access_token": "access", "token_type": "Bearer", "expires_in": 300, "id_token": id_token })).answer()
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
