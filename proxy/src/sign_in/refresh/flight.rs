//! One refresh for each session at a time, and whoever waits for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::inventory::SessionId;

/// Refreshes that are under way.
#[derive(Debug, Default)]
pub(in crate::sign_in) struct Flights {
    /// Nothing is ever sent: the flight has landed when the sender is gone.
    under_way: Mutex<HashMap<SessionId, watch::Receiver<()>>>,
}

/// A place to wait at.
#[derive(Debug)]
pub(super) struct Landing(watch::Receiver<()>);

/// The right to be the one that asks about a session. Dropped, however it comes to that, it tells all who wait.
#[derive(Debug)]
pub(super) struct Flight {
    flights: Arc<Flights>,
    session: SessionId,
    _lands: watch::Sender<()>,
}

impl Flights {
    /// Where to wait for the session, and whose caller is the first its flight; `None` where too many are under way, or `may_begin` says no.
    pub(super) fn board(
        self: &Arc<Self>,
        session: &SessionId,
        may_begin: impl FnOnce() -> bool,
    ) -> Option<(Landing, Option<Flight>)> {
        let mut under_way = self.lock();
        if let Some(landing) = under_way.get(session) {
            return Some((Landing(landing.clone()), None));
        }
        if under_way.len() >= MOST || !may_begin() {
            return None;
        }
        let (lands, landing) = watch::channel(());
        under_way.insert(session.clone(), landing.clone());
        let flight = Flight { flights: Arc::clone(self), session: session.clone(), _lands: lands };
        Some((Landing(landing), Some(flight)))
    }

    /// So many that another one would wait for its turn.
    pub(super) fn are_many(&self) -> bool {
        self.lock().len() >= MANY
    }

    /// Waits until nothing is under way that was when this was called.
    pub(super) async fn all_landed(&self) {
        let landings: Vec<_> = self.lock().values().cloned().collect();
        for landing in landings {
            Landing(landing).landed().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, watch::Receiver<()>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Landing {
    /// Waits for the end of the flight, whatever came of it.
    pub(super) async fn landed(mut self) {
        while self.0.changed().await.is_ok() {}
    }
}

impl Drop for Flight {
    /// Whoever comes from now on looks at what came of it, before the sender goes and those who wait do.
    fn drop(&mut self) {
        self.flights.lock().remove(&self.session);
    }
}

/// Some times as many as a provider is asked about at once.
const MANY: usize = 64;
/// Of some hundred bytes each, and a request of our own when their turn comes.
const MOST: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> SessionId {
        SessionId(format!("s-{number}").into())
    }

    #[tokio::test]
    async fn the_first_asks_and_all_wait_for_it() {
        let flights = Arc::new(Flights::default());
        let (first, flight) = flights.board(&id(1), || true).unwrap();
        let flight = flight.expect("the first asks");
        let waiting: Vec<_> = (0..64)
            .map(|_| {
                let (landing, none) = flights.board(&id(1), || unreachable!("nothing is begun")).unwrap();
                assert!(none.is_none());
                tokio::spawn(landing.landed())
            })
            .collect();
        assert!(flights.board(&id(2), || true).unwrap().1.is_some(), "of another session");
        tokio::task::yield_now().await;
        assert!(waiting.iter().all(|waits| !waits.is_finished()));
        drop(flight);
        first.landed().await;
        for waits in waiting {
            waits.await.unwrap();
        }
        assert!(flights.board(&id(1), || true).unwrap().1.is_some(), "and then anew");
    }

    #[tokio::test]
    async fn a_flight_that_panics_lands_too() {
        let flights = Arc::new(Flights::default());
        let (landing, flight) = flights.board(&id(1), || true).unwrap();
        let panics = tokio::spawn(async move {
            let _flight = flight;
            panic!("a bug");
        });
        landing.landed().await;
        assert!(panics.await.is_err() && flights.lock().is_empty());
    }

    #[test]
    fn so_many_are_under_way_and_no_more() {
        let flights = Arc::new(Flights::default());
        let all: Vec<_> = (0..MOST).map(|number| flights.board(&id(number), || true).unwrap()).collect();
        assert!(flights.board(&id(MOST), || true).is_none());
        assert!(flights.board(&id(0), || true).unwrap().1.is_none(), "who waits is not one more");
        drop(all);
        assert!(flights.board(&id(MOST), || false).is_none());
        assert!(flights.board(&id(MOST), || true).is_some());
    }
}
