use std::future::pending;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use super::*;
use crate::testing::{listener, send};

fn read(message: &Message) -> Value {
    serde_json::from_str(message.to_text().unwrap()).unwrap()
}

#[tokio::test]
async fn what_one_says_all_hear_with_the_name() {
    let (listener, address) = listener().await;
    tokio::spawn(serve(listener, Settings::default(), pending()));
    let enter = async |who: &str| {
        let mut request = format!("ws://{address}/ws").into_client_request().unwrap();
        request.headers_mut().insert("x-forwarded-user", who.parse().unwrap());
        let socket = TcpStream::connect(address).await.unwrap();
        let (mut socket, _reply) = tokio_tungstenite::client_async(request, socket).await.unwrap();
        let own = socket.next().await.unwrap().unwrap();
        assert_eq!(read(&own), json!({ "who": who, "does": "joined", "text": "" }));
        socket
    };
    let mut alice = enter("alice").await;
    let mut bob = enter("bob").await;
    bob.send(Message::text("good morning")).await.unwrap();
    let mut heard = Vec::new();
    for _ in 0..2 {
        heard.push(read(&alice.next().await.unwrap().unwrap()));
    }
    let expected =
        [json!({ "who": "bob", "does": "joined", "text": "" }), json!({ "who": "bob", "does": "says", "text": "good morning" })];
    assert_eq!(heard, expected);
}

#[tokio::test]
async fn without_a_handshake_there_is_no_socket() {
    let (listener, address) = listener().await;
    tokio::spawn(serve(listener, Settings::default(), pending()));
    let reply = send(address, None, Request::get("/ws").body(String::new()).unwrap()).await;
    assert_eq!(reply.status(), 426);
}
