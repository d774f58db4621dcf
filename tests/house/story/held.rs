//! Connections that are held and not used: each ends by itself, and takes nothing else with it.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use url::Url;

use crate::harness::{Client, House};

type Sender = http2::SendRequest<Full<Bytes>>;

async fn impatient() -> House {
    House::plan().set("limits", "idle_timeout = \"500ms\"").open().await
}

/// An HTTP/2 connection, and what resolves when it ends.
async fn connect(client: &Client, url: &str) -> (Sender, tokio::task::JoinHandle<()>) {
    let stream = TokioIo::new(client.tls_to(&Url::parse(url).unwrap()).await);
    let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    let ended = tokio::spawn(async move { drop(connection.await) });
    (sender, ended)
}

async fn get(client: &Client, sender: &mut Sender, url: &str) -> Response<Incoming> {
    let request = client.request(Method::GET, &Url::parse(url).unwrap(), &[], Bytes::new());
    sender.send_request(request).await.expect("the connection serves")
}

/// Much more than what may wait on the way.
const LARGE: &str = "/bytes/30000000";

async fn was_cut(house: &House) {
    let request = house.record().only_access(LARGE)["request"].clone();
    let end = house.record().end_of(&request).await;
    assert_eq!(end["ending"], "client_gone");
    assert!(end["sent"].as_u64().unwrap() < 30_000_000, "{end}");
}

#[tokio::test]
async fn an_idle_http2_connection_is_closed_and_one_in_use_is_not() {
    let house = impatient().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await.over_http2();

    let (mut used, _) = connect(&alice, &house.url("wiki", "/")).await;
    let mut events = get(&alice, &mut used, &house.url("wiki", "/events")).await.into_body();
    events.frame().await.unwrap().unwrap();

    // Two in a row take longer than any of them may last.
    for _ in 0..2 {
        let (_idle, ended) = connect(&alice, &house.url("wiki", "/")).await;
        tokio::time::timeout(Duration::from_secs(20), ended).await.expect("an idle connection ends").unwrap();
    }

    house.wiki.tell();
    events.frame().await.expect("the stream goes on").expect("and is whole");
}

#[tokio::test]
async fn an_answer_that_nobody_takes_is_cut_and_its_neighbour_is_not() {
    let house = impatient().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await.over_http2();

    let (mut sender, _) = connect(&alice, &house.url("wiki", "/")).await;
    let stalled = get(&alice, &mut sender, &house.url("wiki", LARGE)).await.into_body();
    let mut events = get(&alice, &mut sender, &house.url("wiki", "/events")).await.into_body();
    events.frame().await.unwrap().unwrap();

    was_cut(&house).await;
    assert!(stalled.collect().await.is_err(), "what was cut is not taken for the whole");
    house.wiki.tell();
    events.frame().await.expect("the other stream goes on").expect("and is whole");
}

#[tokio::test]
async fn over_http1_the_connection_is_cut() {
    let house = impatient().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;

    let mut connection = alice.tls_to(&Url::parse(&house.url("wiki", LARGE)).unwrap()).await;
    let (mut sender, task) = hyper::client::conn::http1::handshake(TokioIo::new(&mut connection)).await.unwrap();
    let request = alice.request(Method::GET, &Url::parse(&house.url("wiki", LARGE)).unwrap(), &[], Bytes::new());
    let asked = sender.send_request(request);
    tokio::select! {
        reply = asked => assert_eq!(reply.unwrap().status(), 200),
        ended = task => panic!("the connection ended: {ended:?}"),
    }
    // Nobody reads the connection from here on.
    was_cut(&house).await;
}
