//! The live state: read by every request without waiting, written only by what follows the store's change feed.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use papaya::{Equivalent, HashMap, HashSet};
use serde::{Deserialize, Serialize};

use super::device::{Device, DeviceId, DeviceStatus, KeyFingerprint};
use super::live_device::LiveDevice;
use super::live_session::LiveSession;
use super::moved::Moved;
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
    devices: HashMap<DeviceId, Arc<LiveDevice>>,
    keys: HashMap<AuthorityKey, DeviceId>,
    sessions: HashMap<SessionId, Arc<LiveSession>>,
    cookies: HashMap<Digest, (Arc<LiveSession>, Host)>,
    suspended: HashSet<UserId>,
    stopped_tokens: StoppedTokens,
    shown_certificates: ShownCertificates,
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

/// A key as one authority vouches for it.
#[derive(Debug, PartialEq, Eq)]
struct AuthorityKey {
    authority: Arc<str>,
    key: KeyFingerprint,
}

/// The same, borrowed, so that looking up allocates nothing.
struct AuthorityKeyRef<'a> {
    authority: &'a str,
    key: &'a KeyFingerprint,
}

impl Inventory {
    /// The device of that name, whatever its status.
    pub fn device(&self, id: &DeviceId) -> Option<Arc<LiveDevice>> {
        self.devices.pin().get(id).cloned()
    }

    /// The device that proves itself with this key under this authority, whatever its status.
    pub fn device_by_key(&self, authority: &str, key: &KeyFingerprint) -> Option<Arc<LiveDevice>> {
        let id = self.keys.pin().get(&AuthorityKeyRef { authority, key }).cloned()?;
        self.device(&id)
    }

    /// Every device, in no order.
    pub fn devices(&self) -> Vec<Arc<LiveDevice>> {
        self.devices.pin().values().cloned().collect()
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

    /// Bearer tokens that are not taken any more.
    pub fn stopped_tokens(&self) -> &StoppedTokens {
        &self.stopped_tokens
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

    pub(crate) fn put_device(&self, device: Device) -> Option<Moved> {
        let devices = self.devices.pin();
        let keys = self.keys.pin();
        let old = devices.get(&device.id).cloned();
        if old.as_ref().is_some_and(|old| *old.device == device) {
            return None;
        }
        let live = Arc::new(LiveDevice::new(device));
        let device = &live.device;
        devices.insert(device.id.clone(), Arc::clone(&live));
        for &key in &device.keys {
            keys.insert(AuthorityKey { authority: Arc::clone(&device.authority), key }, device.id.clone());
        }
        self.gauge(device.status).fetch_add(1, Ordering::Relaxed);
        let old = old?;
        self.gauge(old.device.status).fetch_sub(1, Ordering::Relaxed);
        for key in old.device.keys.iter().filter(|key| !device.keys.contains(key)) {
            keys.remove(&AuthorityKeyRef { authority: &old.device.authority, key });
        }
        self.next_epoch();
        Some(Moved::Device { id: device.id.clone(), status: Some(device.status) })
    }

    pub(crate) fn drop_device(&self, id: &DeviceId) -> Option<Moved> {
        let old = self.devices.pin().remove(id).cloned()?;
        for key in &old.device.keys {
            self.keys.pin().remove(&AuthorityKeyRef { authority: &old.device.authority, key });
        }
        self.gauge(old.device.status).fetch_sub(1, Ordering::Relaxed);
        self.next_epoch();
        Some(Moved::Device { id: id.clone(), status: None })
    }

    pub(crate) fn put_session(&self, session: Session, last_used: Timestamp) -> Option<Moved> {
        let sessions = self.sessions.pin();
        let Some(old) = sessions.get(&session.id).cloned() else {
            sessions.insert(session.id.clone(), Arc::new(LiveSession::new(session, last_used)));
            return None;
        };
        old.touch(last_used);
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

    /// A cookie whose session is gone is not entered.
    pub(crate) fn put_cookie(&self, token: Digest, session: &SessionId, host: Host) {
        let Some(live) = self.session(session) else { return };
        let mut known = live.cookies();
        if !known.contains(&token) {
            known.push(token);
        }
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

    /// Every cookie's hash, in no order.
    pub(crate) fn cookie_tokens(&self) -> Vec<Digest> {
        self.cookies.pin().keys().copied().collect()
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

impl Hash for AuthorityKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        AuthorityKeyRef { authority: &self.authority, key: &self.key }.hash(state);
    }
}

impl Hash for AuthorityKeyRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
        self.authority.hash(state);
    }
}

impl Equivalent<AuthorityKey> for AuthorityKeyRef<'_> {
    fn equivalent(&self, other: &AuthorityKey) -> bool {
        *self.key == other.key && *self.authority == *other.authority
    }
}
