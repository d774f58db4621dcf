//! What goes through: large files, uploads, event streams, WebSockets, and the headers that an app sees.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::header::{HOST, ORIGIN};
use http::{Method, Request};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use url::{Position, Url};

use super::line::Score;
use crate::commands::error::CommandError;
use crate::commands::quickstart::stage::Stage;
use crate::commands::quickstart::visitor::{VisitError, Visitor};

/// Plays it.
pub(super) async fn play(stage: &Stage, score: &mut Score) -> Result<(), CommandError> {
    let share = |path: &str| stage.place.share(path);
    let came = soon(download(&stage.alice, &share("/files/plans/site-model.ifc"))).await;
    let whole = format!("200, {LARGE_FILE} bytes");
    score.line("a file of 64 MiB comes whole", came == whole, &whole, &came)?;

    let body = Bytes::from(vec![b'x'; UPLOAD]);
    let sent = stage.alice.send(Method::POST, &share("/files/plans/notes.txt"), &[], body).await;
    let stored = sent.as_ref().ok().and_then(|answer| serde_json::from_slice::<Value>(&answer.body).ok());
    let (by, bytes) = (text_of(stored.as_ref(), "by"), stored.as_ref().and_then(|upload| upload.get("bytes")?.as_u64()));
    let came = format!("{} bytes from {by}", bytes.unwrap_or(0));
    score.line(
        "an upload arrives, with its person's name",
        bytes == Some(UPLOAD as u64) && !by.is_empty(),
        "1048576 bytes",
        &came,
    )?;

    let came = soon(first_event(&stage.alice, &share("/slow"))).await;
    score.line(
        "an event stream is not held back",
        came.starts_with("id: 1"),
        "its first event",
        came.lines().next().unwrap_or(""),
    )?;

    let came = soon(chat(&stage.alice, &stage.place.chat("/ws"))).await;
    score.line("a WebSocket carries a message to the chat and back", came.contains(GREETING), GREETING, &came)?;

    headers(stage, score).await
}

/// What the app is told, whatever the client says of itself.
async fn headers(stage: &Stage, score: &mut Score) -> Result<(), CommandError> {
    let forged = [("x-forwarded-user", "mallory"), ("x_forwarded_user", "mallory"), ("sekisho-assertion", "mallory")];
    let answer = stage.alice.send(Method::GET, &stage.place.share("/headers"), &forged, Bytes::new()).await;
    let seen = answer.as_ref().ok().and_then(|answer| serde_json::from_slice::<Value>(&answer.body).ok());
    let all = seen.as_ref().map(Value::to_string).unwrap_or_default();
    let user = text_of(seen.as_ref(), "x-forwarded-user");
    let came = format!("x-forwarded-user: {user}");
    score.line("the app is told who it is by the gate alone", !user.is_empty() && !all.contains("mallory"), "alice", &came)?;
    let signed = text_of(seen.as_ref(), "sekisho-assertion").matches('.').count() == 2;
    score.line("and by a signed assertion", signed, "a JWT", if signed { "a JWT" } else { "none" })?;
    let kept = seen.is_some() && !all.contains("__Host-sekisho");
    score.line("the gate's cookies do not reach the app", kept, "none", if kept { "none" } else { "a cookie of the gate" })
}

async fn download(visitor: &Visitor, url: &str) -> Result<String, VisitError> {
    let (_url, response) = visitor.begin(Method::GET, url, &[], Bytes::new()).await?;
    let status = response.status().as_u16();
    let mut body = response.into_body();
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        bytes += frame?.data_ref().map_or(0, |data| data.len() as u64);
    }
    Ok(format!("{status}, {bytes} bytes"))
}

async fn first_event(visitor: &Visitor, url: &str) -> Result<String, VisitError> {
    let (_url, response) = visitor.begin(Method::GET, url, &[], Bytes::new()).await?;
    let first = response.into_body().frame().await.transpose()?;
    let data = first.and_then(|frame| frame.into_data().ok()).unwrap_or_default();
    Ok(String::from_utf8_lossy(&data).into_owned())
}

/// The visitor's cookie for the chat comes from going there first, as a browser would.
async fn chat(visitor: &Visitor, url: &str) -> Result<String, VisitError> {
    let url = Url::parse(url).map_err(|_malformed| VisitError::Address(url.to_owned()))?;
    let page = url.join("/").map_err(|_malformed| VisitError::Address(url.to_string()))?;
    visitor.browse(page.as_str()).await?;
    let mut request = Request::builder()
        .uri(url.as_str().replace("https:", "wss:"))
        .header(HOST, &url[Position::BeforeHost..Position::AfterPort])
        .header(ORIGIN, url.origin().ascii_serialization())
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", generate_key());
    for (name, value) in visitor.credentials(&url) {
        request = request.header(name, value);
    }
    let request = request.body(()).map_err(|_malformed| VisitError::Address(url.to_string()))?;
    let stream = visitor.connect(&url).await?;
    let (mut socket, _response) = match tokio_tungstenite::client_async(request, stream).await {
        Ok(open) => open,
        Err(error) => return Ok(error.to_string()),
    };
    if let Err(error) = socket.send(Message::text(GREETING)).await {
        return Ok(error.to_string());
    }
    while let Some(Ok(message)) = socket.next().await {
        let words = message.to_text().unwrap_or_default().to_owned();
        if words.contains(GREETING) {
            drop(socket.close(None).await);
            return Ok(words);
        }
    }
    Ok("the socket closed".to_owned())
}

/// What came, or why nothing did.
async fn soon(work: impl Future<Output = Result<String, VisitError>>) -> String {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(Ok(came)) => came,
        Ok(Err(error)) => error.to_string(),
        Err(_elapsed) => VisitError::TimedOut.to_string(),
    }
}

fn text_of(value: Option<&Value>, name: &str) -> String {
    value.and_then(|value| value.get(name)?.as_str()).unwrap_or_default().to_owned()
}

const LARGE_FILE: u64 = 64 << 20;
const UPLOAD: usize = 1 << 20;
const GREETING: &str = "good morning";
const PATIENCE: Duration = Duration::from_secs(60);
