//! Frames of HTTP/2 that say nothing: pings, settings, empty data and the like. They cost their sender little, and each is answered or
//! at least read. A client may send some, and more the more it is sent; then it is not read any more.
//!
//! Frames themselves are h2's business, and it bounds what they may make it keep. Here only their heads are looked at as they pass.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::Instant;

/// The stream of a connection of HTTP/2, from its first byte.
#[derive(Debug)]
pub struct Quietly<S> {
    inner: S,
    frames: Frames,
    noise: Noise,
    silenced: bool,
}

/// Says when there is too much of it.
#[derive(Clone, Debug, Default)]
pub struct Noise(Rc<Notify>);

/// What a client sent, and how much of it said nothing.
#[derive(Debug)]
struct Frames {
    read: Heads,
    written: Heads,
    idle: u32,
    since: Instant,
}

/// Where in its frames one direction of a connection is.
#[derive(Debug)]
struct Heads {
    /// Bytes that are no head: of the preface, of payloads.
    skip: usize,
    head: [u8; HEAD],
    have: usize,
}

impl Noise {
    /// Resolves when the client has sent more than it may. Nothing is read from it since then.
    pub async fn heard(&self) {
        self.0.notified().await;
    }
}

impl<S> Quietly<S> {
    /// Listens to `inner`.
    pub fn new(inner: S) -> (Self, Noise) {
        let noise = Noise::default();
        let frames = Frames { read: Heads::after(PREFACE), written: Heads::after(0), idle: 0, since: Instant::now() };
        (Self { inner, frames, noise: noise.clone(), silenced: false }, noise)
    }
}

impl Heads {
    fn after(skip: usize) -> Self {
        Self { skip, head: [0; HEAD], have: 0 }
    }

    /// Takes of `bytes` up to the end of the next head, and gives it: kind, flags and length of the payload. `None` at the end.
    fn next(&mut self, bytes: &mut &[u8]) -> Option<(u8, u8, usize)> {
        let skipped = self.skip.min(bytes.len());
        self.skip -= skipped;
        *bytes = bytes.get(skipped..).unwrap_or_default();
        let wanted = (HEAD - self.have).min(bytes.len());
        let (of_head, rest) = bytes.split_at_checked(wanted).unwrap_or_default();
        if let Some(place) = self.head.get_mut(self.have..self.have + wanted) {
            place.copy_from_slice(of_head);
        }
        self.have += wanted;
        *bytes = rest;
        if self.have < HEAD {
            return None;
        }
        self.have = 0;
        let [high, middle, low, kind, flags, ..] = self.head;
        self.skip = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        Some((kind, flags, self.skip))
    }
}

impl Frames {
    /// Whether it was too much.
    fn pass(&mut self, mut bytes: &[u8]) -> bool {
        while let Some((kind, flags, length)) = self.read.next(&mut bytes) {
            if says_nothing(kind, flags, length) && self.is_too_much() {
                return true;
            }
        }
        false
    }

    fn is_too_much(&mut self) -> bool {
        self.idle += 1;
        if self.idle <= MOST_IDLE {
            return false;
        }
        let now = Instant::now();
        let soon = now < self.since + WINDOW;
        self.since = now;
        self.idle = 0;
        soon
    }

    /// Whoever is sent something may say how it goes: some clients answer each piece of data, however small, with a window and a
    /// ping. What answers their own pings and settings earns nothing.
    fn wrote(&mut self, mut bytes: &[u8]) {
        let mut earned = 0;
        while let Some((kind, _, length)) = self.written.next(&mut bytes) {
            if matches!(kind, DATA | HEADERS) && length > 0 {
                earned += FOR_A_PIECE + u32::try_from(length / BYTES_FOR_ONE).unwrap_or(u32::MAX / 2);
            }
        }
        self.idle = self.idle.saturating_sub(earned);
    }
}

/// Requests, bodies, and taking back are counted where they are understood.
fn says_nothing(kind: u8, flags: u8, length: usize) -> bool {
    match kind {
        DATA => length == 0 && flags & END_STREAM == 0,
        HEADERS | RST_STREAM | CONTINUATION => false,
        // SETTINGS, PING, WINDOW_UPDATE, PRIORITY, and whatever else there is.
        _ => true,
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Quietly<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.silenced {
            // Whoever was told ends the connection.
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.inner).poll_read(cx, buf);
        if this.frames.pass(buf.filled().get(before..).unwrap_or_default()) {
            this.silenced = true;
            this.noise.0.notify_one();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Quietly<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_write(cx, buf);
        if let Poll::Ready(Ok(written)) = &polled {
            this.frames.wrote(buf.get(..*written).unwrap_or_default());
        }
        polled
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_write_vectored(cx, bufs);
        if let Poll::Ready(Ok(written)) = &polled {
            let mut left = *written;
            for buf in bufs {
                let taken = left.min(buf.len());
                this.frames.wrote(buf.get(..taken).unwrap_or_default());
                left -= taken;
            }
        }
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

/// `PRI * HTTP/2.0`, and what follows it (RFC 9113, section 3.4).
const PREFACE: usize = 24;
const HEAD: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;

/// Frames without a word within [`WINDOW`]. A browser that loads a large page sends some dozens.
const MOST_IDLE: u32 = 2_000;
const WINDOW: Duration = Duration::from_secs(10);
/// For each such piece of data that it is sent, a client may send one frame more,
const BYTES_FOR_ONE: usize = 1024;
/// and so many for each frame of data and each head.
const FOR_A_PIECE: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, length: usize) -> Vec<u8> {
        let [.., high, middle, low] = length.to_be_bytes();
        [&[high, middle, low, kind, flags, 0, 0, 0, 1][..], &vec![6; length]].concat()
    }

    fn frames() -> Frames {
        Quietly::new(()).0.frames
    }

    #[test]
    fn heads_are_found_wherever_they_are_split() {
        let ping = frame(6, 0, 8);
        let all =
            [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(4, 0, 12), frame(1, 5, 300), frame(0, 0, 70_000), ping].concat();
        for piece in [1, 2, 8, 9, 10, 1000, all.len()] {
            let mut frames = frames();
            assert!(!all.chunks(piece).any(|piece| frames.pass(piece)));
            assert_eq!(
                (frames.idle, frames.read.have, frames.read.skip),
                (2, 0, 0),
                "in pieces of {piece}: the settings and the ping"
            );
        }
    }

    #[test]
    fn what_says_nothing_counts_and_requests_do_not() {
        for (kind, flags, length, says) in [
            (0, 0, 0, false),
            (0, 1, 0, true),
            (0, 0, 1, true),
            (1, 4, 10, true),
            (2, 0, 5, false),
            (3, 0, 4, true),
            (4, 1, 0, false),
            (6, 0, 8, false),
            (8, 0, 4, false),
            (9, 0, 0, true),
            (0x10, 0, 3, false),
        ] {
            assert_eq!(!says_nothing(kind, flags, length), says, "{kind} {flags} {length}");
        }
    }

    #[test]
    fn too_much_is_too_much_within_a_time_and_for_what_was_sent() {
        let ping = frame(6, 0, 8);
        let some = ping.repeat(MOST_IDLE as usize);
        let mut frames = frames();
        assert!(!frames.pass(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
        assert!(!frames.pass(&some));
        frames.since -= WINDOW;
        assert!(!frames.pass(&some), "slowly");
        frames.wrote(&frame(DATA, 0, MOST_IDLE as usize * BYTES_FOR_ONE));
        assert!(!frames.pass(&some), "much was sent");
        for (kind, length) in [(6, 8), (4, 0), (8, 4), (DATA, 0)] {
            frames.wrote(&frame(kind, 1, length).repeat(10));
        }
        assert!(frames.pass(&ping), "answers to pings, and what says nothing itself, earn nothing");
    }

    #[test]
    fn a_client_may_answer_each_small_message_with_a_window_and_a_ping() {
        let (message, said) = (frame(DATA, 0, 20), [frame(8, 0, 4), frame(8, 0, 4), frame(6, 0, 8)].concat());
        let mut frames = frames();
        assert!(!frames.pass(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
        for _ in 0..10 * MOST_IDLE {
            frames.wrote(&message);
            assert!(!frames.pass(&said));
        }
    }
}
