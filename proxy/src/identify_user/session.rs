//! A session by its cookie. The same check on app hosts and at the sign-in host.

use std::sync::Arc;
use std::time::Duration;

use super::known::{Binding, KnownUser};
use super::refusal::UserRefusal;
use crate::clock::Timestamp;
use crate::config::Host;
use crate::identify_device::KnownDevice;
use crate::inventory::{Inventory, LiveSession};
use crate::secret::Digest;

/// The live session that the cookie with digest `token` opens on `host`, shown by `device`.
///
/// The device comes before the session's end: a copied cookie is theft even when it is too old to be of use.
///
/// # Errors
/// [`UserRefusal`].
pub fn by_cookie(
    inventory: &Inventory,
    token: &Digest,
    host: &Host,
    device: &KnownDevice,
    idle_timeout: Duration,
    now: Timestamp,
) -> Result<Arc<LiveSession>, UserRefusal> {
    let (live, given_to) = inventory.session_by_token(token).ok_or(UserRefusal::UnknownSession)?;
    if live.session.device != device.device.id {
        return Err(UserRefusal::OtherDevice);
    }
    if given_to != *host {
        return Err(UserRefusal::OtherHost);
    }
    live.usable(now, idle_timeout)?;
    if inventory.is_suspended(&live.session.user) {
        return Err(UserRefusal::Suspended);
    }
    live.touch(now);
    Ok(live)
}

impl From<&LiveSession> for KnownUser {
    fn from(live: &LiveSession) -> Self {
        Self { session: Arc::clone(&live.session), binding: Binding::Session, facts: live.facts }
    }
}
