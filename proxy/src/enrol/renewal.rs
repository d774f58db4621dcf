//! The gate's half of renewal: a device that proved its key gets a certificate for another one.

use std::net::IpAddr;
use std::time::Duration;

use sekisho_certs::authority::Authority;

use super::attestation::{Asker, Shown};
use super::enrolment::Enrolment;
use super::metrics::EnrolOutcome;
use super::refusal::{EnrolRefusal, RenewRefusal};
use super::wire::{EnrolReply, EnrolRequest, Enrolled};
use crate::identify_device::{DeviceRefusal, Renewable};
use crate::inventory::{DeviceId, DeviceStatus};
use crate::secret::Digest;
use crate::store::{DeviceError, Renewal, RenewalError, Renewed};

impl Enrolment {
    /// For how long after its end a certificate may be renewed.
    pub fn renewal_grace(&self) -> Duration {
        self.settings.load().renewal_grace
    }

    /// Makes the key of the request the device's newest, and signs a certificate for it. To be called on the control runtime.
    ///
    /// A new key that is said to be in a TPM has to be proved first, as at enrolment; otherwise it is one in a file.
    ///
    /// A device that lost the answer may ask again with the same keys. Who asks with a second new key has the device isolated.
    ///
    /// # Errors
    /// [`RenewRefusal`].
    pub async fn renew(&self, request: EnrolRequest, renewable: Renewable, client: IpAddr) -> Result<EnrolReply, RenewRefusal> {
        let device = renewable.device.clone();
        match self.attempt_renewal(&request, renewable, client).await {
            Ok((reply, outcome)) => {
                self.metrics.ended(outcome);
                if let EnrolReply::Enrolled(Enrolled { key_in_tpm, .. }) = &reply {
                    tracing::info!(%device, %client, key_in_tpm, outcome = outcome.as_str(), "certificate renewed");
                }
                Ok(reply)
            }
            Err(RenewRefusal::Enrol(refusal)) => {
                if let EnrolRefusal::CertificateCopied(_) = refusal {
                    tracing::warn!(%device, %client, "a key was renewed twice, with different new keys: its device is isolated");
                }
                self.refused(&refusal, client);
                Err(refusal.into())
            }
            Err(RenewRefusal::Device(refusal)) => Err(self.not_renewable(refusal, client).into()),
        }
    }

    /// Counts a device that may not ask.
    pub fn not_renewable(&self, refusal: DeviceRefusal, client: IpAddr) -> DeviceRefusal {
        self.metrics.ended(EnrolOutcome::NotRenewable);
        tracing::warn!(%client, why = %refusal, "certificate not renewed");
        refusal
    }

    async fn attempt_renewal(
        &self,
        request: &EnrolRequest,
        renewable: Renewable,
        client: IpAddr,
    ) -> Result<(EnrolReply, EnrolOutcome), RenewRefusal> {
        let settings = self.settings.load_full();
        let Renewable { device, authority, key } = renewable;
        if authority != settings.authority {
            return Err(EnrolRefusal::OtherAuthority(authority).into());
        }
        let successor = Authority::key_of_request(request.csr.as_bytes()).map_err(EnrolRefusal::Request)?;
        let shown = self.shown(request, Asker::with_key(key), &settings);
        let tpm = match &shown {
            Ok(Some(Shown::Proof(endorsement))) => Some(*endorsement),
            _ => None,
        };
        let renewal = Renewal {
            device: device.clone(),
            authority,
            key,
            successor: Digest(successor),
            tpm,
            overlap: settings.renewal_overlap,
            from: client,
        };
        // A proof was counted when its challenge was made.
        if tpm.is_none()
            && let Err(retry_after) = self.pace.take(&device, self.clock.now())
        {
            // Whoever has a copy does not keep its person from being heard by asking often.
            return match self.registrar.isolate_if_copied(renewal).await {
                Ok(true) => Err(EnrolRefusal::CertificateCopied(device).into()),
                Ok(false) => Err(EnrolRefusal::Throttled { retry_after }.into()),
                Err(refused) => Err(refusal(refused, device)),
            };
        }
        if let Some(Shown::Evidence(challenge)) = shown? {
            return Ok((EnrolReply::Challenge(challenge), EnrolOutcome::Challenged));
        }
        // Signed first, as for a device that is new: nothing is entered that cannot be answered.
        let issued = self.sign(request, &device, settings.certificate_lifetime)?;
        match self.registrar.renew_key(renewal).await {
            Ok(Renewed::First(live)) => Ok((self.answer(&live, &issued, tpm.is_some()), EnrolOutcome::Renewed)),
            Ok(Renewed::Again(live)) => {
                let in_tpm = self.proved_before(request, &device, Digest(issued.key_fingerprint)).await?;
                Ok((self.answer(&live, &issued, in_tpm), EnrolOutcome::RenewedAgain))
            }
            Ok(Renewed::Copied) => Err(EnrolRefusal::CertificateCopied(device).into()),
            Err(refused) => Err(refusal(refused, device)),
        }
    }
}

fn refusal(error: RenewalError, id: DeviceId) -> RenewRefusal {
    match error {
        RenewalError::NotInUse(DeviceStatus::Pending) => DeviceRefusal::Pending(id).into(),
        RenewalError::NotInUse(DeviceStatus::Retired) => DeviceRefusal::Retired(id).into(),
        RenewalError::NotInUse(DeviceStatus::Quarantined | DeviceStatus::Active) => DeviceRefusal::Quarantined(id).into(),
        RenewalError::OwnerSuspended => EnrolRefusal::OwnerSuspended.into(),
        RenewalError::OtherKey => DeviceRefusal::OtherKey(id).into(),
        RenewalError::KeyTaken => EnrolRefusal::KeyTaken.into(),
        RenewalError::Store(error) | RenewalError::Device(DeviceError::Store(error)) => EnrolRefusal::Unavailable(error).into(),
        // Renewing asks for no other.
        RenewalError::Device(_) => DeviceRefusal::Unlisted(id).into(),
    }
}
