//! Where one request of HTTP/1.1 ends and the next begins.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::knock::{Fate, Person, Road, over_http2, side_by_side};
use crate::harness::{House, Recorder, contains, ok};

impl Road {
    /// Each of these heads (the lines behind ours, and a body) is refused with one of these reasons, the connection ends, and the
    /// request in its tail is never heard of: somebody signed in sends it, so nothing else is in the way.
    async fn refuses_framing(&self, status: u16, reasons: &[&str], messages: &[Vec<u8>]) {
        let tail = self.head(&self.alice, "GET /closed/smuggled", "");
        let all = messages.iter().map(|message| async {
            let bytes = [self.lines(&self.alice, "POST /closed/outer"), message.clone(), tail.clone()].concat();
            let raw = self.alice.client.raw(&self.url(), bytes).await;
            let shown = String::from_utf8_lossy(message).into_owned();
            assert_eq!(raw.statuses(), [status], "{shown:?}: {}", raw.text());
            assert!(reasons.contains(&&*raw.reason().unwrap_or_default()), "{shown:?}: {}", raw.text());
            assert!(raw.closed, "{shown:?} leaves the connection open");
        });
        side_by_side(all).await;
        self.silent(reasons[0]);
    }

    /// A head without its end.
    fn lines(&self, who: &Person, first: &str) -> Vec<u8> {
        let mut head = self.head(who, first, "");
        head.truncate(head.len() - 2);
        head
    }

    /// The body is what the app gets for this message.
    async fn passes_body(&self, message: impl AsRef<[u8]>, body: &str) {
        let bytes = [self.lines(&self.alice, "POST /closed/outer"), message.as_ref().to_vec()].concat();
        let heard = self.passes(&self.alice, bytes).await;
        assert!(
            heard.has(&format!("{body}\r\n")) || heard.bytes.ends_with(body.as_bytes()),
            "{}",
            String::from_utf8_lossy(&heard.bytes)
        );
    }
}

fn messages<T: AsRef<[u8]>>(all: impl IntoIterator<Item = T>) -> Vec<Vec<u8>> {
    all.into_iter().map(|message| message.as_ref().to_vec()).collect()
}

/// Holds: 64.
#[tokio::test]
async fn two_lengths_are_none() {
    let road = Road::open().await;
    let both = [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n",
        "Content-Length: 0\r\nX: y\r\ntransfer-encoding: CHUNKED\r\n\r\n0\r\n\r\n",
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ];
    road.refuses_framing(400, &["two_lengths"], &messages(both)).await;
    let twice = ["Transfer-Encoding: chunked\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"];
    road.refuses_framing(400, &["content_length_twice", "two_lengths"], &messages(twice)).await;
    road.passes_body("Content-Length: 5\r\n\r\nhello", "hello").await;
    road.passes_body("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "hello").await;
}

/// Holds: 65.
#[tokio::test]
async fn chunked_is_the_only_coding_and_has_one_spelling() {
    let road = Road::open().await;
    let values: [&[u8]; 26] = [
        b"xchunked",
        b"chunkedx",
        b"chunk",
        b"chunked, identity",
        b"identity, chunked",
        b"gzip, chunked",
        b"chunked, chunked",
        b"chunked,",
        b",chunked",
        b"identity",
        b"gzip",
        b"\"chunked\"",
        b"'chunked'",
        b"chunked;x",
        b"chunked; q=1",
        b"chunked x",
        b"chu nked",
        b"",
        b"\x0bchunked",
        b"\x0cchunked",
        b"chunked\x00",
        b"chunked\x0b",
        b"\xa0chunked",
        b"chunked\x85",
        b"chunked\r\n identity",
        b"\r\n chunked",
    ];
    let with = |value: &[u8]| [b"Transfer-Encoding: ", value, b"\r\n\r\n0\r\n\r\n"].concat();
    road.refuses_framing(400, &["transfer_encoding", "header_value", "obsolete_fold"], &messages(values.map(with))).await;
    let with_length = |value: &[u8]| [b"Content-Length: 5\r\nTransfer-Encoding: ", value, b"\r\n\r\n0\r\n\r\n"].concat();
    road.refuses_framing(400, &["transfer_encoding", "header_value", "obsolete_fold"], &messages(values.map(with_length))).await;
    let lines = [
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding\0: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding= chunked\r\n\r\n0\r\n\r\n",
        "X: y\r\n\tTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ];
    let reasons = [
        "transfer_encoding_twice",
        "transfer_encoding",
        "space_before_colon",
        "header_name",
        "obsolete_fold",
        "bare_lf",
        "bare_cr",
    ];
    road.refuses_framing(400, &reasons, &messages(lines)).await;
    let old = format!("POST /closed HTTP/1.0\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", road.host());
    road.refuses(&road.alice, old, 400, "transfer_encoding_too_old").await;
    for value in ["chunked", "CHUNKED", "cHuNkEd", "\tchunked ", "chunked"] {
        road.passes_body(format!("Transfer-Encoding:{value}\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), "hello").await;
    }
    // An alias frames nothing, and goes.
    let heard = road.passes(&road.alice, road.head(&road.alice, "GET /closed", "Transfer_Encoding: chunked\r\n")).await;
    assert!(!heard.has("chunked"));
}

/// Holds: 66.
#[tokio::test]
async fn a_length_is_digits_and_stands_once() {
    let road = Road::open().await;
    let values: [&[u8]; 27] = [
        b"+5",
        b"-5",
        b"-0",
        b"0x5",
        b"0o5",
        b"5 5",
        b"5,5",
        b"5, 5",
        b"5, 6",
        b"5,",
        b",5",
        b"5;",
        b"",
        b"0_5",
        b"5.0",
        b"5e0",
        b"5a",
        b"\"5\"",
        b"\x0b5",
        b"5\x00",
        b"5\xa0",
        b"\xef\xbc\x95",
        b"9223372036854775808",
        b"18446744073709551615",
        b"18446744073709551621",
        b"99999999999999999999999999",
        b"00000000000000000000000000005",
    ];
    let with = |value: &[u8]| [b"Content-Length: ", value, b"\r\n\r\nhello"].concat();
    road.refuses_framing(400, &["content_length", "header_value"], &messages(values.map(with))).await;
    let lines = [
        "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "Content-Length: 0\r\ncontent-length: 5\r\n\r\nhello",
        "Content-Length: \r\nContent-Length: 5\r\n\r\nhello",
        "Content-Length : 5\r\n\r\nhello",
        "Content-Length: 5\r\n 0\r\n\r\nhello",
        "Content-Length\0: 5\r\n\r\nhello",
    ];
    let reasons = ["content_length_twice", "content_length", "space_before_colon", "obsolete_fold", "header_name"];
    road.refuses_framing(400, &reasons, &messages(lines)).await;
    for value in ["5", " 5  ", "\t5", "05"] {
        road.passes_body(format!("Content-Length:{value}\r\n\r\nhello"), "hello").await;
        let heard = road
            .passes(
                &road.alice,
                [road.lines(&road.alice, "PUT /closed"), format!("Content-Length:{value}\r\n\r\nhello").into_bytes()].concat(),
            )
            .await;
        assert!(heard.has("\r\ncontent-length: 5\r\n"), "one spelling for the app");
    }
}

/// Holds: 68.
#[tokio::test]
async fn a_chunk_that_is_not_sound_is_no_body() {
    let road = Road::open().await;
    let bodies: [&[u8]; 32] = [
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"+5\r\nhello\r\n0\r\n\r\n",
        b"-1\r\nhello\r\n0\r\n\r\n",
        b" 5\r\nhello\r\n0\r\n\r\n",
        b"5 \r\nhello\r\n0\r\n\r\n",
        b"5\t\r\nhello\r\n0\r\n\r\n",
        b"5_0\r\nhello\r\n0\r\n\r\n",
        b"5.\r\nhello\r\n0\r\n\r\n",
        b"5g\r\nhello\r\n0\r\n\r\n",
        b"5\0\r\nhello\r\n0\r\n\r\n",
        b"\r\nhello\r\n0\r\n\r\n",
        b";x\r\nhello\r\n0\r\n\r\n",
        b"fffffffffffffffff0\r\nhello\r\n0\r\n\r\n",
        b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        b"8000000000000000\r\nhello\r\n0\r\n\r\n",
        b"00000000000000005\r\nhello\r\n0\r\n\r\n",
        b"5\nhello\r\n0\r\n\r\n",
        b"5\rhello\r\n0\r\n\r\n",
        b"5\r\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"5\r\nhello0\r\n\r\n",
        b"5\r\nhello\r0\r\n\r\n",
        b"5\r\nhelloXX0\r\n\r\n",
        b"5;\nx\r\nhello\r\n0\r\n\r\n",
        b"5;x\ny\r\nhello\r\n0\r\n\r\n",
        b"5;x=\"\r\nhello\r\n0\r\n\r\n",
        b"5;x y\r\nhello\r\n0\r\n\r\n",
        b"5;=\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\r\n0\n\r\n",
        b"5\r\nhello\r\n0\r\n\n",
        b"5\r\nhello\r\n0\r\nX : y\r\n\r\n",
        b"5\r\nhello\r\n0\r\nX: \0y\r\n\r\n",
    ];
    let tail = road.head(&road.alice, "GET /closed/smuggled", "");
    let (road_ref, tail) = (&road, &tail);
    let all = bodies.iter().map(|body| async move {
        let road = road_ref;
        let head = [road.lines(&road.alice, "POST /closed/broken"), b"Transfer-Encoding: chunked\r\n\r\n".to_vec()].concat();
        let raw = road.alice.client.raw(&road.url(), [head, body.to_vec(), tail.clone()].concat()).await;
        let shown = String::from_utf8_lossy(body);
        assert!(matches!(raw.statuses()[..], [400] | []) && raw.closed, "{shown:?}: {}", raw.text());
    });
    side_by_side(all).await;
    // The heads may be there: they were sound. No body is whole, and nothing of the tail was ever a request.
    let heard = road.notes.take();
    assert!(heard.lines().iter().all(|line| line == "POST /closed/broken HTTP/1.1"), "{:?}", heard.lines());
    assert!(!contains(&heard.bytes, b"0\r\n\r\n") && !heard.has("smuggled"), "{}", String::from_utf8_lossy(&heard.bytes));
    for body in [
        "5\r\nhello\r\n0\r\n\r\n",
        "0000005\r\nhello\r\n0\r\n\r\n",
        "5;x=y;z=\"a b\"\r\nhello\r\n000\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: y\r\n\r\n",
    ] {
        let bytes =
            [road.lines(&road.alice, "POST /closed/sound"), format!("Transfer-Encoding: chunked\r\n\r\n{body}").into_bytes()];
        let raw = road.alice.client.raw(&road.url(), bytes.concat()).await;
        assert_eq!(raw.statuses(), [200], "{body:?}: {}", raw.text());
        // The head of a broken one may be late.
        let mut lines = road.notes.take().lines();
        lines.retain(|line| !line.contains("/closed/broken"));
        assert_eq!(lines, ["POST /closed/sound HTTP/1.1"], "{body:?}");
    }
}

/// Holds: 70.
#[tokio::test]
async fn a_header_line_is_a_name_a_colon_and_a_value() {
    let road = Road::open().await;
    let mut lines: Vec<Vec<u8>> = messages([
        ": x",
        "X : y",
        "X\t: y",
        " X: y",
        "\tX: y",
        "X: a\r\n b",
        "X: a\r\n\tb",
        "X y",
        "X",
        "X(y): z",
        "X@y: z",
        "X/y: z",
        "X\"y: z",
        "[X]: z",
        "X;y: z",
    ]);
    for byte in (0..=0x1f).filter(|byte| !matches!(byte, b'\t' | b'\n' | b'\r')).chain([0x7f]) {
        lines.push([b"X: a", &[byte][..], b"b"].concat());
        lines.push([b"X", &[byte][..], b": b"].concat());
    }
    lines.push(b"X\xf6: y".to_vec());
    let heads: Vec<Vec<u8>> = lines.iter().map(|line| [line, &b"\r\nContent-Length: 0\r\n\r\n"[..]].concat()).collect();
    road.refuses_framing(400, &["header_name", "space_before_colon", "obsolete_fold", "header_value"], &heads).await;
    let host = road.host();
    for (first, status) in [
        ("GET  /x HTTP/1.1", 400),
        ("GET\t/x HTTP/1.1", 400),
        ("GET /x  HTTP/1.1", 400),
        ("GET /x HTTP/1.1 ", 400),
        (" GET /x HTTP/1.1", 400),
        ("GET /x y HTTP/1.1", 400),
        ("GET /x", 400),
        ("GET", 400),
        ("GET /x http/1.1", 400),
        ("GET /x HTTP/1.1x", 400),
        ("GET /x HTTP/01.1", 400),
        ("GET /x HTTP/1.2", 505),
        ("GET /x HTTP/2.0", 505),
        ("GET /x HTTP/0.9", 505),
        ("G(T /x HTTP/1.1", 400),
        ("", 400),
        ("\r\nGET /x HTTP/1.1", 400),
    ] {
        let raw = road.alice.client.raw(&road.url(), format!("{first}\r\nHost: {host}\r\n{}\r\n", road.alice.line)).await;
        assert_eq!((raw.statuses(), raw.closed), (vec![status], true), "{first:?}: {}", raw.text());
    }
    road.silent("request lines");
    let heard =
        road.passes(&road.alice, road.head(&road.alice, "GET /x", b"X:\xe4 \tb \r\nX-Empty:\r\n!#$%&'*+^`|~: dropped\r\n")).await;
    assert!(contains(&heard.bytes, b"\r\nx: \xe4 \tb\r\n") && !heard.has("dropped"), "{}", String::from_utf8_lossy(&heard.bytes));
}

/// Holds: 72.
#[tokio::test]
async fn a_line_ends_in_cr_and_lf() {
    let road = Road::open().await;
    let host = road.host();
    for (bytes, reason) in [
        (format!("GET /x HTTP/1.1\nHost: {host}\n\n"), "bare_lf"),
        (format!("GET /x HTTP/1.1\r\nHost: {host}\n\r\n"), "bare_lf"),
        (format!("GET /x HTTP/1.1\r\nHost: {host}\r\n\n"), "bare_lf"),
        (format!("GET /x HTTP/1.1\r\nHost: {host}\r\nX: a\nX-Forwarded-User: admin\r\n\r\n"), "bare_lf"),
        (format!("GET /x HTTP/1.1\r\nHost: {host}\r\nX: a\rX-Forwarded-User: admin\r\n\r\n"), "bare_cr"),
        (format!("GET /x HTTP/1.1\rHost: {host}\r\r"), "bare_cr"),
        (format!("GET /x HTTP/1.1\r\nHost: {host}\r\r\n\r\n"), "bare_cr"),
        (format!("GET /x\rHTTP/1.1\r\nHost: {host}\r\n\r\n"), "bare_cr"),
        (format!("GET /x\nHost: {host} HTTP/1.1\r\n\r\n"), "bare_lf"),
    ] {
        let raw = road.refuses(&road.alice, &bytes, 400, reason).await;
        assert!(raw.closed, "{bytes:?}");
    }
    road.passes_target(&road.alice, "/x").await;
}

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

/// Holds: 78.
#[tokio::test]
async fn a_body_that_nobody_reads_is_no_request() {
    let road = Road::open().await;
    let smuggled = road.head(&road.alice, "GET /admin/smuggled", "");
    let body = smuggled.repeat(65_536 / smuggled.len() + 1);
    let framed = [
        [format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes(), body.clone()].concat(),
        [format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n", body.len()).into_bytes(), body.clone(), b"\r\n0\r\n\r\n".to_vec()]
            .concat(),
    ];
    for (first, statuses) in [
        ("POST /closed", &[401][..]),
        ("PUT /closed", &[401][..]),
        ("GET /closed", &[401][..]),
        ("POST /open/../x", &[400][..]),
        ("POST /.sekisho/callback", &[405, 413]),
        ("POST /.sekisho/nothing", &[404, 413]),
        ("PURGE /closed", &[501][..]),
        ("OPTIONS /closed", &[401][..]),
    ] {
        for message in &framed {
            let raw = road.visitor.client.raw(&road.url(), [road.lines(&road.visitor, first), message.clone()].concat()).await;
            assert!(raw.statuses().len() == 1 && statuses.contains(&raw.statuses()[0]), "{first}: {}", raw.text());
            assert!(!raw.text().contains("smuggled"), "{first}");
        }
    }
    road.silent("unread bodies");
    // An app that answers before it has read: its connection is not used again.
    let early = Recorder::answering(|head| {
        if contains(head, b"early") { b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n".to_vec() } else { ok(head) }
    })
    .await;
    let road = Road::planned(House::plan(), "", early).await;
    let post = [road.lines(&road.alice, "POST /early"), framed[0].clone()].concat();
    let raw = road.alice.client.raw(&road.url(), post).await;
    assert_eq!(raw.statuses(), [413]);
    road.notes.take();
    road.passes_target(&road.alice, "/closed").await;
}

/// Holds: 79.
#[tokio::test]
async fn a_body_keeps_its_frame_whatever_the_method() {
    let road = Road::open().await;
    let smuggled = "GET /admin/smuggled HTTP/1.1\r\nHost: notes\r\n\r\n";
    for method in ["GET", "HEAD", "OPTIONS", "DELETE", "POST", "PUT", "PATCH"] {
        for (frame, expected) in [
            (
                format!("Content-Length: {}\r\n\r\n{smuggled}", smuggled.len()),
                format!("\r\ncontent-length: {}\r\n", smuggled.len()),
            ),
            (
                format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{smuggled}\r\n0\r\n\r\n", smuggled.len()),
                "\r\ntransfer-encoding: chunked\r\n".to_owned(),
            ),
        ] {
            let bytes =
                [road.lines(&road.alice, &format!("{method} /closed")), b"Connection: close\r\n".to_vec(), frame.into_bytes()]
                    .concat();
            let heard = road.passes(&road.alice, bytes).await;
            assert_eq!(heard.lines(), [format!("{method} /closed HTTP/1.1")]);
            assert!(heard.has(&expected), "{method}: {}", String::from_utf8_lossy(&heard.bytes));
        }
    }
    // Over HTTP/2, with and without a length.
    let host = road.host();
    let cookie = road.alice.line.trim().strip_prefix("Cookie: ").unwrap().to_owned();
    for length in [Some(smuggled.len().to_string()), None] {
        let mut fields =
            vec![(":method", "GET"), (":scheme", "https"), (":authority", &*host), (":path", "/closed"), ("cookie", &*cookie)];
        fields.extend(length.as_deref().map(|length| ("content-length", length)));
        assert_eq!(over_http2(&road.alice.client, &road.url(), &fields, Some(smuggled.as_bytes())).await, Fate::Served);
        assert_eq!(road.notes.take().lines(), ["GET /closed HTTP/1.1"]);
    }
}

/// Holds: 79, 85.
#[tokio::test]
async fn what_an_app_says_too_much_reaches_nobody() {
    let poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
    let notes = Recorder::answering(move |head| {
        let mut answer = ok(head);
        if contains(head, b"/spill") {
            answer.extend_from_slice(poison.as_bytes());
        } else if contains(head, b"/no-body") {
            answer = format!("HTTP/1.1 204 No Content\r\n\r\n{poison}").into_bytes();
        } else if contains(head, b"/unchanged") {
            answer = format!("HTTP/1.1 304 Not Modified\r\n\r\n{poison}").into_bytes();
        } else if contains(head, b"/both") {
            answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{poison}")
                .into_bytes();
        }
        answer
    })
    .await;
    let road = Road::planned(House::plan(), "", notes).await;
    for path in ["/spill", "/no-body", "/unchanged", "/both"] {
        for method in ["GET", "HEAD"] {
            let raw = road.ask(&road.alice, format!("{method} {path}"), "").await;
            assert!(!raw.text().contains("poison"), "{method} {path}: {}", raw.text());
            for _ in 0..4 {
                let raw = road.ask(&road.alice, "GET /next", "").await;
                assert!(raw.text().ends_with("\r\n\r\nok") && !raw.text().contains("poison"), "{method} {path}: {}", raw.text());
            }
            let heard = road.notes.take();
            let spilt = heard.connections[0];
            let next = heard
                .lines()
                .iter()
                .zip(&heard.connections)
                .filter(|(line, _)| line.contains("/next"))
                .any(|(_, on)| *on == spilt);
            assert!(!next, "{method} {path}: a connection with bytes left over was used again");
        }
    }
}

/// Holds: 82.
#[tokio::test]
async fn trailers_end_here() {
    let road = Road::open().await;
    for trailer in [
        "Content-Length: 99999999999",
        "Transfer-Encoding: chunked",
        "Host: evil.example",
        "Authorization: Bearer evil",
        "Cookie: __Host-sekisho=evil",
        "X-Forwarded-User: evil",
        "X-Forwarded-For: 6.6.6.6\r\nX-Evil: 1",
        "Connection: evil",
    ] {
        let name = trailer.split(':').next().unwrap();
        let message =
            format!("Transfer-Encoding: chunked\r\nTrailer: {name}, X-Evil\r\n\r\n5\r\nhello\r\n0\r\n{trailer}\r\n\r\n");
        let heard =
            road.passes(&road.alice, [road.lines(&road.alice, "POST /closed"), message.clone().into_bytes()].concat()).await;
        assert!(
            heard.has("hello") && !heard.has("evil") && !heard.has("99999999999") && !heard.has("6.6.6.6"),
            "{trailer}: {}",
            String::from_utf8_lossy(&heard.bytes)
        );
        // They sign nobody in.
        let raw = road
            .visitor
            .client
            .raw(&road.url(), [road.lines(&road.visitor, "POST /closed"), message.into_bytes()].concat())
            .await;
        assert_eq!(raw.statuses(), [401], "{trailer}");
    }
    let real = format!("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n{}\r\n", road.alice.line);
    let raw = road.visitor.client.raw(&road.url(), [road.lines(&road.visitor, "POST /closed"), real.into_bytes()].concat()).await;
    assert_eq!(raw.statuses(), [401]);
    road.silent("trailers");
}

/// Holds: 83.
#[tokio::test]
async fn trace_shows_nothing() {
    let road = Road::open().await;
    for (method, more) in [("TRACE", ""), ("TRACK", ""), ("TRACE", "Max-Forwards: 0\r\n")] {
        let head = road.head(
            &road.alice,
            format!("{method} /open/x"),
            format!("{more}X-Secret: canary\r\nAuthorization: Bearer canary\r\n"),
        );
        let raw = road.refuses(&road.alice, head, 501, "method_not_served").await;
        let cookie = road.alice.line.trim().split_once('=').unwrap().1;
        assert!(!raw.text().contains("canary") && !raw.text().contains(cookie), "{method}: {}", raw.text());
    }
    for method in ["trace", "DEBUG", "PURGE", "PROPFIND", "get"] {
        let head = road.head(&road.alice, format!("{method} /open/x"), "");
        road.refuses(&road.alice, head, 501, "method_not_taken").await;
    }
    let heard = road.passes(&road.alice, road.head(&road.alice, "OPTIONS /open/x", "Max-Forwards: 0\r\n")).await;
    assert_eq!(heard.lines(), ["OPTIONS /open/x HTTP/1.1"]);
    let host = road.host();
    for method in ["TRACE", "TRACK"] {
        let fields = [(":method", method), (":scheme", "https"), (":authority", &*host), (":path", "/open/x")];
        assert_ne!(over_http2(&road.alice.client, &road.url(), &fields, None).await, Fate::Served, "{method}");
    }
    road.silent("TRACE");
}

/// Holds: 85.
#[tokio::test]
async fn who_asks_is_asked_again_with_every_request() {
    let road = Road::open().await;
    let bob = road.house.laptop("lap-8", "bob").await;
    let token = road.house.idp.token("alice", Some(road.laptop.thumbprint()));
    let theirs = road.house.idp.token("bob", Some(bob.thumbprint()));
    let alice = |path: &str| road.head(&road.alice, format!("GET {path}"), "");
    let nobody = |path: &str| road.head(&road.visitor, format!("GET {path}"), "");
    let by =
        |token: &str, path: &str| road.head(&road.visitor, format!("GET {path}"), format!("Authorization: Bearer {token}\r\n"));
    let last = road.head(&road.visitor, "GET /8", "Connection: close\r\n");
    let all =
        [alice("/1"), nobody("/2"), by(&token, "/3"), nobody("/4"), by(&theirs, "/5"), alice("/6"), nobody("/open/7"), last];
    let raw = road.alice.client.raw(&road.url(), all.concat()).await;
    assert_eq!(raw.statuses(), [200, 401, 200, 401, 403, 200, 200, 401], "{}", raw.text());
    let heard = road.notes.take();
    assert_eq!(heard.lines(), ["GET /1 HTTP/1.1", "GET /3 HTTP/1.1", "GET /6 HTTP/1.1", "GET /open/7 HTTP/1.1"]);
    let public = String::from_utf8_lossy(&heard.heads[3]).into_owned();
    assert!(
        !public.contains("alice") && !public.contains("assertion"),
        "the app's connection is shared, and says nothing: {public}"
    );
}

/// Holds: 85.
#[tokio::test]
async fn nobody_signs_an_apps_connection_in() {
    let notes = Recorder::answering(|head| {
        if contains(head, b"/windows") {
            b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\nWWW-Authenticate: NTLM\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 2\r\n\r\nno".to_vec()
        } else {
            ok(head)
        }
    })
    .await;
    let road = Road::planned(House::plan(), "pass_authorization = true", notes).await;
    for scheme in [
        "NTLM TlRMTVNTUAABAAAA",
        "ntlm TlRMTVNTUAABAAAA",
        "Negotiate YIIB",
        "NEGOTIATE YIIB",
        "Negotiate\tYIIB",
        "Kerberos YIIB",
        "Basic YTpi, NTLM TlRM",
    ] {
        let heard = road
            .passes(
                &road.alice,
                road.head(&road.alice, "GET /closed", format!("Connection: close\r\nAuthorization: {scheme}\r\n")),
            )
            .await;
        assert!(!heard.has("\r\nauthorization:"), "{scheme}: {}", String::from_utf8_lossy(&heard.bytes));
    }
    let raw = road.ask(&road.alice, "GET /windows", "").await;
    let text = raw.text().to_ascii_lowercase();
    assert!(
        !text.contains("negotiate") && !text.contains("ntlm") && text.contains("www-authenticate: basic realm=\"x\""),
        "{text}"
    );
    let heard = road.notes.take();
    for _ in 0..4 {
        let next = road.passes(&road.alice, road.head(&road.alice, "GET /closed", "Connection: close\r\n")).await;
        assert_ne!(next.connections, heard.connections, "a connection that asks to be signed in is not used again");
    }
    let heard = road.passes(&road.alice, road.head(&road.alice, "GET /closed", "Authorization: Basic YTpi\r\n")).await;
    assert!(heard.has("\r\nauthorization: Basic YTpi\r\n"));
}
