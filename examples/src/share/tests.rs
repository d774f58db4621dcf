use std::future::pending;

use bytes::Bytes;
use http::{Method, Request, Response};

use super::*;
use crate::testing::{listener, send};

/// An app with small uploads, and a way to ask it.
async fn app() -> impl AsyncFn(Method, &str, &str) -> Response<Bytes> {
    let (listener, address) = listener().await;
    let settings = Settings { title: "Share <1>".to_owned(), largest_upload: 10 };
    tokio::spawn(serve(listener, settings, pending()));
    async move |method, path: &str, body: &str| {
        let request =
            Request::builder().method(method).uri(path).header("x-forwarded-user", "alice & co").header("range", "bytes=0-3");
        send(address, None, request.body(body.to_owned()).unwrap()).await
    }
}

fn text(reply: &Response<Bytes>) -> &str {
    std::str::from_utf8(reply.body()).unwrap()
}

#[tokio::test]
async fn pages_name_the_person_as_text() {
    let ask = app().await;
    for path in ["/", "/files/plans/", "/admin/", "/admin/users"] {
        let reply = ask(Method::GET, path, "").await;
        assert_eq!(reply.status(), 200, "{path}");
        assert!(text(&reply).contains("alice &amp; co") && text(&reply).contains("Share &lt;1&gt;"), "{path}");
    }
    assert_eq!(ask(Method::GET, "/files/none/", "").await.status(), 404);
}

#[tokio::test]
async fn files_are_the_same_each_time_and_in_parts() {
    let (listener, address) = listener().await;
    tokio::spawn(serve(listener, Settings::default(), pending()));
    let get = async |range: &str| {
        let request = Request::builder().uri("/files/sized/3MiB.bin").header("range", range).body(String::new()).unwrap();
        send(address, None, request).await
    };
    let all = get("none").await;
    assert_eq!((all.status().as_u16(), all.body().len()), (200, 3 << 20));
    assert_eq!(get("none").await.body(), all.body());
    for (from, to) in [(0, 9), (1_048_570, 1_048_600), (2_097_100, 2_200_000)] {
        let part = get(&format!("bytes={from}-{to}")).await;
        assert_eq!((part.status().as_u16(), part.body().as_ref()), (206, &all.body()[from..=to]));
    }
}

#[tokio::test]
async fn a_pdf_is_a_pdf_of_the_listed_size() {
    let (listener, address) = listener().await;
    tokio::spawn(serve(listener, Settings::default(), pending()));
    let reply = send(address, None, Request::get("/files/plans/report-001.pdf").body(String::new()).unwrap()).await;
    assert_eq!(reply.headers()["content-type"], "application/pdf");
    assert_eq!(reply.body().len(), 24 << 10);
    let at: usize = text(&reply).lines().rev().nth(1).unwrap().parse().unwrap();
    assert!(reply.body()[at..].starts_with(b"xref\n"));
}

#[tokio::test]
async fn uploads_are_counted_and_listed_and_too_large_ones_refused() {
    let ask = app().await;
    let reply = ask(Method::POST, "/files/plans/new.txt", "0123456789").await;
    assert_eq!(reply.status(), 201);
    let kept: Value = serde_json::from_slice(reply.body()).unwrap();
    assert_eq!(kept, serde_json::json!({ "folder": "plans", "name": "new.txt", "by": "alice & co", "bytes": 10 }));
    assert_eq!(ask(Method::POST, "/files/plans/new2.txt", "0123456789+").await.status(), 413);
    assert_eq!(ask(Method::POST, "/files/none/new.txt", "0").await.status(), 404);
    let listed = ask(Method::GET, "/admin/", "").await;
    assert!(text(&listed).contains("plans/new.txt") && !text(&listed).contains("new2.txt"));
}

#[tokio::test]
async fn headers_are_shown_as_they_came() {
    let ask = app().await;
    let reply = ask(Method::GET, "/headers", "").await;
    let headers: Value = serde_json::from_slice(reply.body()).unwrap();
    assert_eq!(headers["x-forwarded-user"], "alice & co");
}

#[tokio::test]
async fn told_to_stop_it_stops() {
    let (listener, address) = listener().await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let served = tokio::spawn(serve(listener, Settings::default(), async move { drop(stopped.await) }));
    assert_eq!(send(address, None, Request::get("/healthz").body(String::new()).unwrap()).await.status(), 200);
    stop.send(()).unwrap();
    served.await.unwrap().unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
