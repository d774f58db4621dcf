//! Asks again: about accesses that a change can affect, when a lever says so; about all of them now and then, for facts of time and
//! usage. What is not allowed any more is cut. One task on each core.

use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;

use super::gate::Core;
use crate::contain::{Cause, Change, Place, Pulled, Way};

/// Watches over the accesses of `core` until it is dropped. `way` brings word of levers.
///
/// INVARIANT (lease-before-lever): a lease is entered in the same breath as its decision. A lever that was pulled before has moved
/// the epoch or the generation, which the request looks at once it is entered; one that is pulled later finds it here.
pub(super) async fn watch(core: Rc<Core>, mut way: Way) {
    let mut beat = tokio::time::interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            pulled = way.next() => {
                for pulled in pulled {
                    changed(&core, pulled).await;
                }
            }
            _beat = beat.tick() => round(&core, &mut way).await,
        }
    }
}

/// Something changed: asks about what it can affect.
async fn changed(core: &Core, pulled: Pulled) {
    let generation = core.gate.world.load().generation;
    let places = core.leases.affected(pulled.change, generation);
    for slice in places.chunks(SLICE) {
        ask(core, slice, denial(pulled.change), Some(pulled.since));
        tokio::task::yield_now().await;
    }
}

/// Time has passed: asks about everything, first about what ends by now. An access that is under way is use of its session.
async fn round(core: &Core, way: &mut Way) {
    let now = core.gate.clock.now();
    let (due, rest) = (core.leases.those(|terms| terms.valid_until <= now), core.leases.those(|terms| terms.valid_until > now));
    for slice in due.chunks(SLICE).chain(rest.chunks(SLICE)) {
        // A lever does not wait for the round to end.
        for pulled in way.take() {
            changed(core, pulled).await;
        }
        ask(core, slice, Cause::Time, None);
        tokio::task::yield_now().await;
    }
}

fn ask(core: &Core, places: &[Place], denied: Cause, since: Option<Instant>) {
    let now = core.gate.clock.now();
    for access in places.iter().filter_map(|place| core.leases.handle(*place)) {
        if let Err(why) = access.ask_again(denied, now) {
            access.cut(why, since);
        }
    }
}

/// What it is called when policy says no after such a change.
fn denial(change: Change) -> Cause {
    match change {
        Change::Device(_) => Cause::DeviceChanged,
        Change::Session(_) | Change::User(_) => Cause::SessionChanged,
        Change::World => Cause::Policies,
        Change::Everything => Cause::Unsure,
    }
}

/// Facts of time and usage hold for at most this long and a round.
const BEAT: Duration = Duration::from_millis(800);
/// Accesses that are asked about before others get their turn: some dozens of microseconds.
const SLICE: usize = 64;
