//! Following the change feed: the only way in which the live state is loaded and updated.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use sqlx::{SqliteConnection, SqlitePool};
use tokio::sync::Mutex;

use super::error::StoreError;
use super::feed::{self, Applied, Change, Subject};
use super::pieces;
use super::refresh::REFUSED;
use super::rows::{self, CookieRow, DeviceRow, Names, SessionRow};
use super::sessions::BEGUN;
use crate::contain::{self, Cause, Levers};
use crate::inventory::{DeviceId, Inventory, LiveSession, Moved, SessionId, UserId};
use crate::secret::Digest;

/// Is told of every change when it has come into effect, in order. Whoever asked for the change waits for it.
pub type Observer = Box<dyn Fn(&Applied) + Send + Sync>;

/// Keeps an [`Inventory`] equal to the store.
pub(super) struct Follower {
    pool: SqlitePool,
    inventory: Arc<Inventory>,
    observer: OnceLock<Observer>,
    levers: Levers,
    /// The newest change that the live state shows. Held while following, so that changes are applied one at a time.
    position: Mutex<i64>,
}

/// The live state could not be brought up to date.
#[derive(Debug)]
pub(super) struct FellBehind {
    pub(super) why: StoreError,
    /// It was up to date before.
    pub(super) first: bool,
}

impl Follower {
    /// With everything loaded.
    pub(super) async fn start(pool: SqlitePool, inventory: Arc<Inventory>, levers: Levers) -> Result<Self, StoreError> {
        // Nothing rests on anything yet.
        let position = load(&pool, &inventory, &|_moved| ()).await?;
        Ok(Self { pool, inventory, levers, observer: OnceLock::new(), position: Mutex::new(position) })
    }

    /// With nothing loaded, before the first change.
    #[cfg(test)]
    pub(super) fn at_the_beginning(pool: SqlitePool, inventory: Arc<Inventory>) -> Self {
        Self { pool, inventory, levers: Levers::default(), observer: OnceLock::new(), position: Mutex::new(0) }
    }

    /// From now on `observer` is told of changes. Only the first one is.
    pub(super) fn observe(&self, observer: Observer) {
        let _first_only = self.observer.set(observer);
    }

    /// Applies every change that is durable now. When it returns, whatever was committed before the call is in effect; if it
    /// cannot, the live state is marked as behind until a later call can. Levers are pulled as changes take effect; `since` is when
    /// whoever caused them began to.
    pub(super) async fn catch_up(&self, since: Instant) -> Result<(), FellBehind> {
        let mut position = self.position.lock().await;
        // The mark is set while the position is held, so that of two calls the later one has the last word.
        match self.apply_from(&mut position, since).await {
            Ok(()) => {
                self.inventory.set_behind(false);
                Ok(())
            }
            Err(why) => {
                let first = !self.inventory.set_behind(true);
                if first {
                    // Something changed, and nobody can say what: whatever is under way is unsure.
                    self.levers.pull(contain::Change::Everything, Cause::Unsure, since);
                }
                Err(FellBehind { why, first })
            }
        }
    }

    async fn apply_from(&self, position: &mut i64, since: Instant) -> Result<(), StoreError> {
        let tell = |moved: Option<Moved>| {
            if let Some(moved) = moved {
                self.levers.moved(&moved, since);
            }
        };
        loop {
            let changes = feed::after(&self.pool, *position).await?;
            let Some(first) = changes.first() else { return Ok(()) };
            if first.seq != *position + 1 {
                *position = load(&self.pool, &self.inventory, &tell).await?;
                continue;
            }
            let mut db = self.pool.acquire().await?;
            for change in &changes {
                let subject = Subject::read(change)?;
                match (&subject, change.what.as_str()) {
                    // It begins from nothing: what had this name before has ended, even if only its successor can be seen now.
                    (Subject::Session(id), BEGUN) => tell(self.inventory.drop_session(id)),
                    (Subject::Session(id), REFUSED) => self.inventory.refuse_session(id),
                    _ => {}
                }
                let before = self.session(&subject);
                tell(apply(&mut db, &self.inventory, &subject).await?);
                *position = change.seq;
                if let Some(observer) = self.observer.get() {
                    observer(&self.applied(change, subject, before));
                }
            }
        }
    }
}

impl Follower {
    fn session(&self, subject: &Subject) -> Option<Arc<LiveSession>> {
        let Subject::Session(id) = subject else { return None };
        self.inventory.session(id)
    }

    /// `before` is the session as it was before the change.
    fn applied(&self, change: &Change, subject: Subject, before: Option<Arc<LiveSession>>) -> Applied {
        let session = self.session(&subject).or(before);
        let mut applied = Applied { change: change.clone(), device: None, user: None, session: None };
        match subject {
            Subject::Device(id) => applied.device = Some(id),
            Subject::BreakGlass(id) => {
                applied.device = Some(id);
                applied.user = Some(UserId::break_glass());
            }
            Subject::Session(id) => {
                applied.session = Some(id);
                applied.device = session.as_ref().map(|live| live.session.device.clone());
                applied.user = session.map(|live| live.session.user.clone());
            }
            Subject::Suspension(user) | Subject::Administrator(user) => applied.user = Some(user),
            Subject::Cookie(_) | Subject::Invitation(_) => {}
        }
        applied
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").finish_non_exhaustive()
    }
}

/// Brings one thing to what the store says of it now.
async fn apply(db: &mut SqliteConnection, inventory: &Inventory, subject: &Subject) -> Result<Option<Moved>, StoreError> {
    Ok(match subject {
        Subject::Device(id) => match rows::device(db, id.as_str()).await? {
            Some(device) => inventory.put_device(device),
            None => inventory.drop_device(id),
        },
        Subject::Session(id) => match rows::session(db, &id.0).await? {
            Some((session, used)) => inventory.put_session(session, used),
            None => inventory.drop_session(id),
        },
        Subject::Cookie(token) => {
            match rows::cookie(db, &token.to_string()).await? {
                Some(cookie) => inventory.put_cookie(cookie.token, &cookie.session, cookie.host),
                None => inventory.drop_cookie(token),
            }
            None
        }
        Subject::Suspension(user) => inventory.set_suspended(user, rows::suspended(db, user).await?),
        Subject::Administrator(user) => {
            // Nothing that is under way rests on it: each act of an administrator is decided by itself.
            inventory.set_administrator(user, rows::is_administrator(db, user).await?);
            None
        }
        Subject::BreakGlass(_) => {
            inventory.set_break_glass(rows::break_glass(db).await?.map(|(under_way, _code)| under_way));
            None
        }
        // Invitations are asked for rarely; they have no live image.
        Subject::Invitation(_) => None,
    })
}

/// Whom to tell what moved.
type Tell<'a> = &'a (dyn Fn(Option<Moved>) + Sync);

/// Makes the live state equal to one moment of the store, and returns that moment's place in the feed.
pub(super) async fn load(pool: &SqlitePool, inventory: &Inventory, tell: Tell<'_>) -> Result<i64, StoreError> {
    // One read transaction: every table is seen as of the same moment. What is there, and not in the store, is gone.
    let mut tx = pool.begin().await?;
    let last: i64 = sqlx::query_scalar("SELECT last FROM feed").fetch_one(&mut *tx).await?;
    let suspended = suspensions(&mut tx, inventory, tell).await?;
    let administrators = administrators(&mut tx, inventory).await?;
    let devices = devices(&mut tx, inventory, tell).await?;
    let sessions = sessions(&mut tx, inventory, tell).await?;
    let cookies = cookies(&mut tx, inventory).await?;
    let break_glass = rows::break_glass(&mut *tx).await?.map(|(under_way, _code)| under_way);
    tx.commit().await?;
    inventory.set_break_glass(break_glass);
    suspended.iter().for_each(|user| tell(inventory.set_suspended(user, false)));
    administrators.iter().for_each(|user| inventory.set_administrator(user, false));
    cookies.iter().for_each(|token| inventory.drop_cookie(token));
    sessions.iter().for_each(|id| tell(inventory.drop_session(id)));
    devices.iter().for_each(|id| tell(inventory.drop_device(id)));
    Ok(last)
}

/// Returns who is suspended no more.
async fn suspensions(db: &mut SqliteConnection, inventory: &Inventory, tell: Tell<'_>) -> Result<HashSet<UserId>, StoreError> {
    let mut gone: HashSet<UserId> = inventory.suspended_users().into_iter().collect();
    let rows: Vec<(String, String)> = sqlx::query_as("SELECT provider, subject FROM suspensions").fetch_all(db).await?;
    for (provider, subject) in rows {
        let user = UserId { provider: provider.into(), subject: subject.into() };
        tell(inventory.set_suspended(&user, true));
        gone.remove(&user);
    }
    Ok(gone)
}

/// Returns who is no administrator any more.
async fn administrators(db: &mut SqliteConnection, inventory: &Inventory) -> Result<HashSet<UserId>, StoreError> {
    let mut gone: HashSet<UserId> = inventory.administrators_now().into_iter().collect();
    let rows: Vec<(String, String)> = sqlx::query_as("SELECT provider, subject FROM administrators").fetch_all(db).await?;
    for (provider, subject) in rows {
        let user = UserId { provider: provider.into(), subject: subject.into() };
        inventory.set_administrator(&user, true);
        gone.remove(&user);
    }
    Ok(gone)
}

/// Returns the devices that are there no more.
async fn devices(db: &mut SqliteConnection, inventory: &Inventory, tell: Tell<'_>) -> Result<HashSet<DeviceId>, StoreError> {
    let mut gone: HashSet<DeviceId> = inventory.device_names(|names| names.filter_map(|name| name.parse().ok()).collect());
    // Rows are never deleted, so the last one's number is how many there are.
    let last: Option<i64> = sqlx::query_scalar("SELECT max(rowid) FROM devices").fetch_one(&mut *db).await?;
    inventory.expect_devices(last.and_then(|last| usize::try_from(last).ok()).unwrap_or_default());
    let mut names = Names::default();
    pieces::each(db, rows::DEVICES, |piece| {
        for row in rows::read::<Vec<DeviceRow<'_>>>(piece)? {
            let device = row.read(&mut names)?;
            gone.remove(&device.id);
            tell(inventory.put_device(device));
        }
        Ok(())
    })
    .await?;
    Ok(gone)
}

/// Returns the sessions that are there no more.
async fn sessions(db: &mut SqliteConnection, inventory: &Inventory, tell: Tell<'_>) -> Result<HashSet<SessionId>, StoreError> {
    let mut gone: HashSet<SessionId> = inventory.sessions().iter().map(|live| live.session.id.clone()).collect();
    pieces::each(db, rows::SESSIONS, |piece| {
        for row in rows::read::<Vec<SessionRow<'_>>>(piece)? {
            let (session, used) = row.read()?;
            gone.remove(&session.id);
            tell(inventory.put_session(session, used));
        }
        Ok(())
    })
    .await?;
    Ok(gone)
}

/// Returns the cookies that are there no more.
async fn cookies(db: &mut SqliteConnection, inventory: &Inventory) -> Result<HashSet<Digest>, StoreError> {
    let mut gone: HashSet<Digest> = inventory.cookie_tokens().into_iter().collect();
    pieces::each(db, rows::COOKIES, |piece| {
        for row in rows::read::<Vec<CookieRow<'_>>>(piece)? {
            let cookie = row.read()?;
            gone.remove(&cookie.token);
            inventory.put_cookie(cookie.token, &cookie.session, cookie.host);
        }
        Ok(())
    })
    .await?;
    Ok(gone)
}
