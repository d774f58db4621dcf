//! Everything that the guard accepts, hyper reads in the same way; and nothing else reaches the service.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;

use ::hyper::body::Incoming;
use ::hyper::service::service_fn;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::super::head::{BodyFraming, TargetForm};
use super::super::io::GuardedIo;
use super::super::shared::Head;
use super::*;

/// What the service was called with.
#[derive(Debug)]
struct Call {
    head: Head,
    method: String,
    target: String,
    headers: HeaderMap,
    /// `None` if it broke.
    body: Option<Bytes>,
}

/// A connection over memory: `bytes`, cut into pieces of `piece`, then the end.
async fn serve(bytes: &[u8], piece: usize) -> Vec<Call> {
    let calls = Rc::new(RefCell::new(Vec::new()));
    let (mut client, server) = tokio::io::duplex(piece);
    let (io, handle) = GuardedIo::with(server, BOUNDS, TIMES);
    let service = service_fn(|request: Request<Incoming>| {
        let turn = handle.next_turn();
        let calls = Rc::clone(&calls);
        async move {
            let turn = turn.expect("each call of the service has an entry in the queue");
            // The body of a request that asks for a tunnel is empty, and the answer is never 101.
            turn.decline_tunnel();
            let (parts, body) = request.into_parts();
            let body = body.collect().await.ok().map(http_body_util::Collected::to_bytes);
            let call = Call {
                head: turn.head().clone(),
                method: parts.method.to_string(),
                target: parts.uri.to_string(),
                headers: parts.headers,
                body,
            };
            calls.borrow_mut().push(call);
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let connection = ::hyper::server::conn::http1::Builder::new().half_close(true).serve_connection(TokioIo::new(io), service);
    let feed = async {
        let (mut answers, mut requests) = tokio::io::split(&mut client);
        let send = async {
            let _gone = requests.write_all(bytes).await;
            let _gone = requests.shutdown().await;
        };
        let mut sink = Vec::new();
        let (_sent, _read) = tokio::join!(send, answers.read_to_end(&mut sink));
    };
    let (_served, ()) = tokio::join!(connection, feed);
    Rc::try_unwrap(calls).unwrap().into_inner()
}

/// A second opinion on a head: no code in common with the guard or hyper.
fn fields(head: &[u8]) -> Vec<(String, Vec<u8>)> {
    let text: String = head.iter().map(|&byte| char::from(byte)).collect();
    let lines = text.strip_suffix("\r\n\r\n").unwrap().split("\r\n").skip(1);
    let field = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).chars().map(|c| c as u8).collect())
    };
    let mut fields: Vec<_> = lines.map(field).collect();
    fields.sort();
    fields
}

/// The same for a body.
fn data(message: &Message) -> Vec<u8> {
    if message.facts.body != BodyFraming::Chunked {
        return message.body.clone();
    }
    let mut data = Vec::new();
    let mut rest = &message.body[..];
    loop {
        let end = rest.windows(2).position(|pair| pair == b"\r\n").unwrap();
        let digits = rest[..end].split(|&byte| byte == b';').next().unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
        if size == 0 {
            return data;
        }
        data.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 2 + size + 2..];
    }
}

fn compare(bytes: &[u8], calls: &[Call]) {
    let reading = read(BOUNDS, [bytes]);
    let expected = reading.messages.len() + usize::from(reading.refused.is_some());
    // A body that stays open ends the connection: what would come after it never comes.
    assert_eq!(calls.len(), expected, "{reading:#?} against {calls:#?}");
    for (call, message) in calls.iter().zip(&reading.messages) {
        assert_eq!(call.head, Head::Accepted(message.facts.clone()));
        assert_eq!(call.method, &*message.facts.method);
        if message.facts.form != TargetForm::Absolute {
            assert_eq!(call.target, &*message.facts.target);
        }
        let mut headers: Vec<_> =
            call.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
        headers.sort();
        assert_eq!(headers, fields(&message.head));
        match &call.body {
            Some(body) => {
                assert!(message.over, "hyper saw the end of a body that has none: {message:?}");
                assert_eq!(*body, data(message));
            }
            None => assert!(!message.over, "hyper refused a body that the guard accepted: {message:?}"),
        }
    }
    if let Some(refusal) = reading.refused {
        let last = calls.last().unwrap();
        assert!(matches!(&last.head, Head::Refused(why, _) if *why == refusal), "{last:?}");
        assert_eq!(last.target, "/.sekisho/refused");
    }
}

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

#[test]
fn each_request_of_a_pipeline_has_its_turn() {
    let bytes = b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
        2\r\nhi\r\n0\r\nX: y\r\n\r\nGET /3#x HTTP/1.1\r\nHost: a\r\n\r\nGET /4 HTTP/1.1\r\nHost: a\r\n\r\n";
    for piece in [1, 7, 4096] {
        let calls = run(serve(bytes, piece));
        let targets: Vec<_> = calls.iter().map(|call| call.target.as_str()).collect();
        assert_eq!(targets, ["/1", "/2", "/.sekisho/refused"]);
        assert!(matches!(calls[2].head, Head::Refused(FramingRefusal::Fragment, _)));
        compare(bytes, &calls);
    }
}

#[test]
fn a_client_cannot_make_the_refused_request_itself() {
    let bytes = b"GET /.sekisho/refused HTTP/1.1\r\nHost: refused.invalid\r\nConnection: close\r\n\r\n";
    let calls = run(serve(bytes, 4096));
    assert!(matches!(&calls[0].head, Head::Accepted(facts) if &*facts.target == "/.sekisho/refused"));
}

#[test]
fn nothing_is_read_after_a_connection_said_close() {
    let bytes = b"GET /1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(run(serve(bytes, 4096)).len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases * 4, ..ProptestConfig::default() })]
    #[test]
    fn hyper_reads_what_the_guard_read(bytes in anything(), piece in proptest::sample::select(&[1_usize, 3, 64, 4096][..])) {
        let calls = run(serve(&bytes, piece));
        compare(&bytes, &calls);
    }
}
