//! What reaches an app, and what comes back.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::{SinkExt as _, StreamExt as _};
use http::Method;
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use url::Url;

use crate::harness::{App, House, Speaks, allowed, refused};

#[tokio::test]
async fn the_app_learns_who_it_is_from_us_alone() {
    let house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let lies = [
        ("x-forwarded-user", "corp/mallory"),
        ("X_Forwarded_User", "corp/mallory"),
        ("x-forwarded-email", "mallory@evil.example"),
        ("x-forwarded-groups", "admins"),
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "http"),
        ("forwarded", "for=6.6.6.6"),
        ("x-real-ip", "6.6.6.6"),
        ("sekisho-assertion", "eyJ"),
        ("sekisho-anything", "1"),
        ("x-request-id", "mallory"),
        ("proxy", "http://evil.example"),
    ];
    for client in [alice.clone(), alice.clone().over_http2()] {
        let path = format!("/who/{}", house.wiki.seen().len());
        allowed(&client.send(Method::GET, &house.url("wiki", &path), &lies, "").await);
        let seen = house.wiki.only(&path);
        assert_eq!(seen.header("x-forwarded-user"), Some("corp/alice"));
        assert_eq!(seen.header("x-forwarded-email"), Some("alice@corp.example"));
        assert_eq!(seen.header("x-forwarded-groups"), Some("admins,staff"));
        assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
        assert_eq!(seen.header("x-forwarded-proto"), Some("https"));
        assert!(seen.header("x-forwarded-host").unwrap().starts_with("wiki.localhost"));
        assert_ne!(seen.header("x-request-id"), Some("mallory"));
        let all = format!("{:?}", seen.headers);
        for lie in ["mallory", "evil", "6.6.6.6", "sekisho-anything", "x_forwarded_user"] {
            assert!(!all.contains(lie), "{lie} reached the app: {all}");
        }
    }
}

#[tokio::test]
async fn the_assertion_is_signed_for_this_app() {
    let house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    allowed(&alice.get(&house.url("wiki", "/a")).await);
    let assertion = house.wiki.only("/a").header("sekisho-assertion").unwrap().to_owned();

    // As an app's developer does it: the key set needs no device.
    let keys = house.stranger().get(&house.url("wiki", "/.sekisho/jwks.json")).await;
    assert_eq!(keys.status, 200);
    let keys: jsonwebtoken::jwk::JwkSet = serde_json::from_value(keys.json()).unwrap();
    let key = keys.find(jsonwebtoken::decode_header(&assertion).unwrap().kid.as_deref().unwrap()).unwrap();
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
    rules.set_audience(&["wiki"]);
    let claims =
        jsonwebtoken::decode::<Value>(&assertion, &jsonwebtoken::DecodingKey::from_jwk(key).unwrap(), &rules).unwrap().claims;
    assert!(claims["sub"].as_str().unwrap().contains("alice"), "{claims}");
    assert_eq!(claims["email"], "alice@corp.example");
    assert_eq!(claims["groups"], serde_json::json!(["admins", "staff"]));
    assert!(claims.to_string().contains("lap-7"), "{claims}");
    // A key of the gate is no secret, but its private half is.
    assert!(!URL_SAFE_NO_PAD.encode(house.record().text()).contains("\"d\""));
}

#[tokio::test]
async fn a_web_socket_goes_both_ways_and_only_for_whom_policy_allows() {
    let house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let url = house.url("wiki", "/ws");
    let mut request = url.replace("https:", "wss:").into_client_request().unwrap();
    request.headers_mut().insert("cookie", alice.jar.header("wiki.localhost", "/").unwrap().parse().unwrap());
    request.headers_mut().insert("origin", house.url("wiki", "").parse().unwrap());
    request.headers_mut().insert("sec-websocket-protocol", "echo".parse().unwrap());
    let stream = alice.tls_to(&Url::parse(&url).unwrap()).await;
    let (mut socket, reply) = tokio_tungstenite::client_async(request.clone(), stream).await.unwrap();
    assert_eq!(reply.headers()["sec-websocket-protocol"], "echo");
    for message in [Message::text("good morning"), Message::binary(vec![7; 70_000])] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
    assert_eq!(house.wiki.only("/ws").header("x-forwarded-user"), Some("corp/alice"));
    socket.close(None).await.unwrap();

    // From another site's page, and with nobody signed in.
    for (name, value) in [("origin", "https://evil.example"), ("cookie", "a=b")] {
        let mut wrong = request.clone();
        wrong.headers_mut().insert(name, value.parse().unwrap());
        let stream = alice.tls_to(&Url::parse(&url).unwrap()).await;
        assert!(tokio_tungstenite::client_async(wrong, stream).await.is_err(), "{name}");
    }
    house.wiki.only("/ws");
}

#[tokio::test]
async fn events_come_as_they_happen() {
    let house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    for client in [alice.clone(), alice.clone().over_http2()] {
        let (_, reply) = client.begin(Method::GET, &house.url("wiki", "/events"), &[("accept", "text/event-stream")], "").await;
        assert_eq!(reply.headers()["content-type"], "text/event-stream");
        let mut body = reply.into_body();
        // Each event arrives before the next one is told: nothing is held back.
        for _ in 0..3 {
            let mut event = Vec::new();
            while !event.ends_with(b"\n\n") {
                let frame =
                    tokio::time::timeout(std::time::Duration::from_secs(15), body.frame()).await.expect("an event in time");
                event.extend_from_slice(frame.unwrap().unwrap().data_ref().unwrap());
            }
            assert!(event.starts_with(b"data: "));
            house.wiki.tell();
        }
    }
}

#[tokio::test]
async fn trailers_come_back_from_an_app_that_speaks_http2() {
    let app = App::speaking(Speaks::Http2).await;
    let house = House::plan().app("grpc", &format!("upstream = [\"{}\"]\nprotocol = \"http2\"", app.url())).open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    allowed(&alice.browse(&house.url("grpc", "/")).await);

    let headers = [("content-type", "application/grpc"), ("te", "trailers")];
    let client = alice.over_http2();
    let reply = client.send(Method::POST, &house.url("grpc", "/trailers"), &headers, "call").await;
    assert_eq!((reply.status.as_u16(), reply.text()), (200, "body"));
    assert_eq!(reply.trailers.unwrap()["grpc-status"], "0");
    let seen = app.only("/trailers");
    assert_eq!((seen.header("te"), seen.body.as_ref()), (Some("trailers"), b"call".as_slice()));
}

#[tokio::test]
async fn large_bodies_pass_both_ways_and_too_large_ones_do_not() {
    let house = House::plan().wiki("max_body = \"4MiB\"").open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    for client in [alice.clone(), alice.clone().over_http2()] {
        let reply = client.get(&house.url("wiki", "/bytes/20000000")).await;
        assert_eq!(reply.body.len(), 20_000_000);
        allowed(&client.send(Method::PUT, &house.url("wiki", "/up"), &[], vec![b'x'; 4 << 20]).await);
        refused(&client.send(Method::PUT, &house.url("wiki", "/too-much"), &[], vec![b'x'; (4 << 20) + 1]).await, 413);
    }
    assert!(house.wiki.seen().iter().filter(|seen| seen.path() == "/up").all(|seen| seen.body.len() == 4 << 20));
    assert!(!house.wiki.has_seen("/too-much"));
}

#[tokio::test]
async fn an_apps_own_answers_pass_unchanged() {
    let house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    for status in [204, 304, 404, 418, 500, 503] {
        let reply = alice.get(&house.url("wiki", &format!("/status/{status}"))).await;
        assert_eq!(reply.status, status);
    }
}

#[tokio::test]
async fn another_host_on_the_same_connection_is_judged_by_its_own() {
    let house = House::plan().app("files", "upstream = [\"{wiki}\"]").open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    // SNI says wiki; Host says something that nobody serves.
    let url = Url::parse(&house.url("wiki", "/a")).unwrap();
    let stream = hyper_util::rt::TokioIo::new(alice.tls_to(&url).await);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let mut request = alice.request(Method::GET, &url, &[], bytes::Bytes::new());
    request.headers_mut().insert("host", "elsewhere.example".parse().unwrap());
    let status = sender.send_request(request).await.unwrap().status().as_u16();
    assert!(matches!(status, 404 | 421), "{status}");
    assert!(!house.wiki.has_seen("/a"));
}

#[tokio::test]
async fn a_web_socket_over_http2_too() {
    let house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await.over_http2();
    let url = Url::parse(&house.url("wiki", "/ws")).unwrap();
    let (mut client, connection) =
        h2::client::Builder::new().handshake::<_, bytes::Bytes>(alice.tls_to(&url).await).await.unwrap();
    tokio::spawn(connection);
    crate::harness::eventually("the gate offers extended CONNECT", async || {
        client = client.clone().ready().await.unwrap();
        client.is_extended_connect_protocol_enabled().then_some(())
    })
    .await;
    let mut request = http::Request::builder().method(Method::CONNECT).uri(url.as_str()).version(http::Version::HTTP_2);
    request = request.header("sec-websocket-version", "13").header("origin", house.url("wiki", ""));
    request = request.header("cookie", alice.jar.header("wiki.localhost", "/").unwrap());
    let mut request = request.body(()).unwrap();
    request.extensions_mut().insert(h2::ext::Protocol::from("websocket"));
    let (reply, mut tunnel) = client.send_request(request, false).unwrap();
    let reply = reply.await.unwrap();
    assert_eq!(reply.status(), 200);

    // One masked text frame (RFC 6455, section 5.2), whose mask is zero.
    tunnel.send_data(bytes::Bytes::from_static(b"\x81\x85\0\0\0\0hello"), false).unwrap();
    let mut echoed = Vec::new();
    let mut body = reply.into_body();
    while echoed.len() < 7 {
        echoed.extend_from_slice(&body.data().await.unwrap().unwrap());
    }
    assert_eq!(echoed, b"\x81\x05hello");
    assert_eq!(house.wiki.only("/ws").header("x-forwarded-user"), Some("corp/alice"));
}

#[tokio::test]
async fn a_body_is_not_asked_for_before_the_app_wants_it() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let post = async |client: &crate::harness::Client, cookies: &str| {
        let mut stream = client.tls_to(&Url::parse(&house.url("wiki", "/")).unwrap()).await;
        let head = format!(
            "POST /expected HTTP/1.1\r\nHost: wiki.localhost:{}\r\nContent-Length: 5\r\nExpect: 100-continue\r\n{cookies}\r\n",
            house.port()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.unwrap();
        (String::from_utf8(first.to_vec()).unwrap(), stream)
    };
    let cookies = format!("Cookie: {}\r\n", alice.jar.header("wiki.localhost", "/").unwrap());
    let (first, mut stream) = post(&alice, &cookies).await;
    assert_eq!(first, "HTTP/1.1 100");
    stream.write_all(b"hello").await.unwrap();
    crate::harness::eventually("the body at the app", async || house.wiki.has_seen("/expected").then_some(())).await;
    assert_eq!(house.wiki.only("/expected").body.as_ref(), b"hello");

    // Who may not send it is told before the body is on its way.
    let (first, _) = post(&alice, "").await;
    assert_eq!(first, "HTTP/1.1 401");
}

#[tokio::test]
async fn hosts_of_one_certificate_may_share_a_connection() {
    let house = House::plan().app("files", "upstream = [\"{wiki}\"]").open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    allowed(&alice.browse(&house.url("files", "/")).await);
    // As browsers do with HTTP/2: the handshake named wiki, the request is for files, and the certificate covers both.
    let (wiki, files) = (Url::parse(&house.url("wiki", "/")).unwrap(), Url::parse(&house.url("files", "/shared")).unwrap());
    let client = alice.over_http2();
    let stream = hyper_util::rt::TokioIo::new(client.tls_to(&wiki).await);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    let reply = sender.send_request(client.request(Method::GET, &files, &[], bytes::Bytes::new())).await.unwrap();
    assert_eq!(reply.status(), 200);
    assert_eq!(house.record().only_access("/shared")["app"], "files");
}

#[tokio::test]
async fn a_preflight_goes_to_the_app_that_answers_it_and_takes_nobody_along() {
    let plan = House::plan().app("cors", "upstream = [\"{wiki}\"]\ncors_preflight = \"forward\"");
    let house = plan.open().await;
    let asks = [
        ("origin", "https://elsewhere.example"),
        ("access-control-request-method", "PUT"),
        ("cookie", "of=somebody"),
        ("authorization", "Bearer of-somebody"),
    ];
    let stranger = house.stranger();
    allowed(&stranger.send(Method::OPTIONS, &house.url("cors", "/preflight"), &asks, "").await);
    let seen = house.wiki.only("/preflight");
    for name in ["cookie", "authorization", "x-forwarded-user", "sekisho-assertion"] {
        assert_eq!(seen.header(name), None, "{name}");
    }
    let line = house.record().only_access("/preflight");
    assert_eq!((&line["app"], &line["user"]), (&"cors".into(), &Value::Null));

    // Its twins: no preflight, not this method, not this app.
    for (app, method, headers) in
        [("cors", Method::OPTIONS, &asks[..1]), ("cors", Method::PUT, &asks[..]), ("wiki", Method::OPTIONS, &asks[..])]
    {
        refused(&stranger.send(method, &house.url(app, "/twin"), headers, "").await, 403);
    }
    assert!(!house.wiki.has_seen("/twin"));
}
