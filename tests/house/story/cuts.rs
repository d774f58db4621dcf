//! Accesses that are under way when what allowed them changes: they are cut so that the client sees an error, and others go on.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use url::Url;

use crate::harness::{App, Client, House, Laptop, POLICIES, Speaks, allowed, eventually, refused};

/// Alice on her laptop, and Bob on his, who goes on whatever happens to her.
struct Two {
    house: House,
    laptop: Laptop,
    alice: Client,
    bob: Client,
}

/// An answer that comes until somebody ends it.
pub(super) struct Flow(pub(super) Incoming);

impl Two {
    async fn at(house: House) -> Self {
        let laptop = house.laptop("lap-7", "alice").await;
        let other = house.laptop("lap-8", "bob").await;
        let alice = house.signed_in(&laptop, "alice").await;
        let bob = house.signed_in(&other, "bob").await;
        Self { house, laptop, alice, bob }
    }

    async fn meet() -> Self {
        Self::at(House::open().await).await
    }

    fn url(&self, path: &str) -> String {
        self.house.url("wiki", path)
    }

    async fn flow(&self, client: &Client, path: &str) -> Flow {
        let (_, reply) = client.begin(Method::GET, &self.url(path), &[], "").await;
        assert_eq!(reply.status(), 200);
        let mut flow = Flow(reply.into_body());
        flow.runs().await;
        flow
    }

    /// Her only session.
    async fn session_of(&self, email: &str) -> String {
        let listed = self.house.json(&["session", "list"]).await;
        let found = listed.as_array().unwrap().iter().find(|session| session["email"] == email);
        found.unwrap_or_else(|| panic!("no session of {email}: {listed}"))["id"].as_str().unwrap().to_owned()
    }

    /// The `end` line of the only request for `path`.
    async fn end(&self, path: &str) -> Value {
        let access = eventually("an access line", async || self.house.record().access(path).pop()).await;
        self.house.record().end_of(&access["request"]).await
    }

    async fn was_cut(&self, path: &str, cause: &str) {
        let end = self.end(path).await;
        assert_eq!((&end["ending"], &end["cause"]), (&"cut".into(), &cause.into()), "{end}");
    }
}

impl Flow {
    /// Something more comes.
    pub(super) async fn runs(&mut self) {
        let frame = tokio::time::timeout(Duration::from_secs(10), self.0.frame()).await.expect("more in time");
        frame.expect("it goes on").expect("it is not broken");
    }

    /// It breaks, soon: a client must not take it for whole.
    pub(super) async fn breaks(&mut self) -> hyper::Error {
        let broken = async {
            loop {
                match self.0.frame().await {
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return error,
                    None => panic!("it ended as if it were whole"),
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), broken).await.expect("it is cut")
    }
}

/// What an HTTP/2 client was told when a stream broke.
fn reason(error: &hyper::Error) -> Option<h2::Reason> {
    std::error::Error::source(error)?.downcast_ref::<h2::Error>()?.reason()
}

/// An HTTP/2 connection.
async fn over_http2(client: &Client, url: &str) -> http2::SendRequest<Full<Bytes>> {
    let stream = TokioIo::new(client.clone().over_http2().tls_to(&Url::parse(url).unwrap()).await);
    let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn ask(sender: &mut http2::SendRequest<Full<Bytes>>, client: &Client, url: &str) -> Response<Incoming> {
    let request = client.clone().over_http2().request(Method::GET, &Url::parse(url).unwrap(), &[], Bytes::new());
    sender.send_request(request).await.unwrap()
}

async fn web_socket(two: &Two, client: &Client, path: &str) -> WebSocketStream<TlsStream<TcpStream>> {
    socket_at(client, &two.url(path)).await
}

/// A WebSocket to the wiki, by which something has come back.
pub(super) async fn socket_at(client: &Client, url: &str) -> WebSocketStream<TlsStream<TcpStream>> {
    let mut request = url.replace("https:", "wss:").into_client_request().unwrap();
    request.headers_mut().insert("cookie", client.jar.header("wiki.localhost", "/").unwrap().parse().unwrap());
    let stream = client.tls_to(&Url::parse(url).unwrap()).await;
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    echoes(&mut socket).await;
    socket
}

pub(super) async fn echoes(socket: &mut WebSocketStream<TlsStream<TcpStream>>) {
    socket.send(Message::text("here")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("here"));
}

/// The code and reason of the Close frame that comes.
pub(super) async fn closed(socket: &mut WebSocketStream<TlsStream<TcpStream>>) -> (u16, String) {
    let close = tokio::time::timeout(Duration::from_secs(10), socket.next()).await.expect("it is closed").unwrap().unwrap();
    let Message::Close(Some(close)) = close else { panic!("not a Close frame: {close:?}") };
    (close.code.into(), close.reason.to_string())
}

#[tokio::test]
async fn a_quarantine_cuts_what_the_device_has_under_way_and_nothing_else() {
    let two = Two::meet().await;
    let mut download = two.flow(&two.alice, "/flood/a").await;
    let mut over_http2 = two.flow(&two.alice.clone().over_http2(), "/flood/b").await;
    let mut socket = web_socket(&two, &two.alice, "/ws/a").await;
    let mut survivor = two.flow(&two.bob, "/flood/c").await;
    let mut other_socket = web_socket(&two, &two.bob, "/ws/c").await;
    let waiting = tokio::spawn({
        let (alice, url) = (two.alice.clone(), two.url("/never"));
        async move {
            let url = Url::parse(&url).unwrap();
            let stream = TokioIo::new(alice.tls_to(&url).await);
            let (mut sender, connection) = http1::handshake(stream).await.unwrap();
            tokio::spawn(connection);
            sender.send_request(alice.request(Method::GET, &url, &[], Bytes::new())).await
        }
    });
    eventually("the request at the app", async || two.house.wiki.has_seen("/never").then_some(())).await;
    let live = two.house.metrics().await;
    for (kind, count) in [("download", 3.0), ("websocket", 2.0), ("request", 1.0)] {
        assert_eq!(live.sum("sekisho_leases", &[("kind", kind)]), count, "{kind}: {}", live.text);
    }

    two.house.must(&["device", "quarantine", "lap-7", "--reason", "infected"]).await;
    download.breaks().await;
    over_http2.breaks().await;
    assert_eq!(closed(&mut socket).await.0, 1008);
    assert!(waiting.await.unwrap().is_err(), "it waited for the app");
    survivor.runs().await;
    echoes(&mut other_socket).await;
    for path in ["/flood/a", "/flood/b", "/ws/a", "/never"] {
        two.was_cut(path, "device_quarantined").await;
    }
    let access = two.house.record().only_access("/never");
    assert_eq!((&access["status"], &access["reason"], &access["decision"]), (&499.into(), &"cut".into(), &"allow".into()));

    let metrics = two.house.metrics().await;
    assert_eq!(metrics.sum("sekisho_streams_cut_total", &[("cause", "device_quarantined")]), 4.0, "{}", metrics.text);
    assert_eq!(metrics.sum("sekisho_cut_latency_seconds_count", &[]), 4.0);
    assert_eq!(metrics.sum("sekisho_leases", &[]), 2.0, "those of the other device");

    // It stays out, and comes back once it is released.
    refused(&two.alice.get(&two.url("/again")).await, 403);
    two.house.must(&["device", "release", "lap-7", "--reason", "cleaned"]).await;
    two.flow(&two.alice, "/flood/d").await;
    survivor.runs().await;
}

#[tokio::test]
async fn every_stream_of_a_connection_that_goes_is_told_and_counted_as_cut() {
    let two = Two::meet().await;
    // More than are asked about in one breath.
    let paths: Vec<_> = (0..80).map(|number| format!("/flood/{number}")).collect();
    let mut sender = over_http2(&two.alice, &two.url("/")).await;
    let mut flows = Vec::new();
    for path in &paths {
        let answer = ask(&mut sender, &two.alice, &two.url(path)).await;
        assert_eq!(answer.status(), 200);
        flows.push(Flow(answer.into_body()));
    }
    two.house.must(&["device", "quarantine", "lap-7", "--reason", "infected"]).await;
    for flow in &mut flows {
        flow.breaks().await;
    }
    for path in &paths {
        two.was_cut(path, "device_quarantined").await;
    }
    let metrics = two.house.metrics().await;
    assert_eq!(metrics.sum("sekisho_streams_cut_total", &[("cause", "device_quarantined")]), 80.0, "{}", metrics.text);
    assert_eq!(metrics.sum("sekisho_cut_latency_seconds_count", &[]), 80.0);
}

#[tokio::test]
async fn a_session_that_ends_takes_its_streams_and_leaves_those_of_another_on_the_same_connection() {
    let two = Two::meet().await;
    // The same device, another session: two cookies, one HTTP/2 connection.
    let again = two.house.signed_in(&two.laptop, "alice").await;
    let first = two.session_of("alice@corp.example").await;
    let sessions = two.house.json(&["session", "list"]).await;
    let hers = sessions.as_array().unwrap().iter().filter(|session| session["email"] == "alice@corp.example").count();
    assert_eq!(hers, 2, "{sessions}");
    let mut sender = over_http2(&two.alice, &two.url("/")).await;
    let mut flows = Vec::new();
    for (client, path) in [(&two.alice, "/flood/one"), (&again, "/flood/two")] {
        let mut flow = Flow(ask(&mut sender, client, &two.url(path)).await.into_body());
        flow.runs().await;
        flows.push((path, flow));
    }
    two.house.must(&["session", "end", &first]).await;
    let lines = two.house.record();
    let (mut gone, mut stays): (Vec<_>, Vec<_>) =
        flows.into_iter().partition(|(path, _)| lines.only_access(path)["session"] == first.as_str());
    let (path, flow) = &mut gone[0];
    assert_eq!(reason(&flow.breaks().await), Some(h2::Reason::CANCEL));
    two.was_cut(path, "session_ended").await;
    stays[0].1.runs().await;
    stays[0].1.runs().await;
}

#[tokio::test]
async fn a_suspended_person_is_cut_everywhere_and_signing_out_cuts_too() {
    let two = Two::meet().await;
    let mut alices = two.flow(&two.alice, "/flood/alice").await;
    let mut bobs = two.flow(&two.bob, "/flood/bob").await;
    two.house.must(&["user", "suspend", "alice@corp.example"]).await;
    alices.breaks().await;
    two.was_cut("/flood/alice", "user_suspended").await;
    bobs.runs().await;

    let origin = two.house.url("wiki", "");
    let left = two.bob.send(Method::POST, &two.url("/.sekisho/sign-out"), &[("origin", &origin)], "").await;
    assert!(left.status.is_redirection() || left.status.is_success(), "{}", left.shown());
    bobs.breaks().await;
    two.was_cut("/flood/bob", "session_ended").await;
}

#[tokio::test]
async fn a_reload_cuts_only_what_it_denies_now() {
    let mut two = Two::at(House::plan().wiki("public = [\"/flood/public\"]").open().await).await;
    let mut secret = two.flow(&two.alice, "/flood/secret/a").await;
    let mut open = two.flow(&two.alice, "/flood/open").await;
    let mut public = two.flow(&two.house.stranger(), "/flood/public").await;
    let mut socket = web_socket(&two, &two.bob, "/ws").await;

    let closing = "@id(\"closed\") forbid (principal, action, resource)
        when { context.request.path_prefixes.contains(\"/flood/secret\") };";
    two.house.set_policies(&format!("{POLICIES}{closing}"));
    two.house.must(&["reload"]).await;
    secret.breaks().await;
    two.was_cut("/flood/secret/a", "policies").await;
    open.runs().await;
    public.runs().await;
    echoes(&mut socket).await;

    // What anybody had is closed as well.
    two.house.set_policies(&POLICIES.replace("action == Action::\"public\"", "action == Action::\"connect\""));
    two.house.must(&["reload"]).await;
    public.breaks().await;
    two.was_cut("/flood/public", "policies").await;
    open.runs().await;
    echoes(&mut socket).await;
}

#[tokio::test]
async fn an_upload_that_is_cut_is_broken_off_at_the_app() {
    for speaks in [Speaks::Http1, Speaks::Http2] {
        let app = App::speaking(speaks).await;
        let protocol = if speaks == Speaks::Http2 { "\nprotocol = \"http2\"" } else { "" };
        let house = House::plan().app("files", &format!("upstream = [\"{}\"]{protocol}", app.url())).open().await;
        let two = Two::at(house).await;
        for client in [&two.alice, &two.bob] {
            allowed(&client.browse(&two.house.url("files", "/")).await);
        }
        let mut uploads = Vec::new();
        for (client, over_http2, path) in
            [(&two.alice, false, "/up/1"), (&two.alice, true, "/up/2"), (&two.bob, false, "/up/3"), (&two.bob, true, "/up/4")]
        {
            uploads.push(upload(client, over_http2, &two.house.url("files", path)).await);
        }
        // The first request of each person was for the page.
        app.reached(6).await;
        two.house.must(&["device", "quarantine", "lap-7"]).await;
        for path in ["/up/1", "/up/2"] {
            let seen =
                eventually("the end of the upload", async || app.seen().into_iter().find(|seen| seen.path() == path)).await;
            assert!(seen.broken, "{path} was taken for whole: {} bytes", seen.body.len());
            two.was_cut(path, "device_quarantined").await;
        }
        for (pieces, answered) in uploads.drain(2..) {
            pieces.send(Ok(Frame::data(Bytes::from_static(b"end")))).await.unwrap();
            drop(pieces);
            assert_eq!(answered.await.unwrap().unwrap(), 200);
        }
        for path in ["/up/3", "/up/4"] {
            let seen = app.only(path);
            assert_eq!((seen.broken, seen.body.as_ref()), (false, b"beginend".as_slice()));
        }
    }
}

type Pieces = tokio::sync::mpsc::Sender<Result<Frame<Bytes>, std::convert::Infallible>>;

/// Begins an upload of unknown length: what sends the rest, and what resolves to the answer's status.
async fn upload(client: &Client, over_http2: bool, url: &str) -> (Pieces, tokio::task::JoinHandle<Result<u16, hyper::Error>>) {
    let (send, receive) = tokio::sync::mpsc::channel(4);
    send.send(Ok(Frame::data(Bytes::from_static(b"begin")))).await.unwrap();
    let client = if over_http2 { client.clone().over_http2() } else { client.clone() };
    let url = Url::parse(url).unwrap();
    let (head, _) = client.request(Method::POST, &url, &[], Bytes::new()).into_parts();
    let pieces = futures_util::stream::unfold(receive, |mut receive| async { Some((receive.recv().await?, receive)) });
    let request = Request::from_parts(head, StreamBody::new(Box::pin(pieces)));
    let stream = TokioIo::new(client.tls_to(&url).await);
    let answered = tokio::spawn(async move {
        let reply = if over_http2 {
            let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
            tokio::spawn(connection);
            sender.send_request(request).await?
        } else {
            let (mut sender, connection) = http1::handshake(stream).await?;
            tokio::spawn(connection);
            sender.send_request(request).await?
        };
        Ok(reply.status().as_u16())
    });
    (send, answered)
}

#[tokio::test]
async fn whoever_takes_nothing_gets_nothing_later() {
    let two = Two::meet().await;
    // HTTP/1: the client has stopped reading.
    let url = Url::parse(&two.url("/flood/http1")).unwrap();
    let mut stream = two.alice.tls_to(&url).await;
    let cookie = two.alice.jar.header("wiki.localhost", "/").unwrap();
    let head = format!("GET {} HTTP/1.1\r\nHost: wiki.localhost:{}\r\nCookie: {cookie}\r\n\r\n", url.path(), two.house.port());
    stream.write_all(head.as_bytes()).await.unwrap();
    // HTTP/2: the window of one stream is closed, beside one that flows.
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(1000);
    let stream2 = two.bob.clone().over_http2().tls_to(&url).await;
    let (client2, connection) = builder.handshake::<_, Bytes>(stream2).await.unwrap();
    tokio::spawn(connection);
    let mut client2 = client2.ready().await.unwrap();
    let get = |path: &str| {
        let url = Url::parse(&two.url(path)).unwrap();
        two.bob.clone().over_http2().request(Method::GET, &url, &[], Bytes::new()).map(|_| ())
    };
    let (stalled, _) = client2.send_request(get("/flood/secret"), true).unwrap();
    let mut stalled = stalled.await.unwrap().into_body();
    let (flows, _) = client2.send_request(get("/flood/open"), true).unwrap();
    let mut flows = flows.await.unwrap().into_body();
    let mut flow = async || {
        let bytes = tokio::time::timeout(Duration::from_secs(10), flows.data()).await.expect("it flows").unwrap().unwrap();
        flows.flow_control().release_capacity(bytes.len()).unwrap();
    };
    flow().await;
    let sent = async |path: &str| eventually("an access line", async || two.house.record().access(path).pop()).await;
    sent("/flood/http1").await;
    sent("/flood/secret").await;

    let mut house = two.house;
    let closing = "@id(\"closed\") forbid (principal, action, resource)
        when { context.request.path_prefixes.contains(\"/flood/secret\")
               || context.request.path_prefixes.contains(\"/flood/http1\") };";
    house.set_policies(&format!("{POLICIES}{closing}"));
    house.must(&["reload"]).await;
    for path in ["/flood/http1", "/flood/secret"] {
        let request = house.record().only_access(path)["request"].clone();
        let end = house.record().end_of(&request).await;
        assert_eq!((&end["ending"], &end["cause"]), (&"cut".into(), &"policies".into()), "{end}");
    }
    // Now they read: the first gets no more than was in the line already, the second not even what was queued for it.
    let mut late = Vec::new();
    let end = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut late)).await.expect("it ended");
    assert!(end.is_err(), "it ended as if it were whole after {} bytes", late.len());
    let mut got = 0;
    let error = loop {
        match stalled.data().await.expect("it is not taken for whole") {
            Ok(bytes) => got += bytes.len(),
            Err(error) => break error,
        }
    };
    assert_eq!((got, error.reason()), (1000, Some(h2::Reason::CANCEL)));
    flow().await;
}

/// A client that sends to a WebSocket and does not read: what comes back to it waits on the way.
#[tokio::test]
async fn a_web_socket_whose_client_takes_nothing_is_broken() {
    let two = Two::meet().await;
    let mut stalled = web_socket(&two, &two.alice, "/ws/stalled").await;
    let mut other = web_socket(&two, &two.bob, "/ws/other").await;
    let piece = Message::binary(vec![7; 64 * 1024]);
    while tokio::time::timeout(Duration::from_millis(300), stalled.send(piece.clone())).await.is_ok() {}
    let session = two.session_of("alice@corp.example").await;
    two.house.must(&["session", "end", &session]).await;
    two.was_cut("/ws/stalled", "session_ended").await;
    let rest = async {
        loop {
            match stalled.next().await {
                Some(Ok(message)) => assert!(message.is_binary(), "a farewell behind what was not taken"),
                Some(Err(_)) | None => return,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), rest).await.expect("it is over");
    echoes(&mut other).await;
}

#[tokio::test]
async fn a_web_socket_over_http2_is_closed_and_its_neighbours_go_on() {
    let two = Two::meet().await;
    let again = two.house.signed_in(&two.laptop, "alice").await;
    let url = Url::parse(&two.url("/ws")).unwrap();
    let stream = two.alice.clone().over_http2().tls_to(&url).await;
    let (mut client, connection) = h2::client::Builder::new().handshake::<_, Bytes>(stream).await.unwrap();
    tokio::spawn(connection);
    eventually("the gate offers extended CONNECT", async || {
        client = client.clone().ready().await.unwrap();
        client.is_extended_connect_protocol_enabled().then_some(())
    })
    .await;
    let mut open = async |who: &Client, path: &str| {
        let url = two.url(path);
        let request = Request::builder().method(Method::CONNECT).uri(&url).version(http::Version::HTTP_2);
        let request = request.header("sec-websocket-version", "13");
        let mut request = request.header("cookie", who.jar.header("wiki.localhost", "/").unwrap()).body(()).unwrap();
        request.extensions_mut().insert(h2::ext::Protocol::from("websocket"));
        let (reply, tunnel) = client.send_request(request, false).unwrap();
        (reply.await.unwrap().into_body(), tunnel)
    };
    let (mut first, _first) = open(&two.alice, "/ws/first").await;
    let (mut second, mut to_second) = open(&again, "/ws/second").await;
    let session = two.house.record().only_access("/ws/first")["session"].as_str().unwrap().to_owned();
    two.house.must(&["session", "end", &session]).await;
    let mut said = Vec::new();
    while let Some(Ok(bytes)) = first.data().await {
        said.extend_from_slice(&bytes);
    }
    assert_eq!(said[..4], [0x88, 18, 0x03, 0xf0], "a Close frame with 1008");
    two.was_cut("/ws/first", "session_ended").await;

    to_second.send_data(Bytes::from_static(b"\x81\x85\0\0\0\0hello"), false).unwrap();
    let mut echoed = Vec::new();
    while echoed.len() < 7 {
        echoed.extend_from_slice(&second.data().await.unwrap().unwrap());
    }
    assert_eq!(echoed, b"\x81\x05hello");
}

#[tokio::test]
async fn what_holds_for_a_time_only_is_cut_when_it_is_over() {
    let fresh = "@id(\"fresh\") forbid (principal, action in Action::\"use\", resource)
        when { context.request.path_prefixes.contains(\"/flood/fresh\") } unless { context.session.auth_age_s < 5 };";
    let two = Two::at(House::plan().policies(&format!("{POLICIES}{fresh}")).open().await).await;
    // Signed in just now.
    let alice = two.house.signed_in(&two.laptop, "alice").await;
    let mut fresh = two.flow(&alice, "/flood/fresh").await;
    let mut other = two.flow(&alice, "/flood/other").await;
    fresh.breaks().await;
    two.was_cut("/flood/fresh", "time").await;
    other.runs().await;
    let metrics = two.house.metrics().await;
    assert_eq!(metrics.sum("sekisho_streams_cut_total", &[("cause", "time")]), 1.0, "{}", metrics.text);
    assert_eq!(metrics.sum("sekisho_cut_latency_seconds_count", &[]), 0.0, "nobody pulled a lever");
}

#[tokio::test]
async fn a_budget_ends_a_download_and_a_burst_of_requests_does_not() {
    let budgets = "@id(\"bulk\") forbid (principal, action in Action::\"use\", resource)
        when { context.request.path_prefixes.contains(\"/flood\") && context.usage.bytes_1h > 8000000 };
        @id(\"rate\") forbid (principal, action in Action::\"use\", resource) when { context.usage.requests_1m > 20 };";
    let two = Two::at(House::plan().policies(&format!("{POLICIES}{budgets}")).open().await).await;
    let mut events = two.flow(&two.alice, "/events").await;
    let mut calm = two.flow(&two.bob, "/events/bob").await;
    let mut flood = two.flow(&two.alice, "/flood/alice").await;
    flood.breaks().await;
    two.was_cut("/flood/alice", "usage").await;
    let sent = two.end("/flood/alice").await["sent"].as_u64().unwrap();
    assert!((6_900_000..10_000_000).contains(&sent), "{sent}");

    let mut connection = two.alice.connect(&two.url("")).await;
    while connection.get("/a").await.unwrap().status == 200 {}
    // Two rounds of the gate's own.
    tokio::time::sleep(Duration::from_secs(2)).await;
    two.house.wiki.tell();
    events.runs().await;
    calm.runs().await;
}

#[tokio::test]
async fn a_call_ends_with_the_word_of_its_protocol() {
    let app = App::speaking(Speaks::Http2).await;
    let house = House::plan().app("files", &format!("upstream = [\"{}\"]\nprotocol = \"http2\"", app.url())).open().await;
    let two = Two::at(house).await;
    allowed(&two.alice.browse(&two.house.url("files", "/")).await);
    let client = two.alice.clone().over_http2();
    let (_, reply) =
        client.begin(Method::POST, &two.house.url("files", "/calls"), &[("content-type", "application/grpc")], "x").await;
    let mut body = reply.into_body();
    body.frame().await.unwrap().unwrap();
    let session = two.session_of("alice@corp.example").await;
    two.house.must(&["session", "end", &session]).await;
    let rest = tokio::time::timeout(Duration::from_secs(10), body.collect()).await.expect("it ends").unwrap();
    let trailers = rest.trailers().expect("trailers");
    assert_eq!(trailers["grpc-status"], "7");
    two.was_cut("/calls", "session_ended").await;
}

#[tokio::test]
async fn an_open_stream_keeps_its_session_and_an_idle_one_ends() {
    let two = Two::at(House::plan().set("sign_in", "idle_timeout = \"2s\"").open().await).await;
    let mut events = two.flow(&two.alice, "/events").await;
    // Bob does nothing. His session ends; hers, which has a stream open, goes on.
    eventually("the end of an idle session", async || {
        let listed = two.house.json(&["session", "list"]).await;
        let emails: Vec<_> = listed.as_array().unwrap().iter().map(|session| session["email"].clone()).collect();
        (!emails.contains(&"bob@corp.example".into())).then(|| assert_eq!(emails, ["alice@corp.example"]))
    })
    .await;
    two.house.wiki.tell();
    events.runs().await;
    allowed(&two.alice.get(&two.url("/a")).await);
    refused(&two.bob.get(&two.url("/b")).await, 401);
}
