//! What would make a tunnel of a connection: upgrades and CONNECT.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::knock::{Fate, Road, over_http2};
use crate::harness::{House, Recorder, contains, ok};

const KEY: &str = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";

/// Of that key (RFC 6455, section 4.2.2).
const ACCEPT: &str = "ICX+Yqv66kxgM0FcWaLWlFLwTAI=";

/// Holds: 42, 74.
#[tokio::test]
async fn no_byte_goes_through_before_the_app_has_opened_the_tunnel() {
    let answers = [
        ok(b"GET"),
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n".to_vec(),
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: AAAA\r\n\r\n"
            .to_vec(),
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n".to_vec(),
        b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n".to_vec(),
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".to_vec(),
    ];
    let turn = Arc::new(AtomicUsize::new(0));
    let (which, all) = (Arc::clone(&turn), answers.clone());
    let notes = Recorder::answering(
        move |head| {
            if contains(head, b"/ws") { all[which.load(Ordering::SeqCst)].clone() } else { ok(head) }
        },
    )
    .await;
    let road = Road::planned(House::plan(), "", notes).await;
    let unknown = road.head(&road.visitor, "GET /closed/smuggled", "");
    let last = road.head(&road.visitor, "GET /closed/smuggled", "Connection: close\r\n");
    let known = road.head(&road.alice, "GET /closed/second", "Connection: close\r\n");
    let upgrade = road.head(&road.alice, "GET /closed/ws", format!("Connection: Upgrade\r\nUpgrade: websocket\r\n{KEY}"));
    for (number, answer) in answers.iter().enumerate() {
        turn.store(number, Ordering::SeqCst);
        let shown = String::from_utf8_lossy(answer).into_owned();
        // What follows is requests, each asked who it is.
        let raw = road.alice.client.raw(&road.url(), [&*upgrade, &unknown, &known].concat()).await;
        let heard = road.notes.take();
        assert!(!heard.has("smuggled"), "{shown}: {}", String::from_utf8_lossy(&heard.bytes));
        assert!(raw.statuses().len() <= 3 && !raw.text().contains(" 101 "), "{shown}: {}", raw.text());
        assert_eq!(raw.statuses().get(1).copied().unwrap_or(401), 401, "{shown}: {}", raw.text());
        // The connection on which an upgrade was asked for serves nobody else.
        let second = heard.lines().iter().position(|line| line.contains("second"));
        if let Some(second) = second {
            assert_ne!(heard.connections[0], heard.connections[second], "{shown}");
        }
    }
    // Other upgrades are no upgrades; what follows is requests.
    turn.store(0, Ordering::SeqCst);
    for lines in [
        "Connection: Upgrade\r\nUpgrade: foo\r\n",
        "Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n",
        "Connection: Upgrade\r\nUpgrade: TLS/1.2, HTTP/1.1\r\n",
        "Upgrade: foo\r\n",
    ] {
        let raw =
            road.alice.client.raw(&road.url(), [road.head(&road.alice, "GET /closed/plain", lines), last.clone()].concat()).await;
        assert_eq!(raw.statuses(), [200, 401], "{lines}: {}", raw.text());
        let heard = road.notes.take();
        assert!(!heard.has("upgrade") && heard.heads.len() == 1, "{lines}: {}", String::from_utf8_lossy(&heard.bytes));
    }
    for (method, lines) in [
        ("GET", format!("Upgrade: websocket\r\n{KEY}")),
        ("GET", format!("Connection: keep-alive\r\nUpgrade: websocket\r\n{KEY}")),
        ("GET", "Connection: Upgrade\r\nUpgrade: websocket\r\n".to_owned()),
        ("GET", format!("Connection: Upgrade\r\nUpgrade: websocket\r\n{KEY}Content-Length: 5\r\n")),
        ("GET", format!("Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: foo\r\n{KEY}")),
        ("POST", format!("Connection: Upgrade\r\nUpgrade: websocket\r\n{KEY}")),
        ("OPTIONS", format!("Connection: Upgrade\r\nUpgrade: websocket\r\n{KEY}")),
    ] {
        let head = road.head(&road.alice, format!("{method} /closed/ws"), &lines);
        let raw = road.alice.client.raw(&road.url(), head).await;
        assert_eq!((raw.statuses(), raw.reason().as_deref()), (vec![400], Some("websocket")), "{method} {lines}: {}", raw.text());
    }
    road.silent("handshakes");
}

/// Holds: 74.
#[tokio::test]
async fn a_tunnel_that_the_app_opened_passes_bytes() {
    let accepted = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
    );
    let notes =
        Recorder::answering(move |head| if contains(head, b"/ws") { accepted.clone().into_bytes() } else { ok(head) }).await;
    let road = Road::planned(House::plan(), "", notes).await;
    let upgrade = road.head(&road.alice, "GET /closed/ws", format!("Connection: Upgrade\r\nUpgrade: websocket\r\n{KEY}"));
    let url = road.url();
    let raw = road.alice.client.raw(&url, [&*upgrade, b"\x81\x80\0\0\0\0"].concat());
    let seen = crate::harness::eventually("the frame at the app", async || {
        contains(&road.notes.heard().bytes, b"\x81\x80\0\0\0\0").then_some(())
    });
    // Nothing answers in a tunnel, so the reader waits in vain: it is enough that the bytes are there.
    tokio::select! { _ = raw => panic!("the tunnel ended"), () = seen => {} }
}

/// Holds: 75.
#[tokio::test]
async fn nothing_upgrades_to_http2() {
    let road = Road::open().await;
    let tail = road.head(&road.visitor, "GET /closed/smuggled", "Connection: close\r\n");
    for lines in [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "Connection: upgrade, http2-settings\r\nUpgrade: H2C\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "Connection: Upgrade\r\nUpgrade: h2c\r\n",
        "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "Connection: Upgrade\r\nUpgrade: h2c, foo\r\n",
        "Connection: Upgrade\r\nUpgrade: h2\r\n",
    ] {
        let raw = road.alice.client.raw(&road.url(), [road.head(&road.alice, "GET /closed", lines), tail.clone()].concat()).await;
        assert_eq!(raw.statuses(), [200, 401], "{lines}: {}", raw.text());
        let heard = road.notes.take();
        assert!(
            !heard.has("h2c") && !heard.has("http2-settings") && !heard.has("upgrade"),
            "{lines}: {}",
            String::from_utf8_lossy(&heard.bytes)
        );
        assert_eq!(heard.heads.len(), 1, "{lines}: {:?}", heard.lines());
    }
    for list in ["websocket, h2c", "h2c, websocket", "websocket,"] {
        let head = road.head(&road.alice, "GET /closed/ws", format!("Connection: Upgrade\r\nUpgrade: {list}\r\n{KEY}"));
        let raw = road.alice.client.raw(&road.url(), head).await;
        assert_eq!((raw.statuses(), raw.reason().as_deref()), (vec![400], Some("websocket")), "{list}: {}", raw.text());
    }
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let raw = road.alice.client.raw(&road.url(), preface).await;
    assert!(matches!(raw.statuses()[..], [400 | 505]) && raw.closed, "{}", raw.text());
    road.silent("HTTP/2 within HTTP/1.1");
}

/// Holds: 77.
#[tokio::test]
async fn connect_ends_here() {
    let road = Road::open().await;
    let host = road.host();
    let tail = road.head(&road.alice, "GET /closed/smuggled", "");
    for target in [host.as_str(), "notes.localhost:443", "127.0.0.1:22", "/closed", "*", &format!("https://{host}/")] {
        let bytes = [road.head(&road.alice, format!("CONNECT {target}"), ""), tail.clone()].concat();
        let raw = road.alice.client.raw(&road.url(), bytes).await;
        assert_eq!((raw.statuses(), raw.reason().as_deref()), (vec![501], Some("connect")), "{target}: {}", raw.text());
        assert!(raw.closed, "{target}");
    }
    let body = &tail[..];
    let method = (":method", "CONNECT");
    let authority = (":authority", host.as_str());
    let more = [(":scheme", "https"), (":path", "/closed")];
    for fields in [
        vec![method, authority],
        vec![method, authority, more[0], more[1]],
        vec![method, more[0], more[1], authority, (":protocol", "connect-udp")],
        vec![method, more[0], more[1], authority, (":protocol", "WebSocket")],
        vec![method, more[0], more[1], authority, (":protocol", "")],
        vec![(":method", "GET"), more[0], more[1], authority, (":protocol", "websocket")],
    ] {
        assert_ne!(over_http2(&road.alice.client, &road.url(), &fields, Some(body)).await, Fate::Served, "{fields:?}");
    }
    road.silent("CONNECT");
    // Whoever comes next is served as if nothing had been.
    road.passes_target(&road.alice, "/closed").await;
}
