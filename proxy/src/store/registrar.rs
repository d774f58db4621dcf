//! The only writer of devices, sessions and suspensions.

use std::path::Path;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use sqlx::SqlitePool;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc};

use super::actor::Note;
use super::ended::Ended;
use super::error::StoreError;
use super::feed::{self, Change, Writing};
use super::follow::{Follower, Observer};
use super::given_up::GivenUp;
use super::open::{self, Database};
use super::refresh::Keeping;
use crate::clock::Clock;
use crate::contain::Levers;
use crate::inventory::{DeviceId, Inventory};
use crate::secret::Sealer;

/// Writes to the store and keeps the live state equal to it. Cheap to clone; can be called from any runtime.
///
/// When a call returns, its change is durable *and* in effect: the next request sees it. The work itself runs on the runtime on
/// which the registrar was opened, to its end, even if the caller is dropped in the middle.
#[derive(Clone, Debug)]
pub struct Registrar {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    db: Database,
    follower: Follower,
    inventory: Arc<Inventory>,
    levers: Levers,
    pub(super) sealer: Arc<Sealer>,
    pub(super) clock: Clock,
    control: Handle,
    turn: Arc<Mutex<Ended>>,
    /// Tokens that go with the next turn.
    keeping: std::sync::Mutex<Vec<Keeping>>,
    pub(super) given_up: OnceLock<mpsc::Sender<GivenUp>>,
    /// When the next old key of a device leaves; not known at first.
    pub(super) next_leave: AtomicI64,
    /// When the next thing that is said of a device ends; not known at first.
    pub(super) next_fact_end: AtomicI64,
}

/// One writer's turn: its transaction, and the right to write that the next one waits for.
pub(super) struct Turn {
    pub(super) writing: Writing,
    /// When the registrar was asked.
    since: Instant,
    /// The right to write; with it goes what was ended lately.
    pub(super) ended: OwnedMutexGuard<Ended>,
}

impl Inner {
    pub(super) fn keeping(&self) -> std::sync::MutexGuard<'_, Vec<Keeping>> {
        self.keeping.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Registrar {
    /// Opens the state folder, which is made if need be, and loads everything into a new live state.
    ///
    /// To be called on the control runtime.
    ///
    /// # Errors
    /// [`StoreError`] in words: in use by another process, damaged, locked, full, made by a newer version, exposed to others.
    pub async fn open(state: &Path, sealer: Arc<Sealer>, clock: Clock) -> Result<Self, StoreError> {
        let db = open::open(state, &sealer).await?;
        let inventory = Arc::new(Inventory::default());
        let levers = Levers::default();
        let follower = Follower::start(db.pool.clone(), Arc::clone(&inventory), levers.clone()).await?;
        let (control, turn, keeping) = (Handle::current(), Arc::default(), std::sync::Mutex::default());
        Ok(Self {
            inner: Arc::new(Inner {
                db,
                follower,
                inventory,
                levers,
                sealer,
                clock,
                control,
                turn,
                keeping,
                given_up: OnceLock::new(),
                next_leave: AtomicI64::new(i64::MIN),
                next_fact_end: AtomicI64::new(i64::MIN),
            }),
        })
    }

    /// The live state.
    pub fn inventory(&self) -> &Arc<Inventory> {
        &self.inner.inventory
    }

    /// The levers that are pulled when a change took effect.
    pub fn levers(&self) -> &Levers {
        &self.inner.levers
    }

    /// The clock that it goes by.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// Where its work is done: work that belongs to it, and that no caller's end may break off, can be spawned there.
    pub fn control(&self) -> &Handle {
        &self.inner.control
    }

    /// From now on `observer` is told of every change as soon as it is in effect, before the call that made it returns. To be called
    /// once; a second observer is not told.
    pub fn observe(&self, observer: Observer) {
        self.inner.follower.observe(observer);
    }

    /// What happened to a device, newest first, at most `limit` entries.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn device_history(&self, id: &DeviceId, limit: u32) -> Result<Vec<Change>, StoreError> {
        let (me, id) = (self.clone(), id.clone());
        self.run(async move { feed::history(me.pool(), "device", id.as_str(), limit).await }).await
    }

    /// Writes down what is only in memory (when sessions were last used) and closes the database. For the end of the process.
    ///
    /// # Errors
    /// [`StoreError`] if the last use of sessions could not be written.
    pub async fn close(&self) -> Result<(), StoreError> {
        let saved = self.save_use().await;
        let me = self.clone();
        self.run(async move {
            me.pool().close().await;
            Ok::<_, StoreError>(())
        })
        .await?;
        saved
    }

    pub(super) fn pool(&self) -> &SqlitePool {
        &self.inner.db.pool
    }

    /// Runs `work` on the control runtime to its end, whatever happens to the caller.
    pub(super) async fn run<T, E>(&self, work: impl Future<Output = Result<T, E>> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match self.inner.control.spawn(work).await {
            Ok(result) => result,
            Err(_cancelled) => Err(StoreError::Stopping.into()),
        }
    }

    /// Begins a transaction; dropped without [`Registrar::commit`], it changes nothing.
    pub(super) async fn begin(&self, note: Note) -> Result<Turn, StoreError> {
        let since = note.since;
        let ended = Arc::clone(&self.inner.turn).lock_owned().await;
        let writing = Writing::begin(self.pool(), note, self.inner.clock.now()).await?;
        Ok(Turn { writing, since, ended })
    }

    /// Makes the transaction durable and brings it into effect.
    pub(super) async fn commit(&self, mut turn: Turn) -> Result<(), StoreError> {
        let since = turn.since;
        let given_up = std::mem::take(&mut turn.writing.given_up);
        let gathered = std::mem::take(&mut turn.writing.gathered);
        // Before anybody takes them out of the live state.
        let replaced: Vec<_> = turn.writing.replaced.iter().filter_map(|id| self.inventory().session(id)).collect();
        turn.writing.commit().await?;
        // And before the next turn, in which tokens of one of them may find nobody to be kept with.
        replaced.iter().for_each(|live| live.replace());
        self.give_up(given_up);
        let followed = self.inner.follower.catch_up(since).await;
        // While the turn is ours, nobody has a later word.
        self.inner.inventory.freshen(&gathered);
        match followed {
            Ok(()) => Ok(()),
            Err(error) => {
                if error.first {
                    self.keep_catching_up(since);
                }
                Err(StoreError::Behind(Box::new(error.why)))
            }
        }
    }

    /// Decisions are refused while the live state is behind; this ends it as soon as the database can be read again.
    fn keep_catching_up(&self, since: Instant) {
        let me = self.clone();
        self.inner.control.spawn(async move {
            while let Err(error) = me.inner.follower.catch_up(since).await {
                tracing::error!(error = %error.why, "the live state is behind the store; requests are refused until it has caught up");
                tokio::time::sleep(RETRY).await;
            }
            tracing::info!("the live state has caught up with the store");
        });
    }
}

const RETRY: Duration = Duration::from_millis(200);
