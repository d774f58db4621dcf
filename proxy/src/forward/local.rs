//! One core's view of an app: its own connections and its own count of what is under way.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use super::multiplex::Multiplex;
use super::pool::Pool;
use super::shared::{Endpoint, Target};

/// An app, on this core.
#[derive(Debug)]
pub(super) struct LocalTarget {
    pub(super) target: Arc<Target>,
    pub(super) endpoints: Vec<Rc<LocalEndpoint>>,
    pub(super) turn: Cell<usize>,
}

/// An upstream, on this core.
#[derive(Debug)]
pub(super) struct LocalEndpoint {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) load: Rc<Cell<u32>>,
    pub(super) pool: Rc<Pool>,
    pub(super) multiplex: Rc<Multiplex>,
}

impl LocalTarget {
    /// Takes over the connections of upstreams to which the way has not changed.
    pub(super) fn new(target: &Arc<Target>, previous: Option<&Self>) -> Rc<Self> {
        let endpoints = target.endpoints.iter().map(|endpoint| LocalEndpoint::new(endpoint, previous)).collect();
        let turn = Cell::new(previous.map_or(0, |previous| previous.turn.get()));
        Rc::new(Self { target: Arc::clone(target), endpoints, turn })
    }

    /// Drops connections that are too old or closed.
    pub(super) fn sweep(&self) {
        for endpoint in &self.endpoints {
            endpoint.pool.sweep();
            endpoint.multiplex.sweep();
        }
    }
}

impl LocalEndpoint {
    fn new(endpoint: &Arc<Endpoint>, previous: Option<&LocalTarget>) -> Rc<Self> {
        let same_way = |old: &&Rc<Self>| old.endpoint.usual.same_way(&endpoint.usual);
        match previous.and_then(|previous| previous.endpoints.iter().find(same_way)) {
            Some(old) => Rc::new(Self {
                endpoint: Arc::clone(endpoint),
                load: Rc::clone(&old.load),
                pool: Rc::clone(&old.pool),
                multiplex: Rc::clone(&old.multiplex),
            }),
            None => Rc::new(Self {
                endpoint: Arc::clone(endpoint),
                load: Rc::default(),
                pool: Rc::default(),
                multiplex: Rc::default(),
            }),
        }
    }
}
