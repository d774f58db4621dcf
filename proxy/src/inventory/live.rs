//! The live state: read by every request without waiting, written only by what follows the store's change feed.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use papaya::{HashMap, HashSet};
use serde::{Deserialize, Serialize};

use super::book::Book;
use super::break_glass::BreakGlass;
use super::device::{Device, DeviceId, DeviceStatus};
use super::live_device::LiveDevice;
use super::live_session::{LiveSession, SessionUse};
use super::moved::Moved;
use super::refused_sessions::RefusedSessions;
use super::resident::Resident;
use super::session::{Session, SessionId};
use super::shown_certificates::ShownCertificates;
use super::stopped_tokens::StoppedTokens;
use super::user::UserId;
use crate::clock::Timestamp;
use crate::config::Host;
use crate::secret::Digest;

/// Who and what the gate knows right now.
///
/// INVARIANT (fact-before-epoch): a fact is changed first, then [`Inventory::trust_epoch`] moves. Whoever reads the epoch, then
/// the facts, and remembers both, will notice a change that came in between.
#[derive(Debug, Default)]
pub struct Inventory {
    devices: HashMap<Box<str>, Resident>,
    sessions: HashMap<SessionId, Arc<LiveSession>>,
    cookies: HashMap<Digest, (Arc<LiveSession>, Host)>,
    suspended: HashSet<UserId>,
    administrators: HashSet<UserId>,
    break_glass: ArcSwapOption<BreakGlass>,
    stopped_tokens: StoppedTokens,
    shown_certificates: ShownCertificates,
    refused_sessions: RefusedSessions,
    /// Only who writes takes it.
    book: Mutex<Book>,
    epoch: AtomicU64,
    behind: AtomicBool,
    pending: AtomicUsize,
    active: AtomicUsize,
    quarantined: AtomicUsize,
    retired: AtomicUsize,
}

/// How many there are of what, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Counts {
    pub devices_pending: usize,
    pub devices_active: usize,
    pub devices_quarantined: usize,
    pub devices_retired: usize,
    pub sessions: usize,
    pub cookies: usize,
    pub suspended_users: usize,
}

impl Inventory {
    /// The device of that name, whatever its status.
    pub fn device(&self, id: &DeviceId) -> Option<Arc<LiveDevice>> {
        self.devices.pin().get(id.as_str()).map(|resident| resident.live(id.as_str()))
    }

    /// Whether there is a device of that name, whatever its status.
    pub fn device_is_there(&self, id: &DeviceId) -> bool {
        self.devices.pin().contains_key(id.as_str())
    }

    /// The same as [`Inventory::device`], for who has had it before: `held` itself if nothing of it has changed.
    pub fn device_again(&self, held: &Arc<LiveDevice>) -> Option<Arc<LiveDevice>> {
        let id = held.device.id.as_str();
        let devices = self.devices.pin();
        let resident = devices.get(id)?;
        Some(if resident.is(&held.device) { Arc::clone(held) } else { resident.live(id) })
    }

    /// Shows every device, one after the other, in no order. Those that nobody has are made for it, and are gone afterwards.
    pub fn each_device(&self, mut look: impl FnMut(&LiveDevice)) {
        for (id, resident) in &self.devices.pin() {
            look(&LiveDevice::new(resident.device(id)));
        }
    }

    /// Looks at the names of all devices, in no order.
    pub fn device_names<T>(&self, look: impl FnOnce(&mut dyn Iterator<Item = &str>) -> T) -> T {
        look(&mut self.devices.pin().keys().map(|id| &**id))
    }

    /// The session that a cookie with this hash opens, and the one host that the cookie is for. The caller asks
    /// [`LiveSession::usable`] and compares the host.
    pub fn session_by_token(&self, token: &Digest) -> Option<(Arc<LiveSession>, Host)> {
        self.cookies.pin().get(token).cloned()
    }

    /// The session of that public name.
    pub fn session(&self, id: &SessionId) -> Option<Arc<LiveSession>> {
        self.sessions.pin().get(id).cloned()
    }

    /// Every session, in no order.
    pub fn sessions(&self) -> Vec<Arc<LiveSession>> {
        self.sessions.pin().values().cloned().collect()
    }

    /// An administrator took this person's access away.
    pub fn is_suspended(&self, user: &UserId) -> bool {
        self.suspended.pin().contains(user)
    }

    /// Every suspended person, in no order.
    pub fn suspended_users(&self) -> Vec<UserId> {
        self.suspended.pin().iter().cloned().collect()
    }

    /// Whether this person is in the group of administrators.
    pub fn is_administrator(&self, user: &UserId) -> bool {
        self.administrators.pin().contains(user)
    }

    /// How many are in it.
    pub fn administrators(&self) -> usize {
        self.administrators.len()
    }

    /// The break-glass that is under way.
    pub fn break_glass(&self) -> Option<Arc<BreakGlass>> {
        self.break_glass.load_full()
    }

    /// Bearer tokens that are not taken any more.
    pub fn stopped_tokens(&self) -> &StoppedTokens {
        &self.stopped_tokens
    }

    /// Sessions that their provider took back.
    pub fn refused_sessions(&self) -> &RefusedSessions {
        &self.refused_sessions
    }

    /// Which device showed which certificate lately.
    pub fn shown_certificates(&self) -> &ShownCertificates {
        &self.shown_certificates
    }

    /// Moves whenever something that a decision may rest on was changed or taken away: a device, a session's facts or end, a
    /// suspension. A session that begins and a cookie that is given do not move it: nobody may remember that something is absent.
    pub fn trust_epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// The store has changes that could not be read yet, so what stands here may be out of date. Decisions must refuse until it
    /// has caught up, which is tried again and again.
    pub fn is_behind(&self) -> bool {
        self.behind.load(Ordering::Acquire)
    }

    /// How many there are of what.
    pub fn counts(&self) -> Counts {
        Counts {
            devices_pending: self.pending.load(Ordering::Relaxed),
            devices_active: self.active.load(Ordering::Relaxed),
            devices_quarantined: self.quarantined.load(Ordering::Relaxed),
            devices_retired: self.retired.load(Ordering::Relaxed),
            sessions: self.sessions.len(),
            cookies: self.cookies.len(),
            suspended_users: self.suspended.len(),
        }
    }
}

/// What follows the change feed calls these, one at a time. Each says what it did that accesses under way may rest on; by then the
/// fact is there for everybody to see.
impl Inventory {
    /// Returns what stood there before.
    pub(crate) fn set_behind(&self, behind: bool) -> bool {
        self.behind.swap(behind, Ordering::AcqRel)
    }

    /// Makes room for so many devices at once.
    pub(crate) fn expect_devices(&self, count: usize) {
        let devices = self.devices.pin();
        devices.reserve(count.saturating_sub(devices.len()));
    }

    pub(crate) fn put_device(&self, device: Device) -> Option<Moved> {
        let devices = self.devices.pin();
        let old = devices.get(device.id.as_str());
        if old.is_some_and(|old| old.is(&device)) {
            return None;
        }
        let (id, status) = (device.id.clone(), device.status);
        let resident = self.book().device(device);
        devices.insert(id.as_str().into(), resident);
        self.gauge(status).fetch_add(1, Ordering::Relaxed);
        self.gauge(old?.status()).fetch_sub(1, Ordering::Relaxed);
        self.next_epoch();
        Some(Moved::Device { id, status: Some(status) })
    }

    /// The postures of these devices were gathered again, and are as they were. Nothing that was allowed rests on the age of a posture
    /// for longer than until it would be too old, so nobody is told; whoever looks next sees it.
    pub(crate) fn freshen(&self, gathered: &[(DeviceId, Option<Timestamp>)]) {
        let devices = self.devices.pin();
        for (id, at) in gathered {
            if let Some(resident) = devices.get(id.as_str()) {
                resident.freshen(*at);
            }
        }
        if !gathered.is_empty() {
            self.next_epoch();
        }
    }

    pub(crate) fn drop_device(&self, id: &DeviceId) -> Option<Moved> {
        let devices = self.devices.pin();
        let old = devices.remove(id.as_str())?;
        self.gauge(old.status()).fetch_sub(1, Ordering::Relaxed);
        self.next_epoch();
        Some(Moved::Device { id: id.clone(), status: None })
    }

    pub(crate) fn put_session(&self, session: Session, used: SessionUse) -> Option<Moved> {
        let session = self.book().session(session);
        let sessions = self.sessions.pin();
        let Some(old) = sessions.get(&session.id).cloned() else {
            sessions.insert(session.id.clone(), Arc::new(LiveSession::new(session, used)));
            return None;
        };
        old.touch(used.last_used);
        old.confirm(used.confirmed_at);
        old.set_refreshable(used.refreshable);
        if *old.session == session {
            return None;
        }
        let new = Arc::new(old.with_facts(session));
        sessions.insert(new.session.id.clone(), Arc::clone(&new));
        let cookies = self.cookies.pin();
        for token in new.cookies().iter() {
            cookies.update(*token, |(_, host)| (Arc::clone(&new), host.clone()));
        }
        self.next_epoch();
        Some(Moved::Session { id: new.session.id.clone(), over: false })
    }

    pub(crate) fn drop_session(&self, id: &SessionId) -> Option<Moved> {
        let old = self.sessions.pin().remove(id).cloned()?;
        old.end();
        for token in old.cookies().drain(..) {
            self.cookies.pin().remove(&token);
        }
        self.next_epoch();
        Some(Moved::Session { id: id.clone(), over: true })
    }

    /// It is about to be dropped because its provider took it back: whoever comes with its cookies shall hear so.
    pub(crate) fn refuse_session(&self, id: &SessionId) {
        if let Some(live) = self.session(id) {
            self.refused_sessions.remember(&live.cookies());
        }
    }

    /// A cookie whose session is gone is not entered.
    pub(crate) fn put_cookie(&self, token: Digest, session: &SessionId, host: Host) {
        let Some(live) = self.session(session) else { return };
        let mut known = live.cookies();
        if !known.contains(&token) {
            // There are few of them, and very many such lists.
            known.reserve_exact(1);
            known.push(token);
        }
        let host = self.book().host(host);
        self.cookies.pin().insert(token, (Arc::clone(&live), host));
    }

    /// Its session goes on, and what was begun with the cookie with it.
    pub(crate) fn drop_cookie(&self, token: &Digest) {
        let Some((live, _)) = self.cookies.pin().remove(token).cloned() else { return };
        live.cookies().retain(|known| known != token);
        self.next_epoch();
    }

    pub(crate) fn set_suspended(&self, user: &UserId, suspended: bool) -> Option<Moved> {
        let set = self.suspended.pin();
        let changed = if suspended { set.insert(user.clone()) } else { set.remove(user) };
        changed.then(|| {
            self.next_epoch();
            Moved::User { id: user.clone(), suspended }
        })
    }

    pub(crate) fn set_administrator(&self, user: &UserId, is_one: bool) {
        let set = self.administrators.pin();
        let changed = if is_one { set.insert(user.clone()) } else { set.remove(user) };
        if changed {
            self.next_epoch();
        }
    }

    /// Decisions rest on the session that it began, and not on it.
    pub(crate) fn set_break_glass(&self, under_way: Option<BreakGlass>) {
        self.break_glass.store(under_way.map(Arc::new));
    }

    /// Everybody in the group of administrators, in no order.
    pub(crate) fn administrators_now(&self) -> Vec<UserId> {
        self.administrators.pin().iter().cloned().collect()
    }

    /// Every cookie's hash, in no order.
    pub(crate) fn cookie_tokens(&self) -> Vec<Digest> {
        self.cookies.pin().keys().copied().collect()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_epoch(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    fn gauge(&self, status: DeviceStatus) -> &AtomicUsize {
        match status {
            DeviceStatus::Pending => &self.pending,
            DeviceStatus::Active => &self.active,
            DeviceStatus::Quarantined => &self.quarantined,
            DeviceStatus::Retired => &self.retired,
        }
    }
}
