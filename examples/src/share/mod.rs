//! An information-sharing app: project folders, large files to download, uploads, an administration page.
//!
//! Arrives: requests that the gate let through, with the person in `X-Forwarded-User`. Leaves: pages, and files of any size that are
//! made up as they are sent. Refused: names that are not there, uploads that are too large. If the client goes away, nothing is kept.
//! It has no login page and checks nobody: that is the gate's work.

mod catalogue;
mod content;
mod download;
mod pages;
mod uploads;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame, Incoming};
use serde_json::{Map, Value};
use tokio::net::TcpListener;
use tokio::time::Interval;

use crate::chance;
use crate::web::{self, Reply};

/// What the app is made from.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its name, shown on every page.
    pub title: String,
    /// Largest upload, in bytes; what is longer is refused. Uploads are counted and thrown away.
    pub largest_upload: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { title: "Project share".to_owned(), largest_upload: 1 << 30 }
    }
}

/// Serves until `shutdown` is ready.
///
/// # Errors
/// If the listener fails.
pub async fn serve(listener: TcpListener, settings: Settings, shutdown: impl Future<Output = ()>) -> io::Result<()> {
    let app = Arc::new(App { settings, uploads: uploads::Uploads::default() });
    web::serve(listener, None, shutdown, move |request| {
        let app = Arc::clone(&app);
        async move { app.answer(request).await }
    })
    .await
}

#[derive(Debug)]
struct App {
    settings: Settings,
    uploads: uploads::Uploads,
}

impl App {
    async fn answer(&self, request: Request<Incoming>) -> Reply {
        let path = request.uri().path().to_owned();
        let view = pages::View { title: &self.settings.title, who: who(request.headers()) };
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        match (request.method().clone(), segments.as_slice()) {
            (Method::GET, [""]) => web::html(StatusCode::OK, view.home()),
            (Method::GET, ["files", folder, ""]) => match catalogue::folder(folder) {
                Some(folder) => web::html(StatusCode::OK, view.folder(folder, &self.uploads.in_folder(folder.name))),
                None => web::html(StatusCode::NOT_FOUND, view.missing()),
            },
            (Method::GET | Method::HEAD, ["files", folder, name]) => match catalogue::find(folder, name) {
                Some(file) => download::send(&request, &file),
                None => web::html(StatusCode::NOT_FOUND, view.missing()),
            },
            (Method::POST | Method::PUT, ["files", folder, name]) if catalogue::folder(folder).is_some() => {
                let (folder, name) = ((*folder).to_owned(), (*name).to_owned());
                self.uploads.receive(request.into_body(), &folder, &name, view.who, self.settings.largest_upload).await
            }
            (Method::GET, ["admin", ..]) => web::html(StatusCode::OK, view.admin(&self.uploads.all())),
            (Method::GET, ["upload.js"]) => web::answer(StatusCode::OK, "text/javascript", pages::UPLOAD_SCRIPT),
            (Method::GET | Method::HEAD, ["healthz"]) => web::text(StatusCode::OK, "ok\n"),
            (_, ["headers"]) => web::json(StatusCode::OK, &echo(request.headers())),
            (Method::GET, ["slow"]) => clock(),
            _ => web::html(StatusCode::NOT_FOUND, view.missing()),
        }
    }
}

/// The person, as the gate says.
fn who(headers: &HeaderMap) -> String {
    web::header(headers, "x-forwarded-user").unwrap_or("nobody").to_owned()
}

/// The received headers: a name with its value, or with a list if it came several times.
fn echo(headers: &HeaderMap) -> Value {
    let values = |name| -> Vec<Value> {
        headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned().into()).collect()
    };
    let mut all = Map::new();
    for name in headers.keys() {
        let mut values = values(name);
        let value = if values.len() == 1 { values.remove(0) } else { Value::Array(values) };
        all.insert(name.as_str().to_owned(), value);
    }
    Value::Object(all)
}

/// An event each second, without end: shows that nothing on the way holds an answer back.
fn clock() -> Reply {
    let ticks = Ticks { interval: tokio::time::interval(Duration::from_secs(1)), count: 0 };
    let mut reply = web::answer(StatusCode::OK, "text/event-stream", "");
    *reply.body_mut() = ticks.boxed_unsync();
    reply
}

#[derive(Debug)]
struct Ticks {
    interval: Interval,
    count: u64,
}

impl HttpBody for Ticks {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        ready!(self.interval.poll_tick(task));
        self.count += 1;
        let event = format!("id: {}\ndata: {}\n\n", self.count, chance::now().as_secs());
        Poll::Ready(Some(Ok(Frame::data(event.into()))))
    }
}

#[cfg(test)]
mod tests;
