//! A client's connection of HTTP/2, written to once a turn.
//!
//! h2 hands on each answer by itself: a TLS record and a call of the system for every piece, though the next one is there already.
//! What it writes while a connection's task is polled is gathered here, and goes out when that is done.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What hyper reads and writes.
#[derive(Debug)]
pub(super) struct Gathered<S>(Rc<RefCell<Gathering<S>>>);

/// The same connection in the hands of its task, which knows when a turn is over.
#[derive(Debug)]
pub(super) struct Outlet<S>(Rc<RefCell<Gathering<S>>>);

#[derive(Debug)]
struct Gathering<S> {
    inner: S,
    kept: BytesMut,
    /// The writer waits, so it has more than it could hand on: it flushes again when it has.
    stopped: bool,
    failed: Option<io::Error>,
}

impl<S: AsyncWrite + Unpin> Gathered<S> {
    /// Gathers what is written to `inner`.
    pub(super) fn new(inner: S) -> (Self, Outlet<S>) {
        let shared = Rc::new(RefCell::new(Gathering { inner, kept: BytesMut::new(), stopped: false, failed: None }));
        (Self(Rc::clone(&shared)), Outlet(shared))
    }
}

impl<S: AsyncWrite + Unpin> Outlet<S> {
    /// The turn is over: what was gathered goes out, or waits until the client takes it. The task of `cx` polls the writer.
    pub(super) fn flush(&self, cx: &mut Context<'_>) {
        let mut gathering = self.0.borrow_mut();
        if gathering.stopped || gathering.failed.is_some() {
            return;
        }
        if let Poll::Ready(Err(error)) = gathering.poll_flush(cx) {
            // The writer hears of it when it flushes next.
            gathering.failed = Some(error);
            cx.waker().wake_by_ref();
        }
    }
}

impl<S: AsyncWrite + Unpin> Gathering<S> {
    fn poll_write(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let offered: usize = bufs.iter().map(|buf| buf.len()).sum();
        if offered > MOST.saturating_sub(self.kept.len()) {
            ready!(self.poll_drain(cx))?;
            if offered > MOST {
                return Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
            }
        }
        if self.kept.is_empty() {
            self.kept.reserve(MOST);
        }
        bufs.iter().for_each(|buf| self.kept.extend_from_slice(buf));
        Poll::Ready(Ok(offered))
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.kept.is_empty() {
            let written = ready!(Pin::new(&mut self.inner).poll_write(cx, &self.kept))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.kept.advance(written);
        }
        // Whoever stands idle keeps no buffer.
        self.kept = BytesMut::new();
        Poll::Ready(Ok(()))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gathered<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.borrow_mut().inner).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathered<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut gathering = self.0.borrow_mut();
        let polled = gathering.poll_write(cx, bufs);
        gathering.stopped = polled.is_pending();
        polled
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Nothing is to be waited for: the turn's end does it.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.borrow_mut().failed.take().map_or(Ok(()), Err))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut gathering = self.0.borrow_mut();
        ready!(gathering.poll_drain(cx))?;
        Pin::new(&mut gathering.inner).poll_shutdown(cx)
    }
}

/// What is gathered at most: as much as one TLS record holds.
const MOST: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Takes so many bytes, and notes in which pieces they come and how often it is flushed.
    #[derive(Debug, Default)]
    struct Taker {
        room: usize,
        broken: bool,
        pieces: Vec<usize>,
        taken: Vec<u8>,
        flushes: usize,
    }

    impl AsyncWrite for Taker {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            if self.broken {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            let taken = buf.len().min(self.room);
            if taken == 0 {
                return Poll::Pending;
            }
            self.room -= taken;
            self.pieces.push(taken);
            self.taken.extend_from_slice(&buf[..taken]);
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.flushes += 1;
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn gathered(room: usize) -> (Gathered<Taker>, Outlet<Taker>) {
        Gathered::new(Taker { room, ..Taker::default() })
    }

    fn end_turn(outlet: &Outlet<Taker>) {
        outlet.flush(&mut Context::from_waker(std::task::Waker::noop()));
    }

    #[test]
    fn what_is_written_in_a_turn_goes_out_at_its_end_in_one_piece() {
        let (mut writer, outlet) = gathered(usize::MAX);
        for turn in 1..=3 {
            for _ in 0..10 {
                writer.write_all(b"an answer").now_or_never().unwrap().unwrap();
                writer.flush().now_or_never().unwrap().unwrap();
            }
            assert_eq!(outlet.0.borrow().inner.flushes, turn - 1, "not yet");
            end_turn(&outlet);
            assert_eq!((outlet.0.borrow().inner.pieces.len(), outlet.0.borrow().inner.flushes), (turn, turn));
        }
        assert_eq!(outlet.0.borrow().inner.taken, b"an answer".repeat(30));
        assert_eq!(outlet.0.borrow().kept.capacity(), 0, "an idle connection keeps nothing");
    }

    #[test]
    fn nothing_is_lost_whatever_sizes_come_and_however_slowly_they_are_taken() {
        for (piece, room) in [(1, 1), (700, 5000), (MOST - 1, 100), (MOST, MOST), (MOST + 1, 4096), (3 * MOST, 999)] {
            let (mut writer, outlet) = gathered(0);
            let (mut all, mut turns) = (Vec::new(), 0);
            for number in 0..20_u8 {
                let bytes = vec![number; piece];
                all.extend_from_slice(&bytes);
                let mut left = &bytes[..];
                while !left.is_empty() {
                    match writer.write(left).now_or_never() {
                        Some(written) => left = &left[written.unwrap()..],
                        None => {
                            turns += 1;
                            end_turn(&outlet);
                            outlet.0.borrow_mut().inner.room += room;
                        }
                    }
                    assert!(outlet.0.borrow().kept.len() <= MOST);
                }
            }
            while outlet.0.borrow().inner.taken.len() < all.len() {
                outlet.0.borrow_mut().inner.room += room;
                end_turn(&outlet);
            }
            assert!(outlet.0.borrow().inner.taken == all, "pieces of {piece}, taken by {room}: {turns} turns");
        }
    }

    #[test]
    fn who_waits_to_write_more_is_not_taken_for_flushed() {
        let (mut writer, outlet) = gathered(0);
        writer.write_all(&[1; MOST]).now_or_never().unwrap().unwrap();
        assert!(writer.write(b"more").now_or_never().is_none());
        outlet.0.borrow_mut().inner.room = usize::MAX;
        end_turn(&outlet);
        assert_eq!(outlet.0.borrow().inner.flushes, 0, "there is more to come");
        writer.write_all(b"more").now_or_never().unwrap().unwrap();
        end_turn(&outlet);
        assert_eq!((outlet.0.borrow().inner.flushes, outlet.0.borrow().inner.taken.len()), (1, MOST + 4));
    }

    #[test]
    fn a_writer_hears_of_what_broke_after_its_turn_and_a_last_word_goes_out() {
        let (mut writer, outlet) = gathered(usize::MAX);
        writer.write_all(b"first").now_or_never().unwrap().unwrap();
        outlet.0.borrow_mut().inner.broken = true;
        end_turn(&outlet);
        end_turn(&outlet);
        let heard = writer.flush().now_or_never().unwrap();
        assert_eq!(heard.unwrap_err().kind(), io::ErrorKind::ConnectionReset);

        let (mut writer, outlet) = gathered(usize::MAX);
        writer.write_all(b"goodbye").now_or_never().unwrap().unwrap();
        writer.shutdown().now_or_never().unwrap().unwrap();
        assert_eq!(outlet.0.borrow().inner.taken, b"goodbye");
    }

    #[tokio::test]
    async fn it_is_read_as_what_is_beneath() {
        let (mut near, far) = tokio::io::duplex(64);
        let (mut gathered, _outlet) = Gathered::new(far);
        near.write_all(b"a request").await.unwrap();
        let mut read = [0; 9];
        gathered.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"a request");
    }
}
