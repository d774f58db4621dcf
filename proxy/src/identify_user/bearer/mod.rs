//! Arrives: a bearer token. Leaves: a [`KnownUser`] with the token's facts. Refused: whatever its provider did not sign for this
//! gate, what is not valid now, what is bound to another certificate. If the client goes away while newer keys are awaited,
//! that wait is given up.

mod authorization;
mod verified;

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use quick_cache::Weighter;
use quick_cache::unsync::Cache;

use super::jws::Jws;
use super::keys::{Provider, Providers};
use super::known::KnownUser;
use super::refusal::UserRefusal;
use crate::clock::Timestamp;
use crate::identify_device::KnownDevice;
use crate::inventory::Inventory;
use crate::secret::Digest;

pub(super) use authorization::{Authorization, Presented};
pub use verified::StolenToken;
use verified::Verified;

/// The bearer tokens of one data core.
#[derive(Debug)]
pub(super) struct Bearer {
    /// By the whole token, which is compared. Only that signature and claims were good is remembered; time, binding and standing
    /// are asked on each hit.
    verified: RefCell<Cache<Box<[u8]>, Arc<Verified>, BySize>>,
    /// Tokens that newer keys did not help, and until when that is believed: a flood of them makes nobody wait.
    hopeless: RefCell<Cache<Digest, Timestamp>>,
}

/// Weighs a remembered token.
#[derive(Clone, Debug)]
struct BySize;

impl Weighter<Box<[u8]>, Arc<Verified>> for BySize {
    fn weight(&self, token: &Box<[u8]>, _verified: &Arc<Verified>) -> u64 {
        token.len() as u64 + BESIDE_TOKEN
    }
}

impl Bearer {
    pub(super) fn new() -> Self {
        let verified = Cache::with_weighter(REMEMBERED, REMEMBERED_BYTES, BySize);
        Self { verified: RefCell::new(verified), hopeless: RefCell::new(Cache::new(HOPELESS)) }
    }

    /// Who shows it.
    pub(super) async fn identify(
        &self,
        presented: Presented<'_>,
        providers: &Providers,
        inventory: &Inventory,
        device: &KnownDevice,
        now: Timestamp,
    ) -> Result<KnownUser, UserRefusal> {
        let refusal = match self.again(presented, providers, inventory, device, now) {
            Err(refusal) if verified::wants_newer_keys(refusal) => refusal,
            verdict => return verdict,
        };
        let token = presented.token().ok_or(UserRefusal::MalformedAuthorization)?;
        let digest = Digest::of(token.as_bytes());
        let parsed = Jws::parse(token)?;
        let provider = verified::provider(&parsed, providers)?;
        let verified = Arc::new(Box::pin(self.retry(&parsed, &digest, provider, device, now, refusal)).await?);
        self.verified.borrow_mut().insert(token.as_bytes().into(), Arc::clone(&verified));
        verified.check(inventory, device, now)
    }

    /// What is known of a token that was just refused because it belongs to another device.
    pub(super) fn stolen(&self, presented: Presented<'_>, inventory: &Inventory) -> Option<StolenToken> {
        let verified = self.verified.borrow_mut().get(presented.as_bytes()).cloned();
        verified.map(|verified| verified.stolen(inventory))
    }

    /// The same with the keys that are here: waits for nothing.
    pub(super) fn again(
        &self,
        presented: Presented<'_>,
        providers: &Providers,
        inventory: &Inventory,
        device: &KnownDevice,
        now: Timestamp,
    ) -> Result<KnownUser, UserRefusal> {
        // What is found here was well formed when it was verified.
        let remembered = self.verified.borrow_mut().get(presented.as_bytes()).cloned();
        if let Some(verified) = remembered.filter(|verified| verified.holds(providers, device, now)) {
            return verified.check(inventory, device, now);
        }
        let token = presented.token().ok_or(UserRefusal::MalformedAuthorization)?;
        let digest = Digest::of(token.as_bytes());
        let parsed = Jws::parse(token)?;
        verified::check_kind(&parsed)?;
        let provider = verified::provider(&parsed, providers)?;
        let verified = Arc::new(Verified::new(&parsed, &digest, provider, device, now)?);
        // Also if it is refused now: whoever asks about a theft wants to know what was stolen.
        self.verified.borrow_mut().insert(token.as_bytes().into(), Arc::clone(&verified));
        verified.check(inventory, device, now)
    }

    /// Once more, with the keys that the provider has by now. `now` is left as it was when the request came: what has expired
    /// meanwhile was valid then.
    async fn retry(
        &self,
        token: &Jws<'_>,
        digest: &Digest,
        provider: &Arc<Provider>,
        device: &KnownDevice,
        now: Timestamp,
        refusal: UserRefusal,
    ) -> Result<Verified, UserRefusal> {
        if self.hopeless.borrow_mut().get(digest).is_some_and(|until| now < *until) {
            return Err(refusal);
        }
        if !provider.ring.renewed().await {
            return Err(refusal);
        }
        Verified::new(token, digest, provider, device, now).inspect_err(|again| {
            if verified::wants_newer_keys(*again) {
                self.hopeless.borrow_mut().insert(*digest, now.plus(HOPELESS_FOR));
            }
        })
    }
}

/// Verified tokens per data core, of usual size.
const REMEMBERED: usize = 4096;
/// What they take at most, in bytes.
const REMEMBERED_BYTES: u64 = 8 * 1024 * 1024;
/// What is kept of a token beside itself, about.
const BESIDE_TOKEN: u64 = 1024;

const HOPELESS: usize = 1024;

const HOPELESS_FOR: Duration = Duration::from_secs(10);
