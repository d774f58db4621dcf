//! All accounts of a gate, shared by its cores.

use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::fast::RandomState;
use papaya::{Equivalent, HashMap};

use super::account::{Account, Figures, Hold, Holder};
use super::credit::{Credit, StreamId};
use super::metrics::UsageMetrics;
use super::streams::Streams;
use crate::clock::Timestamp;
use crate::inventory::{DeviceId, UserId};
use crate::secret::Digest;

/// What everybody has had lately: an account per person, device and app, for as long as something is in its windows.
///
/// There is room for `limits.usage_accounts`. When that is used up, further pairs share [`SHARED`] accounts: they are charged with
/// what the others of their account have, so that nothing is ever forgotten, and their figures are too high.
#[derive(Debug)]
pub struct Usage {
    accounts: HashMap<Holder, Arc<Account>, RandomState>,
    shared: Vec<Arc<Account>>,
    pub(super) streams: Arc<Streams>,
    most: AtomicUsize,
    /// Held while accounts come and go, which finding one does not wait for.
    door: Mutex<()>,
    pub(super) metrics: UsageMetrics,
}

/// Somebody's figures, for those who look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    /// Whose.
    pub holder: Holder,
    /// How much.
    pub figures: Figures,
}

/// Whose account is looked for; borrowed, so that looking allocates nothing.
#[derive(Clone, Copy, Debug)]
pub struct Whose<'a> {
    /// The person, or the program that a token names.
    pub user: &'a UserId,
    /// The device.
    pub device: &'a DeviceId,
    /// The app.
    pub app: &'a Arc<str>,
}

impl Usage {
    /// No accounts yet, and room for `most`.
    pub fn new(most: usize, metrics: UsageMetrics) -> Self {
        Self {
            accounts: HashMap::default(),
            shared: (0..SHARED).map(|_| Account::new(None)).collect(),
            streams: Arc::default(),
            most: AtomicUsize::new(most),
            door: Mutex::default(),
            metrics,
        }
    }

    /// Its metrics.
    pub fn metrics(&self) -> &UsageMetrics {
        &self.metrics
    }

    /// Changes how many accounts there is room for. Those that there are stay.
    pub fn set_room(&self, most: usize) {
        self.most.store(most, Ordering::Relaxed);
    }

    /// The account of `whose`.
    pub fn hold(&self, whose: Whose<'_>, now: Timestamp) -> Hold {
        if let Some(hold) = self.accounts.pin().get(&whose).and_then(Hold::take) {
            return hold;
        }
        self.enter(whose, now)
    }

    /// For what a stream hands on: charged to the account of `hold`.
    pub fn credit(&self, hold: Hold, of: StreamId) -> Credit {
        Credit::new(hold, Arc::clone(&self.streams), of)
    }

    /// Drops accounts with nothing in them that nobody uses. To be called now and then.
    pub fn tidy(&self, now: Timestamp) {
        let accounts = self.accounts.pin();
        for (holder, account) in &accounts {
            if account.is_held() || !account.is_idle(now) {
                continue;
            }
            let _nobody_enters = self.door.lock().unwrap_or_else(PoisonError::into_inner);
            if account.retire(now) {
                accounts.remove(holder);
            }
        }
        self.count();
    }

    /// Figures of everybody on a device, in order.
    pub fn of_device(&self, device: &DeviceId, now: Timestamp) -> Vec<Used> {
        self.those(now, |holder| holder.device == *device)
    }

    /// Figures of every account, in order.
    pub fn all(&self, now: Timestamp) -> Vec<Used> {
        self.those(now, |_all| true)
    }

    fn those(&self, now: Timestamp, which: impl Fn(&Holder) -> bool) -> Vec<Used> {
        let accounts = self.accounts.pin();
        let wanted = accounts.iter().filter(|(holder, _)| which(holder));
        let mut all: Vec<Used> =
            wanted.map(|(holder, account)| Used { holder: holder.clone(), figures: account.figures(now) }).collect();
        all.sort_by(|one, other| one.holder.cmp(&other.holder));
        all
    }

    /// Every account with something in it.
    pub(super) fn each(&self, now: Timestamp, mut tell: impl FnMut(&Account)) {
        let accounts = self.accounts.pin();
        let all = accounts.values().chain(&self.shared).filter(|account| !account.is_empty(now));
        all.for_each(|account| tell(account));
    }

    /// Which of the shared ones it is.
    pub(super) fn number_of(&self, account: &Account) -> Option<usize> {
        self.shared.iter().position(|shared| std::ptr::eq(&**shared, account))
    }

    /// The account that a snapshot speaks of, whatever room there is.
    pub(super) fn restored(&self, holder: Result<Holder, usize>) -> Option<Arc<Account>> {
        match holder {
            Ok(holder) => Some(self.make(holder)),
            Err(number) => self.shared.get(number).cloned(),
        }
    }

    pub(super) fn count(&self) {
        self.metrics.accounts.set(i64::try_from(self.accounts.len()).unwrap_or(i64::MAX));
    }

    fn enter(&self, whose: Whose<'_>, now: Timestamp) -> Hold {
        let _alone = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            // Somebody may have been quicker; and what was found gone is out of the table by now.
            if let Some(hold) = self.accounts.pin().get(&whose).and_then(Hold::take) {
                return hold;
            }
            let shared = self.shared_by(&whose);
            // As long as a shared account is in use, what this pair had may be in it.
            let in_use = shared.is_some_and(|account| account.is_held() || !account.is_empty(now));
            let full = self.accounts.len() >= self.most.load(Ordering::Relaxed);
            if (in_use || full)
                && let Some(hold) = shared.and_then(Hold::take)
            {
                if self.metrics.shared.get() == 0 {
                    tracing::warn!(
                        "there is no room for more accounts of usage: figures of some are counted together; raise limits.usage_accounts"
                    );
                }
                self.metrics.shared.inc();
                return hold;
            }
            let made = self.make(whose.to_holder());
            self.count();
            if let Some(hold) = Hold::take(&made) {
                return hold;
            }
        }
    }

    fn make(&self, holder: Holder) -> Arc<Account> {
        let account = Account::new(Some(holder.clone()));
        Arc::clone(self.accounts.pin().get_or_insert(holder, account))
    }

    /// Always the same for the same pair, also after a restart.
    fn shared_by(&self, whose: &Whose<'_>) -> Option<&Arc<Account>> {
        let Digest(digest) = Digest::of(format!("{}\n{}\n{}", whose.user, whose.device, whose.app).as_bytes());
        let number = digest.first_chunk().map_or(0, |first| usize::from(u16::from_be_bytes(*first)));
        self.shared.get(number % self.shared.len().max(1))
    }
}

impl Whose<'_> {
    fn to_holder(self) -> Holder {
        Holder { user: self.user.clone(), device: self.device.clone(), app: Arc::clone(self.app) }
    }
}

impl Hash for Whose<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // As `Holder` does it, field by field.
        self.user.hash(state);
        self.device.hash(state);
        self.app.hash(state);
    }
}

impl Equivalent<Holder> for Whose<'_> {
    fn equivalent(&self, holder: &Holder) -> bool {
        *self.user == holder.user && *self.device == holder.device && **self.app == *holder.app
    }
}

/// Accounts that are shared when there is no room for more.
const SHARED: usize = 256;
