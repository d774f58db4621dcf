//! Whether a device's key is in a TPM. The device says so with its request, and shows the certificate of its TPM's endorsement key; the gate
//! answers with a secret that only that TPM can open, and only while that key is in it; the device sends the request again, with
//! the secret.
//!
//! INVARIANT (proved-or-refused): who asks for it gets a certificate whose key was proved to be in a TPM, or none.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::{CertificateDer, UnixTime};
use sekisho_certs::tpm::{Challenge, EndorsementRefusal, EndorsementTrust, PublicArea, PublicAreaRefusal};
use zeroize::Zeroizing;

use super::refusal::EnrolRefusal;
use super::wire::{TpmAnswer, TpmChallenge, TpmEvidence};
use crate::clock::Timestamp;
use crate::inventory::KeyFingerprint;
use crate::secret::{self, Digest};

/// Challenges that wait for their answers: one for each code or key that asks.
#[derive(Debug, Default)]
pub(super) struct Attestations {
    pending: Mutex<HashMap<Digest, Pending>>,
}

/// Who asks: a code, or the key whose successor this one will be; each in its own way, so that none is taken for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asker(Digest);

/// What a device has shown so far.
#[derive(Debug)]
pub(super) enum Shown {
    /// Evidence, which is good; this is asked of it now.
    Evidence(TpmChallenge),
    /// The proof; the key is in the TPM with this endorsement key.
    Proof(KeyFingerprint),
}

/// A key that was not proved to be in a TPM. The words are for the person at the device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttestationRefusal {
    /// Not base64.
    #[error("what the device sent of its TPM cannot be read")]
    Malformed,
    /// The key does not stay in its TPM, or is of another kind.
    #[error(transparent)]
    PublicArea(#[from] PublicAreaRefusal),
    /// The TPM's key is not that of the signing request.
    #[error("the key in the TPM is not the key of the signing request")]
    OtherKey,
    /// The secret is wrong.
    #[error("the answer to the gate's challenge is wrong: the key is not in the TPM whose certificate was shown")]
    WrongProof,
    /// The key was enrolled before, without a proof.
    #[error("this key was enrolled already, and was not proved then")]
    EnrolledWithout,
    /// The endorsement certificate is not taken.
    #[error(transparent)]
    Endorsement(#[from] EndorsementRefusal),
    /// The challenge is not known: answered before, replaced by a newer one, or too old.
    #[error("the gate's challenge was answered before, or is older than two minutes; run the command again")]
    Unknown,
    /// Nobody configured whom to believe.
    #[error("this gate believes no maker of TPMs (`tpm_roots`): tell your administrator, or leave `--key tpm` out")]
    Unavailable,
}

#[derive(Debug)]
struct Pending {
    ticket: Digest,
    evidence: Digest,
    secret: Zeroizing<[u8; 32]>,
    endorsement: KeyFingerprint,
    made_at: Timestamp,
}

impl Asker {
    /// Whoever has this code.
    pub(super) fn with_code(code: Digest) -> Self {
        Self(Digest::of(&[b"code ".as_slice(), &code.0].concat()))
    }

    /// Whoever has proved this key.
    pub(super) fn with_key(key: KeyFingerprint) -> Self {
        Self(Digest::of(&[b"key ".as_slice(), &key.0].concat()))
    }
}

impl Attestations {
    /// Looks at what was shown for the key of a signing request. An answer is taken once, whether it is right or wrong.
    pub(super) fn look(
        &self,
        trust: Option<&Arc<EndorsementTrust>>,
        asker: Asker,
        csr_key: [u8; 32],
        evidence: &TpmEvidence,
        now: Timestamp,
    ) -> Result<Shown, EnrolRefusal> {
        match &evidence.answer {
            None => {
                let trust = trust.ok_or(AttestationRefusal::Unavailable)?;
                self.challenge(trust, asker, csr_key, evidence, now).map(Shown::Evidence)
            }
            Some(answer) => Ok(Shown::Proof(self.proved(asker, csr_key, evidence, answer, now)?)),
        }
    }

    fn challenge(
        &self,
        trust: &EndorsementTrust,
        asker: Asker,
        csr_key: [u8; 32],
        evidence: &TpmEvidence,
        now: Timestamp,
    ) -> Result<TpmChallenge, EnrolRefusal> {
        let public = PublicArea::read(&octets(&evidence.public)?).map_err(AttestationRefusal::from)?;
        if *public.fingerprint() != csr_key {
            return Err(AttestationRefusal::OtherKey.into());
        }
        let certificate = CertificateDer::from(octets(&evidence.ek_certificate)?);
        let above = evidence.ek_chain.iter().map(|text| octets(text).map(CertificateDer::from)).collect::<Result<Vec<_>, _>>()?;
        let at = UnixTime::since_unix_epoch(now.since(Timestamp(0)));
        let endorsement = trust.verify(&certificate, &above, at).map_err(AttestationRefusal::from)?;
        let secret = Zeroizing::new(secret::bytes().map_err(|_none| EnrolRefusal::NoRandomness)?);
        let challenge = Challenge::new(&endorsement, public.name(), &secret)
            .map_err(|_refused| AttestationRefusal::Endorsement(EndorsementRefusal::Kind))?;
        let ticket = secret::token().map_err(|_none| EnrolRefusal::NoRandomness)?;
        let pending = Pending {
            ticket: Digest::of(ticket.as_bytes()),
            evidence: digest(csr_key, evidence),
            secret,
            endorsement: Digest(*endorsement.fingerprint()),
            made_at: now,
        };
        self.keep(asker, pending, now)?;
        Ok(TpmChallenge { blob: STANDARD.encode(challenge.blob), secret: STANDARD.encode(challenge.secret), ticket })
    }

    /// A newer challenge takes the place of an older one of the same asker, so that nobody has more than one. When the shelf is full,
    /// nothing of anybody else's is thrown away.
    fn keep(&self, asker: Asker, pending: Pending, now: Timestamp) -> Result<(), EnrolRefusal> {
        let mut all = self.pending();
        all.remove(&asker.0);
        if all.len() >= MOST {
            all.retain(|_, pending| pending.is_good(now));
        }
        if all.len() >= MOST {
            return Err(EnrolRefusal::Throttled { retry_after: LIFETIME });
        }
        all.insert(asker.0, pending);
        Ok(())
    }

    fn proved(
        &self,
        asker: Asker,
        csr_key: [u8; 32],
        evidence: &TpmEvidence,
        answer: &TpmAnswer,
        now: Timestamp,
    ) -> Result<KeyFingerprint, AttestationRefusal> {
        let pending = self.take(asker, Digest::of(answer.ticket.as_bytes())).ok_or(AttestationRefusal::Unknown)?;
        if !pending.is_good(now) {
            return Err(AttestationRefusal::Unknown);
        }
        // What was judged has to be what is answered for: the same key, in the same words.
        if pending.evidence != digest(csr_key, evidence) {
            return Err(AttestationRefusal::OtherKey);
        }
        let proof = Zeroizing::new(octets(&answer.proof)?);
        if secret::same(&proof, &*pending.secret) { Ok(pending.endorsement) } else { Err(AttestationRefusal::WrongProof) }
    }

    fn take(&self, asker: Asker, ticket: Digest) -> Option<Pending> {
        let mut all = self.pending();
        if all.get(&asker.0)?.ticket != ticket {
            return None;
        }
        all.remove(&asker.0)
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<Digest, Pending>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    /// A clock that was set back makes nothing live longer.
    fn is_good(&self, now: Timestamp) -> bool {
        now >= self.made_at && now.since(self.made_at) < LIFETIME
    }
}

fn octets(text: &str) -> Result<Vec<u8>, AttestationRefusal> {
    STANDARD.decode(text).map_err(|_details| AttestationRefusal::Malformed)
}

/// Of all that a challenge is made for. Each part goes in as its own digest, so that no two together can be read in another way.
fn digest(csr_key: [u8; 32], evidence: &TpmEvidence) -> Digest {
    let [public, certificate] = [&evidence.public, &evidence.ek_certificate].map(|part| Digest::of(part.as_bytes()).0);
    Digest::of(&[csr_key, public, certificate].concat())
}

/// For a TPM to open a secret, and for a person to type its password.
pub(super) const LIFETIME: Duration = Duration::from_secs(120);

/// Of all askers together: each has a code or a certificate, and a TPM. About 200 bytes each.
pub(super) const MOST: usize = 4096;
