//! A WebSocket that the app agreed to: bytes both ways.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout};

use super::exchange::Meter;
use super::frames::{self, Frames};
use super::lease::Load;
use crate::contain::UsedUp;
use crate::secret;

/// Both ends of a WebSocket. Run it beside handing on the answer: the client's end opens once that is written.
#[must_use]
#[derive(Debug)]
pub struct Tunnel {
    pub(super) client: OnUpgrade,
    pub(super) app: Upgraded,
    pub(super) idle: Duration,
    pub(super) meter: Rc<Meter>,
    /// Held for as long as it lasts.
    pub(super) load: Load,
}

/// How a tunnel ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TunnelEnd {
    /// The client closed first.
    ClientLeft,
    /// The app closed first.
    AppLeft,
    /// No byte moved in either direction for `timeouts.idle`.
    Idle,
    /// It was cut.
    Cut,
    /// What the client has had of the app is as much as it may have.
    UsedUp,
    /// The gate closes.
    Draining,
}

impl TunnelEnd {
    /// The word for it in the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientLeft => "client_left",
            Self::AppLeft => "app_left",
            Self::Idle => "idle",
            Self::Cut => "cut",
            Self::UsedUp => "used_up",
            Self::Draining => "draining",
        }
    }

    /// Status codes of RFC 6455, section 7.4.1: policy violation, going away.
    fn close_code(self) -> Option<(u16, &'static str)> {
        match self {
            Self::Cut => Some((1008, "access has ended")),
            Self::UsedUp => Some((1008, "the budget is used up")),
            Self::Idle => Some((1001, "idle for too long")),
            Self::Draining => Some((1001, "the gate is closing")),
            Self::ClientLeft | Self::AppLeft => None,
        }
    }
}

impl Tunnel {
    /// Moves bytes until a side closes, nothing moves for too long, or `cut` resolves and says why. Then no byte of the app reaches the
    /// client any more; it gets a Close frame if the app's last frame is complete. Dropping the future closes both sides at once.
    ///
    /// `said` is told at once whether the client took that farewell; one that did not should not get what waits for it either.
    pub async fn run(self, cut: impl Future<Output = TunnelEnd>, said: impl FnOnce(bool)) -> TunnelEnd {
        let Self { client, app, idle, meter, load: _load } = self;
        let mut cut = pin!(cut);
        let client = tokio::select! {
            biased;
            why = &mut cut => return why,
            client = timeout(HANDOVER, client) => match client {
                Ok(Ok(client)) => client,
                Ok(Err(_)) | Err(_) => return TunnelEnd::ClientLeft,
            },
        };
        let (mut from_client, to_client) = tokio::io::split(TokioIo::new(client));
        let (mut from_app, to_app) = tokio::io::split(TokioIo::new(app));
        let (mut to_client, mut to_app) = (Side::new(to_client), Side::new(to_app));
        let last = Cell::new(Instant::now());
        let end = {
            let mut up = pin!(relay(&mut from_client, &mut to_app, &last, |_free| Ok(()), |bytes| meter.add_up(bytes)));
            let mut down =
                pin!(relay(&mut from_app, &mut to_client, &last, |bytes| meter.pay(bytes), |bytes| meter.add_down(bytes)));
            tokio::select! {
                biased;
                why = &mut cut => why,
                () = silence(&last, idle) => TunnelEnd::Idle,
                _ = &mut up => {
                    // The app may still have something to say to a client that has only stopped sending.
                    tokio::select! { biased; why = &mut cut => why, ended = timeout(AFTERMATH, &mut down) => ended.ok().as_ref().and_then(used_up).unwrap_or(TunnelEnd::ClientLeft) }
                }
                ended = &mut down => match used_up(&ended) {
                    Some(why) => why,
                    None => tokio::select! { biased; why = &mut cut => why, _ = timeout(AFTERMATH, &mut up) => TunnelEnd::AppLeft },
                },
            }
        };
        if let Some((code, reason)) = end.close_code() {
            let mask = secret::bytes::<4>().unwrap_or_default();
            let to_client = async {
                let closed = timeout(FAREWELL, to_client.close(frames::close(code, reason, None))).await;
                let taken = matches!(closed, Ok(Ok(())));
                said(taken);
                if taken {
                    // A socket that is closed with something unread takes the farewell back.
                    let mut sink = tokio::io::sink();
                    let _until = timeout(FAREWELL, tokio::io::copy(&mut from_client, &mut sink)).await;
                }
            };
            let to_app = timeout(FAREWELL, to_app.close(frames::close(1001, reason, Some(mask))));
            let _both = tokio::join!(to_client, to_app);
        }
        end
    }
}

/// The writing half of one end, and where in its frames it is.
struct Side<W> {
    writer: W,
    frames: Frames,
}

impl<W: AsyncWrite + Unpin> Side<W> {
    fn new(writer: W) -> Self {
        Self { writer, frames: Frames::default() }
    }

    async fn write(&mut self, mut bytes: &[u8], written: &impl Fn(usize)) -> io::Result<()> {
        while !bytes.is_empty() {
            let count = self.writer.write(bytes).await?;
            if count == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            let (done, rest) = bytes.split_at_checked(count).unwrap_or((bytes, &[]));
            self.frames.advance(done);
            written(done.len());
            bytes = rest;
        }
        self.writer.flush().await
    }

    /// Says farewell if no frame is open, and closes.
    async fn close(&mut self, frame: Vec<u8>) -> io::Result<()> {
        if self.frames.at_boundary() {
            self.writer.write_all(&frame).await?;
        }
        self.writer.shutdown().await
    }
}

/// Why a direction ended.
#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    UsedUp(#[from] UsedUp),
}

/// How a tunnel ends whose budget is used up.
fn used_up(ended: &Result<(), Stopped>) -> Option<TunnelEnd> {
    matches!(ended, Err(Stopped::UsedUp(_))).then_some(TunnelEnd::UsedUp)
}

/// Moves bytes one way until the reader ends; then ends the writer. Bytes are paid for before they are written.
async fn relay<R, W>(
    reader: &mut R,
    side: &mut Side<W>,
    last: &Cell<Instant>,
    pay: impl Fn(usize) -> Result<(), UsedUp>,
    count: impl Fn(usize),
) -> Result<(), Stopped>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut buffer = vec![0_u8; BUFFER];
    loop {
        let length = reader.read(&mut buffer).await?;
        let Some(bytes) = buffer.get(..length).filter(|bytes| !bytes.is_empty()) else {
            return Ok(side.writer.shutdown().await?);
        };
        last.set(Instant::now());
        pay(bytes.len())?;
        side.write(bytes, &count).await?;
        last.set(Instant::now());
    }
}

/// Resolves when `idle` has passed since `last`, which moves.
async fn silence(last: &Cell<Instant>, idle: Duration) {
    loop {
        let deadline = last.get() + idle;
        if Instant::now() >= deadline {
            return;
        }
        sleep_until(deadline).await;
    }
}

/// For the client's end to open after the answer was handed on.
const HANDOVER: Duration = Duration::from_secs(30);
/// For the other direction to end after the first has.
const AFTERMATH: Duration = Duration::from_secs(5);
/// For the Close frames: the last byte is to be written within 100 ms.
const FAREWELL: Duration = Duration::from_millis(50);
/// Per direction, for as long as a tunnel lasts.
const BUFFER: usize = 8 * 1024;
