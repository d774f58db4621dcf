//! Many at once: requests, connections, handshakes and attempts of one leave room for others.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::floods::Crowd;
use super::frames::Frames;
use super::pulse::{files, is_served};
use crate::harness::{Client, House, Reply, allowed, eventually, refused};

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
        let mut connection = eventually("a place is free", async || {
            let (client, url, socket) = (crowd.client.clone(), crowd.url(), from("127.0.0.9").await);
            // Whoever is shed fails in the handshake.
            tokio::spawn(async move { client.tls_over(socket, &url).await }).await.ok()
        })
        .await;
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
    let began = tokio::time::Instant::now();
    let silent: Vec<TcpStream> =
        join_all((0..200).map(|_| async { TcpStream::connect(("127.0.0.1", crowd.house.metrics_port())).await.unwrap() })).await;
    assert_eq!(crowd.house.operators_page("/healthz").await.map(|(status, _)| status), Some(200));
    // Sooner than the silent would be let go by themselves.
    let room = eventually("the oldest make room", async || (files(&crowd.house) < before + 80).then_some(()));
    tokio::time::timeout_at(began + Duration::from_millis(9_500), room).await.expect("room at once");
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
