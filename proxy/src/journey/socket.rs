//! A client's socket, with what it takes to end it at once and to know whether it still takes bytes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::accept::UNSENT;
use crate::forward::PIECE;

/// Bytes to and from a client, beneath TLS.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    fate: Arc<Fate>,
}

/// What a connection's task and its socket tell each other. `Sync` only because hyper wants what it may upgrade to be `Send`.
#[derive(Debug, Default)]
pub(super) struct Fate {
    reset: AtomicBool,
    blocked: AtomicBool,
    flushed: AtomicBool,
    written: AtomicU64,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, fate: Arc<Fate>) -> Self {
        Self { stream, fate }
    }

    /// Ready when there is something to read, if only the end.
    pub(super) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_read_ready(cx)
    }
}

impl Fate {
    /// From now on, closing the socket throws away what the client has not got yet, and tells it that the connection broke
    /// (RST): it sees an error, never a short file.
    pub(super) fn reset_when_closed(&self) {
        self.reset.store(true, Ordering::Relaxed);
    }

    /// The client takes nothing: the last write had to wait, and since `written` nothing was taken.
    pub(super) fn is_stuck_at(&self, written: u64) -> bool {
        self.blocked.load(Ordering::Relaxed) && self.written() == written
    }

    /// Bytes that the kernel took.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Asks to be told of the next flush.
    pub(super) fn expect_flush(&self) {
        self.flushed.store(false, Ordering::Relaxed);
    }

    /// Whether all that was handed on has reached the kernel since it was asked for.
    pub(super) fn is_flushed(&self) -> bool {
        self.flushed.load(Ordering::Relaxed)
    }

    fn wrote(&self, polled: &Poll<io::Result<usize>>) {
        self.blocked.store(polled.is_pending(), Ordering::Relaxed);
        if polled.is_pending() {
            // A flush that came before was not of all that is to be written.
            self.flushed.store(false, Ordering::Relaxed);
        }
        if let Poll::Ready(Ok(bytes)) = polled {
            // Only the connection's own task writes.
            self.written.store(self.written().wrapping_add(*bytes as u64), Ordering::Relaxed);
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.fate.wrote(&polled);
        polled
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.fate.wrote(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // TLS asks for this when it has nothing left to write itself.
        self.fate.flushed.store(true, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.fate.reset.load(Ordering::Relaxed)
            && let Err(error) = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))
        {
            tracing::debug!(%error, "a connection that was cut is closed slowly");
        }
    }
}

/// Bytes of an answer that the gate may hold at most of what it counts as sent, with `limits.head` as it comes. An answer that is cut
/// may lack these, and what the network was carrying.
///
/// The kernel keeps at most [`UNSENT`]; above it TLS keeps at most 64 KiB, what is gathered for a record of it 16 KiB, hyper 64 KiB of
/// an HTTP/2 stream (HTTP/1: `limits.head_bytes`, at least 8 KiB), and the last piece that an app sent is in hand, at most [`PIECE`].
/// Cutting throws all of that away over HTTP/1; a stream of HTTP/2 may still get what TLS and the kernel had taken and what was
/// gathered, if its client takes it at once.
pub const MOST_HELD: u64 = UNSENT as u64 + (64 + 16 + 64) * 1024 + PIECE as u64;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (Socket, Arc<Fate>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let fate = Arc::<Fate>::default();
        (Socket::new(stream, Arc::clone(&fate)), fate, client)
    }

    #[tokio::test]
    async fn a_socket_that_is_reset_breaks_and_another_ends() {
        for reset in [true, false] {
            let (mut socket, fate, mut client) = pair().await;
            socket.write_all(b"half of").await.unwrap();
            let mut half = [0; 7];
            client.read_exact(&mut half).await.unwrap();
            if reset {
                fate.reset_when_closed();
            }
            drop(socket);
            let end = client.read(&mut half).await;
            match reset {
                true => assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset),
                false => assert_eq!(end.unwrap(), 0),
            }
        }
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_noticed() {
        let (mut socket, fate, mut client) = pair().await;
        let piece = vec![7; 64 * 1024];
        assert!(!fate.is_stuck_at(fate.written()), "nothing was written yet");
        socket.flush().await.unwrap();
        assert!(fate.is_flushed());
        while futures_util::FutureExt::now_or_never(socket.write(&piece)).is_some() {}
        assert!(!fate.is_flushed(), "something waits");
        let at = fate.written();
        assert!(at > 0 && fate.is_stuck_at(at));
        let mut taken = vec![0; usize::try_from(at).unwrap()];
        client.read_exact(&mut taken).await.unwrap();
        socket.write_all(&piece).await.unwrap();
        assert!(!fate.is_stuck_at(at));
        fate.expect_flush();
        assert!(!fate.is_flushed());
        socket.flush().await.unwrap();
        assert!(fate.is_flushed());
    }
}
