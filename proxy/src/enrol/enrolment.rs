//! The gate's half of enrolment.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls_pki_types::UnixTime;
use sekisho_certs::authority::{Authority, IssueError, Issued};
use sekisho_certs::fingerprint;
use sekisho_certs::tpm::EndorsementTrust;

use super::attestation::{Asker, AttestationRefusal, Attestations, Shown};
use super::metrics::{EnrolMetrics, EnrolOutcome};
use super::refusal::EnrolRefusal;
use super::wire::{EnrolReply, EnrolRequest, Enrolled, MAX_REQUEST_BYTES};
use crate::clock::{Clock, Timestamp};
use crate::config::Approval;
use crate::contain::{Pace, Rate, Throttle, Turns};
use crate::inventory::{Device, DeviceId, DeviceStatus, KeyFingerprint, LiveDevice};
use crate::secret::Digest;
use crate::store::{self, DeviceError, Invitation, InvitationError, InviteCode, Registrar, ShownAgain};

/// Lets invited devices in. Outlives reloads; call it on the control runtime.
#[derive(Debug)]
pub struct Enrolment {
    pub(super) registrar: Registrar,
    authority: Arc<Authority>,
    pub(super) settings: ArcSwap<EnrolSettings>,
    pub(super) clock: Clock,
    throttle: Throttle,
    turns: Turns,
    pub(super) pace: Pace<DeviceId>,
    pub(super) attestations: Attestations,
    pub(super) metrics: EnrolMetrics,
}

/// What the configuration says of the built-in authority.
#[derive(Clone, Debug)]
pub struct EnrolSettings {
    /// Its `name`.
    pub authority: Arc<str>,
    /// `certificate_lifetime`.
    pub certificate_lifetime: Duration,
    /// `approval`.
    pub approval: Approval,
    /// `renewal_grace`.
    pub renewal_grace: Duration,
    /// `renewal_overlap`.
    pub renewal_overlap: Duration,
    /// `tpm_roots`: who is believed that a key is in a TPM.
    pub tpm: Option<Arc<EndorsementTrust>>,
}

/// A request whose turn it is.
#[derive(Debug)]
pub struct Admitted {
    request: EnrolRequest,
    code: InviteCode,
    client: IpAddr,
}

/// Why a device was not entered with a code that could be redeemed a moment ago.
enum Unentered {
    Invitation(InvitationError),
    Refused(EnrolRefusal),
}

impl From<EnrolRefusal> for Unentered {
    fn from(refusal: EnrolRefusal) -> Self {
        Self::Refused(refusal)
    }
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
        let (throttle, turns) = (Throttle::new(EACH), Turns::new(PACE, WAIT));
        let (settings, pace) = (ArcSwap::from_pointee(settings), Pace::new(RENEWALS, HOUR));
        let attestations = Attestations::default();
        Self { registrar, authority, settings, clock, throttle, turns, pace, attestations, metrics }
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

    /// Waits for the turn of whoever sent this from `client`. Holds no place on the control runtime, as anybody can send anything.
    ///
    /// # Errors
    /// [`EnrolRefusal::Throttled`], [`EnrolRefusal::CodeRefused`].
    pub async fn admit(&self, request: EnrolRequest, client: IpAddr) -> Result<Admitted, EnrolRefusal> {
        let admitted = self.try_admit(request, client).await;
        admitted.inspect_err(|refusal| self.refused(refusal, client))
    }

    /// Uses the code up, enters the device and signs its certificate: all of it, or nothing. A key that is said to be in a TPM has to be
    /// proved first: then the first request is answered with a challenge. To be called on the control runtime.
    ///
    /// A device that lost the answer may ask again with the same code and key for [`REPEAT`] after it was entered. That gives
    /// nothing to anybody else: the request is signed with the key that was entered.
    ///
    /// # Errors
    /// [`EnrolRefusal`].
    pub async fn enrol(&self, admitted: Admitted) -> Result<EnrolReply, EnrolRefusal> {
        let client = admitted.client;
        match self.attempt(&admitted).await {
            Ok((reply, outcome)) => {
                self.metrics.ended(outcome);
                if let EnrolReply::Enrolled(Enrolled { device, status, key_in_tpm, .. }) = &reply {
                    let (device, status, outcome) = (device.as_str(), status.as_str(), outcome.as_str());
                    tracing::info!(device, %client, status, key_in_tpm, outcome, "device enrolled");
                }
                Ok(reply)
            }
            Err(refusal) => {
                self.refused(&refusal, client);
                Err(refusal)
            }
        }
    }

    /// Counts a request that was refused, and logs it.
    pub fn refused(&self, refusal: &EnrolRefusal, client: IpAddr) {
        self.metrics.ended(refusal.outcome());
        let source = std::error::Error::source(refusal).map(ToString::to_string);
        tracing::warn!(%client, reason = refusal.as_str(), source, "device not enrolled");
    }

    /// What is no code costs its sender an attempt, and nobody else anything.
    async fn try_admit(&self, request: EnrolRequest, client: IpAddr) -> Result<Admitted, EnrolRefusal> {
        self.throttle.take(client, self.clock.now()).map_err(|retry_after| EnrolRefusal::Throttled { retry_after })?;
        let code = request.code.as_deref().ok_or(EnrolRefusal::Malformed)?;
        let code: InviteCode = code.parse().map_err(|_malformed| EnrolRefusal::CodeRefused)?;
        self.turns.wait(client).await.map_err(|_busy| EnrolRefusal::Throttled { retry_after: Duration::from_secs(1) })?;
        Ok(Admitted { request, code, client })
    }

    async fn attempt(&self, admitted: &Admitted) -> Result<(EnrolReply, EnrolOutcome), EnrolRefusal> {
        let Admitted { request, code, client } = admitted;
        // The code first: checking a signature is for those who were invited.
        let entered = match self.registrar.invitation(code).await {
            Ok(invitation) => self.enter(code, &invitation, request).await,
            Err(refused) => Err(Unentered::Invitation(refused)),
        };
        let done = match entered {
            Ok(done) => done,
            // Perhaps at the same moment: of two who show it, one was first.
            Err(Unentered::Invitation(InvitationError::Used { device })) => self.repeat(&device, admitted).await?,
            Err(Unentered::Invitation(refused)) => return Err(refused.into()),
            Err(Unentered::Refused(refused)) => return Err(refused),
        };
        self.throttle.give_back(*client, self.clock.now());
        Ok(done)
    }

    async fn enter(
        &self,
        code: &InviteCode,
        invitation: &Invitation,
        request: &EnrolRequest,
    ) -> Result<(EnrolReply, EnrolOutcome), Unentered> {
        let settings = self.settings.load_full();
        if invitation.invite.authority != settings.authority {
            return Err(EnrolRefusal::AuthorityGone.into());
        }
        let tpm = match self.shown(request, Asker::with_code(code.digest()), &settings)? {
            Some(Shown::Evidence(challenge)) => return Ok((EnrolReply::Challenge(challenge), EnrolOutcome::Challenged)),
            Some(Shown::Proof(endorsement)) => Some(endorsement),
            None => None,
        };
        let (status, outcome) = match settings.approval {
            Approval::Administrator => (DeviceStatus::Pending, EnrolOutcome::Pending),
            Approval::Code => (DeviceStatus::Active, EnrolOutcome::Active),
        };
        let mut attempts = 0;
        loop {
            attempts += 1;
            let id = self.registrar.name_for(&invitation.invite).map_err(|_none| EnrolRefusal::NoRandomness)?;
            let issued = self.sign(request, &id, settings.certificate_lifetime)?;
            let entry = store::Enrolment { id, key: Digest(issued.key_fingerprint), platform: request.platform(), tpm, status };
            match self.registrar.enrol(code, entry, &request.note()).await {
                Ok(live) => return Ok((self.answer(&live, &issued, tpm.is_some()), outcome)),
                // A name that we made up was made up for another device at the same time.
                Err(InvitationError::Device(DeviceError::IdTaken { .. }))
                    if invitation.invite.device.is_none() && attempts < ATTEMPTS => {}
                Err(refused) => return Err(Unentered::Invitation(refused)),
            }
        }
    }

    /// The code is used up. If this is the device that used it, a moment ago, it did not get the answer. If it is another key, one of
    /// the two intercepted the code.
    async fn repeat(&self, device: &DeviceId, admitted: &Admitted) -> Result<(EnrolReply, EnrolOutcome), EnrolRefusal> {
        let Admitted { request, code, client } = admitted;
        // Whatever is wrong with the request, the words are those for a used code.
        let key = Authority::key_of_request(request.csr.as_bytes()).map_err(|_refused| EnrolRefusal::CodeRefused)?;
        // It was entered this very moment if the live state does not know it yet. The store does.
        let Some(live) = self.registrar.inventory().device(device) else {
            return Err(self.shown_again(code, Digest(key), *client).await);
        };
        if !live.device.keys.contains(&Digest(key)) {
            return Err(self.shown_again(code, Digest(key), *client).await);
        }
        if !may_repeat(&live.device, self.clock.now()) {
            return Err(EnrolRefusal::CodeRefused);
        }
        let in_tpm = self.proved_before(request, device, Digest(key)).await?;
        let issued = self.sign(request, device, self.settings.load().certificate_lifetime)?;
        Ok((self.answer(&live, &issued, in_tpm), EnrolOutcome::Repeated))
    }

    /// What was shown of the request's key if it is said to be in a TPM.
    pub(super) fn shown(
        &self,
        request: &EnrolRequest,
        asker: Asker,
        settings: &EnrolSettings,
    ) -> Result<Option<Shown>, EnrolRefusal> {
        let Some(evidence) = &request.tpm else { return Ok(None) };
        let key = Authority::key_of_request(request.csr.as_bytes())?;
        self.attestations.look(settings.tpm.as_ref(), asker, key, evidence, self.clock.now()).map(Some)
    }

    /// Whether a key that a device has was proved to be in a TPM.
    ///
    /// # Errors
    /// [`AttestationRefusal::EnrolledWithout`] if it was not, and the request asks for it.
    pub(super) async fn proved_before(
        &self,
        request: &EnrolRequest,
        device: &DeviceId,
        key: KeyFingerprint,
    ) -> Result<bool, EnrolRefusal> {
        let proved = self.registrar.attestations(device).await.map_err(EnrolRefusal::Unavailable)?;
        let proved = proved.iter().any(|attestation| attestation.key == key);
        if request.tpm.is_some() && !proved { Err(AttestationRefusal::EnrolledWithout.into()) } else { Ok(proved) }
    }

    async fn shown_again(&self, code: &InviteCode, key: KeyFingerprint, client: IpAddr) -> EnrolRefusal {
        match self.registrar.code_shown_again(code, key, client).await {
            Ok(Some(ShownAgain { device, status })) => {
                let status = status.as_str();
                tracing::warn!(%device, %client, %key, status, "a used enrolment code was shown again: its device is stopped");
                EnrolRefusal::CodeShownAgain
            }
            Ok(None) => EnrolRefusal::CodeRefused,
            Err(error) => EnrolRefusal::Unavailable(error),
        }
    }

    pub(super) fn sign(&self, request: &EnrolRequest, id: &DeviceId, lifetime: Duration) -> Result<Issued, EnrolRefusal> {
        let now = unix_time(self.clock.now());
        self.authority.issue(request.csr.as_bytes(), id.as_str(), lifetime, now).map_err(|refused| match refused {
            IssueError::Request(why) => EnrolRefusal::Request(why),
            IssueError::NoEntropy(_) => EnrolRefusal::NoRandomness,
            ours => EnrolRefusal::CannotSign(ours),
        })
    }

    pub(super) fn answer(&self, live: &LiveDevice, issued: &Issued, key_in_tpm: bool) -> EnrolReply {
        EnrolReply::Enrolled(Enrolled {
            device: live.device.id.clone(),
            status: live.device.status,
            certificate_chain: format!("{}{}", issued.certificate_pem, self.authority.certificate_pem()),
            key_fingerprint: fingerprint::for_people(&issued.key_fingerprint),
            not_after: issued.not_after.as_secs(),
            key_in_tpm,
        })
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

/// Between two codes that are looked up, whoever sent them.
const PACE: Duration = Duration::from_millis(5);

/// For the turn to come.
const WAIT: Duration = Duration::from_secs(10);

/// Each costs a signature and a write, and few are needed …
const RENEWALS: usize = 6;
/// … within so long.
const HOUR: Duration = Duration::from_secs(3600);

/// Names made up for one device: two of 40 random bits hardly ever meet.
const ATTEMPTS: u32 = 3;
