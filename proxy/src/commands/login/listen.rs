//! The port to which the browser comes back. Everybody on this machine can reach it: only who knows the attempt's `state` is heard.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderValue, LOCATION, REFERRER_POLICY};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{Mutex as Turn, mpsc};
use tokio_util::task::AbortOnDropHandle;
use url::form_urlencoded;

use super::error::LoginError;
use crate::commands::output::plain;
use crate::secret::{self, Secret};

/// What the browser brought.
#[derive(Debug)]
pub(super) struct Came {
    /// The code; or the provider's error, and what it says about it.
    pub(super) outcome: Result<Secret<String>, (String, String)>,
    /// Who says that it answered (RFC 9207).
    pub(super) issuer: Option<String>,
}

/// A port that waits for one answer.
#[derive(Debug)]
pub(super) struct Listener {
    redirect_uri: String,
    origin: String,
    shared: Arc<Shared>,
    came: Turn<mpsc::Receiver<Came>>,
    _serving: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Shared {
    /// `127.0.0.1:port`: a name that leads here is not asked for by our own browser.
    host: String,
    state: Secret<String>,
    /// Where `/begin/…` leads, and what it is called; gone once somebody was there.
    begin: Mutex<Option<(String, String)>>,
    heard: mpsc::Sender<Came>,
}

impl Listener {
    /// Listens on a port of 127.0.0.1 that is free.
    ///
    /// # Errors
    /// [`LoginError::NoListener`].
    pub(super) async fn open(state: &Secret<String>) -> Result<Self, LoginError> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(LoginError::NoListener)?;
        let host = listener.local_addr().map_err(LoginError::NoListener)?.to_string();
        let (heard, came) = mpsc::channel(1);
        let shared = Arc::new(Shared { host: host.clone(), state: state.clone(), begin: Mutex::default(), heard });
        let serving = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Ok(Self {
            redirect_uri: format!("http://{host}{CALLBACK}"),
            origin: format!("http://{host}"),
            shared,
            came: Turn::new(came),
            _serving: AbortOnDropHandle::new(serving),
        })
    }

    /// Where the provider sends the browser.
    pub(super) fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// An address here that leads to `there`, once.
    ///
    /// # Errors
    /// [`LoginError::NoRandomness`].
    pub(super) fn leads_to(&self, there: String) -> Result<String, LoginError> {
        let path = format!("{BEGIN}{}", secret::token()?);
        let address = format!("{}{path}", self.origin);
        *self.shared.begin() = Some((path, there));
        Ok(address)
    }

    /// What the browser brings.
    pub(super) async fn wait(&self) -> Came {
        match self.came.lock().await.recv().await {
            Some(came) => came,
            // The sender is in `shared`, which we hold.
            None => std::future::pending().await,
        }
    }
}

impl Shared {
    fn begin(&self) -> std::sync::MutexGuard<'_, Option<(String, String)>> {
        self.begin.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let ours = request.headers().get(HOST).is_some_and(|host| host.as_bytes() == self.host.as_bytes());
        if !ours || request.method() != Method::GET {
            return page(StatusCode::BAD_REQUEST, "There is nothing here.");
        }
        let path = request.uri().path();
        if path == CALLBACK {
            return self.callback(request.uri().query().unwrap_or_default());
        }
        let leads = self.begin().take_if(|(known, _)| secret::same(known.as_bytes(), path.as_bytes()));
        match leads.and_then(|(_, there)| HeaderValue::try_from(there).ok()) {
            Some(there) => {
                let mut away = page(StatusCode::SEE_OTHER, "To the sign-in.");
                away.headers_mut().insert(LOCATION, there);
                away
            }
            None => page(StatusCode::NOT_FOUND, "There is nothing here."),
        }
    }

    fn callback(&self, query: &str) -> Response<Full<Bytes>> {
        let Some(came) = self.read(query) else {
            return page(StatusCode::BAD_REQUEST, "This is not the answer that the terminal waits for. Begin again there.");
        };
        // A second one finds the place taken.
        match self.heard.try_send(came) {
            Ok(()) => page(StatusCode::OK, "The terminal has it from here, and says how it went. You can close this page."),
            Err(_taken) => page(StatusCode::BAD_REQUEST, "The terminal has an answer already."),
        }
    }

    /// What a callback says, if it is one of this attempt with one meaning.
    fn read(&self, query: &str) -> Option<Came> {
        let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().take(MOST_PARAMETERS).collect();
        let one = |name: &str| -> Result<Option<&str>, ()> {
            let mut found = pairs.iter().filter(|(known, _)| known == name);
            match (found.next(), found.next()) {
                (None, _) => Ok(None),
                (Some((_, value)), None) => Ok(Some(value)),
                (Some(_), Some(_)) => Err(()),
            }
        };
        let state = one("state").ok()??;
        if pairs.len() == MOST_PARAMETERS || !secret::same(state.as_bytes(), self.state.expose().as_bytes()) {
            return None;
        }
        let issuer = one("iss").ok()?.map(str::to_owned);
        let outcome = match (one("error").ok()?, one("code").ok()?) {
            (Some(error), None) => {
                let bounded = |text: &str| plain(&text.chars().take(300).collect::<String>());
                Err((bounded(error), bounded(one("error_description").ok()?.unwrap_or_default())))
            }
            (None, Some(code)) if !code.is_empty() => Ok(Secret::new(code.to_owned())),
            _ => return None,
        };
        Some(Came { outcome, issuer })
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((socket, _from)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(|request: Request<Incoming>| {
                let answer = shared.answer(&request);
                async move { Ok::<_, Infallible>(answer) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .keep_alive(false)
                .serve_connection(TokioIo::new(socket), service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a browser's connection broke");
            }
        });
    }
}

fn page(status: StatusCode, words: &str) -> Response<Full<Bytes>> {
    let mut page = Response::new(Full::new(Bytes::from(format!("{words}\n"))));
    *page.status_mut() = status;
    for (name, value) in [
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        // The code stands in the address of this page.
        (REFERRER_POLICY, "no-referrer"),
    ] {
        page.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    page
}

const CALLBACK: &str = "/callback";
const BEGIN: &str = "/begin/";
const MOST_PARAMETERS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::Outbound;

    async fn get(address: &str) -> Response<Bytes> {
        Outbound::new(&[]).unwrap().send(Request::get(address).body(Bytes::new()).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn only_the_answer_to_this_attempt_is_heard() {
        let listener = Listener::open(&Secret::new("right".to_owned())).await.unwrap();
        let here = listener.redirect_uri().to_owned();
        for wrong in [
            "",
            "?code=c",
            "?code=c&state=wrong",
            "?code=c&state=right&state=right",
            "?code=c&code=d&state=right",
            "?code=c&error=e&state=right",
            "?code=&state=right",
            "?state=right",
            "?code=c&state=right&iss=a&iss=b",
        ] {
            assert_eq!(get(&format!("{here}{wrong}")).await.status(), 400, "{wrong}");
        }
        assert_eq!(get(&here.replace("/callback", "/other")).await.status(), 404);
        assert_eq!(get(&format!("{}?code=c&state=right", here.replace("127.0.0.1", "evil.localhost"))).await.status(), 400);
        assert_eq!(get(&format!("{here}?code=c%20d&state=right&iss=https://login.example")).await.status(), 200);
        let came = listener.wait().await;
        assert_eq!(came.issuer.as_deref(), Some("https://login.example"));
        assert_eq!(came.outcome.unwrap().expose(), "c d");
    }

    #[tokio::test]
    async fn an_error_is_heard_too() {
        let listener = Listener::open(&Secret::new("right".to_owned())).await.unwrap();
        let query = "?error=access_denied&error_description=no%1b&state=right";
        assert_eq!(get(&format!("{}{query}", listener.redirect_uri())).await.status(), 200);
        assert_eq!(listener.wait().await.outcome.unwrap_err(), ("access_denied".to_owned(), "no\u{fffd}".to_owned()));
    }

    #[tokio::test]
    async fn the_way_to_the_provider_is_shown_once() {
        let listener = Listener::open(&Secret::new("s".to_owned())).await.unwrap();
        let begin = listener.leads_to("https://login.example/?state=s".to_owned()).unwrap();
        assert_eq!(get(&format!("{begin}x")).await.status(), 404);
        let first = get(&begin).await;
        assert_eq!(
            (first.status(), first.headers()[LOCATION].to_str().unwrap()),
            (StatusCode::SEE_OTHER, "https://login.example/?state=s")
        );
        assert_eq!(get(&begin).await.status(), 404, "who reads it on the command line learns nothing");
    }
}
