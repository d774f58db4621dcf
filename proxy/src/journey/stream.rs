//! A client's stream after its handshake.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use super::socket::Socket;

/// Bytes to and from a client, in TLS.
///
/// hyper reads whenever it is polled, whatever it was woken for: four times a request, and mostly in vain. As long as the socket has had
/// nothing new since the last reading, TLS is not asked.
#[derive(Debug)]
pub(super) struct Stream {
    tls: TlsStream<Socket>,
    /// The last reading came to its end: TLS has nothing left, and neither had the socket.
    waits: bool,
}

impl Stream {
    pub(super) fn new(tls: TlsStream<Socket>) -> Self {
        Self { tls, waits: false }
    }

    /// Ready when the socket has something to read, if only the end.
    pub(super) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tls.get_ref().0.poll_read_ready(cx)
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.waits {
            ready!(self.poll_read_ready(cx))?;
        }
        let read = Pin::new(&mut self.tls).poll_read(cx, buf);
        self.waits = read.is_pending();
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write(cx, buf)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.tls.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
}
