//! The gate's half of enrolment.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls_pki_types::UnixTime;
use sekisho_certs::authority::{Authority, IssueError, Issued};
use sekisho_certs::fingerprint;

use super::metrics::{EnrolMetrics, EnrolOutcome};
use super::refusal::EnrolRefusal;
use super::wire::{EnrolRequest, Enrolled, MAX_REQUEST_BYTES};
use crate::clock::{Clock, Timestamp};
use crate::config::Approval;
use crate::contain::{Rate, Throttle};
use crate::inventory::{Device, DeviceId, DeviceStatus, KeyProtection, LiveDevice};
use crate::secret::Digest;
use crate::store::{self, DeviceError, Invitation, InvitationError, InviteCode, Registrar};

/// Lets invited devices in. Outlives reloads; call it on the control runtime.
#[derive(Debug)]
pub struct Enrolment {
    registrar: Registrar,
    authority: Arc<Authority>,
    settings: ArcSwap<EnrolSettings>,
    clock: Clock,
    throttle: Throttle,
    metrics: EnrolMetrics,
}

/// What the configuration says of the built-in authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnrolSettings {
    /// Its `name`.
    pub authority: Arc<str>,
    /// `certificate_lifetime`.
    pub certificate_lifetime: Duration,
    /// `approval`.
    pub approval: Approval,
}

impl Enrolment {
    /// Enrols devices under `authority`.
    pub fn new(
        registrar: Registrar,
        authority: Arc<Authority>,
        settings: EnrolSettings,
        clock: Clock,
        metrics: EnrolMetrics,
    ) -> Self {
        let throttle = Throttle::new(EACH, ALL, clock.now());
        Self { registrar, authority, settings: ArcSwap::from_pointee(settings), clock, throttle, metrics }
    }

    /// Takes over new settings. Invitations that name another authority than the new one open nothing.
    pub fn configure(&self, settings: EnrolSettings) {
        self.settings.store(Arc::new(settings));
    }

    /// The authority, for `sekisho ca show`.
    pub fn authority(&self) -> &Arc<Authority> {
        &self.authority
    }

    /// Reads the body of a request.
    ///
    /// # Errors
    /// [`EnrolRefusal::Malformed`].
    pub fn read(body: &[u8]) -> Result<EnrolRequest, EnrolRefusal> {
        if body.len() > MAX_REQUEST_BYTES {
            return Err(EnrolRefusal::Malformed);
        }
        // The library's own words could repeat the code.
        serde_json::from_slice(body).map_err(|_details| EnrolRefusal::Malformed)
    }

    /// Uses the code up, enters the device and signs its certificate: all of it, or nothing.
    ///
    /// A device that lost the answer may ask again with the same code and key for [`REPEAT`] after it was entered. That gives
    /// nothing to anybody else: the request is signed with the key that was entered.
    ///
    /// # Errors
    /// [`EnrolRefusal`].
    pub async fn enrol(&self, request: EnrolRequest, client: IpAddr) -> Result<Enrolled, EnrolRefusal> {
        let outcome = self.attempt(&request, client).await;
        match &outcome {
            Ok((enrolled, outcome)) => {
                self.metrics.ended(*outcome);
                let device = enrolled.device.as_str();
                tracing::info!(device, %client, status = enrolled.status.as_str(), outcome = outcome.as_str(), "device enrolled");
            }
            Err(refusal) => {
                self.metrics.ended(refusal.outcome());
                let source = std::error::Error::source(refusal).map(ToString::to_string);
                tracing::warn!(%client, reason = refusal.as_str(), source, "device not enrolled");
            }
        }
        outcome.map(|(enrolled, _)| enrolled)
    }

    async fn attempt(&self, request: &EnrolRequest, client: IpAddr) -> Result<(Enrolled, EnrolOutcome), EnrolRefusal> {
        self.throttle.take(client, self.clock.now()).map_err(|retry_after| EnrolRefusal::Throttled { retry_after })?;
        let code: InviteCode = request.code.parse().map_err(|_malformed| EnrolRefusal::CodeRefused)?;
        // The code first: checking a signature is for those who were invited.
        let done = match self.registrar.invitation(&code).await {
            Ok(invitation) => self.enter(&code, &invitation, request).await,
            Err(InvitationError::Used { device }) => self.repeat(&device, request),
            Err(refused) => Err(refused.into()),
        }?;
        self.throttle.give_back(client, self.clock.now());
        Ok(done)
    }

    async fn enter(
        &self,
        code: &InviteCode,
        invitation: &Invitation,
        request: &EnrolRequest,
    ) -> Result<(Enrolled, EnrolOutcome), EnrolRefusal> {
        let settings = self.settings.load_full();
        if invitation.invite.authority != settings.authority {
            return Err(EnrolRefusal::AuthorityGone);
        }
        let (status, outcome) = match settings.approval {
            Approval::Administrator => (DeviceStatus::Pending, EnrolOutcome::Pending),
            Approval::Code => (DeviceStatus::Active, EnrolOutcome::Active),
        };
        let mut attempts = 0;
        loop {
            attempts += 1;
            let id = self.registrar.name_for(&invitation.invite).map_err(|_none| EnrolRefusal::NoRandomness)?;
            let issued = self.sign(request, &id, settings.certificate_lifetime)?;
            let entry = store::Enrolment {
                id,
                key: Digest(issued.key_fingerprint),
                platform: request.platform(),
                key_protection: KeyProtection::Software,
                status,
            };
            match self.registrar.enrol(code, entry, &request.note()).await {
                Ok(live) => return Ok((self.answer(&live, &issued), outcome)),
                // A name that we made up was made up for another device at the same time.
                Err(InvitationError::Device(DeviceError::IdTaken { .. }))
                    if invitation.invite.device.is_none() && attempts < ATTEMPTS => {}
                Err(refused) => return Err(refused.into()),
            }
        }
    }

    /// The code is used up. If this is the device that used it, a moment ago, it did not get the answer.
    fn repeat(&self, device: &DeviceId, request: &EnrolRequest) -> Result<(Enrolled, EnrolOutcome), EnrolRefusal> {
        let now = self.clock.now();
        let live = self.registrar.inventory().device(device).ok_or(EnrolRefusal::CodeRefused)?;
        if !may_repeat(&live.device, now) {
            return Err(EnrolRefusal::CodeRefused);
        }
        // Whatever is wrong with the request, the words are those for a used code.
        let key = Authority::key_of_request(request.csr.as_bytes()).map_err(|_refused| EnrolRefusal::CodeRefused)?;
        if !live.device.keys.contains(&Digest(key)) {
            return Err(EnrolRefusal::CodeRefused);
        }
        let issued = self.sign(request, device, self.settings.load().certificate_lifetime)?;
        Ok((self.answer(&live, &issued), EnrolOutcome::Repeated))
    }

    fn sign(&self, request: &EnrolRequest, id: &DeviceId, lifetime: Duration) -> Result<Issued, EnrolRefusal> {
        let now = unix_time(self.clock.now());
        self.authority.issue(request.csr.as_bytes(), id.as_str(), lifetime, now).map_err(|refused| match refused {
            IssueError::Request(why) => EnrolRefusal::Request(why),
            IssueError::NoEntropy(_) => EnrolRefusal::NoRandomness,
            ours => EnrolRefusal::CannotSign(ours),
        })
    }

    fn answer(&self, live: &LiveDevice, issued: &Issued) -> Enrolled {
        Enrolled {
            device: live.device.id.clone(),
            status: live.device.status,
            certificate_chain: format!("{}{}", issued.certificate_pem, self.authority.certificate_pem()),
            key_fingerprint: fingerprint::for_people(&issued.key_fingerprint),
            not_after: issued.not_after.as_secs(),
        }
    }
}

fn may_repeat(device: &Device, now: Timestamp) -> bool {
    let usable = matches!(device.status, DeviceStatus::Pending | DeviceStatus::Active);
    // A clock that went back makes an age of zero: then the device is not a moment old, but unknown to be.
    usable && now >= device.enrolled_at && now.since(device.enrolled_at) < REPEAT
}

fn unix_time(at: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(at.since(Timestamp(0)))
}

/// How long after its enrolment a device may ask for the lost answer.
pub(super) const REPEAT: Duration = Duration::from_secs(10 * 60);

/// Ten at once, then one each six seconds.
const EACH: Rate = Rate { tokens: 10, refill: Duration::from_secs(6) };

/// A hundred at once, then ten a second.
const ALL: Rate = Rate { tokens: 100, refill: Duration::from_millis(100) };

/// Names made up for one device: two of 40 random bits hardly ever meet.
const ATTEMPTS: u32 = 3;
