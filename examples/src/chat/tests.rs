use std::future::pending;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use super::*;
use crate::testing::{listener, send};

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
        assert_eq!(own.to_text().unwrap(), format!(r#"{{"does":"joined","text":"","who":"{who}"}}"#));
        socket
    };
    let mut alice = enter("alice").await;
    let mut bob = enter("bob").await;
    bob.send(Message::text("good morning")).await.unwrap();
    let mut heard = Vec::new();
    for _ in 0..2 {
        heard.push(alice.next().await.unwrap().unwrap().to_text().unwrap().to_owned());
    }
    assert_eq!(heard, [r#"{"does":"joined","text":"","who":"bob"}"#, r#"{"does":"says","text":"good morning","who":"bob"}"#]);
}

#[tokio::test]
async fn without_a_handshake_there_is_no_socket() {
    let (listener, address) = listener().await;
    tokio::spawn(serve(listener, Settings::default(), pending()));
    let reply = send(address, None, Request::get("/ws").body(String::new()).unwrap()).await;
    assert_eq!(reply.status(), 426);
}
