//! Requests as bytes, whatever they are, and what comes back.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use url::Url;

use super::client::Client;
use super::recorder::contains;

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    pub(crate) bytes: Vec<u8>,
    /// The gate ended the connection.
    pub(crate) closed: bool,
}

impl Client {
    /// Sends these bytes on a connection of their own, and reads until the gate closes it, or says nothing more.
    pub(crate) async fn raw(&self, url: &str, bytes: impl AsRef<[u8]>) -> Raw {
        let stream = self.tls_to(&Url::parse(url).unwrap()).await;
        said(stream, bytes.as_ref(), false).await
    }

    /// The same, and closes its own side behind them.
    pub(crate) async fn raw_and_no_more(&self, url: &str, bytes: impl AsRef<[u8]>) -> Raw {
        let stream = self.tls_to(&Url::parse(url).unwrap()).await;
        said(stream, bytes.as_ref(), true).await
    }
}

async fn said(mut stream: TlsStream<TcpStream>, bytes: &[u8], half_close: bool) -> Raw {
    // Who is refused early may find the way shut while it still sends.
    let _shut = stream.write_all(bytes).await;
    let _shut = if half_close { stream.shutdown().await } else { stream.flush().await };
    let mut raw = Raw { bytes: Vec::new(), closed: false };
    // Who asks for the end gets it, and everything before it.
    let ends = contains(&bytes.to_ascii_lowercase(), b"connection: close");
    loop {
        let patience = if ends || raw.statuses().is_empty() { PATIENCE } else { QUIET };
        match tokio::time::timeout(patience, stream.read_buf(&mut raw.bytes)).await {
            Ok(Ok(1..)) => {}
            Ok(Ok(0) | Err(_)) => {
                raw.closed = true;
                return raw;
            }
            Err(_quiet) => return raw,
        }
    }
}

impl Raw {
    /// The statuses of final answers.
    pub(crate) fn statuses(&self) -> Vec<u16> {
        let starts = (0..self.bytes.len()).filter_map(|at| {
            let rest = self.bytes.get(at..)?.strip_prefix(b"HTTP/1.")?;
            std::str::from_utf8(rest.get(2..5)?).ok()?.parse::<u16>().ok()
        });
        starts.filter(|status| *status >= 200).collect()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// Why it was refused, if the one answer is a refusal of ours for programs.
    pub(crate) fn reason(&self) -> Option<String> {
        let text = self.text();
        let (_, body) = text.split_once("\r\n\r\n")?;
        let problem: Value = serde_json::from_str(body).ok()?;
        problem["reason"].as_str().map(str::to_owned)
    }
}

/// For an answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// After an answer, for another one that must not come.
const QUIET: Duration = Duration::from_millis(250);
