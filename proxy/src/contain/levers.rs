//! The way from whoever changes something to the cores that have to look.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use super::cause::Cause;
use super::change::{Change, Pulled};

/// The levers of a gate: one bounded way to each core. Cheap to clone; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Levers {
    ways: Arc<Mutex<Vec<Arc<Shared>>>>,
}

/// A core's end of its way.
#[derive(Debug)]
pub struct Way(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Locked for a push or a take, never across an await.
    waiting: Mutex<VecDeque<Pulled>>,
    wake: Notify,
}

impl Levers {
    /// The way to one more core. Whatever is pulled from now on arrives there.
    pub fn way(&self) -> Way {
        let shared = Arc::<Shared>::default();
        locked(&self.ways).push(Arc::clone(&shared));
        Way(shared)
    }

    /// Tells every core. To be called after the fact was published. `since` is when whoever pulls it began to.
    ///
    /// Never waits for a core, and loses nothing: a way that is full becomes "look at everything".
    pub fn pull(&self, change: Change, cause: Cause, since: Instant) {
        for way in locked(&self.ways).iter() {
            way.push(Pulled { change, cause, since });
        }
    }
}

impl Way {
    /// What was pulled and not yet looked at, in order; waits until there is something.
    pub async fn next(&mut self) -> VecDeque<Pulled> {
        loop {
            // A permit is kept when nobody waits, so nothing that comes between looking and waiting is missed.
            let pulled = self.take();
            if !pulled.is_empty() {
                return pulled;
            }
            self.0.wake.notified().await;
        }
    }

    /// The same, without waiting.
    pub fn take(&mut self) -> VecDeque<Pulled> {
        std::mem::take(&mut *locked(&self.0.waiting))
    }
}

impl Shared {
    fn push(&self, pulled: Pulled) {
        let mut waiting = locked(&self.waiting);
        if waiting.len() >= ROOM {
            // The first of them has waited longest.
            let since = waiting.front().map_or(pulled.since, |first| first.since.min(pulled.since));
            waiting.clear();
            waiting.push_back(Pulled { change: Change::Everything, cause: Cause::Unsure, since });
        } else {
            waiting.push_back(pulled);
        }
        drop(waiting);
        self.wake.notify_one();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Changes that may wait for a core. A whole company's sessions may end in one command.
const ROOM: usize = 1024;

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::contain::mark::Mark;

    fn device(number: usize) -> Change {
        Change::Device(Mark::of(&format!("lap-{number}")))
    }

    #[tokio::test]
    async fn every_core_hears_of_it_in_order() {
        let levers = Levers::default();
        let (mut first, mut second) = (levers.way(), levers.way());
        let now = Instant::now();
        assert!(first.next().now_or_never().is_none());
        levers.pull(device(1), Cause::DeviceQuarantined, now);
        levers.pull(Change::World, Cause::Policies, now);
        for way in [&mut first, &mut second] {
            let heard: Vec<Change> = way.next().await.into_iter().map(|pulled| pulled.change).collect();
            assert_eq!(heard, [device(1), Change::World]);
            assert!(way.next().now_or_never().is_none());
        }
    }

    #[tokio::test]
    async fn a_core_that_waits_is_woken() {
        let levers = Levers::default();
        let mut way = levers.way();
        let waiting = tokio::spawn(async move { way.next().await.len() });
        tokio::task::yield_now().await;
        levers.pull(Change::World, Cause::Policies, Instant::now());
        assert_eq!(waiting.await.unwrap(), 1);
    }

    #[test]
    fn a_full_way_becomes_a_look_at_everything_and_counts_from_the_first() {
        let levers = Levers::default();
        let mut way = levers.way();
        let first = Instant::now();
        for number in 0..=ROOM {
            levers.pull(device(number), Cause::DeviceQuarantined, first + std::time::Duration::from_millis(number as u64));
        }
        let heard = way.take();
        assert_eq!(heard.len(), 1);
        assert_eq!((heard[0].change, heard[0].since), (Change::Everything, first));
        levers.pull(device(0), Cause::DeviceQuarantined, first);
        assert_eq!(way.take()[0].change, device(0), "then it goes on as before");
    }
}
