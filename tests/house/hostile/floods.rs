//! Much, slowly, or all at once.

use std::time::Duration;

use futures_util::future::{LocalBoxFuture, join_all};
use http::Method;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::Url;

use super::frames::{DATA, END_HEADERS, End, Frames, HEADERS, block, frame};
use super::pulse::{Pulse, is_served};
use crate::harness::{Client, House, Laptop, Plan, allowed, eventually};

/// A gate, somebody on a device, and somebody honest on another.
pub(super) struct Crowd {
    pub(super) house: House,
    pub(super) laptop: Laptop,
    pub(super) client: Client,
    pub(super) token: String,
    pub(super) honest: Client,
}

impl Crowd {
    pub(super) async fn gathers(plan: Plan) -> Self {
        let house = plan.open().await;
        let (laptop, other) = (house.laptop("lap-1", "alice").await, house.laptop("lap-2", "bob").await);
        let token = house.idp.token("alice", Some(laptop.thumbprint()));
        let client = laptop.client(&house).with_token(&token);
        let honest = other.client(&house).with_token(&house.idp.token("bob", Some(other.thumbprint())));
        is_served(&honest, &house.url("wiki", "/warm")).await;
        Self { house, laptop, client, token, honest }
    }

    pub(super) fn url(&self) -> Url {
        Url::parse(&self.house.url("wiki", "/")).unwrap()
    }

    /// The beginning of a head over HTTP/1.1, with these further lines.
    pub(super) fn head(&self, first: &str, more: &str) -> String {
        format!(
            "{first} HTTP/1.1\r\nHost: wiki.localhost:{}\r\nAuthorization: Bearer {}\r\n{more}",
            self.house.port(),
            self.token
        )
    }

    pub(super) async fn tcp(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.house.port())).await.unwrap()
    }

    pub(super) async fn metric(&self, name: &str, label: (&str, &str)) -> f64 {
        self.house.metrics().await.sum(name, &[label])
    }
}

/// How often somebody slow sends a byte.
const PACE: Duration = Duration::from_millis(200);

/// Sends a byte now and then, until the gate has had enough.
async fn drip(mut stream: impl AsyncRead + AsyncWrite + Unpin, what: &[u8]) {
    let mut heard = [0; 4096];
    for byte in what.iter().cycle() {
        if stream.write_all(&[*byte]).await.is_err() || stream.flush().await.is_err() {
            return;
        }
        let read = tokio::time::timeout(PACE, stream.read(&mut heard)).await;
        if matches!(read, Ok(Ok(0) | Err(_))) {
            return;
        }
    }
}

/// Says nothing more, and hears nothing either, until the connection has ended.
async fn silent(mut stream: impl AsyncRead + Unpin) {
    let mut heard = [0; 4096];
    while !matches!(stream.read(&mut heard).await, Ok(0) | Err(_)) {}
}

/// Handshakes, heads, bodies and readers that take their time, a dozen of each.
///
/// Holds: 155.
#[tokio::test]
async fn slow_clients_are_let_go_and_keep_nobody_waiting() {
    let limits = "handshake_timeout = \"1s\"\nheader_timeout = \"1s\"\nidle_timeout = \"1s\"\nbody_rate = \"1kB\"";
    let crowd = Crowd::gathers(House::plan().set("limits", limits)).await;
    let pulse = Pulse::of(&crowd.house).await;
    let (url, crowd) = (crowd.url(), &crowd);
    let over_http1 = async || crowd.client.tls_to(&url).await;
    let over_http2 = async || crowd.client.clone().over_http2().tls_to(&url).await;
    let written = async |bytes: String| {
        let mut stream = over_http1().await;
        stream.write_all(bytes.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        stream
    };
    let (head, post) =
        (crowd.head("GET /slow-head", ""), |length: &str| crowd.head("POST /slow-body", &format!("{length}\r\n\r\n")));
    let mut all: Vec<LocalBoxFuture<'_, ()>> = Vec::new();
    for _ in 0..12 {
        all.push(Box::pin(async { silent(crowd.tcp().await).await }));
        // A record of TLS that never comes to its end.
        all.push(Box::pin(async { drip(crowd.tcp().await, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await }));
        all.push(Box::pin(async { silent(over_http1().await).await }));
        all.push(Box::pin(async { silent(over_http2().await).await }));
        all.push(Box::pin(async { drip(over_http2().await, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await }));
        all.push(Box::pin(async { drip(written(format!("{head}X-Slow: ")).await, b"x").await }));
        all.push(Box::pin(async { drip(written(post("Content-Length: 1000000")).await, b"x").await }));
        all.push(Box::pin(async { drip(written(post("Transfer-Encoding: chunked")).await, b"1\r\nx\r\n").await }));
        all.push(Box::pin(async {
            let mut frames = Frames::open(&crowd.client, url.as_str(), &[]).await;
            let stream = frames.number();
            let bearer = format!("Bearer {}", crowd.token);
            let authority = format!("wiki.localhost:{}", crowd.house.port());
            let head = [
                (":method", "POST"),
                (":scheme", "https"),
                (":authority", &authority),
                (":path", "/slow-body"),
                ("authorization", &bearer),
            ];
            assert!(frames.send(&frame(HEADERS, END_HEADERS, stream, &block(&head))).await);
            while frames.send(&frame(DATA, 0, stream, b"x")).await {
                let heard = tokio::time::timeout(PACE, frames.next()).await;
                if heard.is_ok_and(|heard| heard.is_none_or(|heard| heard.kind == HEADERS)) {
                    break;
                }
            }
            // What is answered is over, though the connection is not: until it has nothing to do.
            frames.only_answers_pings().await;
        }));
    }
    // These read when it is too late.
    let unread = join_all((0..12).map(|_| written(crowd.head("GET /flood", "\r\n")))).await;
    all.push(Box::pin(async {
        eventually("the connections of those who do not read are cut", async || {
            (crowd.metric("sekisho_connections_cut_total", ("reason", "stalled")).await >= 12.0).then_some(())
        })
        .await;
        join_all(unread.into_iter().map(silent)).await;
    }));
    let honest = async {
        loop {
            is_served(&crowd.honest, &crowd.house.url("wiki", "/honest")).await;
            pulse.is_calm(&crowd.house);
            tokio::time::sleep(PACE).await;
        }
    };
    let ended = async { tokio::time::timeout(Duration::from_secs(30), join_all(all)).await.expect("all of them are let go") };
    tokio::select! {
        _all = ended => {}
        () = honest => {}
    }
    pulse.returns(&crowd.house).await;
    assert!(crowd.metric("sekisho_tls_handshakes_total", ("outcome", "timed_out")).await >= 24.0);
    assert!(crowd.metric("sekisho_requests_total", ("reason", "head_timeout")).await >= 12.0);
    assert!(crowd.metric("sekisho_requests_total", ("reason", "client_too_slow")).await >= 36.0);
    assert!(crowd.metric("sekisho_connections_cut_total", ("reason", "stalled")).await >= 12.0);
    for seen in crowd.house.wiki.seen().iter().filter(|seen| seen.path() == "/slow-body") {
        assert!(seen.broken, "an upload that was broken off looks whole");
    }
    // The same, and it takes no more time than it may.
    let reply = crowd.client.send(Method::POST, &crowd.house.url("wiki", "/quick-body"), &[], vec![b'x'; 100_000]).await;
    allowed(&reply);
}

/// Holds: 156.
#[tokio::test]
async fn heads_have_bounds() {
    let crowd = Crowd::gathers(House::plan()).await;
    let pulse = Pulse::of(&crowd.house).await;
    let url = crowd.house.url("wiki", "/");
    let lines = |count: usize| (0..count).map(|number| format!("x-{number}: y\r\n")).collect::<String>();
    let cookies = |count: usize| (0..count).map(|number| format!("c{number}=0123456789; ")).collect::<String>();
    let cases = [
        ("GET /many-lines".to_owned(), lines(10_000), 431, "too_many_headers"),
        ("GET /large-value".to_owned(), format!("x-large: {}\r\n", "y".repeat(100 << 10)), 431, "head_too_large"),
        ("GET /large-name".to_owned(), format!("x-{}: y\r\n", "y".repeat(100 << 10)), 431, "head_too_large"),
        (format!("GET /{}", "y".repeat(100 << 10)), String::new(), 414, "target_too_long"),
        (format!("GET /query?{}", "y".repeat(10 << 10)), String::new(), 414, "target_too_long"),
        ("GET /cookies".to_owned(), format!("cookie: {}z=1\r\n", cookies(5_000)), 431, "head_too_large"),
        ("GET /cookie-lines".to_owned(), "cookie: a=b\r\n".repeat(5_000), 431, "too_many_headers"),
    ];
    for (first, more, status, reason) in cases {
        let raw = crowd.client.raw(&url, crowd.head(&first, &format!("{more}\r\n"))).await;
        let shown = first.get(..40).unwrap_or(&first);
        assert_eq!((raw.statuses(), raw.reason().as_deref()), (vec![status], Some(reason)), "{shown}: {}", raw.text());
    }
    let first = |bytes: usize| format!("/{}", "y".repeat(bytes));
    let cookie = cookies(5_000);
    let (large, long, longer) = ("y".repeat(100 << 10), first(10 << 10), first(100 << 10));
    let names: Vec<String> = (0..10_000).map(|number| format!("x-{number}")).collect();
    let fields = |count: usize| names.iter().take(count).map(|name| (name.as_str(), "y")).collect::<Vec<_>>();
    let (bearer, authority) = (format!("Bearer {}", crowd.token), format!("wiki.localhost:{}", crowd.house.port()));
    let http2 = async |path: &str, more: &[(&str, &str)]| {
        let head =
            [(":method", "GET"), (":scheme", "https"), (":authority", &*authority), (":path", path), ("authorization", &bearer)];
        let mut frames = Frames::open(&crowd.client, &url, &[]).await;
        let stream = frames.number();
        let head = block(&[&head[..], more].concat());
        let pieces = head.chunks(16 << 10).count();
        for (number, piece) in head.chunks(16 << 10).enumerate() {
            let kind = if number == 0 { HEADERS } else { super::frames::CONTINUATION };
            let flags = u8::from(number == 0) | if number + 1 == pieces { END_HEADERS } else { 0 };
            frames.send(&frame(kind, flags, stream, piece)).await;
        }
        frames.end_of(stream).await
    };
    for (what, end, statuses) in [
        ("10,000 fields", http2("/many", &fields(10_000)).await, [431, 431]),
        ("200 fields", http2("/some", &fields(200)).await, [431, 431]),
        ("a large value", http2("/large", &[("x-large", &large)]).await, [431, 431]),
        ("a long path", http2(&long, &[]).await, [414, 414]),
        ("a longer path", http2(&longer, &[]).await, [414, 431]),
        ("many cookies", http2("/cookies", &[("cookie", &cookie)]).await, [431, 431]),
        ("many crumbs", http2("/crumbs", &[("cookie", "a=b")].repeat(5_000)).await, [431, 431]),
    ] {
        let refused =
            matches!(end, End::Answered(status) if statuses.contains(&status)) || matches!(end, End::GoneAway(_) | End::Reset(_));
        assert!(refused, "{what}: {end:?}");
    }
    pulse.is_calm(&crowd.house);
    // What is no more than it may be.
    assert_eq!(http2("/modest", &fields(50)).await, End::Answered(200));
    let raw = crowd.client.raw(&url, crowd.head("GET /modest", &format!("Connection: close\r\n{}\r\n", lines(50)))).await;
    assert_eq!(raw.statuses(), [200], "{}", raw.text());
    let seen = crowd.house.wiki.seen();
    assert!(seen.iter().all(|seen| matches!(seen.path(), "/warm" | "/modest")), "{seen:?}");
    pulse.returns(&crowd.house).await;
}

/// Holds: 160.
#[tokio::test]
async fn bodies_are_neither_unpacked_nor_kept() {
    let crowd = Crowd::gathers(House::plan().set("limits", "body = \"1MiB\"")).await;
    let pulse = Pulse::of(&crowd.house).await;
    let url = crowd.house.url("wiki", "/");
    // What would unpack to a gigabyte, packed once or ten times: the app has it as it came.
    let packed: Vec<u8> = [&b"\x1f\x8b\x08\0\0\0\0\0\0\x03"[..], &[0xed, 0xc1, 1, 0].repeat(2_000)].concat();
    for encoding in ["gzip".to_owned(), ["gzip"; 10].join(", "), "br, zstd, deflate".to_owned()] {
        let path = format!("/packed/{}", encoding.len());
        let headers = [("content-encoding", encoding.as_str())];
        allowed(&crowd.client.send(Method::POST, &crowd.house.url("wiki", &path), &headers, packed.clone()).await);
        let seen = crowd.house.wiki.only(&path);
        assert_eq!((seen.header("content-encoding"), &seen.body[..]), (Some(encoding.as_str()), &packed[..]));
    }
    // A terabyte is refused before it comes.
    for length in ["1099511627776", "9223372036854775807"] {
        let raw = crowd.client.raw(&url, crowd.head("POST /terabyte", &format!("Content-Length: {length}\r\n\r\n"))).await;
        assert_eq!((raw.statuses(), raw.reason().as_deref()), (vec![413], Some("body_too_large")), "{}", raw.text());
    }
    // Without a word about its length, it is broken off where it gets too large; chunks may not be mostly framing.
    let chunks = |count: usize, chunk: &str| chunk.repeat(count);
    let large = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    for (path, body) in [
        ("/endless", chunks(40, &large)),
        ("/crumbs", chunks(200_000, "1\r\nx\r\n")),
        ("/extensions", chunks(2_000, &format!("1;x={}\r\nx\r\n", "y".repeat(200)))),
    ] {
        let head = crowd.head(&format!("POST {path}"), "Transfer-Encoding: chunked\r\n\r\n");
        let raw = crowd.client.raw(&url, format!("{head}{body}0\r\n\r\n")).await;
        assert!(matches!(raw.statuses()[..], [] | [400 | 413]), "{path}: {}", raw.text());
        assert!(crowd.house.wiki.seen().iter().all(|seen| seen.path() != path || seen.broken), "{path} looks whole");
    }
    assert!(!crowd.house.wiki.has_seen("/terabyte"));
    let raw = crowd
        .client
        .raw(
            &url,
            crowd.head("POST /chunked", &format!("Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n{large}0\r\n\r\n")),
        )
        .await;
    assert_eq!(raw.statuses(), [200], "{}", raw.text());
    assert_eq!(crowd.house.wiki.only("/chunked").body.len(), 0x10000);
    is_served(&crowd.honest, &crowd.house.url("wiki", "/honest")).await;
    pulse.returns(&crowd.house).await;
}
