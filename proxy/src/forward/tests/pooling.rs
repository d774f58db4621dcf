//! Connections are used again, and only when they are at rest.

use std::time::Duration;

use super::house::{House, Peer, Stage, app_at, on_a_core};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

async fn exchange(house: &House, app: &mut Peer, answer: &str) {
    let (reply, ()) = tokio::join!(house.get("/"), async {
        app.head().await;
        app.send(answer).await;
    });
    assert_eq!((reply.status(), reply.body.as_str()), (200, "ok"));
}

async fn exchange_on_a_new_one(house: &House, stage: &Stage) -> Peer {
    let (reply, app) = tokio::join!(house.get("/"), async {
        let mut app = stage.next().await;
        app.head().await;
        app.send(OK).await;
        app
    });
    assert_eq!((reply.status(), reply.body.as_str()), (200, "ok"));
    app
}

#[test]
fn a_connection_at_rest_serves_the_next_exchange() {
    on_a_core(async {
        let stage = Stage::open().await;
        let house = House::before(app_at(&[stage.address])).await;
        let mut app = exchange_on_a_new_one(&house, &stage).await;
        exchange(&house, &mut app, OK).await;
        exchange(&house, &mut app, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n").await;
        exchange(&house, &mut app, OK).await;
        assert!(stage.is_left_alone().await);
    });
}

#[test]
fn left_over_bytes_end_the_connection_and_reach_nobody() {
    on_a_core(async {
        let stage = Stage::open().await;
        let house = House::before(app_at(&[stage.address])).await;
        let poisoned = format!("{OK}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
        let mut app = exchange_on_a_new_one(&house, &stage).await;
        exchange(&house, &mut app, &poisoned).await;
        exchange_on_a_new_one(&house, &stage).await;
        // The same, with the bytes coming while the connection is idle.
        let house = House::before(app_at(&[stage.address])).await;
        let mut app = exchange_on_a_new_one(&house, &stage).await;
        app.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil").await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        exchange_on_a_new_one(&house, &stage).await;
    });
}

#[test]
fn a_connection_that_its_app_closed_is_not_used_again() {
    on_a_core(async {
        let stage = Stage::open().await;
        let house = House::before(app_at(&[stage.address])).await;
        let app = exchange_on_a_new_one(&house, &stage).await;
        drop(app);
        exchange_on_a_new_one(&house, &stage).await;
    });
}

#[test]
fn a_close_at_the_moment_of_reuse_is_survived_by_what_may_be_repeated() {
    on_a_core(async {
        let stage = Stage::open().await;
        let house = House::before(app_at(&[stage.address])).await;
        let mut old = exchange_on_a_new_one(&house, &stage).await;
        let (reply, ()) = tokio::join!(house.get("/"), async {
            old.head().await;
            drop(old);
            let mut app = stage.next().await;
            app.head().await;
            app.send(OK).await;
        });
        assert_eq!(reply.body, "ok");
    });
}

#[test]
fn many_dead_connections_cost_one_retry_not_one_each() {
    on_a_core(async {
        let stage = Stage::open().await;
        let house = House::before(app_at(&[stage.address])).await;
        // Four at once, so that four are idle afterwards.
        let mut clients = Vec::new();
        let mut apps = Vec::new();
        for _ in 0..4 {
            let mut client = house.client().await;
            client.send("GET / HTTP/1.1\r\nHost: wiki.corp.example\r\n\r\n").await;
            let mut app = stage.next().await;
            app.head().await;
            clients.push(client);
            apps.push(app);
        }
        for (client, app) in clients.iter_mut().zip(&mut apps) {
            app.send(OK).await;
            client.head().await;
            client.expect("ok").await;
        }
        // Each of them dies when it is used next.
        for mut app in apps {
            tokio::task::spawn_local(async move {
                app.try_head().await;
            });
        }
        let (reply, _app) = tokio::join!(house.get("/"), async {
            let mut app = stage.next().await;
            app.head().await;
            app.send(OK).await;
            app
        });
        assert_eq!(reply.body, "ok");
    });
}

#[test]
fn connection_close_and_keep_alive_hints_are_heeded() {
    on_a_core(async {
        let stage = Stage::open().await;
        let house = House::before(app_at(&[stage.address])).await;
        for hint in ["Connection: close", "Keep-Alive: timeout=1", "Transfer-Encoding: chunked\r\nX-Beside"] {
            let body = if hint.starts_with("Transfer") { "2\r\nok\r\n0\r\n\r\n" } else { "ok" };
            let answer = format!("HTTP/1.1 200 OK\r\n{hint}: 1\r\nContent-Length: 2\r\n\r\n{body}");
            let answer = if hint.starts_with("Transfer") { answer } else { answer.replace(": 1\r\n", "\r\n") };
            let (reply, mut app) = tokio::join!(house.get("/"), async {
                let mut app = stage.next().await;
                app.head().await;
                app.send(&answer).await;
                app
            });
            assert_eq!(reply.body, "ok", "{hint}");
            assert_eq!(app.rest().await.0, b"", "{hint}");
        }
    });
}

#[test]
fn a_reload_keeps_the_connections_of_an_app_that_stays() {
    on_a_core(async {
        let stage = Stage::open().await;
        let house = House::before(app_at(&[stage.address])).await;
        let mut app = exchange_on_a_new_one(&house, &stage).await;
        house.reload(app_at(&[stage.address]));
        exchange(&house, &mut app, OK).await;
        let elsewhere = Stage::open().await;
        house.reload(app_at(&[elsewhere.address]));
        assert_eq!(app.rest().await.0, b"");
        exchange_on_a_new_one(&house, &elsewhere).await;
    });
}
