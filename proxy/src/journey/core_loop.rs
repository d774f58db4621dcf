//! A data core: a thread with a runtime, a listener and a chain of the record of its own.

use std::io;
use std::net::TcpListener as StdListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::LocalSet;
use tokio_util::task::TaskTracker;

use super::connection::{self, Peer, Seat};
use super::gate::{Core, Gate};
use super::warden;
use crate::accept;
use crate::config::AuditSync;
use crate::record::{ChainWriter, RecordMetrics, Recorder};

/// What a core is made of.
#[derive(Debug)]
pub struct CoreParts {
    /// Which one, from 0.
    pub index: usize,
    /// Its listener.
    pub listener: StdListener,
    /// Its part of the record.
    pub chain: ChainWriter,
    /// Metrics of the record.
    pub record: RecordMetrics,
    /// Turns true when the gate is to end.
    pub drain: watch::Receiver<bool>,
}

/// Starts a core. The thread ends when it has drained; the receiver then gets word.
///
/// # Errors
/// If there is no thread to be had.
pub fn start(gate: Arc<Gate>, parts: CoreParts) -> io::Result<oneshot::Receiver<()>> {
    let (done, ended) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().event_interval(EVENT_INTERVAL).build()?;
    std::thread::Builder::new().name(format!("core-{}", parts.index)).spawn(move || {
        let set = LocalSet::new();
        runtime.block_on(set.run_until(run(gate, parts)));
        // What is left after the drain's deadline is dropped here: connections are reset, `end` lines written.
        drop(set);
        let _nobody_waits = done.send(());
    })?;
    Ok(ended)
}

async fn run(gate: Arc<Gate>, parts: CoreParts) {
    let always = gate.world.load().config.audit.sync == AuditSync::Always;
    let recorder = Recorder::start(parts.chain, always, gate.clock.clone(), parts.record);
    let core = Rc::new(Core::new(gate, recorder.clone()));
    let way = core.gate.levers.way();
    tokio::task::spawn_local(warden::watch(Rc::clone(&core), way));
    let connections = TaskTracker::new();
    let mut drain = parts.drain;
    match parts.listener.try_clone().and_then(TcpListener::from_std) {
        Ok(listener) => accept_until(&core, &listener, &connections, &mut drain).await,
        Err(error) => tracing::error!(%error, "a core cannot use its listener"),
    }
    // Connections that the kernel gave to this listener already would be reset when it closes.
    for socket in accept::drain(parts.listener) {
        if let Ok(socket) = TcpStream::from_std(socket) {
            take(&core, socket, &connections, &drain);
        }
    }
    connections.close();
    let deadline = core.gate.world.load().config.limits.drain_timeout;
    if tokio::time::timeout(deadline, connections.wait()).await.is_err() {
        tracing::warn!(open = connections.len(), "connections that did not end in time are cut");
    }
    recorder.finish().await;
}

async fn accept_until(core: &Rc<Core>, listener: &TcpListener, connections: &TaskTracker, drain: &mut watch::Receiver<bool>) {
    let mut stop = drain.clone();
    let stop = stop.wait_for(|draining| *draining);
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            biased;
            _draining = stop.as_mut() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, _peer)) => take(core, socket, connections, drain),
            Err(error) => {
                // Out of file descriptors, most likely: those who wait are served when one is free.
                tracing::warn!(%error, "cannot accept a connection");
                core.gate.metrics.accepted.with_label_values(&["accept_failed"]).inc();
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn take(core: &Rc<Core>, socket: TcpStream, connections: &TaskTracker, drain: &watch::Receiver<bool>) {
    let Ok(address) = socket.peer_addr() else { return };
    let peer = Peer::of(&core.gate.world.load(), address);
    let admitted = core.gate.limiter.admit().and_then(|mut slot| {
        // A balancer says soon whom it speaks for.
        if !peer.is_balancer {
            slot.is_of(peer.address.ip())?;
        }
        Ok(slot)
    });
    let slot = match admitted {
        Ok(slot) => slot,
        Err(shed) => {
            core.gate.metrics.accepted.with_label_values(&[shed.as_str()]).inc();
            return;
        }
    };
    let seat = Seat::new(core, slot, connections.token());
    tokio::task::spawn_local(connection::serve(Rc::clone(core), socket, peer, seat, drain.clone()));
}

/// Polls between looking for new events: a busy core still takes new connections soon.
const EVENT_INTERVAL: u32 = 61;
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
