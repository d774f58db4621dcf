//! Idle HTTP/1.1 connections of one upstream on one core: a stack, last in first out.
//!
//! Thread-confined: taking and putting back is a `Vec` operation. The newest connection is the one that its app has least
//! reason to close, and those at the bottom grow old and are dropped.

use std::cell::RefCell;
use std::time::Duration;

use hyper::client::conn::http1::SendRequest;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::request_body::RequestBody;
use crate::clock;

/// The stack.
#[derive(Debug, Default)]
pub(super) struct Pool {
    idle: RefCell<Vec<Idle>>,
}

/// A connection at rest: hyper has read and written whole messages, and not a byte more.
///
/// INVARIANT (at-rest): `sender.is_ready()` was true when it was put here. Hyper closes it itself when the app closes it or
/// sends bytes that nobody asked for; [`Pool::take`] looks again.
#[derive(Debug)]
pub(super) struct Idle {
    sender: SendRequest<RequestBody>,
    task: AbortHandle,
    until: Instant,
}

impl Idle {
    pub(super) fn new(sender: SendRequest<RequestBody>, task: AbortHandle, keep: Duration) -> Self {
        Self { sender, task, until: clock::instant() + keep }
    }
}

impl Pool {
    /// The newest connection that is still at rest.
    pub(super) fn take(&self) -> Option<(SendRequest<RequestBody>, AbortHandle)> {
        let now = clock::instant();
        let mut idle = self.idle.borrow_mut();
        while let Some(newest) = idle.pop() {
            if newest.until > now && newest.sender.is_ready() && !newest.sender.is_closed() {
                return Some((newest.sender, newest.task));
            }
            newest.task.abort();
        }
        None
    }

    /// Keeps a connection for the next exchange, unless enough are kept.
    pub(super) fn put(&self, connection: Idle) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < MOST_IDLE {
            idle.push(connection);
        } else {
            connection.task.abort();
        }
    }

    /// Drops what is too old or closed.
    pub(super) fn sweep(&self) {
        let now = clock::instant();
        self.idle.borrow_mut().retain(|connection| {
            let keep = connection.until > now && !connection.sender.is_closed();
            if !keep {
                connection.task.abort();
            }
            keep
        });
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for connection in self.idle.get_mut() {
            connection.task.abort();
        }
    }
}

/// Idle connections kept per upstream and core. Each costs some 10 KB and a file descriptor. As many as are taken up in one turn of a busy
/// core: with fewer, thousands of clients have it connect anew for most of their requests, at twice the cost of a request.
const MOST_IDLE: usize = 2048;
