//! Much, slowly, or all at once.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, join_all};
use http::Method;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use url::Url;

use super::frames::{DATA, END_HEADERS, End, Frames, HEADERS, block, frame};
use super::pulse::{Pulse, files, is_served};
use crate::harness::{Client, House, Laptop, Plan, Reply, allowed, eventually, refused};

/// A gate, somebody on a device, and somebody honest on another.
struct Crowd {
    house: House,
    laptop: Laptop,
    client: Client,
    token: String,
    honest: Client,
}

impl Crowd {
    async fn gathers(plan: Plan) -> Self {
        let house = plan.open().await;
        let (laptop, other) = (house.laptop("lap-1", "alice").await, house.laptop("lap-2", "bob").await);
        let token = house.idp.token("alice", Some(laptop.thumbprint()));
        let client = laptop.client(&house).with_token(&token);
        let honest = other.client(&house).with_token(&house.idp.token("bob", Some(other.thumbprint())));
        is_served(&honest, &house.url("wiki", "/warm")).await;
        Self { house, laptop, client, token, honest }
    }

    fn url(&self) -> Url {
        Url::parse(&self.house.url("wiki", "/")).unwrap()
    }

    /// The beginning of a head over HTTP/1.1, with these further lines.
    fn head(&self, first: &str, more: &str) -> String {
        format!(
            "{first} HTTP/1.1\r\nHost: wiki.localhost:{}\r\nAuthorization: Bearer {}\r\n{more}",
            self.house.port(),
            self.token
        )
    }

    async fn tcp(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.house.port())).await.unwrap()
    }

    async fn metric(&self, name: &str, label: (&str, &str)) -> f64 {
        self.house.metrics().await.sum(name, &[label])
    }
}

/// A house, as a client of HTTP/2 sees its wiki.
struct Streams<'a> {
    frames: Frames,
    authority: String,
    bearer: Option<String>,
    path: &'a str,
}

impl<'a> Streams<'a> {
    async fn open(house: &House, client: &Client, token: Option<&str>, path: &'a str) -> Self {
        let frames = Frames::open(client, &house.url("wiki", "/"), &[]).await;
        let bearer = token.map(|token| format!("Bearer {token}"));
        Self { frames, authority: format!("wiki.localhost:{}", house.port()), bearer, path }
    }

    async fn ask(&mut self) -> u32 {
        let mut fields = vec![(":method", "GET"), (":scheme", "https"), (":authority", &*self.authority), (":path", self.path)];
        fields.extend(self.bearer.as_deref().map(|bearer| ("authorization", bearer)));
        self.frames.ask(&fields).await
    }
}

/// Sends a byte now and then, until the gate has had enough.
async fn drip(mut stream: impl AsyncRead + AsyncWrite + Unpin, what: &[u8]) {
    let mut heard = [0; 4096];
    for byte in what.iter().cycle() {
        if stream.write_all(&[*byte]).await.is_err() || stream.flush().await.is_err() {
            return;
        }
        let read = tokio::time::timeout(Duration::from_millis(200), stream.read(&mut heard)).await;
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
    let mut all: Vec<BoxFuture<'_, ()>> = Vec::new();
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
            let dripping = async {
                while frames.send(&frame(DATA, 0, stream, b"x")).await {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            };
            // What is answered is over, though the connection is not: until it has nothing to do.
            tokio::time::timeout(Duration::from_secs(6), dripping).await.unwrap_or_default();
        }));
        all.push(Box::pin(async {
            let stream = written(crowd.head("GET /flood", "\r\n")).await;
            // It reads when it is too late.
            tokio::time::sleep(Duration::from_secs(3)).await;
            silent(stream).await;
        }));
    }
    let honest = async {
        for _ in 0..10 {
            is_served(&crowd.honest, &crowd.house.url("wiki", "/honest")).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        pulse.is_calm(&crowd.house);
    };
    let ended = async { tokio::time::timeout(Duration::from_secs(30), join_all(all)).await.expect("all of them are let go") };
    tokio::join!(ended, honest);
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

fn too_many(reply: &Reply, reason: &str) {
    refused(reply, 429);
    assert_eq!((reply.json()["reason"].as_str(), reply.header("retry-after")), (Some(reason), Some("1")), "{}", reply.shown());
}

/// Holds: 96, 155.
#[tokio::test]
async fn refusals_that_nobody_takes_keep_nobodys_place() {
    let crowd = Crowd::gathers(
        House::plan().set("limits", "requests = 60\nrequests_per_address = 60\nrequests_per_device = 60\nrequests_per_user = 60"),
    )
    .await;
    // A device, and nobody signed in on it: its connection goes on after a refusal.
    let stream = crowd.laptop.client(&crowd.house).over_http2().tls_to(&crowd.url()).await;
    // Heads of answers come; of their bodies, nothing is ever taken.
    let (client, connection) = h2::client::Builder::new().initial_window_size(0).handshake::<_, Bytes>(stream).await.unwrap();
    tokio::spawn(connection);
    let (mut untaken, mut cut) = (Vec::new(), 0);
    for _ in 0..100 {
        let mut client = client.clone().ready().await.unwrap();
        let request = http::Request::get(crowd.house.url("wiki", "/mine")).body(()).unwrap();
        match client.send_request(request, true).unwrap().0.await {
            Ok(reply) => {
                assert_eq!(reply.status(), 401);
                untaken.push(reply.into_body());
            }
            Err(reset) => {
                assert!(reset.is_reset(), "{reset}");
                cut += 1;
            }
        }
    }
    assert!(cut + untaken.len() == 100 && untaken.len() > 20, "{cut}");
    is_served(&crowd.honest, &crowd.house.url("wiki", "/honest")).await;
    eventually("they are held, and take no place", async || {
        (crowd.house.metrics().await.sum("sekisho_requests_in_flight", &[]) == 0.0).then_some(())
    })
    .await;
    for body in untaken.iter_mut().skip(48) {
        let end =
            tokio::time::timeout(Duration::from_secs(10), body.data()).await.expect("of more than a few, the stream is cut");
        assert!(end.is_some_and(|piece| piece.is_err()));
    }
}

/// Holds: 155.
#[tokio::test]
async fn requests_of_one_leave_room_for_those_of_others() {
    let limits = "requests = 14\nrequests_per_device = 5\nrequests_per_user = 7\nrequests_per_address = 3";
    let plan = House::plan().set("limits", limits).wiki("public = [\"/never/public\", \"/open\"]");
    let crowd = Crowd::gathers(plan).await;
    let house = &crowd.house;
    let wiki = |path: &str| house.url("wiki", path);
    let second = house.laptop("lap-3", "alice").await;
    let second_token = house.idp.token("alice", Some(second.thumbprint()));
    let second_client = second.client(house).with_token(&second_token);
    let bob = house.laptop("lap-4", "bob").await;
    let bob_token = house.idp.token("bob", Some(bob.thumbprint()));
    let in_flight = async |count: usize| {
        eventually("requests under way", async || {
            (house.metrics().await.sum("sekisho_requests_in_flight", &[]) == count as f64).then_some(())
        })
        .await;
    };

    let mut first = Streams::open(house, &crowd.laptop.client(house), Some(&crowd.token), "/never/mine").await;
    let mut waiting = Vec::new();
    for _ in 0..5 {
        waiting.push(first.ask().await);
    }
    in_flight(5).await;
    too_many(&crowd.client.get(&wiki("/more")).await, "crowded_device");
    // On another device it is the same person, who may have two more.
    let mut other = Streams::open(house, &second.client(house), Some(&second_token), "/never/mine-too").await;
    other.ask().await;
    other.ask().await;
    in_flight(7).await;
    too_many(&second_client.get(&wiki("/more")).await, "crowded_user");
    is_served(&crowd.honest, &wiki("/honest")).await;

    // Nobody in particular.
    let stranger = house.stranger();
    let mut nobody = Streams::open(house, &stranger, None, "/never/public").await;
    for _ in 0..3 {
        nobody.ask().await;
    }
    in_flight(10).await;
    too_many(&stranger.get(&wiki("/open")).await, "crowded_address");
    too_many(&stranger.get(&wiki("/.sekisho/whoami")).await, "crowded_address");
    // A known device of the same network still finds the gate's own pages.
    is_served(&crowd.honest, &wiki("/.sekisho/whoami")).await;
    is_served(&crowd.honest, &wiki("/honest")).await;

    // All that there may be.
    let mut last = Streams::open(house, &bob.client(house), Some(&bob_token), "/never/last").await;
    for _ in 0..4 {
        last.ask().await;
    }
    in_flight(14).await;
    let reply = crowd.honest.get(&wiki("/full")).await;
    refused(&reply, 503);
    assert_eq!((reply.json()["reason"].as_str(), reply.header("retry-after")), (Some("crowded"), Some("2")));
    assert_eq!(house.record().only_access("/full")["reason"], "crowded");
    for (bound, count) in [("device", 1.0), ("user", 1.0), ("address", 2.0), ("all", 1.0)] {
        assert_eq!(crowd.metric("sekisho_requests_shed_total", ("bound", bound)).await, count, "{bound}");
    }

    drop((first, other, nobody, last));
    in_flight(0).await;
    for client in [&crowd.client, &second_client, &crowd.honest] {
        is_served(client, &wiki("/again")).await;
    }
    allowed(&stranger.get(&wiki("/open")).await);
    assert!(!house.wiki.has_seen("/more") && !house.wiki.has_seen("/full"));
}

#[tokio::test]
async fn a_rate_limit_is_one_persons_on_one_device_at_one_app() {
    let plan = House::plan().wiki("rate_limit = \"3/h\"\npublic = [\"/open\"]").app("notes", "upstream = [\"{wiki}\"]");
    let crowd = Crowd::gathers(plan).await;
    let wiki = |path: &str| crowd.house.url("wiki", path);
    for _ in 0..3 {
        allowed(&crowd.client.get(&wiki("/a")).await);
    }
    let reply = crowd.client.get(&wiki("/too-often")).await;
    refused(&reply, 429);
    assert_eq!(reply.json()["reason"], "rate_limited");
    let after: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1_100..=1_200).contains(&after), "one more each twenty minutes, not in {after} s");
    assert_eq!(crowd.house.record().only_access("/too-often")["reason"], "rate_limited");
    // Others, other devices, other apps and public paths have nothing to do with it.
    is_served(&crowd.honest, &wiki("/b")).await;
    is_served(&crowd.client, &crowd.house.url("notes", "/c")).await;
    let second = crowd.house.laptop("lap-3", "alice").await;
    let second_client = second.client(&crowd.house).with_token(&crowd.house.idp.token("alice", Some(second.thumbprint())));
    is_served(&second_client, &wiki("/d")).await;
    is_served(&crowd.client, &wiki("/open")).await;
    assert_eq!(crowd.metric("sekisho_requests_shed_total", ("bound", "rate")).await, 1.0);
    assert!(!crowd.house.wiki.has_seen("/too-often"));
}

/// Holds: 155.
#[tokio::test]
async fn connections_and_handshakes_of_one_address_leave_room_for_others() {
    let limits = "connections_per_address = 6\nhandshakes_per_address = 4";
    let crowd = Crowd::gathers(House::plan().set("limits", limits)).await;
    let from = async |address: &str| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
        socket.connect(([127, 0, 0, 1], crowd.house.port()).into()).await.unwrap()
    };
    let is_shed = async |mut socket: TcpStream| matches!(socket.read(&mut [0]).await, Ok(0) | Err(_));
    let shaking: Vec<TcpStream> = join_all((0..4).map(|_| from("127.0.0.9"))).await;
    eventually("the gate has taken them", async || {
        (crowd.house.metrics().await.sum("sekisho_connections", &[]) >= 4.0).then_some(())
    })
    .await;
    assert!(is_shed(from("127.0.0.9").await).await);
    assert!(crowd.metric("sekisho_accepted_total", ("outcome", "handshakes")).await >= 1.0);
    is_served(&crowd.honest, &crowd.house.url("wiki", "/honest")).await;
    drop(shaking);
    // With their handshakes done, there may be six.
    let mut open = Vec::new();
    for number in 0..6 {
        let connected = eventually("a place is free", async || {
            let socket = from("127.0.0.9").await;
            let mut peek = [0];
            let gone = tokio::time::timeout(Duration::from_millis(100), socket.peek(&mut peek)).await;
            gone.is_err().then_some(socket)
        });
        let mut connection = crowd.client.tls_over(connected.await, &crowd.url()).await;
        let head = crowd.head(&format!("GET /connection/{number}"), "\r\n");
        connection.write_all(head.as_bytes()).await.unwrap();
        assert!(connection.read(&mut [0; 100]).await.unwrap() > 0);
        open.push(connection);
    }
    assert!(is_shed(from("127.0.0.9").await).await);
    assert!(crowd.metric("sekisho_accepted_total", ("outcome", "address")).await >= 1.0);
    is_served(&crowd.honest, &crowd.house.url("wiki", "/honest")).await;
}

#[tokio::test]
async fn behind_a_balancer_each_client_is_counted_by_itself() {
    let plan = House::plan()
        .set("limits", "connections_per_address = 2\nhandshakes_per_address = 2")
        .set("listen", "proxy_protocol_from = [\"127.0.0.7/32\"]");
    let crowd = Crowd::gathers(plan).await;
    let header =
        |last: u8| [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..], &[203, 0, 113, last, 127, 0, 0, 1, 4, 0, 1, 187]].concat();
    let through = async |last: u8| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.7:0".parse().unwrap()).unwrap();
        let mut socket = socket.connect(([127, 0, 0, 1], crowd.house.port()).into()).await.unwrap();
        socket.write_all(&header(last)).await.unwrap();
        socket
    };
    let mut open = Vec::new();
    for client in [1, 1, 2, 2, 3] {
        open.push(crowd.client.tls_over(through(client).await, &crowd.url()).await);
    }
    assert!(matches!(through(1).await.read(&mut [0]).await, Ok(0) | Err(_)), "a third of the same client");
    open.push(crowd.client.tls_over(through(3).await, &crowd.url()).await);
    assert_eq!(crowd.metric("sekisho_accepted_total", ("outcome", "address")).await, 1.0);
}

#[tokio::test]
async fn whoever_comes_last_to_the_metrics_is_served() {
    let crowd = Crowd::gathers(House::plan()).await;
    let before = files(&crowd.house);
    let silent: Vec<TcpStream> =
        join_all((0..200).map(|_| async { TcpStream::connect(("127.0.0.1", crowd.house.metrics_port())).await.unwrap() })).await;
    assert_eq!(crowd.house.operators_page("/healthz").await.map(|(status, _)| status), Some(200));
    // Sooner than the silent would be let go by themselves.
    let room = eventually("the oldest make room", async || (files(&crowd.house) < before + 80).then_some(()));
    tokio::time::timeout(Duration::from_secs(6), room).await.expect("room at once");
    drop(silent);
}

#[tokio::test]
async fn connections_that_there_are_no_files_for_are_shed() {
    let mut crowd = Crowd::gathers(House::plan().limited("ulimit -n 400")).await;
    crowd.house.gate.says("limits.connections does not fit").await;
    let open = join_all((0..120).map(|_| crowd.tcp())).await;
    eventually("some are shed", async || {
        (crowd.metric("sekisho_accepted_total", ("outcome", "total")).await >= 40.0).then_some(())
    })
    .await;
    assert_eq!(crowd.metric("sekisho_accepted_total", ("outcome", "accept_failed")).await, 0.0, "it ran out of files");
    drop(open);
    eventually("there is room again", async || {
        (crowd.house.metrics().await.sum("sekisho_connections", &[]) < 10.0).then_some(())
    })
    .await;
    is_served(&crowd.honest, &crowd.house.url("wiki", "/honest")).await;
}
