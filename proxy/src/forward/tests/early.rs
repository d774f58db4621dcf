//! Answers before the request is complete, and `Expect: 100-continue`.

use std::time::{Duration, Instant};

use super::house::{House, Stage, app_at, header, on_a_core};

const EXPECTING: &str =
    "POST / HTTP/1.1\r\nHost: wiki.corp.example\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n";

#[test]
fn an_early_answer_passes_and_the_rest_of_the_request_never_becomes_another() {
    on_a_core(async {
        let stage = Stage::open().await;
        let house = House::before(app_at(&[stage.address])).await;
        let mut client = house.client().await;
        client.send("POST / HTTP/1.1\r\nHost: wiki.corp.example\r\nContent-Length: 1000\r\n\r\nfirst").await;
        let mut app = stage.next().await;
        app.head().await;
        app.expect("first").await;
        app.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").await;
        assert!(client.head().await.starts_with("HTTP/1.1 403"));
        client.expect("no").await;
        // The connection is gone at once, not in the pool with half a request on it.
        let gone = tokio::time::timeout(Duration::from_millis(500), app.rest()).await.expect("the connection is still open");
        assert_eq!(gone.0, b"");
        let (reply, ()) = tokio::join!(house.get("/"), async {
            let mut app = stage.next().await;
            app.head().await;
            app.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        });
        assert_eq!(reply.body, "ok");
    });
}

#[test]
fn the_body_waits_for_the_apps_100_and_so_does_the_client() {
    on_a_core(async {
        let stage = Stage::open().await;
        let house = House::before(app_at(&[stage.address])).await;
        let mut client = house.client().await;
        client.send(EXPECTING).await;
        let mut app = stage.next().await;
        assert_eq!(header(&app.head().await, "expect"), Some("100-continue"));
        assert!(client.is_silent().await, "the client was told to go on by us, not by the app");
        app.send("HTTP/1.1 100 Continue\r\n\r\n").await;
        assert!(client.head().await.starts_with("HTTP/1.1 100"));
        client.send("body").await;
        app.expect("body").await;
        app.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        assert_eq!(client.reply().await.body, "ok");
    });
}

#[test]
fn a_final_answer_instead_of_the_100_means_no_body() {
    on_a_core(async {
        let stage = Stage::open().await;
        let house = House::before(app_at(&[stage.address])).await;
        let mut client = house.client().await;
        client.send(EXPECTING).await;
        let mut app = stage.next().await;
        app.head().await;
        app.send("HTTP/1.1 401 Unauthorized\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        assert!(client.head().await.starts_with("HTTP/1.1 401"));
        // Longer than the body would have waited: it is not sent into the middle of the answer, nor asked for.
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        client.send("body").await;
        assert!(app.is_silent().await, "the body followed the refusal");
        app.send("2\r\nno\r\n0\r\n\r\n").await;
        let (rest, _) = client.rest().await;
        assert_eq!(String::from_utf8(rest).unwrap(), "2\r\nno\r\n0\r\n\r\n");
        assert_eq!(String::from_utf8(app.rest().await.0).unwrap(), "");
    });
}

#[test]
fn an_app_that_does_not_know_100_gets_the_body_after_a_while() {
    on_a_core(async {
        let stage = Stage::open().await;
        let house = House::before(app_at(&[stage.address])).await;
        let mut client = house.client().await;
        client.send(EXPECTING).await;
        let mut app = stage.next().await;
        app.head().await;
        let begun = Instant::now();
        assert!(client.head().await.starts_with("HTTP/1.1 100"));
        assert!(begun.elapsed() >= Duration::from_millis(500));
        client.send("body").await;
        app.expect("body").await;
        app.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        assert_eq!(client.reply().await.body, "ok");
    });
}
