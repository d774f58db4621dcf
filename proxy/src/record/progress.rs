//! How far long streams have come: if a crash takes their `end` lines, the record still says how much there was at least.

use std::fmt;
use std::rc::Rc;

use super::line::Progress;
use super::recorder::Recorder;
use crate::clock::Timestamp;
use crate::forward::Meter;
use crate::read::RequestId;

/// What is under way on a core. A request costs it a place in a list, and nothing is asked of the clock for it.
#[derive(Debug, Default)]
pub(super) struct Streams {
    places: Vec<Option<Stream>>,
    free: Vec<usize>,
    /// Counts ticks, one a second.
    tick: u32,
}

#[derive(Debug)]
struct Stream {
    request: RequestId,
    meter: Rc<Meter>,
    /// Bytes down and up that the record knows of.
    told: (u64, u64),
    told_at: u32,
}

/// A request's place among what is under way on its core, as long as it is held.
pub struct Watch {
    recorder: Recorder,
    place: usize,
}

impl Watch {
    pub(super) fn new(recorder: Recorder, place: usize) -> Self {
        Self { recorder, place }
    }

    /// Much went by: it is told now, not at the next tick.
    pub(super) fn tell(&self) {
        self.recorder.progress_of(self.place);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.recorder.unwatch(self.place);
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Streams {
    pub(super) fn add(&mut self, request: RequestId, meter: Rc<Meter>) -> usize {
        let stream = Some(Stream { request, meter, told: (0, 0), told_at: self.tick });
        match self.free.pop() {
            Some(place) => {
                if let Some(free) = self.places.get_mut(place) {
                    *free = stream;
                }
                place
            }
            None => {
                self.places.push(stream);
                self.places.len() - 1
            }
        }
    }

    pub(super) fn remove(&mut self, place: usize) {
        if self.places.get_mut(place).and_then(Option::take).is_some() {
            self.free.push(place);
        }
    }

    /// A second went by: what there is to tell.
    pub(super) fn tick(&mut self, now: Timestamp) -> Vec<Progress> {
        self.tick = self.tick.wrapping_add(1);
        let tick = self.tick;
        self.places.iter_mut().flatten().filter_map(|stream| stream.due(tick, now)).collect()
    }

    /// What there is to tell of one, if enough went by.
    pub(super) fn one(&mut self, place: usize, now: Timestamp) -> Option<Progress> {
        let tick = self.tick;
        self.places.get_mut(place)?.as_mut()?.due(tick, now)
    }
}

impl Stream {
    fn due(&mut self, tick: u32, now: Timestamp) -> Option<Progress> {
        let (down, up) = (self.meter.down(), self.meter.up());
        let moved = down.saturating_sub(self.told.0).saturating_add(up.saturating_sub(self.told.1));
        let long_ago = tick.wrapping_sub(self.told_at) >= TICKS;
        if moved < MUCH && !(moved > 0 && long_ago) {
            return None;
        }
        (self.told, self.told_at) = ((down, up), tick);
        Some(Progress { at: now.to_string(), request: self.request.to_string(), sent: down, received: up })
    }
}

/// Bytes after which a stream's progress is told.
pub(super) const MUCH: u64 = 16 << 20;
/// Ticks after which it is told, if anything moved.
const TICKS: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> RequestId {
        RequestId([n; 16])
    }

    #[test]
    fn much_is_told_at_the_next_tick_and_little_after_ten() {
        let (much, little, none) = (Rc::new(Meter::default()), Rc::new(Meter::default()), Rc::new(Meter::default()));
        let mut streams = Streams::default();
        for (n, meter) in [(1, &much), (2, &little), (3, &none)] {
            streams.add(id(n), Rc::clone(meter));
        }
        much.count(MUCH, 7);
        little.count(0, 1);
        let mut told = Vec::new();
        for tick in 1..=25 {
            told.extend(streams.tick(Timestamp(0)).into_iter().map(|line| (tick, line.request, line.sent, line.received)));
        }
        assert_eq!(told, [(1, id(1).to_string(), MUCH, 7), (10, id(2).to_string(), 0, 1)]);
        much.count(1, 0);
        assert_eq!(streams.tick(Timestamp(0)).len(), 1);
        assert_eq!(streams.one(0, Timestamp(0)), None);
        much.count(MUCH, 0);
        assert_eq!(streams.one(0, Timestamp(0)).map(|line| line.sent), Some(2 * MUCH + 1));
    }

    #[test]
    fn places_are_used_again() {
        let mut streams = Streams::default();
        let first = streams.add(id(1), Rc::default());
        let second = streams.add(id(2), Rc::default());
        streams.remove(first);
        streams.remove(first);
        assert_eq!(streams.add(id(3), Rc::default()), first);
        assert_eq!(streams.add(id(4), Rc::default()), second + 1);
    }
}
