//! The room: every message goes to everybody in it, its writer too.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// A room. Clones are the same room.
#[derive(Clone, Debug)]
pub(super) struct Room(broadcast::Sender<String>);

impl Room {
    /// Until the person leaves. Who reads too slowly misses messages, and does not hold the others up.
    pub(super) async fn talk<S: AsyncRead + AsyncWrite + Unpin>(&self, mut socket: WebSocketStream<S>, who: &str) {
        let mut heard = self.0.subscribe();
        self.say(who, "joined", "");
        loop {
            let message = tokio::select! {
                spoken = socket.next() => match spoken {
                    Some(Ok(Message::Text(words))) => { self.say(who, "says", &words); continue; }
                    // Bytes come back as they are, to the writer alone.
                    Some(Ok(Message::Binary(bytes))) => Message::Binary(bytes),
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                    Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                },
                line = heard.recv() => match line {
                    Ok(line) => Message::text(line),
                    Err(RecvError::Lagged(_)) => continue,
                    Err(RecvError::Closed) => break,
                },
            };
            if socket.send(message).await.is_err() {
                break;
            }
        }
        self.say(who, "left", "");
        let _closing = socket.close(None).await;
    }

    fn say(&self, who: &str, does: &str, text: &str) {
        // Nobody listening is no failure.
        let _listeners = self.0.send(json!({ "who": who, "does": does, "text": text }).to_string());
    }
}

impl Default for Room {
    fn default() -> Self {
        Self(broadcast::Sender::new(256))
    }
}
