//! The leases of one core: a slab of integers, and beside each a handle.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::time::Instant;

use super::cause::Cause;
use super::change::Change;
use super::mark::Mark;
use super::metrics::Tally;
use crate::clock::Timestamp;

/// The leases of one core. Thread-confined; clones share them. `T` is what it takes to ask again and to cut.
pub struct Leases<T>(Rc<Inner<T>>);

struct Inner<T> {
    slab: RefCell<Slab<T>>,
    tally: Tally,
}

/// INVARIANT (rows-beside-holders): `rows` and `holders` are equally long, and a row's holder stands at the same index.
struct Slab<T> {
    rows: Vec<Row>,
    holders: Vec<Option<Holder<T>>>,
    free: Vec<u32>,
}

struct Holder<T> {
    handle: T,
    cut: Option<(Cause, Option<Instant>)>,
}

/// What a decision rested on, as integers: one cache line each, so that ten thousand are looked through in microseconds.
#[derive(Clone, Copy)]
struct Row {
    terms: Terms,
    version: u32,
    live: bool,
}

/// What a decision rested on, as integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The device; [`Mark::NOBODY`] on public paths.
    pub device: Mark,
    /// The session or token.
    pub session: Mark,
    /// The person.
    pub user: Mark,
    /// The app.
    pub app: Mark,
    /// Which load of policies and configuration decided.
    pub generation: u64,
    /// The last moment for which the decision is known to hold as far as dates go.
    pub valid_until: Timestamp,
}

/// What kind of access a lease is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The app has not answered yet.
    Request,
    /// The same, and the request has a body.
    Upload,
    /// The app's answer is on its way.
    Download,
    /// A WebSocket.
    WebSocket,
}

/// Where a lease stands. A place that was given to another lease since is not mistaken for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    index: u32,
    version: u32,
}

/// An access that is under way. Dropping it takes it off the list; to be held until the last byte was handed on.
#[must_use]
pub struct Lease<T> {
    leases: Leases<T>,
    place: Place,
    kind: Cell<Kind>,
    handle: T,
}

impl<T> Leases<T> {
    /// None yet. `tally` counts them.
    pub fn new(tally: Tally) -> Self {
        let slab = Slab { rows: Vec::new(), holders: Vec::new(), free: Vec::new() };
        Self(Rc::new(Inner { slab: RefCell::new(slab), tally }))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        let slab = self.0.slab.borrow();
        slab.rows.len() - slab.free.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Those that `change` can affect; `generation` is the load of policies and configuration that is in force.
    pub fn affected(&self, change: Change, generation: u64) -> Vec<Place> {
        match change {
            Change::Device(device) => self.those(|terms| terms.device == device),
            Change::Session(session) => self.those(|terms| terms.session == session),
            Change::User(user) => self.those(|terms| terms.user == user),
            Change::World => self.those(|terms| terms.generation != generation),
            Change::Everything => self.those(|_terms| true),
        }
    }

    /// Those for which `which` says so.
    pub fn those(&self, which: impl Fn(&Terms) -> bool) -> Vec<Place> {
        let slab = self.0.slab.borrow();
        let rows = slab.rows.iter().zip(0_u32..);
        rows.filter(|(row, _)| row.live && which(&row.terms)).map(|(row, index)| Place { index, version: row.version }).collect()
    }

    /// What was asked again and still holds, holds on these terms.
    pub fn renew(&self, place: Place, generation: u64, valid_until: Timestamp) {
        let mut slab = self.0.slab.borrow_mut();
        if let Some(row) = slab.row(place) {
            row.terms.generation = generation;
            row.terms.valid_until = valid_until;
        }
    }

    /// The load of policies and configuration that a lease was last allowed by; `None` if it has ended.
    pub fn generation(&self, place: Place) -> Option<u64> {
        self.0.slab.borrow_mut().row(place).map(|row| row.terms.generation)
    }

    /// Notes that a lease is cut, and why; the first word counts, and `false` says that there was one already. `since` is when the
    /// lever was pulled; `None` if there was none.
    pub fn cut(&self, place: Place, cause: Cause, since: Option<Instant>) -> bool {
        match self.0.slab.borrow_mut().holder(place) {
            Some(holder) if holder.cut.is_none() => {
                holder.cut = Some((cause, since));
                true
            }
            Some(_) | None => false,
        }
    }

    /// Why a lease was cut, if it was.
    pub fn cause(&self, place: Place) -> Option<Cause> {
        self.0.slab.borrow_mut().holder(place)?.cut.map(|(cause, _)| cause)
    }
}

impl<T: Clone> Leases<T> {
    /// Enters an access that was just allowed. `handle` makes what it takes to ask again, knowing where it stands.
    ///
    /// To be called in the same breath as the decision, so that no lever comes between the two.
    pub fn register(&self, terms: Terms, kind: Kind, handle: impl FnOnce(Place) -> T) -> Lease<T> {
        self.0.tally.begins(kind);
        let (place, handle) = self.0.slab.borrow_mut().insert(terms, handle);
        Lease { leases: self.clone(), place, kind: Cell::new(kind), handle }
    }

    /// The handle of a lease; `None` if it has ended meanwhile.
    pub fn handle(&self, place: Place) -> Option<T> {
        self.0.slab.borrow_mut().holder(place).map(|holder| holder.handle.clone())
    }
}

impl<T> Lease<T> {
    /// Where it stands.
    pub fn place(&self) -> Place {
        self.place
    }

    /// It is of another kind from now on.
    pub fn becomes(&self, kind: Kind) {
        self.leases.0.tally.ends(self.kind.replace(kind));
        self.leases.0.tally.begins(kind);
    }

    /// What it takes to ask again.
    pub fn handle(&self) -> &T {
        &self.handle
    }

    /// Why it was cut, if it was.
    pub fn cause(&self) -> Option<Cause> {
        self.leases.cause(self.place)
    }

    /// The last byte is out, before the lease ends: how long the cut took is measured now. Otherwise when it is dropped, which is
    /// when nothing more can be handed on.
    pub fn is_silent(&self) {
        let since = self.leases.0.slab.borrow_mut().holder(self.place).and_then(|holder| holder.cut.as_mut()?.1.take());
        if let Some(since) = since {
            self.leases.0.tally.took(since);
        }
    }
}

impl<T> Drop for Lease<T> {
    fn drop(&mut self) {
        self.is_silent();
        // Dropped after the slab was let go: what it holds may have leases of its own.
        let holder = self.leases.0.slab.borrow_mut().remove(self.place);
        self.leases.0.tally.ends(self.kind.get());
        if let Some((cause, _)) = holder.as_ref().and_then(|holder| holder.cut) {
            self.leases.0.tally.was_cut(cause);
        }
    }
}

impl<T> Clone for Leases<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<T> Slab<T> {
    fn insert(&mut self, terms: Terms, handle: impl FnOnce(Place) -> T) -> (Place, T)
    where
        T: Clone,
    {
        if let Some(index) = self.free.pop()
            && let (Some(row), Some(room)) = (self.rows.get_mut(index as usize), self.holders.get_mut(index as usize))
        {
            row.terms = terms;
            row.live = true;
            let place = Place { index, version: row.version };
            let handle = handle(place);
            *room = Some(Holder { handle: handle.clone(), cut: None });
            return (place, handle);
        }
        // Far fewer than 2^32: each has a connection or a stream.
        let place = Place { index: u32::try_from(self.rows.len()).unwrap_or(u32::MAX), version: 0 };
        let handle = handle(place);
        self.rows.push(Row { terms, version: 0, live: true });
        self.holders.push(Some(Holder { handle: handle.clone(), cut: None }));
        (place, handle)
    }

    fn holder(&mut self, place: Place) -> Option<&mut Holder<T>> {
        self.row(place)?;
        self.holders.get_mut(place.index as usize)?.as_mut()
    }

    fn remove(&mut self, place: Place) -> Option<Holder<T>> {
        let row = self.row(place)?;
        row.live = false;
        row.version = row.version.wrapping_add(1);
        self.free.push(place.index);
        self.holders.get_mut(place.index as usize)?.take()
    }

    fn row(&mut self, place: Place) -> Option<&mut Row> {
        self.rows.get_mut(place.index as usize).filter(|row| row.live && row.version == place.version)
    }
}

impl Kind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Request, Self::Upload, Self::Download, Self::WebSocket];

    /// The word for it in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Upload => "upload",
            Self::Download => "download",
            Self::WebSocket => "websocket",
        }
    }
}

impl<T> fmt::Debug for Leases<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leases").field("live", &self.len()).finish()
    }
}

impl<T> fmt::Debug for Lease<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("place", &self.place).field("cut", &self.cause()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contain::metrics::ContainMetrics;

    fn leases() -> Leases<&'static str> {
        Leases::new(ContainMetrics::register(&prometheus::Registry::new()).unwrap().tally())
    }

    fn terms(device: &str, session: &str, user: &str) -> Terms {
        Terms {
            device: Mark::of(device),
            session: Mark::of(session),
            user: Mark::of(user),
            app: Mark::of("wiki"),
            generation: 1,
            valid_until: Timestamp(1_000),
        }
    }

    fn holders(leases: &Leases<&'static str>, change: Change) -> Vec<&'static str> {
        leases.affected(change, 1).into_iter().filter_map(|place| leases.handle(place)).collect()
    }

    #[test]
    fn a_change_finds_those_that_it_can_affect_and_no_other() {
        let leases = leases();
        let _first = leases.register(terms("lap-1", "s1", "ana"), Kind::Request, |_| "first");
        let _second = leases.register(terms("lap-1", "s2", "ben"), Kind::Download, |_| "second");
        let _third = leases.register(terms("lap-2", "s3", "ana"), Kind::WebSocket, |_| "third");
        assert_eq!(holders(&leases, Change::Device(Mark::of("lap-1"))), ["first", "second"]);
        assert_eq!(holders(&leases, Change::Session(Mark::of("s2"))), ["second"]);
        assert_eq!(holders(&leases, Change::User(Mark::of("ana"))), ["first", "third"]);
        assert_eq!(holders(&leases, Change::User(Mark::of("eve"))), [""; 0]);
        assert_eq!(holders(&leases, Change::World), [""; 0], "decided by what is in force");
        assert_eq!(leases.affected(Change::World, 2).len(), 3);
        assert_eq!(holders(&leases, Change::Everything), ["first", "second", "third"]);
    }

    #[test]
    fn what_holds_on_is_asked_by_its_new_terms() {
        let leases = leases();
        let lease = leases.register(terms("lap-1", "s1", "ana"), Kind::Request, |_| "first");
        assert_eq!(leases.generation(lease.place()), Some(1));
        leases.renew(lease.place(), 2, Timestamp(2_000));
        assert_eq!(leases.generation(lease.place()), Some(2));
        assert!(leases.affected(Change::World, 2).is_empty());
        assert!(leases.those(|terms| terms.valid_until < Timestamp(2_000)).is_empty());
    }

    #[test]
    fn a_place_that_was_given_away_is_not_mistaken() {
        let leases = leases();
        let first = leases.register(terms("lap-1", "s1", "ana"), Kind::Request, |_| "first");
        let place = first.place();
        drop(first);
        assert!(leases.is_empty() && leases.handle(place).is_none());
        let second = leases.register(terms("lap-2", "s2", "ben"), Kind::Request, |_| "second");
        assert_eq!(second.place().index, place.index, "the room is used again");
        assert_eq!((leases.handle(place), leases.generation(place)), (None, None));
        leases.renew(place, 9, Timestamp(9));
        assert_eq!(leases.affected(Change::World, 1).len(), 0, "nor are its terms");
        assert_eq!(leases.handle(second.place()), Some("second"));
    }

    #[test]
    fn the_first_cause_counts() {
        let leases = leases();
        let lease = leases.register(terms("lap-1", "s1", "ana"), Kind::Request, |_| "first");
        assert_eq!(lease.cause(), None);
        assert!(leases.cut(lease.place(), Cause::SessionEnded, None));
        assert!(!leases.cut(lease.place(), Cause::Policies, None));
        assert_eq!(lease.cause(), Some(Cause::SessionEnded));
        let place = lease.place();
        drop(lease);
        assert!(!leases.cut(place, Cause::Policies, None), "it is over");
    }
}
