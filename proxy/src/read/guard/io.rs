//! The guard as a stream: what TLS gives goes through the machine before hyper sees it.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::super::glimpse::Glimpse;
use super::head::BodyFraming;
use super::machine::{Bounds, Machine, Step};
use super::refusal::FramingRefusal;
use super::shared::{GuardHandle, Shared, Tunnel};
use crate::config::Limits;

/// How long a client may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardTimes {
    /// From a head's first byte to its last (`limits.header_timeout`). Then the request is refused with 408. Also for the first byte of
    /// the first request: then the connection is closed.
    pub head: Duration,
    /// With no request open (`limits.idle_timeout`). Then the connection is closed.
    pub idle: Duration,
}

/// A client's stream, of which hyper sees only sound requests. See the folder's text.
#[derive(Debug)]
pub struct GuardedIo<S> {
    inner: S,
    judge: Judge,
    /// Read from the client, not yet passed on.
    kept: BytesMut,
    /// `kept` has bytes that the machine has not seen.
    kept_fresh: bool,
    /// Judged, for hyper.
    ready: Bytes,
    times: GuardTimes,
    timer: Option<Pin<Box<Sleep>>>,
    /// The client has said something.
    begun: bool,
    /// When the first byte of a head came that is not whole yet.
    head_since: Option<Instant>,
    /// hyper wrote something since the idle deadline was last looked at.
    wrote: bool,
    discarded: usize,
    ended: bool,
    closing: Closing,
}

#[derive(Debug)]
struct Judge {
    machine: Machine,
    mode: Mode,
    shared: Arc<Shared>,
    keep_alive: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Requests are read.
    Open,
    /// A tunnel was asked for: what comes is kept until that is decided.
    Held,
    /// What comes belongs to the tunnel.
    Tunnel,
    /// A head was refused, and hyper has not been told yet.
    Refusing,
    /// No further request is read on this connection; what comes is thrown away.
    Last,
    /// A body broke.
    Broken(FramingRefusal),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    No,
    /// The client has not taken enough yet for the last word to go out.
    Saying,
    Lingering,
    Done,
}

enum Late {
    Idle,
    Head,
}

impl<S> GuardedIo<S> {
    /// Guards `inner`, which is at the beginning of an HTTP/1.1 connection.
    pub fn new(inner: S, limits: &Limits) -> (Self, GuardHandle) {
        let times = GuardTimes { head: limits.header_timeout, idle: limits.idle_timeout };
        Self::with(inner, Bounds::from(limits), times)
    }

    /// As [`GuardedIo::new`], from the parts of the limits that matter here.
    pub fn with(inner: S, bounds: Bounds, times: GuardTimes) -> (Self, GuardHandle) {
        let shared = Arc::new(Shared::new());
        let handle = GuardHandle::new(Arc::clone(&shared));
        let judge = Judge { machine: Machine::new(bounds), mode: Mode::Open, shared, keep_alive: true };
        let io = Self {
            inner,
            judge,
            kept: BytesMut::new(),
            kept_fresh: false,
            ready: Bytes::new(),
            times,
            timer: None,
            begun: false,
            head_since: None,
            wrote: false,
            discarded: 0,
            ended: false,
            closing: Closing::No,
        };
        (io, handle)
    }

    /// The stream beneath.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// Takes back what hyper has read and not used: it is read again.
    pub fn unread(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            let ready = std::mem::take(&mut self.ready);
            self.ready = if ready.is_empty() { bytes } else { [bytes, ready].concat().into() };
        }
    }
}

impl Judge {
    /// How many bytes at the front of `input` may go to hyper.
    fn judge(&mut self, input: &[u8]) -> usize {
        let mut sound = 0;
        while self.mode == Mode::Open {
            match self.machine.step(input.get(sound..).unwrap_or_default()) {
                Step::More => break,
                Step::Head { len, facts } => {
                    sound += len;
                    self.keep_alive = facts.keep_alive;
                    if facts.asks_tunnel {
                        self.mode = Mode::Held;
                    } else if facts.body == BodyFraming::None {
                        self.message_over();
                    }
                    self.shared.accepted(facts);
                }
                Step::Body { len, over } => {
                    sound += len;
                    if over {
                        self.shared.body_over();
                        self.message_over();
                    }
                }
                Step::Refused(refusal) => self.refuse(refusal, input.get(sound..).unwrap_or_default()),
                Step::Broken { len, refusal } => {
                    sound += len;
                    self.shared.body_broken(refusal);
                    self.mode = Mode::Broken(refusal);
                }
            }
        }
        sound
    }

    fn message_over(&mut self) {
        self.mode = if self.keep_alive { Mode::Open } else { Mode::Last };
    }

    /// `head`: as much of it as has come.
    fn refuse(&mut self, refusal: FramingRefusal, head: &[u8]) {
        self.shared.refused(refusal, Glimpse::of_head(head));
        self.mode = Mode::Refusing;
    }
}

impl<S: AsyncRead + Unpin> GuardedIo<S> {
    /// While nothing is under way: ready when the client has been idle for too long, which the next read will tell.
    pub fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_late(cx).map(|_late| ())
    }

    fn poll_open(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.kept_fresh) {
            let sound = self.judge.judge(&self.kept);
            self.ready = self.kept.split_to(sound).freeze();
            self.note_partial_head();
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        match Pin::new(&mut self.inner).poll_read(cx, buf)? {
            Poll::Ready(()) => self.judge.shared.listens(false),
            Poll::Pending => {
                self.judge.shared.listens(self.kept.is_empty() && !self.judge.machine.in_body());
                match ready!(self.poll_late(cx)) {
                    Late::Idle => {
                        self.ended = true;
                        self.judge.shared.listens(false);
                    }
                    Late::Head => self.judge.refuse(FramingRefusal::HeadTimeout, &self.kept),
                }
                return Poll::Ready(Ok(()));
            }
        }
        let fresh = buf.filled().get(before..).unwrap_or_default();
        self.begun |= !fresh.is_empty();
        if fresh.is_empty() {
            self.ended = true;
        } else if self.kept.is_empty() {
            // The common case: judged where it lies, nothing is copied.
            let sound = self.judge.judge(fresh);
            self.kept.extend_from_slice(fresh.get(sound..).unwrap_or_default());
            buf.set_filled(before + sound);
            self.note_partial_head();
        } else {
            self.kept.extend_from_slice(fresh);
            self.kept_fresh = true;
            buf.set_filled(before);
        }
        Poll::Ready(Ok(()))
    }

    fn note_partial_head(&mut self) {
        let partial = self.judge.mode == Mode::Open && !self.kept.is_empty();
        if !partial {
            self.head_since = None;
        } else if self.head_since.is_none() || !self.ready.is_empty() {
            self.head_since = Some(Instant::now());
        }
    }

    /// Bytes that a client takes are a sign of life. That we want to send some is not: who asks and never reads would stay for ever.
    fn note_written(&mut self, written: &Poll<io::Result<usize>>) {
        self.judge.shared.flushed(false);
        self.wrote |= matches!(written, Poll::Ready(Ok(count)) if *count > 0);
    }

    /// Nothing to read now: is the client late?
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<Late> {
        loop {
            let (deadline, late) = if let Some(since) = self.head_since {
                (since + self.times.head, Late::Head)
            } else if self.judge.machine.in_body() {
                return Poll::Pending;
            } else {
                // Who shakes hands and then says nothing is not waited for as long as somebody between two requests.
                let idle = if self.begun { self.times.idle } else { self.times.idle.min(self.times.head) };
                match self.judge.shared.idle_since(cx.waker()) {
                    Some(since) => (since + idle, Late::Idle),
                    None => return Poll::Pending,
                }
            };
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
            // A timer that fires too early costs one look at the clock; setting it anew for each request would cost more.
            if timer.deadline() > deadline {
                timer.as_mut().reset(deadline);
            }
            ready!(timer.as_mut().poll(cx));
            let now = Instant::now();
            if matches!(late, Late::Idle) && std::mem::take(&mut self.wrote) {
                self.judge.shared.still_active(now);
            } else if now >= deadline {
                return Poll::Ready(late);
            }
            timer.as_mut().reset(deadline.max(now));
        }
    }

    fn poll_held(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.judge.shared.tunnel(cx.waker()) {
            Some(Tunnel::Accepted) => {
                self.judge.mode = Mode::Tunnel;
                self.ready = std::mem::take(&mut self.kept).freeze();
                return Poll::Ready(Ok(()));
            }
            Some(Tunnel::Declined) => {
                self.judge.message_over();
                self.kept_fresh = !self.kept.is_empty();
                return Poll::Ready(Ok(()));
            }
            None if self.kept.len() >= HELD_BYTES => return Poll::Pending,
            None => {}
        }
        // Reading on shows when the client goes away.
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let fresh = buf.filled().get(before..).unwrap_or_default();
        self.ended |= fresh.is_empty();
        self.kept.extend_from_slice(fresh);
        buf.set_filled(before);
        Poll::Ready(Ok(()))
    }

    /// Throws away what comes, up to a bound, to see when the client goes away.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.discarded >= DISCARD_BYTES {
            return Poll::Pending;
        }
        let mut scratch = [MaybeUninit::uninit(); SCRATCH_BYTES];
        let mut scratch = ReadBuf::uninit(&mut scratch);
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut scratch))?;
        self.discarded += scratch.filled().len();
        self.ended |= scratch.filled().is_empty();
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for GuardedIo<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        loop {
            if !this.ready.is_empty() {
                let len = this.ready.len().min(buf.remaining());
                buf.put_slice(this.ready.get(..len).unwrap_or_default());
                this.ready.advance(len);
                return Poll::Ready(Ok(()));
            }
            if buf.filled().len() > before || this.ended {
                return Poll::Ready(Ok(()));
            }
            match this.judge.mode {
                Mode::Open => ready!(this.poll_open(cx, buf))?,
                Mode::Held => ready!(this.poll_held(cx, buf))?,
                Mode::Tunnel => return Pin::new(&mut this.inner).poll_read(cx, buf),
                Mode::Refusing => {
                    this.kept = BytesMut::new();
                    this.ready = Bytes::from_static(SYNTHETIC);
                    this.judge.mode = Mode::Last;
                }
                Mode::Last => ready!(this.poll_discard(cx))?,
                Mode::Broken(refusal) => return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, refusal))),
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for GuardedIo<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write(cx, buf);
        this.note_written(&written);
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.inner).poll_flush(cx);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            this.judge.shared.flushed(true);
        }
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if matches!(this.closing, Closing::No | Closing::Saying) {
            // What is being closed does not rest.
            this.judge.shared.listens(false);
            match Pin::new(&mut this.inner).poll_shutdown(cx) {
                Poll::Ready(said) => said?,
                Poll::Pending => {
                    if this.closing == Closing::No {
                        this.closing = Closing::Saying;
                        this.timer = Some(Box::pin(tokio::time::sleep(this.times.idle)));
                    }
                    // Who takes nothing keeps the connection no longer than who asks for nothing.
                    if let Some(timer) = &mut this.timer {
                        ready!(timer.as_mut().poll(cx));
                    }
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
            }
            // Closing a socket that has unread bytes resets it, and the client may lose our last answer. So they are read and
            // thrown away, within bounds.
            let unread = this.judge.machine.in_body() || matches!(this.judge.mode, Mode::Last | Mode::Broken(_));
            this.closing = if unread && !this.ended { Closing::Lingering } else { Closing::Done };
            this.timer = (this.closing == Closing::Lingering).then(|| Box::pin(tokio::time::sleep(LINGER)));
        }
        while this.closing == Closing::Lingering {
            if let Some(timer) = &mut this.timer
                && timer.as_mut().poll(cx).is_ready()
            {
                this.closing = Closing::Done;
                break;
            }
            let failed = match this.poll_discard(cx) {
                Poll::Ready(read) => read.is_err(),
                Poll::Pending if this.discarded >= DISCARD_BYTES => true,
                Poll::Pending => return Poll::Pending,
            };
            if failed || this.ended {
                this.closing = Closing::Done;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write_vectored(cx, bufs);
        this.note_written(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

/// What hyper reads in place of a refused request. The service knows it by the queue, never by its path.
const SYNTHETIC: &[u8] = b"GET /.sekisho/refused HTTP/1.1\r\nHost: refused.invalid\r\nConnection: close\r\n\r\n";

/// What a client may send ahead while a tunnel is being decided.
const HELD_BYTES: usize = 16 * 1024;
/// What is thrown away before a connection is closed at last: an upload that is a little too large is heard to its end, so that
/// its sender is not busy writing when our answer comes.
const DISCARD_BYTES: usize = 16 * 1024 * 1024;
const SCRATCH_BYTES: usize = 16 * 1024;
/// How long closing may take.
const LINGER: Duration = Duration::from_secs(2);
