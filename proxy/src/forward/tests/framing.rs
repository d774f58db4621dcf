//! Bodies keep their meaning on the way: lengths, chunks, trailers, bounds.

use super::house::{House, Stage, app_at, header, on_a_core};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn a_body_goes_as_it_was_framed_on_any_method() {
    on_a_core(async {
        let stage = Stage::open().await;
        let house = House::before(app_at(&[stage.address])).await;
        for method in ["GET", "DELETE", "POST", "OPTIONS"] {
            let lines = format!("{method} / HTTP/1.1\r\nHost: wiki.corp.example\r\n");
            let declared = format!("{lines}Content-Length: 5\r\nConnection: close\r\n\r\nhello");
            let chunked =
                format!("{lines}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n");
            let (reply, head) = tokio::join!(house.ask(&declared), async {
                let mut app = stage.next().await;
                let head = app.head().await;
                app.expect("hello").await;
                app.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok").await;
                head
            });
            assert_eq!(reply.body, "ok");
            assert_eq!((header(&head, "content-length"), header(&head, "transfer-encoding")), (Some("5"), None), "{method}");
            let (reply, head) = tokio::join!(house.ask(&chunked), async {
                let mut app = stage.next().await;
                let head = app.head().await;
                // The trailer is gone.
                app.expect("5\r\nhello\r\n0\r\n\r\n").await;
                app.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok").await;
                head
            });
            assert_eq!(reply.body, "ok");
            assert_eq!(
                (header(&head, "content-length"), header(&head, "transfer-encoding")),
                (None, Some("chunked")),
                "{method}"
            );
        }
    });
}

#[test]
fn no_body_is_said_where_one_could_be_expected() {
    on_a_core(async {
        let stage = Stage::open().await;
        let house = House::before(app_at(&[stage.address])).await;
        for (method, length) in [("GET", None), ("POST", Some("0")), ("PUT", Some("0")), ("DELETE", None)] {
            let request =
                format!("{method} / HTTP/1.1\r\nHost: wiki.corp.example\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let (_, head) = tokio::join!(house.ask(&request), async {
                let mut app = stage.next().await;
                let head = app.head().await;
                app.send("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await;
                head
            });
            assert_eq!((header(&head, "content-length"), header(&head, "transfer-encoding")), (length, None), "{method}");
        }
    });
}

#[test]
fn trailers_of_an_answer_pass() {
    on_a_core(async {
        let stage = Stage::open().await;
        let answer =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Grpc-Status\r\n\r\n2\r\nok\r\n0\r\nGrpc-Status: 0\r\n\r\n";
        let house = House::before(app_at(&[stage.address])).await;
        let mut client = house.client().await;
        client.send("GET / HTTP/1.1\r\nHost: wiki.corp.example\r\nTE: trailers\r\nConnection: TE, close\r\n\r\n").await;
        let mut app = stage.next().await;
        let head = app.head().await;
        assert_eq!((header(&head, "te"), header(&head, "connection")), (Some("trailers"), Some("te")));
        app.send(answer).await;
        client.head().await;
        let (rest, _) = client.rest().await;
        let rest = String::from_utf8(rest).unwrap().to_ascii_lowercase();
        assert!(rest.ends_with("0\r\ngrpc-status: 0\r\n\r\n"), "{rest}");
    });
}

#[test]
fn a_body_above_the_bound_is_refused_declared_or_not() {
    on_a_core(async {
        let stage = Stage::open().await;
        let mut app = app_at(&[stage.address]);
        app.max_body = Some(4);
        let house = House::before(app).await;
        let declared = "POST / HTTP/1.1\r\nHost: wiki.corp.example\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
        assert_eq!(house.ask(declared).await.body, "body_too_large");
        assert!(stage.is_left_alone().await);
        let chunked = "POST / HTTP/1.1\r\nHost: wiki.corp.example\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
        let mut client = house.client().await;
        client.send(chunked).await;
        client.send("3\r\nhel\r\n").await;
        let mut app = stage.next().await;
        app.head().await;
        app.expect("3\r\nhel\r\n").await;
        client.send("2\r\nlo\r\n0\r\n\r\n").await;
        assert_eq!(client.reply().await.body, "body_too_large");
        assert_eq!(String::from_utf8(app.rest().await.0).unwrap(), "");
    });
}

#[test]
fn bytes_are_counted_both_ways() {
    on_a_core(async {
        let stage = Stage::open().await;
        let house = House::before(app_at(&[stage.play(OK)])).await;
        let reply =
            house.ask("POST / HTTP/1.1\r\nHost: wiki.corp.example\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello").await;
        assert_eq!(reply.body, "ok");
        let meter = std::rc::Rc::clone(&house.inner.meter.borrow());
        assert_eq!((meter.up(), meter.down()), (5, 2));
    });
}

#[test]
fn event_streams_pass_event_by_event() {
    on_a_core(async {
        let stage = Stage::open().await;
        let house = House::before(app_at(&[stage.address])).await;
        let mut client = house.client().await;
        client.send("GET / HTTP/1.1\r\nHost: wiki.corp.example\r\n\r\n").await;
        let mut app = stage.next().await;
        app.head().await;
        app.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        client.head().await;
        for _ in 0..3 {
            app.send("9\r\ndata: 1\n\n\r\n").await;
            client.expect("9\r\ndata: 1\n\n\r\n").await;
        }
    });
}

#[test]
fn answers_that_have_no_body_keep_their_length_and_their_connection() {
    on_a_core(async {
        let stage = Stage::open().await;
        let house = House::before(app_at(&[stage.address])).await;
        let mut client = house.client().await;
        client.send("HEAD / HTTP/1.1\r\nHost: wiki.corp.example\r\n\r\n").await;
        let mut app = stage.next().await;
        app.head().await;
        app.send("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n").await;
        assert_eq!(header(&client.head().await, "content-length"), Some("1234"));
        client.send("GET / HTTP/1.1\r\nHost: wiki.corp.example\r\nIf-None-Match: x\r\n\r\n").await;
        app.head().await;
        app.send("HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n").await;
        assert!(client.head().await.starts_with("HTTP/1.1 304"));
        client.send("GET / HTTP/1.1\r\nHost: wiki.corp.example\r\n\r\n").await;
        app.head().await;
        app.send(OK).await;
        client.head().await;
        client.expect("ok").await;
    });
}
