//! Deadlines, tunnels and the end of a connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf};

use super::super::io::GuardedIo;
use super::super::shared::{GuardHandle, Head};
use super::*;

fn pair(times: GuardTimes) -> (DuplexStream, GuardedIo<DuplexStream>, GuardHandle) {
    let (client, server) = tokio::io::duplex(64 * 1024);
    let (io, handle) = GuardedIo::with(server, BOUNDS, times);
    (client, io, handle)
}

async fn read_some(io: &mut GuardedIo<DuplexStream>) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; 8192];
    let len = io.read(&mut buffer).await?;
    buffer.truncate(len);
    Ok(buffer)
}

/// Whether a read has nothing to give just now.
async fn nothing_to_read(io: &mut GuardedIo<DuplexStream>) -> bool {
    let mut buffer = [0; 64];
    let read = std::pin::pin!(io.read(&mut buffer));
    matches!(futures_util::poll!(read), std::task::Poll::Pending)
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const ASK: &[u8] = b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const SHORT: Duration = Duration::from_millis(30);

#[tokio::test]
async fn a_head_is_handed_on_only_when_it_is_whole() {
    let (mut client, mut io, handle) = pair(TIMES);
    client.write_all(&GET[..10]).await.unwrap();
    assert!(nothing_to_read(&mut io).await);
    assert!(handle.next_turn().is_none());
    client.write_all(&GET[10..]).await.unwrap();
    assert_eq!(read_some(&mut io).await.unwrap(), GET);
    assert!(matches!(handle.next_turn().unwrap().head(), Head::Accepted(_)));
    assert!(handle.next_turn().is_none());
}

#[tokio::test]
async fn a_slow_head_is_refused() {
    let (mut client, mut io, handle) = pair(GuardTimes { head: SHORT, ..TIMES });
    client.write_all(&GET[..10]).await.unwrap();
    let given = read_some(&mut io).await.unwrap();
    assert!(given.starts_with(b"GET /.sekisho/refused "));
    assert!(matches!(handle.next_turn().unwrap().head(), Head::Refused(FramingRefusal::HeadTimeout, _)));
}

#[tokio::test]
async fn an_idle_connection_ends() {
    let (_client, mut io, handle) = pair(GuardTimes { idle: SHORT, ..TIMES });
    assert_eq!(read_some(&mut io).await.unwrap(), b"");
    assert!(handle.next_turn().is_none());
}

#[tokio::test]
async fn a_connection_with_an_open_request_is_not_idle() {
    let (mut client, mut io, handle) = pair(GuardTimes { idle: SHORT, ..TIMES });
    client.write_all(GET).await.unwrap();
    read_some(&mut io).await.unwrap();
    let turn = handle.next_turn().unwrap();
    let mut buffer = [0; 64];
    let waited = tokio::time::timeout(SHORT * 4, io.read(&mut buffer)).await;
    assert!(waited.is_err(), "the connection ended under an open request");
    drop(turn);
    assert_eq!(read_some(&mut io).await.unwrap(), b"");
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_idle_however_often_it_is_offered() {
    let (_client, server) = tokio::io::duplex(16);
    let (mut io, _handle) = GuardedIo::with(server, BOUNDS, GuardTimes { idle: SHORT, ..TIMES });
    io.write_all(&[b'x'; 16]).await.unwrap();
    let mut buffer = [0; 64];
    let ended = tokio::time::timeout(SHORT * 40, async {
        loop {
            let offered = std::pin::pin!(io.write(b"more"));
            assert!(futures_util::poll!(offered).is_pending());
            if let Ok(read) = tokio::time::timeout(SHORT / 3, io.read(&mut buffer)).await {
                return read.unwrap();
            }
        }
    });
    assert_eq!(ended.await.ok(), Some(0));
}

#[tokio::test]
async fn what_follows_a_tunnel_request_is_held_until_it_is_accepted() {
    let (mut client, mut io, handle) = pair(TIMES);
    client.write_all(&[ASK, b"\x81\x85raw"].concat()).await.unwrap();
    assert_eq!(read_some(&mut io).await.unwrap(), ASK);
    let turn = handle.next_turn().unwrap();
    assert!(nothing_to_read(&mut io).await);
    turn.accept_tunnel();
    drop(turn);
    assert_eq!(read_some(&mut io).await.unwrap(), b"\x81\x85raw");
    client.write_all(b"\0\r\nmore").await.unwrap();
    assert_eq!(read_some(&mut io).await.unwrap(), b"\0\r\nmore");
}

#[tokio::test]
async fn what_follows_a_declined_tunnel_request_is_requests() {
    let (mut client, mut io, handle) = pair(TIMES);
    client.write_all(&[ASK, GET, b"\x81\x85raw\r\n"].concat()).await.unwrap();
    assert_eq!(read_some(&mut io).await.unwrap(), ASK);
    let turn = handle.next_turn().unwrap();
    assert!(nothing_to_read(&mut io).await);
    drop(turn);
    assert_eq!(read_some(&mut io).await.unwrap(), GET);
    assert!(read_some(&mut io).await.unwrap().starts_with(b"GET /.sekisho/refused "));
    assert!(matches!(handle.next_turn().unwrap().head(), Head::Accepted(_)));
    assert!(matches!(handle.next_turn().unwrap().head(), Head::Refused(FramingRefusal::RequestLine, _)));
}

#[tokio::test]
async fn a_late_decision_counts_for_its_own_request_only() {
    let (mut client, mut io, handle) = pair(TIMES);
    client.write_all(&[ASK, ASK].concat()).await.unwrap();
    read_some(&mut io).await.unwrap();
    let first = handle.next_turn().unwrap();
    first.decline_tunnel();
    first.accept_tunnel();
    assert_eq!(read_some(&mut io).await.unwrap(), ASK);
    assert!(nothing_to_read(&mut io).await);
    let second = handle.next_turn().unwrap();
    first.accept_tunnel();
    drop(first);
    client.write_all(b"not a request").await.unwrap();
    assert!(nothing_to_read(&mut io).await, "the first request's turn decided for the second");
    second.accept_tunnel();
    assert_eq!(read_some(&mut io).await.unwrap(), b"not a request");
}

#[tokio::test]
async fn a_client_that_leaves_while_a_tunnel_is_decided_is_noticed() {
    let (mut client, mut io, _handle) = pair(TIMES);
    client.write_all(ASK).await.unwrap();
    read_some(&mut io).await.unwrap();
    drop(client);
    assert_eq!(read_some(&mut io).await.unwrap(), b"");
}

#[tokio::test]
async fn a_broken_body_fails_and_says_why() {
    let (mut client, mut io, handle) = pair(TIMES);
    client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX").await.unwrap();
    let given = read_some(&mut io).await.unwrap();
    assert!(given.ends_with(b"5\r\nhello"));
    let error = read_some(&mut io).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert_eq!(handle.body_refusal(), Some(FramingRefusal::ChunkEnd));
    assert!(!handle.body_fully_read());
}

#[tokio::test]
async fn it_is_known_whether_a_body_was_read_to_its_end() {
    let (mut client, mut io, handle) = pair(TIMES);
    assert!(handle.body_fully_read());
    client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel").await.unwrap();
    read_some(&mut io).await.unwrap();
    assert!(!handle.body_fully_read());
    client.write_all(b"lo").await.unwrap();
    read_some(&mut io).await.unwrap();
    assert!(handle.body_fully_read());
}

#[tokio::test]
async fn closing_reads_what_the_client_still_sends() {
    let (mut client, mut io, _handle) = pair(TIMES);
    client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\nhel").await.unwrap();
    read_some(&mut io).await.unwrap();
    let body = vec![b'x'; 90_000];
    let send = async {
        client.write_all(&body).await.unwrap();
        drop(client);
    };
    let (closed, ()) = tokio::join!(io.shutdown(), send);
    closed.unwrap();
}

#[tokio::test]
async fn a_large_head_fits_through_a_small_buffer() {
    let (mut client, mut io, _handle) = pair(TIMES);
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(1500));
    client.write_all(request.as_bytes()).await.unwrap();
    let mut given = Vec::new();
    let mut buffer = [0; 100];
    while given.len() < request.len() {
        let len = io.read(&mut buffer).await.unwrap();
        given.extend_from_slice(&buffer[..len]);
    }
    assert_eq!(given, request.as_bytes());
}

#[tokio::test]
async fn a_connection_is_at_rest_between_requests_once_the_answer_is_out() {
    let (mut client, mut io, handle) = pair(TIMES);
    assert!(!handle.is_at_rest(), "nobody has listened yet");
    assert!(nothing_to_read(&mut io).await && handle.is_at_rest());
    client.write_all(&GET[..10]).await.unwrap();
    assert!(nothing_to_read(&mut io).await && !handle.is_at_rest(), "a head has begun");
    client.write_all(&GET[10..]).await.unwrap();
    read_some(&mut io).await.unwrap();
    assert!(nothing_to_read(&mut io).await && !handle.is_at_rest(), "nobody has taken the request");
    let turn = handle.next_turn().unwrap();
    assert!(nothing_to_read(&mut io).await && !handle.is_at_rest(), "it is under way");
    io.write_all(b"an answer").await.unwrap();
    drop(turn);
    assert!(nothing_to_read(&mut io).await && !handle.is_at_rest(), "the answer is not out");
    io.flush().await.unwrap();
    assert!(handle.is_at_rest());
    client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n").await.unwrap();
    read_some(&mut io).await.unwrap();
    drop(handle.next_turn());
    assert!(nothing_to_read(&mut io).await && !handle.is_at_rest(), "the rest of a body would be taken for a request");
}

/// Its client takes nothing any more: the last word never goes out.
#[derive(Debug)]
struct Stuck(DuplexStream);

impl AsyncRead for Stuck {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stuck {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn what_is_being_closed_does_not_rest_and_ends_though_its_client_takes_nothing() {
    let (_client, server) = tokio::io::duplex(64);
    let (mut io, handle) = GuardedIo::with(Stuck(server), BOUNDS, GuardTimes { idle: SHORT, ..TIMES });
    let mut buffer = [0; 8];
    assert!(futures_util::poll!(std::pin::pin!(io.read(&mut buffer))).is_pending());
    assert!(handle.is_at_rest());
    assert!(futures_util::poll!(std::pin::pin!(io.shutdown())).is_pending());
    assert!(!handle.is_at_rest());
    assert_eq!(io.shutdown().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn what_is_given_back_is_read_again_before_what_follows() {
    let (mut client, mut io, _handle) = pair(TIMES);
    io.unread(bytes::Bytes::new());
    assert!(nothing_to_read(&mut io).await);
    client.write_all(GET).await.unwrap();
    io.unread(bytes::Bytes::from_static(b"second "));
    io.unread(bytes::Bytes::from_static(b"first "));
    let mut read = Vec::new();
    while read.len() < GET.len() + 13 {
        read.extend(read_some(&mut io).await.unwrap());
    }
    assert_eq!(read, [b"first second ", GET].concat());
}

#[tokio::test]
async fn who_rests_for_too_long_is_idle() {
    let (_client, mut io, handle) = pair(GuardTimes { idle: SHORT, ..TIMES });
    std::future::poll_fn(|cx| io.poll_idle(cx)).await;
    assert_eq!(read_some(&mut io).await.unwrap(), b"");
    assert!(!handle.is_at_rest(), "it is over");
}
