//! The use of a connection by one exchange, and what becomes of the connection afterwards.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use hyper::client::conn::http1::SendRequest;
use tokio::task::AbortHandle;

use super::multiplex::Place;
use super::pool::{Idle, Pool};
use super::request_body::RequestBody;

/// One exchange on a connection. Exactly one of [`Lease::give_back`] and [`Lease::abort`] ends it; dropping it aborts.
#[derive(Debug)]
pub(super) struct Lease {
    held: Option<Held>,
    load: Load,
}

/// The connection of an exchange.
#[derive(Debug)]
enum Held {
    /// HTTP/1.1: this exchange has it to itself.
    Own(Box<Own>),
    /// HTTP/2: others use it too; dropping the answer's body resets our stream.
    Shared(#[expect(dead_code, reason = "held until the exchange is over")] Place),
}

/// An HTTP/1.1 connection that is in use.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) sender: SendRequest<RequestBody>,
    /// The task that moves its bytes; aborting it closes the socket and drops the request's body.
    pub(super) task: AbortHandle,
    pub(super) pool: Rc<Pool>,
    /// How long the app says that it keeps it when idle.
    pub(super) keep: Duration,
}

/// Counts an exchange while it lasts, for the least-loaded choice.
#[derive(Debug)]
pub(super) struct Load(Rc<Cell<u32>>);

impl Load {
    pub(super) fn on(counter: &Rc<Cell<u32>>) -> Self {
        counter.set(counter.get().saturating_add(1));
        Self(Rc::clone(counter))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

impl Lease {
    pub(super) fn own(own: Own, load: Load) -> Self {
        Self { held: Some(Held::Own(Box::new(own))), load }
    }

    pub(super) fn shared(place: Place, load: Load) -> Self {
        Self { held: Some(Held::Shared(place)), load }
    }

    /// What sends requests on a connection of our own.
    pub(super) fn sender(&mut self) -> Option<&mut SendRequest<RequestBody>> {
        match &mut self.held {
            Some(Held::Own(own)) => Some(&mut own.sender),
            Some(Held::Shared(_)) | None => None,
        }
    }

    /// The app closes the connection itself when it is idle for this long; be quicker.
    pub(super) fn app_keeps_it(&mut self, time: Duration) {
        if let Some(Held::Own(own)) = &mut self.held {
            own.keep = own.keep.min(time.saturating_sub(Duration::from_secs(1)));
        }
    }

    /// The connection must not be used again, although the exchange may end well.
    pub(super) fn never_reuse(&mut self) {
        if let Some(Held::Own(own)) = &mut self.held {
            own.keep = Duration::ZERO;
        }
    }

    /// Both messages are complete: the connection goes back to its pool once hyper says that it is at rest.
    pub(super) fn give_back(mut self) {
        let Some(Held::Own(own)) = self.held.take() else { return };
        let mut own = *own;
        if own.keep.is_zero() || own.sender.is_closed() {
            own.task.abort();
        } else if own.sender.is_ready() {
            own.into_pool();
        } else {
            // Rare: the last bytes of the request are not flushed yet, or more than the answer came in.
            tokio::task::spawn_local(async move {
                match tokio::time::timeout(REST, own.sender.ready()).await {
                    Ok(Ok(())) => own.into_pool(),
                    Ok(Err(_)) | Err(_) => own.task.abort(),
                }
            });
        }
    }

    /// The connection belongs to a tunnel now; only the count goes on.
    pub(super) fn into_load(mut self) -> Load {
        self.held = None;
        Load::on(&self.load.0)
    }

    /// The exchange is over before its end.
    pub(super) fn abort(mut self) {
        self.close();
    }

    fn close(&mut self) {
        if let Some(Held::Own(own)) = self.held.take() {
            own.task.abort();
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.close();
    }
}

impl Own {
    fn into_pool(self) {
        self.pool.put(Idle::new(self.sender, self.task, self.keep));
    }
}

/// How long a finished connection may take to come to rest.
const REST: Duration = Duration::from_secs(1);
