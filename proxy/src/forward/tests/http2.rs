//! Apps that speak HTTP/2: gRPC and its like.

use std::cell::Cell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Version};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use super::house::{House, Local, Stage, app_at, header, on_a_core};
use crate::config::UpstreamProtocol;

/// An app that echoes bodies, and tells in trailers how it went. Counts its connections.
async fn echo(limit: u32) -> (SocketAddr, Rc<Cell<usize>>, Rc<tokio::sync::Notify>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (connections, leave) = (Rc::new(Cell::new(0)), Rc::new(tokio::sync::Notify::new()));
    let (count, leaving) = (Rc::clone(&connections), Rc::clone(&leave));
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.set(count.get() + 1);
            let leaving = Rc::clone(&leaving);
            tokio::task::spawn_local(async move {
                let mut builder = hyper::server::conn::http2::Builder::new(Local);
                builder.max_concurrent_streams(limit);
                let connection = builder.serve_connection(TokioIo::new(stream), service_fn(answer));
                tokio::pin!(connection);
                tokio::select! {
                    _ = &mut connection => {}
                    () = leaving.notified() => {
                        connection.as_mut().graceful_shutdown();
                        let _end = connection.await;
                    }
                }
            });
        }
    });
    (address, connections, leave)
}

type Echo = http_body_util::combinators::UnsyncBoxBody<Bytes, hyper::Error>;

async fn answer(request: Request<Incoming>) -> Result<Response<Echo>, Infallible> {
    assert_eq!(request.version(), Version::HTTP_2);
    if request.uri().path() == "/hang" {
        std::future::pending::<()>().await;
    }
    let seen = format!(
        "{} {} te={:?} host={:?}",
        request.uri(),
        request.headers()["x-forwarded-user"].to_str().unwrap(),
        request.headers().get("te"),
        request.headers().get("host"),
    );
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    let end = futures_util::stream::iter([Ok(Frame::trailers(trailers))]);
    let body = request.into_body();
    let echoed = futures_util::StreamExt::chain(http_body_util::BodyStream::new(body), end);
    let mut response = Response::new(BodyExt::boxed_unsync(StreamBody::new(echoed)));
    response.headers_mut().insert("x-seen", seen.parse().unwrap());
    Ok(response)
}

fn http2_app(address: SocketAddr) -> crate::config::App {
    let mut app = app_at(&[address]);
    app.protocol = UpstreamProtocol::Http2;
    app
}

#[test]
fn a_call_passes_with_its_trailers_from_client_to_app_and_back() {
    on_a_core(async {
        let (address, connections, _) = echo(100).await;
        let house = House::before(http2_app(address)).await;
        let stream = TcpStream::connect(house.http2).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http2::handshake(Local, TokioIo::new(stream)).await.unwrap();
        tokio::task::spawn_local(connection);
        for _ in 0..3 {
            let request = Request::builder()
                .method("POST")
                .uri("https://wiki.corp.example/svc/Call?x=1")
                .header("te", "trailers")
                .body(Full::new(Bytes::from_static(b"hello")))
                .unwrap();
            let response = sender.send_request(request).await.unwrap();
            assert_eq!(response.status(), 200);
            let seen = response.headers()["x-seen"].to_str().unwrap();
            assert_eq!(seen, "http://wiki.corp.example:8443/svc/Call?x=1 corp/ana te=Some(\"trailers\") host=None");
            let whole = response.into_body().collect().await.unwrap();
            assert_eq!(whole.trailers().unwrap()["grpc-status"], "0");
            assert_eq!(whole.to_bytes(), "hello");
        }
        assert_eq!(connections.get(), 1, "one connection serves all");
    });
}

#[test]
fn a_further_connection_is_made_when_the_app_takes_no_more_streams() {
    on_a_core(async {
        let (address, connections, _) = echo(2).await;
        let house = House::before(http2_app(address)).await;
        // The app's limit is known once a connection has been used.
        house.get("/").await;
        let mut held = Vec::new();
        for _ in 0..5 {
            let mut client = house.client().await;
            client.send("GET /hang HTTP/1.1\r\nHost: wiki.corp.example\r\n\r\n").await;
            held.push(client);
        }
        assert_eq!(house.get("/").await.status(), 200);
        assert_eq!(connections.get(), 3);
    });
}

#[test]
fn a_connection_that_is_leaving_takes_no_new_call() {
    on_a_core(async {
        let (address, connections, leave) = echo(100).await;
        let house = House::before(http2_app(address)).await;
        for round in 0..6 {
            assert_eq!(house.get("/").await.status(), 200);
            // GOAWAY, with the next call right behind it or after it has arrived: nobody notices either.
            leave.notify_waiters();
            if round % 2 == 1 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        assert!(connections.get() >= 3, "{}", connections.get());
    });
}

#[test]
fn a_call_that_is_given_up_resets_its_stream_only() {
    on_a_core(async {
        let (address, connections, _) = echo(100).await;
        let house = House::before(http2_app(address)).await;
        assert_eq!(house.get("/hang").await.body, "first_byte_timed_out");
        assert_eq!(house.get("/").await.status(), 200);
        assert_eq!(connections.get(), 1);
    });
}

#[test]
fn an_app_that_speaks_http1_after_all_is_an_error() {
    on_a_core(async {
        let stage = Stage::open().await;
        let house = House::before(http2_app(stage.play("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"))).await;
        let reply = house.get("/").await;
        assert_eq!(reply.status(), 502);
        assert_eq!(header(&reply.head, "x-seen"), None);
    });
}
