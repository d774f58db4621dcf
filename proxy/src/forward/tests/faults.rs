//! Apps that break: each break is named before the answer began, and visible to the client after it.

use std::time::Duration;

use super::house::{House, Stage, app_at, on_a_core};

const POST: &str = "POST / HTTP/1.1\r\nHost: wiki.corp.example\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody";
const GET: &str = "GET / HTTP/1.1\r\nHost: wiki.corp.example\r\nConnection: close\r\n\r\n";

/// What the client gets when the app answers a connection with `bytes` and closes it.
async fn after(request: &str, bytes: &'static str) -> (u16, String, bool) {
    let stage = Stage::open().await;
    let house = House::before(app_at(&[stage.address])).await;
    let app = tokio::task::spawn_local(async move {
        loop {
            let mut app = stage.next().await;
            app.head().await;
            app.send(bytes).await;
        }
    });
    let reply = house.ask(request).await;
    app.abort();
    (reply.status(), reply.body, reply.whole)
}

#[test]
fn what_is_no_answer_is_called_so() {
    on_a_core(async {
        for garbage in [
            "HELLO\r\n\r\n",
            "HTTP/1.1 abc OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            "HTTP/1.1 200 OK\r\nBad Name: 1\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        ] {
            let (status, body, _) = after(POST, garbage).await;
            assert_eq!((status, body.as_str()), (502, "app_answered_garbage"), "{garbage:?}");
        }
    });
}

#[test]
fn a_close_before_the_answer_is_an_error_and_a_post_is_not_repeated() {
    on_a_core(async {
        for (request, connections) in [(POST, 1), (GET, 3)] {
            for early in ["", "HTTP/1.1 200 OK\r\nContent-Le"] {
                let stage = Stage::open().await;
                let house = House::before(app_at(&[stage.address])).await;
                let count = std::rc::Rc::new(std::cell::Cell::new(0));
                let seen = std::rc::Rc::clone(&count);
                tokio::task::spawn_local(async move {
                    loop {
                        let mut app = stage.next().await;
                        seen.set(seen.get() + 1);
                        app.head().await;
                        app.send(early).await;
                    }
                });
                let reply = house.ask(request).await;
                assert_eq!((reply.status(), reply.body.as_str()), (502, "app_reset"), "{early:?}");
                assert_eq!(count.get(), connections, "{early:?}");
            }
        }
    });
}

#[test]
fn an_answer_that_ends_early_is_never_a_short_file() {
    on_a_core(async {
        for short in [
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n9\r\nba",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n",
        ] {
            let (status, _, whole) = after(GET, short).await;
            assert_eq!((status, whole), (200, false), "{short:?}");
        }
        let (status, body, whole) =
            after(GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfull\r\n0\r\n\r\n").await;
        assert_eq!((status, body.as_str(), whole), (200, "full", true));
    });
}

#[test]
fn the_first_byte_is_waited_for_from_the_last_byte_of_the_request() {
    on_a_core(async {
        let stage = Stage::open().await;
        let house = House::before(app_at(&[stage.address])).await;
        let mut client = house.client().await;
        client.send("POST / HTTP/1.1\r\nHost: wiki.corp.example\r\nContent-Length: 4\r\nConnection: close\r\n\r\n").await;
        let mut app = stage.next().await;
        app.head().await;
        let begun = std::time::Instant::now();
        // The upload takes longer than `first_byte` (500 ms): that is not the app's fault.
        for letter in ["b", "o", "d", "y"] {
            tokio::time::sleep(Duration::from_millis(200)).await;
            client.send(letter).await;
        }
        app.expect("body").await;
        let reply = client.reply().await;
        assert_eq!((reply.status(), reply.body.as_str()), (502, "first_byte_timed_out"));
        assert!(begun.elapsed() >= Duration::from_millis(1_200), "{:?}", begun.elapsed());
        assert_eq!(app.rest().await.0, b"");
    });
}

#[test]
fn an_app_that_falls_silent_in_its_answer_breaks_it() {
    on_a_core(async {
        let stage = Stage::open().await;
        let mut app = app_at(&[stage.address]);
        app.timeouts.idle = Duration::from_millis(200);
        let house = House::before(app).await;
        let mut client = house.client().await;
        client.send(GET).await;
        let mut app = stage.next().await;
        app.head().await;
        app.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n").await;
        for _ in 0..4 {
            // Slow, but not silent.
            tokio::time::sleep(Duration::from_millis(100)).await;
            app.send("x").await;
        }
        let reply = client.reply().await;
        assert_eq!((reply.body.as_str(), reply.whole), ("xxxx", false));
        assert_eq!(app.rest().await.0, b"");
    });
}

#[test]
fn a_client_that_stops_sending_is_not_the_apps_fault() {
    on_a_core(async {
        let stage = Stage::open().await;
        let mut app = app_at(&[stage.address]);
        app.timeouts.idle = Duration::from_millis(200);
        let house = House::before(app).await;
        let mut client = house.client().await;
        client.send("POST / HTTP/1.1\r\nHost: wiki.corp.example\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbo").await;
        let mut app = stage.next().await;
        app.head().await;
        let reply = client.reply().await;
        assert_eq!((reply.status(), reply.body.as_str()), (502, "client_stalled"));
    });
}

#[test]
fn a_client_that_leaves_takes_the_exchange_with_it() {
    on_a_core(async {
        let stage = Stage::open().await;
        let house = House::before(app_at(&[stage.address])).await;
        let mut client = house.client().await;
        client.send(GET).await;
        let mut app = stage.next().await;
        app.head().await;
        drop(client);
        assert_eq!(app.rest().await.0, b"");

        let mut client = house.client().await;
        client.send(GET).await;
        let mut app = stage.next().await;
        app.head().await;
        app.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await;
        client.head().await;
        drop(client);
        assert_eq!(app.rest().await.0, b"");
    });
}

#[test]
fn a_client_that_does_not_read_holds_the_app_back() {
    on_a_core(async {
        let stage = Stage::open().await;
        let house = House::before(app_at(&[stage.address])).await;
        let mut client = house.client().await;
        client.send(GET).await;
        let mut app = stage.next().await;
        app.head().await;
        app.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n").await;
        client.head().await;
        let piece = "x".repeat(64 * 1024);
        let mut taken = 0_usize;
        while tokio::time::timeout(Duration::from_millis(300), app.send(&piece)).await.is_ok() {
            taken += piece.len();
            assert!(taken < 64 << 20, "nothing holds the app back");
        }
        assert!(house.inner.meter.borrow().down() < 64 << 20);
    });
}
