//! Nobody takes everything: downloads end at their budget, also after the gate was stopped, or killed.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::Method;
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::harness::{Client, House, POLICIES, allowed, eventually, refused};

const MIB: u64 = 1024 * 1024;
const BUDGET: u64 = 8 * MIB;

/// A house whose people may have 8 MiB of an app in an hour.
async fn house() -> House {
    let budget =
        format!("@id(\"no-bulk\")\nforbid (principal, action, resource) when {{ context.usage.bytes_1h > {BUDGET} }};\n");
    House::plan().policies(&format!("{POLICIES}{budget}")).open().await
}

/// How much of an answer came, and whether it was whole.
async fn download(client: &Client, house: &House, bytes: u64) -> (u64, bool) {
    let (_, reply) = client.begin(Method::GET, &house.url("wiki", &format!("/bytes/{bytes}")), &[], "").await;
    assert_eq!(reply.status(), 200);
    let mut body = reply.into_body();
    let mut came = 0;
    loop {
        match body.frame().await {
            Some(Ok(frame)) => came += frame.data_ref().map_or(0, Bytes::len) as u64,
            Some(Err(_broken)) => return (came, false),
            None => return (came, true),
        }
    }
}

/// Asks for a page, and gives what policy was told of the hour before.
async fn bytes_1h(client: &Client, house: &House, path: &str) -> (u16, u64) {
    let status = client.get(&house.url("wiki", path)).await.status.as_u16();
    (status, house.record().only_access(path)["usage"][1].as_u64().unwrap())
}

fn end_of<'a>(lines: &'a [Value], request: &Value) -> Option<&'a Value> {
    lines.iter().find(|line| line["line"] == "end" && line["request"] == *request)
}

#[tokio::test]
async fn a_download_ends_at_its_budget_and_a_restart_forgets_nothing() {
    let mut house = house().await;
    let (hers, his) = (house.laptop("lap-7", "alice").await, house.laptop("lap-8", "bob").await);
    let (alice, bob) = (house.signed_in(&hers, "alice").await, house.signed_in(&his, "bob").await);

    // Whatever is within the budget comes whole.
    assert_eq!(download(&bob, &house, 6 * MIB).await, (6 * MIB, true));
    let other = house.laptop("lap-9", "alice").await;
    let alice_elsewhere = house.signed_in(&other, "alice").await;
    // Her other device has a budget of its own.
    for (client, size) in [(alice.clone(), 40 * MIB), (alice_elsewhere.clone().over_http2(), 41 * MIB)] {
        let (came, whole) = download(&client, &house, size).await;
        assert!(!whole && came <= BUDGET + MIB, "{came}");
        let access = house.record().only_access(&format!("/bytes/{size}"));
        let end = house.record().end_of(&access["request"]).await;
        let sent = end["sent"].as_u64().unwrap();
        assert!((came..=BUDGET + MIB).contains(&sent), "{came} came, {end}");
        assert!(sent >= BUDGET - MIB, "it had its budget: {end}");
        assert_eq!((&end["ending"], &end["cause"]), (&"cut".into(), &"usage".into()));
    }

    // Then nothing more is to be had, and that is said, and when there will be.
    let reply = alice.get(&house.url("wiki", "/more")).await;
    refused(&reply, 429);
    assert_eq!(reply.json()["reason"], "policy_budget");
    let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((3_500..=3_636).contains(&wait), "{wait}");
    assert_eq!(house.record().only_access("/more")["policies"], serde_json::json!(["no-bulk"]));
    allowed(&bob.get(&house.url("wiki", "/still")).await);

    // A clean stop changes no figure.
    let before = bytes_1h(&alice, &house, "/before").await;
    house.restart().await;
    assert_eq!(bytes_1h(&alice, &house, "/after").await, before);
    assert_eq!(house.metrics().await.sum("sekisho_usage_save_failures_total", &[]), 0.0);

    // A crash right after a download: what the record has is known.
    let before = bytes_1h(&bob, &house, "/bob").await;
    assert_eq!(download(&bob, &house, MIB).await, (MIB, true));
    eventually("the end of it", async || {
        let lines = house.record().lines();
        let access = lines.iter().rfind(|line| line["line"] == "access" && line["path"] == format!("/bytes/{MIB}"))?.clone();
        end_of(&lines, &access["request"]).cloned()
    })
    .await;
    house.gate.kill().await;
    house.start_again().await;
    let (status, known) = bytes_1h(&bob, &house, "/killed").await;
    assert_eq!(status, 200);
    assert!((before.1 + MIB..=BUDGET).contains(&known), "{before:?} {known}");

    // What was written down is damaged: it is counted anew from the record, and that is said.
    house.gate.kill().await;
    let snapshot = house.path().join("state/usage");
    let mut text = std::fs::read(&snapshot).unwrap();
    let middle = text.len() / 2;
    text[middle] ^= 1;
    std::fs::write(&snapshot, text).unwrap();
    house.start_again().await;
    house.gate.says("usage cannot be taken from its snapshot").await;
    let (status, known) = bytes_1h(&bob, &house, "/anew").await;
    assert_eq!(status, 200);
    assert!((7 * MIB..=BUDGET).contains(&known), "{known}");
    let (status, known) = bytes_1h(&alice, &house, "/anew-too").await;
    assert_eq!(status, 429);
    assert!(known > BUDGET, "{known}");
}

async fn web_socket(client: &Client, house: &House, path: &str) -> WebSocketStream<TlsStream<TcpStream>> {
    let url = house.url("wiki", path);
    let mut request = url.replace("https:", "wss:").into_client_request().unwrap();
    request.headers_mut().insert("origin", house.url("wiki", "").parse().unwrap());
    request.headers_mut().insert("cookie", client.jar.header("wiki.localhost", "/").unwrap().parse().unwrap());
    let stream = client.tls_to(&url.parse().unwrap()).await;
    tokio_tungstenite::client_async(request, stream).await.unwrap().0
}

#[tokio::test]
async fn a_websocket_ends_at_its_budget_and_one_that_is_quiet_with_it() {
    let house = house().await;
    let (laptop, other) = (house.laptop("lap-7", "alice").await, house.laptop("lap-8", "bob").await);
    let (alice, bob) = (house.signed_in(&laptop, "alice").await, house.signed_in(&other, "bob").await);
    let mut socket = web_socket(&alice, &house, "/ws").await;
    let mut quiet = web_socket(&alice, &house, "/ws/quiet").await;
    let mut his = web_socket(&bob, &house, "/ws/his").await;

    let mut came = 0;
    // The app sends back what it gets.
    while came < 40 * MIB && socket.send(Message::binary(vec![7; 4096])).await.is_ok() {
        match socket.next().await {
            Some(Ok(Message::Binary(bytes))) => came += bytes.len() as u64,
            Some(Ok(Message::Close(frame))) => {
                assert_eq!(frame.map(|frame| u16::from(frame.code)), Some(1008));
                break;
            }
            // In the middle of a frame there is no room for a farewell.
            _ => break,
        }
    }
    assert!((BUDGET - MIB..=BUDGET + MIB).contains(&came), "{came}");
    let farewell = tokio::time::timeout(Duration::from_secs(15), quiet.next()).await.expect("it is asked about now and then");
    let Some(Ok(Message::Close(Some(frame)))) = farewell else { panic!("{farewell:?}") };
    assert_eq!(u16::from(frame.code), 1008);
    for path in ["/ws", "/ws/quiet"] {
        let end = house.record().end_of(&house.record().only_access(path)["request"]).await;
        assert_eq!((&end["ending"], &end["cause"]), (&"cut".into(), &"usage".into()), "{path}: {end}");
    }
    refused(&alice.get(&house.url("wiki", "/more")).await, 429);
    his.send(Message::text("still here")).await.unwrap();
    assert_eq!(his.next().await.unwrap().unwrap(), Message::text("still here"));
}
