//! Several upstreams: who takes an exchange, and what happens when one is gone.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::house::{House, Stage, app_at, on_a_core};
use crate::config::HealthCheck;
use crate::forward::health::watch_health;

const A: &str = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na";
const B: &str = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb";

/// An address where nobody listens.
async fn nobody() -> SocketAddr {
    Stage::open().await.address
}

async fn tally(house: &House, requests: usize) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for _ in 0..requests {
        *tally.entry(house.get("/").await.body).or_default() += 1;
    }
    tally
}

#[test]
fn equals_take_turns() {
    on_a_core(async {
        let (a, b) = (Stage::open().await.play(A), Stage::open().await.play(B));
        let house = House::before(app_at(&[a, b])).await;
        assert_eq!(tally(&house, 6).await, BTreeMap::from([("a".to_owned(), 3), ("b".to_owned(), 3)]));
    });
}

#[test]
fn the_less_loaded_one_takes_it() {
    on_a_core(async {
        let busy = Stage::open().await;
        let house = House::before(app_at(&[busy.address, Stage::open().await.play(B)])).await;
        // Held open on the first.
        let mut client = house.client().await;
        client.send("GET / HTTP/1.1\r\nHost: wiki.corp.example\r\n\r\n").await;
        let _held = busy.next().await;
        assert_eq!(tally(&house, 4).await, BTreeMap::from([("b".to_owned(), 4)]));
    });
}

#[test]
fn one_that_cannot_be_reached_costs_no_request_not_even_a_post() {
    on_a_core(async {
        let house = House::before(app_at(&[nobody().await, Stage::open().await.play(B)])).await;
        for _ in 0..8 {
            let reply = house
                .ask("POST / HTTP/1.1\r\nHost: wiki.corp.example\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody")
                .await;
            assert_eq!(reply.body, "b");
        }
        let ejections = house.inner.metrics.of(&"wiki".into()).ejections.get();
        assert_eq!(ejections, 1, "after three failures in a row it is set aside");
    });
}

#[test]
fn with_nobody_there_the_error_says_so() {
    on_a_core(async {
        let house = House::before(app_at(&[nobody().await])).await;
        for _ in 0..5 {
            // Set aside or not, the only one is tried: that is how its return is noticed.
            let reply = house.get("/").await;
            assert_eq!((reply.status(), reply.body.as_str()), (502, "connect_failed"));
        }
    });
}

#[test]
fn an_address_that_swallows_everything_is_given_up_in_time() {
    on_a_core(async {
        // A listener whose queue is full does not answer any more.
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let mut queue = Vec::new();
        while let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_millis(100), tokio::net::TcpStream::connect(address)).await
        {
            queue.push(stream);
        }
        let mut app = app_at(&[address]);
        app.timeouts.connect = Duration::from_millis(200);
        let house = House::before(app).await;
        assert_eq!(house.get("/").await.body, "connect_timed_out");
    });
}

#[test]
fn health_checks_take_an_upstream_out_and_bring_it_back() {
    on_a_core(async {
        let stage = Stage::open().await;
        let mut app = app_at(&[stage.address]);
        app.health = Some(HealthCheck {
            path: "/up".to_owned(),
            interval: Duration::from_millis(20),
            timeout: Duration::from_millis(500),
        });
        let house = House::before(app).await;
        let shared = house.inner.shared.borrow().clone();
        let checks = tokio::task::spawn_local(watch_health(shared));
        let check = async |answer: &str| {
            let mut app = stage.next().await;
            assert!(app.head().await.starts_with("GET /up HTTP/1.1\r\n"));
            app.send(answer).await;
        };
        check("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n").await;
        check("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n").await;
        // The verdict is in when the next check begins.
        let mut third = stage.next().await;
        third.head().await;
        assert_eq!(house.get("/").await.body, "no_healthy_upstream");
        assert_eq!(house.inner.metrics.of(&"wiki".into()).unhealthy.get(), 1);
        third.send("HTTP/1.1 204 No Content\r\n\r\n").await;
        let mut fourth = stage.next().await;
        fourth.head().await;
        checks.abort();
        let (reply, ()) = tokio::join!(house.get("/"), async {
            let mut app = stage.next().await;
            app.head().await;
            app.send(A).await;
        });
        assert_eq!(reply.body, "a");
        assert_eq!(house.inner.metrics.of(&"wiki".into()).unhealthy.get(), 0);
    });
}

#[test]
fn an_app_that_left_the_configuration_is_an_error_of_its_own() {
    on_a_core(async {
        let house = House::before(app_at(&[nobody().await])).await;
        let mut other = app_at(&[nobody().await]);
        other.name = "payroll".into();
        let still_routed_to = app_at(&[nobody().await]);
        house.reload(other);
        house.route_to(still_routed_to);
        assert_eq!(house.get("/").await.body, "unknown_app");
    });
}
