//! What the lines of a head of HTTP/1.1 are made of.

use super::framing::messages;
use super::knock::{Fate, Road, over_http2};
use crate::harness::contains;

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
