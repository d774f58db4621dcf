//! Bodies that nobody reads, that no method asks for, and that end in trailers.

use super::knock::{Fate, Road, over_http2};
use crate::harness::{House, Recorder, contains, ok};

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
