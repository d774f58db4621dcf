//! WebSockets: nothing of the client reaches an app that did not agree.

use std::time::Duration;

use http::{Request, Version};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::house::{House, Local, Peer, Stage, app_at, header, on_a_core};
use crate::forward::tunnel::TunnelEnd;

/// The example of RFC 6455, section 1.3.
const ASK: &str = "GET /chat HTTP/1.1\r\nHost: wiki.corp.example\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat, superchat\r\n\r\n";
const AGREED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WEBSOCKET\r\nConnection: upgrade\r\n\
                      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: superchat\r\nX-App: 1\r\n\r\n";
/// A text frame with `hi`, unmasked.
const HI: &str = "\u{1}\u{2}hi";

/// A WebSocket from end to end.
async fn opened(house: &House, stage: &Stage) -> (Peer, Peer) {
    let mut client = house.client().await;
    client.send(ASK).await;
    let mut app = stage.next().await;
    app.head().await;
    app.send(AGREED).await;
    assert!(client.head().await.starts_with("HTTP/1.1 101"));
    (client, app)
}

#[test]
fn the_handshake_is_the_apps_own() {
    on_a_core(async {
        let stage = Stage::open().await;
        let house = House::before(app_at(&[stage.address])).await;
        let mut client = house.client().await;
        client.send(ASK).await;
        let mut app = stage.next().await;
        let head = app.head().await;
        let asked = |name| header(&head, name);
        assert!(head.starts_with("GET /chat HTTP/1.1\r\n"));
        assert_eq!((asked("upgrade"), asked("connection")), (Some("websocket"), Some("Upgrade")));
        assert_eq!(asked("sec-websocket-key"), Some("dGhlIHNhbXBsZSBub25jZQ=="));
        assert_eq!(asked("sec-websocket-protocol"), Some("chat, superchat"));
        assert_eq!(asked("x-forwarded-user"), Some("corp/ana"));
        assert!(client.is_silent().await, "a 101 before the app's");
        app.send(AGREED).await;
        // Bytes right behind the 101 are the tunnel's first.
        app.send(HI).await;
        let head = client.head().await;
        let got = |name| header(&head, name);
        assert_eq!(got("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert_eq!((got("sec-websocket-protocol"), got("x-app")), (Some("superchat"), Some("1")));
        client.expect(HI).await;
        client.send("from the client").await;
        app.expect("from the client").await;
        let meter = std::rc::Rc::clone(&house.inner.meter.borrow());
        assert_eq!((meter.up(), meter.down()), (15, 4));
        drop(client);
        assert_eq!(app.rest().await.0, b"");
    });
}

#[test]
fn no_byte_passes_before_a_right_101() {
    on_a_core(async {
        for (answer, outcome) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok"),
            ("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", "no"),
            (
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: AAAA\r\n\r\n",
                "upgrade_refused",
            ),
            (
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
                "upgrade_refused",
            ),
            ("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\r\n", "upgrade_refused"),
        ] {
            let stage = Stage::open().await;
            let house = House::before(app_at(&[stage.address])).await;
            let mut client = house.client().await;
            client.send(ASK).await;
            client.send("GET /admin HTTP/1.1\r\nHost: wiki.corp.example\r\n\r\n").await;
            let mut app = stage.next().await;
            app.head().await;
            assert!(app.is_silent().await);
            app.send(answer).await;
            client.head().await;
            client.expect(outcome).await;
            let (leaked, _) = app.rest().await;
            assert_eq!(String::from_utf8(leaked).unwrap(), "", "{answer}");
        }
    });
}

#[test]
fn a_cut_ends_both_sides_at_once_and_in_order_between_frames() {
    on_a_core(async {
        let stage = Stage::open().await;
        let house = House::before(app_at(&[stage.address])).await;
        let (mut client, mut app) = opened(&house, &stage).await;
        app.send(HI).await;
        client.expect(HI).await;
        house.inner.cut.notify_one();
        let (bytes, in_order) = client.rest().await;
        assert!(in_order);
        assert_eq!(bytes[..4], [0x88, 18, 0x03, 0xf0], "a Close frame with 1008");
        assert_eq!(&bytes[4..], b"access has ended");
        let (bytes, _) = app.rest().await;
        assert_eq!(bytes[..2], [0x88, 0x80 | 18], "a masked Close frame");
        assert_eq!(house.end().await, TunnelEnd::Cut);
    });
}

#[test]
fn a_cut_in_the_middle_of_a_frame_adds_nothing_to_it() {
    on_a_core(async {
        let stage = Stage::open().await;
        let house = House::before(app_at(&[stage.address])).await;
        let (mut client, mut app) = opened(&house, &stage).await;
        app.send("\u{1}\u{9}half").await;
        client.expect("\u{1}\u{9}half").await;
        house.inner.cut.notify_one();
        assert_eq!(client.rest().await.0, b"");
    });
}

#[test]
fn a_silent_tunnel_ends() {
    on_a_core(async {
        let stage = Stage::open().await;
        let mut app = app_at(&[stage.address]);
        app.timeouts.idle = Duration::from_millis(300);
        let house = House::before(app).await;
        let (mut client, mut app) = opened(&house, &stage).await;
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_millis(150)).await;
            app.send(HI).await;
            client.expect(HI).await;
        }
        let (bytes, _) = client.rest().await;
        assert_eq!(bytes[2..4], 1001_u16.to_be_bytes());
        assert_eq!(house.end().await, TunnelEnd::Idle);
    });
}

#[test]
fn what_one_side_has_said_before_it_leaves_still_arrives() {
    on_a_core(async {
        let stage = Stage::open().await;
        let house = House::before(app_at(&[stage.address])).await;
        let (mut client, mut app) = opened(&house, &stage).await;
        client.stream.shutdown().await.unwrap();
        assert_eq!(app.rest().await.0, b"");
        app.send("a last word").await;
        drop(app);
        assert_eq!(client.rest().await.0, b"a last word");
        assert_eq!(*house.inner.ends.borrow(), [TunnelEnd::ClientLeft]);
    });
}

/// An extended CONNECT (RFC 8441) to the house, and the app's answer to it.
async fn extended_connect(answer_for: impl Fn(&str) -> String) -> (http::Response<hyper::body::Incoming>, Peer, House) {
    let stage = Stage::open().await;
    let house = House::before(app_at(&[stage.address])).await;
    let stream = TcpStream::connect(house.http2).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(Local, TokioIo::new(stream)).await.unwrap();
    tokio::task::spawn_local(connection);
    let mut request = Request::new(Empty::<bytes::Bytes>::new());
    *request.method_mut() = http::Method::CONNECT;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = "https://wiki.corp.example/chat".parse().unwrap();
    request.headers_mut().insert("sec-websocket-version", "13".parse().unwrap());
    request.headers_mut().insert("sec-websocket-protocol", "chat".parse().unwrap());
    request.extensions_mut().insert(hyper::ext::Protocol::from_static("websocket"));
    // The server's SETTINGS have to be here before an extended CONNECT may be sent.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let asking = tokio::task::spawn_local(async move { sender.send_request(request).await });
    let mut app = stage.next().await;
    let head = app.head().await;
    assert!(head.starts_with("GET /chat HTTP/1.1\r\n"), "{head}");
    assert_eq!(header(&head, "upgrade"), Some("websocket"));
    let key = header(&head, "sec-websocket-key").expect("a key of our own").to_owned();
    app.send(&answer_for(&key)).await;
    (asking.await.unwrap().unwrap(), app, house)
}

fn accept(key: &str) -> String {
    use base64::Engine as _;
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    base64::engine::general_purpose::STANDARD.encode(digest.as_ref())
}

#[test]
fn over_http2_the_101_becomes_a_200() {
    on_a_core(async {
        let (response, mut app, _house) = extended_connect(|key| {
            format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\
                 Sec-WebSocket-Protocol: chat\r\n\r\n",
                accept(key)
            )
        })
        .await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
        for absent in ["upgrade", "connection", "sec-websocket-accept"] {
            assert!(!response.headers().contains_key(absent), "{absent}");
        }
        let mut client = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
        client.write_all(b"ping").await.unwrap();
        client.flush().await.unwrap();
        app.expect("ping").await;
        app.send("pong").await;
        let mut got = [0; 4];
        client.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"pong");
    });
}

#[test]
fn over_http2_a_200_of_the_app_is_not_consent() {
    on_a_core(async {
        let (response, _app, _house) = extended_connect(|_key| "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned()).await;
        assert_eq!(response.status(), 502);
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "upgrade_refused");
    });
}
