//! Handshakes, host names and sessions.

use std::time::Duration;

use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{Hand, House, Over, Town, openssl_get};

const BOTH: [Over; 2] = [Over::Http1, Over::Http2];

/// Holds: 23.
#[tokio::test]
async fn a_session_of_one_host_opens_no_other() {
    let town = Town::open().await;
    let (a, b) = (town.good(), town.b.device("urn:town:device/b1", 1, 30));
    let mut number = 0;
    for version in [&TLS12, &TLS13] {
        for over in BOTH {
            for (first, shown, second) in [
                ("public.test", None, Some("admin.test")),
                ("public.test", Some(&a), Some("admin.test")),
                ("admin.test", Some(&a), Some("admin2.test")),
                ("admin2.test", Some(&b), Some("admin.test")),
                ("admin.test", Some(&a), Some("x.wild.test")),
                ("admin.test", Some(&a), None),
                ("admin.test", Some(&a), Some("public.test")),
            ] {
                number += 1;
                let what = format!("{version:?} {over:?}: {first} and then {second:?}");
                let hand = Hand::new(town.house.port(), version);
                hand.show(shown);
                assert!(town.get(&hand, Some(first), over, first, "/first").await.is_served(), "{what}");
                hand.show(None);
                let host = second.filter(|host| *host != "public.test").unwrap_or("admin.test");
                let path = format!("/carried/{number}");
                let heard = town.get(&hand, second, over, host, &path).await;
                assert!(!heard.is_served() && !heard.resumed, "{what}: {heard:?}");
                assert!(!town.house.wiki.has_seen(&path), "{what}");
            }
            // Its own host it opens, as whoever it was; and who showed nothing there can show something later.
            let hand = Hand::new(town.house.port(), version);
            hand.show(Some(&a));
            assert!(town.get(&hand, Some("admin.test"), over, "admin.test", "/own").await.is_served());
            hand.show(None);
            let path = format!("/again/{number}");
            let heard = town.get(&hand, Some("admin.test"), over, "admin.test", &path).await;
            assert!(heard.is_served() && heard.resumed, "{version:?} {over:?}: {heard:?}");
            assert_eq!(town.house.record().only_access(&path)["device"], "a.a1");
            hand.forget();
            assert_eq!(town.get(&hand, Some("admin.test"), over, "admin.test", "/nothing").await.status, Some(403));
            hand.show(Some(&a));
            let heard = town.get(&hand, Some("admin.test"), over, "admin.test", "/something").await;
            assert!(heard.is_served() && !heard.resumed, "{version:?} {over:?}: {heard:?}");
        }
    }
    assert!(!town.house.wiki.has_seen("/nothing"));
}

/// Holds: 25, 27, 28.
#[tokio::test]
async fn a_host_is_served_only_where_the_handshake_named_it() {
    let many = |mut plan: crate::harness::Plan| {
        // As many as it takes for tables to be built in another way.
        for number in 0..120 {
            plan = plan.app_at(&format!("many{number}"), &format!("m{number}.wild.test"), "upstream = [\"{wiki}\"]");
        }
        plan
    };
    let town = Town::with(many).await;
    let port = town.house.port();
    let device = town.good();
    let spelt = |host: &str| {
        let mixed: String = host.char_indices().map(|(at, c)| if at % 2 == 0 { c.to_ascii_uppercase() } else { c }).collect();
        [host.to_owned(), host.to_uppercase(), mixed, format!("{host}."), format!("{host}:{port}"), format!("{host}.:{port}")]
    };
    for over in BOTH {
        for shown in [None, Some(&device)] {
            let hand = Hand::new(port, &TLS13);
            hand.show(shown);
            for (sni, host) in [
                (Some("public.test"), "admin.test"),
                (Some("public.test"), "x.wild.test"),
                (Some("app.test"), "admin.test"),
                (Some("admin2.test"), "admin.test"),
                (Some("x.wild.test"), "admin.test"),
                (Some("admin.test"), "a.x.wild.test"),
                (Some("x.wild.test"), "a.x.wild.test"),
                (Some("x.wild.test"), "wild.test"),
                (Some("public.test"), "public.test.evil.test"),
                (Some("public.test"), "xpublic.test"),
                (Some("public.test"), "publicxtest"),
                (Some("nope.test"), "admin.test"),
                (Some("nope.test"), "public.test"),
                (None, "admin.test"),
                (None, "public.test"),
            ] {
                for host in spelt(host) {
                    let heard = town.get(&hand, sni, over, &host, "/misdirected").await;
                    assert_eq!(heard.status, Some(421), "{over:?} {sni:?} {host}: {heard:?}");
                }
                for host in [format!("{host}:1"), format!("{host}:0{port}"), format!("{host}:"), format!("{host}..")] {
                    // Of HTTP/2, some do not get as far as a request.
                    let heard = town.get(&hand, sni, over, &host, "/misdirected").await;
                    assert!(!heard.is_served(), "{over:?} {sni:?} {host}: {heard:?}");
                }
            }
            // The right handshake, however the name is spelt: what counts is the device.
            for (sni, host) in [("admin.test", "admin.test"), ("ADMIN.TEST", "admin.test"), ("y.wild.test", "x.wild.test")] {
                for host in spelt(host) {
                    let heard = town.get(&hand, Some(sni), over, &host, "/right").await;
                    let expected = if shown.is_some() { 200 } else { 403 };
                    assert_eq!(heard.status, Some(expected), "{over:?} {sni} {host}: {heard:?}");
                }
            }
            let heard = town.get(&hand, Some("x.wild.test"), over, "y.wild.test", "/misdirected").await;
            assert_eq!(heard.status, Some(404), "an app is one host: {heard:?}");
        }
    }
    // Names that no library would send.
    for sni in
        ["127.0.0.1", ".admin.test", "xn--admin-.test", "admin..test", "admin.test..", "admin_.test", "*.test", "ad min.test"]
    {
        for over in BOTH {
            for host in ["admin.test", "public.test"] {
                let heard = openssl_get(port, Some(sni), over, None, (host, "/misdirected"), &town.credentials()).await;
                assert!(!heard.is_served(), "{over:?} {sni} {host}: {heard:?}");
            }
        }
    }
    let twin = openssl_get(port, Some("public.test"), Over::Http1, None, ("public.test", "/right"), &town.credentials()).await;
    assert!(twin.is_served(), "{twin:?}");
    assert!(!town.house.wiki.has_seen("/misdirected"));
}

/// Holds: 34.
#[tokio::test]
async fn no_header_is_a_certificate() {
    let town = Town::open().await;
    let pem = town.good().chain.replace('\n', "%0A").replace(' ', "%20");
    let names = [
        "x-client-cert",
        "x-client-cert-chain",
        "x-client-cert-present",
        "x-client-cert-spiffe",
        "x-client-verify",
        "x-client-dn",
        "x-ssl-cert",
        "x-ssl-client-cert",
        "x-ssl-client-verify",
        "x-ssl-client-s-dn",
        "x-forwarded-client-cert",
        "x-forwarded-tls-client-cert",
        "x-forwarded-tls-client-cert-info",
        "client-cert",
        "client-cert-chain",
        "ssl-client-cert",
        "ssl-client-verify",
        "ssl-client-subject-dn",
        "x-tls-client-cert",
        "x-tls-client-verified",
        "tls-client-subject",
        "x-amzn-mtls-clientcert",
        "x-arr-clientcert",
        "cf-client-cert-verified",
        "x-mtls-subject",
        "x_client_cert",
        "x-client_cert",
        "x.client.cert",
        "client_cert",
    ];
    let values = ["SUCCESS", &pem, "By=x;Hash=00;Subject=\"CN=a1\";URI=urn:town:device/a1", ":MIIB:"];
    let hand = Hand::new(town.house.port(), &TLS13);
    for over in BOTH {
        for value in values {
            let headers: Vec<_> = town.credentials().into_iter().chain(names.map(|name| (name, value))).collect();
            hand.forget();
            hand.show(None);
            let heard = hand.get(Some("admin.test"), over, "admin.test", "/claimed", &headers).await;
            assert_eq!((heard.status, heard.reason().as_str()), (Some(403), "device_missing"), "{over:?} {value}: {heard:?}");
            // Where nobody has to be known, and where somebody is, no app sees them either.
            let heard = hand.get(Some("public.test"), over, "public.test", "/anybody", &headers).await;
            assert!(heard.is_served(), "{over:?} {value}: {heard:?}");
            hand.show(Some(&town.good()));
            let heard = hand.get(Some("admin.test"), over, "admin.test", "/proved", &headers).await;
            assert!(heard.is_served(), "{over:?} {value}: {heard:?}");
        }
    }
    let seen = town.house.wiki.seen();
    assert_eq!(seen.len(), BOTH.len() * values.len() * 2);
    for seen in seen {
        assert_ne!(seen.path(), "/claimed");
        for name in names {
            assert!(!seen.headers.contains_key(name), "{name} at {}: {:?}", seen.path(), seen.headers);
        }
    }
}

/// Holds: 39.
#[tokio::test]
async fn nothing_is_taken_that_came_before_the_handshake() {
    let town = Town::open().await;
    let hand = Hand::hasty(town.house.port());
    let (_, token) = town.credentials()[0];
    for (sni, shows) in [("public.test", None), ("admin.test", Some(town.good()))] {
        hand.forget();
        hand.show(shows.as_ref());
        assert!(town.get(&hand, Some(sni), Over::Http1, sni, "/first").await.is_served(), "a session");
        let request = format!(
            "POST /early HTTP/1.1\r\nhost: {sni}\r\nauthorization: {token}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        let (taken, answer) = hand.send_early(sni, &request).await;
        assert!(!taken, "{sni}");
        // It was sent again once the handshake was done, as RFC 8446 wants it: the twin that may pass.
        assert!(answer.starts_with("HTTP/1.1 200 "), "{sni}: {answer}");
    }
    assert_eq!(town.house.wiki.seen().iter().filter(|seen| seen.path() == "/early").count(), 2, "once each");
}

/// Holds: 40.
#[tokio::test]
async fn a_client_that_stalls_is_gone_at_its_deadline() {
    let quick = |plan: crate::harness::Plan| {
        plan.set("limits", "handshake_timeout = \"1s\"\nheader_timeout = \"1s\"\nidle_timeout = \"30s\"")
    };
    let town = Town::with(quick).await;
    let port = town.house.port();
    let before = town.house.metrics().await.sum("process_open_fds", &[]);
    // One byte of a record's head, a head without its record, and a greeting byte by byte: each byte is in time, the whole is not.
    let mut stalls = tokio::task::JoinSet::new();
    let client = town.house.stranger();
    for (what, bytes, pause) in [
        ("nothing", &[][..], 0),
        ("a byte", &[0x16][..], 0),
        ("a record that does not come", &[0x16, 3, 1, 2, 0][..], 0),
        (
            "byte by byte",
            &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1][..],
            200,
        ),
    ] {
        stalls.spawn(async move {
            let mut socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let since = tokio::time::Instant::now();
            for byte in bytes {
                // Fails once it is closed.
                let _sent = socket.write_all(&[*byte]).await;
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
            (what, gone(&mut socket, since).await)
        });
    }
    for (what, over) in [("silence over HTTP/1.1", Over::Http1), ("silence over HTTP/2", Over::Http2)] {
        let hand = Hand::new(port, &TLS13);
        stalls.spawn(async move {
            let since = tokio::time::Instant::now();
            let mut stream = hand.connect(Some("public.test"), over).await.unwrap();
            (what, gone(&mut stream, since).await)
        });
    }
    while let Some(stalled) = stalls.join_next().await {
        let (what, lasted) = stalled.unwrap();
        assert!(lasted > Duration::from_millis(500), "{what} had its time: {lasted:?}");
    }
    // Who has asked for something may think about the next for longer.
    let url = format!("https://gate.localhost:{port}");
    let mut connection = client.connect(&url).await;
    assert!(connection.is_answered("/.sekisho/whoami").await);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(connection.is_answered("/.sekisho/whoami").await, "idle between two requests");
    drop(connection);
    let handshakes = town.house.metrics().await;
    assert!(handshakes.sum("sekisho_tls_handshakes_total", &[("outcome", "timed_out")]) >= 4.0, "{}", handshakes.text);
    crate::harness::eventually("descriptors given back", async || {
        (town.house.metrics().await.sum("process_open_fds", &[]) <= before + 1.0).then_some(())
    })
    .await;
}

/// How long it took until the gate closed the connection: far below the time for idle ones, whatever the machine is doing.
async fn gone(stream: &mut (impl tokio::io::AsyncRead + Unpin), since: tokio::time::Instant) -> Duration {
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(15), stream.read_to_end(&mut rest)).await;
    assert!(closed.is_ok(), "it is still open");
    since.elapsed()
}

/// Holds: 42.
#[tokio::test]
async fn the_plain_port_is_never_upgraded() {
    let port = crate::harness::ReservedPort::new();
    let house = House::plan().set("listen", &format!("http = \"127.0.0.1:{}\"", port.number)).open().await;
    let ask = async |request: &str| {
        let mut socket = TcpStream::connect(("127.0.0.1", port.number)).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        tokio::time::timeout(Duration::from_secs(15), socket.read_to_end(&mut answer)).await.expect("it closes").unwrap();
        String::from_utf8(answer).unwrap()
    };
    let host = "host: wiki.localhost";
    // As the attack sends it, with a second request behind the first that TLS would hide; then everything else that asks to switch.
    for (method, fields) in [
        ("OPTIONS", "upgrade: TLS/1.0\r\nconnection: upgrade"),
        ("GET", "upgrade: TLS/1.0\r\nconnection: Upgrade"),
        ("GET", "upgrade: TLS/1.2, HTTP/1.1\r\nconnection: upgrade"),
        ("GET", "upgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\nconnection: upgrade, http2-settings"),
        (
            "GET",
            "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==",
        ),
        ("CONNECT", "proxy-connection: keep-alive"),
    ] {
        let target = if method == "CONNECT" { "wiki.localhost:443" } else { "/a" };
        let answer =
            ask(&format!("{method} {target} HTTP/1.1\r\n{host}\r\n{fields}\r\n\r\nGET /b HTTP/1.1\r\n{host}\r\n\r\n")).await;
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(matches!(status, "308" | "400"), "{method} {fields}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "one answer, and the end: {answer}");
        assert!(!answer.to_ascii_lowercase().contains("upgrade"), "{answer}");
    }
    let plain = ask(&format!("GET /a?b=c HTTP/1.1\r\n{host}\r\n\r\n")).await;
    assert!(plain.starts_with("HTTP/1.1 308 "), "{plain}");
    assert!(plain.contains(&format!("location: https://wiki.localhost:{}/a?b=c\r\n", house.port())), "{plain}");
    // Nor is the other port: what is not a WebSocket is not switched to, and the app never hears of it.
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let headers = [("upgrade", "TLS/1.0"), ("connection", "upgrade")];
    let reply = alice.send(http::Method::OPTIONS, &house.url("wiki", "/c"), &headers, "").await;
    assert_ne!(reply.status, 101);
    for seen in house.wiki.seen() {
        assert!(!seen.headers.contains_key("upgrade"), "{seen:?}");
    }
    assert!(house.wiki.seen().iter().all(|seen| !matches!(seen.path(), "/a" | "/b")));
}
