//! Which proofs of a key in a TPM are taken: each one that is not differs from one that is in one thing.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls_pki_types::CertificateDer;
use sekisho_certs::key::DeviceKey;
use sekisho_certs::tpm::EndorsementTrust;

use self::soft::SoftTpm;
use super::attestation::LIFETIME;
use super::tests::{Bench, request, settings};
use super::*;
use crate::config::Approval;
use crate::identify_device::Renewable;
use crate::inventory::{DeviceId, KeyProtection};
use crate::secret::Digest;
use crate::store::InviteCode;

#[path = "../../../certs/src/tpm/soft.rs"]
mod soft;

/// Somebody who makes TPMs.
struct Maker {
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
}

impl Maker {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().clone();
        Self { issuer: Issuer::new(params, key), der }
    }
}

/// A laptop: its TPM, the key in it, and what the maker says.
struct Laptop {
    tpm: SoftTpm,
    key: DeviceKey,
    public: Vec<u8>,
    certificate: CertificateDer<'static>,
}

impl Laptop {
    fn new(maker: &Maker) -> Self {
        let tpm = SoftTpm::new();
        let certificate = tpm.certificate(&maker.issuer);
        let key = DeviceKey::generate().unwrap();
        Self { public: soft::public_area(&key.spki()), tpm, key, certificate }
    }

    /// The same laptop with its next key.
    fn next(self) -> Self {
        let key = DeviceKey::generate().unwrap();
        Self { public: soft::public_area(&key.spki()), key, ..self }
    }

    fn evidence(&self) -> TpmEvidence {
        TpmEvidence {
            ek_certificate: STANDARD.encode(&self.certificate),
            ek_chain: Vec::new(),
            public: STANDARD.encode(&self.public),
            answer: None,
        }
    }

    fn request(&self, code: Option<&InviteCode>) -> EnrolRequest {
        let mut request = request("", &self.key.csr_pem("x").unwrap());
        request.code = code.map(|code| code.expose().expose().clone());
        request.tpm = Some(self.evidence());
        request
    }

    fn open(&self, challenge: &TpmChallenge) -> Option<TpmAnswer> {
        let [blob, secret] = [&challenge.blob, &challenge.secret].map(|text| STANDARD.decode(text).unwrap());
        let proof = STANDARD.encode(self.tpm.activate(&self.public, &blob, &secret)?);
        Some(TpmAnswer { ticket: challenge.ticket.clone(), proof })
    }

    fn answered(&self, code: Option<&InviteCode>, answer: TpmAnswer) -> EnrolRequest {
        let mut request = self.request(code);
        let mut evidence = self.evidence();
        evidence.answer = Some(answer);
        request.tpm = Some(evidence);
        request
    }
}

async fn bench(makers: &[&Maker]) -> Bench {
    let bench = Bench::new(Approval::Code).await;
    let makers: Vec<_> = makers.iter().map(|maker| maker.der.clone()).collect();
    let tpm = EndorsementTrust::new(&makers).ok().map(Arc::new);
    bench.enrolment.configure(EnrolSettings { tpm, ..settings(Approval::Code) });
    bench
}

fn challenge(reply: EnrolReply) -> TpmChallenge {
    let EnrolReply::Challenge(challenge) = reply else { panic!("{reply:?}") };
    challenge
}

async fn challenged(bench: &Bench, laptop: &Laptop, code: &InviteCode) -> TpmChallenge {
    challenge(bench.reply(laptop.request(Some(code))).await.unwrap())
}

async fn word(bench: &Bench, request: EnrolRequest) -> &'static str {
    bench.reply(request).await.unwrap_err().as_str()
}

async fn enrolled(bench: &Bench, laptop: &Laptop, id: &str) -> Enrolled {
    let code = bench.invite(Some(id)).await;
    let answer = laptop.open(&challenged(bench, laptop, &code).await).unwrap();
    bench.ask(laptop.answered(Some(&code), answer)).await.unwrap()
}

fn protection(bench: &Bench, device: &DeviceId) -> KeyProtection {
    bench.registrar.inventory().device(device).unwrap().device.key_protection
}

#[tokio::test]
async fn a_key_that_is_proved_to_be_in_a_tpm_is_said_to_be() {
    let maker = Maker::new();
    let (bench, laptop) = (bench(&[&maker]).await, Laptop::new(&maker));
    let code = bench.invite(Some("lap-7")).await;
    let first = challenged(&bench, &laptop, &code).await;
    assert!(bench.registrar.inventory().device(&"lap-7".parse().unwrap()).is_none(), "nothing happens before the proof");
    let enrolled = bench.ask(laptop.answered(Some(&code), laptop.open(&first).unwrap())).await.unwrap();
    assert!(enrolled.key_in_tpm);
    assert_eq!(protection(&bench, &enrolled.device), KeyProtection::Tpm);
    let attestations = bench.registrar.attestations(&enrolled.device).await.unwrap();
    let [proved] = attestations.as_slice() else { panic!("{attestations:?}") };
    assert_eq!((proved.key, proved.also.len()), (Digest(laptop.key.fingerprint()), 0));
    assert_eq!(proved.endorsement, Digest::of(&laptop.tpm.spki()));
    let history = bench.registrar.device_history(&enrolled.device, 1).await.unwrap();
    assert!(history[0].why.contains(&format!("its key is in the TPM {}", proved.endorsement.short())), "{}", history[0].why);
    assert_eq!([EnrolOutcome::Challenged, EnrolOutcome::Active].map(|outcome| bench.counted(outcome)), [1, 1]);

    // The answer was lost: the same again, with the answer or without.
    let again = bench.ask(laptop.request(Some(&code))).await.unwrap();
    assert!(again.key_in_tpm && again.device == enrolled.device);
}

#[tokio::test]
async fn without_evidence_a_key_is_one_in_a_file() {
    let maker = Maker::new();
    let (bench, laptop) = (bench(&[&maker]).await, Laptop::new(&maker));
    let code = bench.invite(Some("lap-7")).await;
    let mut request = laptop.request(Some(&code));
    request.tpm = None;
    let enrolled = bench.ask(request).await.unwrap();
    assert!(!enrolled.key_in_tpm);
    assert_eq!(protection(&bench, &enrolled.device), KeyProtection::Software);
    assert_eq!(word(&bench, laptop.request(Some(&code))).await, "enrol_attestation_refused", "it is not said to be in one later");
}

#[tokio::test]
async fn who_cannot_be_believed_is_refused_and_the_code_is_good_for_another_try() {
    let (maker, other) = (Maker::new(), Maker::new());
    let (bench, laptop) = (bench(&[&maker]).await, Laptop::new(&maker));
    let code = bench.invite(Some("lap-7")).await;
    let refused = |change: fn(&Laptop, &mut TpmEvidence)| {
        let mut request = laptop.request(Some(&code));
        let mut evidence = laptop.evidence();
        change(&laptop, &mut evidence);
        request.tpm = Some(evidence);
        word(&bench, request)
    };
    assert_eq!(refused(|_, evidence| evidence.public = "!".to_owned()).await, "enrol_attestation_refused");
    assert_eq!(refused(|_, evidence| evidence.ek_certificate = "!".to_owned()).await, "enrol_attestation_refused");
    assert_eq!(refused(|_, evidence| evidence.ek_certificate = "AAAA".to_owned()).await, "enrol_endorsement_untrusted");
    let another_key = |_: &Laptop, evidence: &mut TpmEvidence| {
        let other = DeviceKey::generate().unwrap();
        evidence.public = STANDARD.encode(soft::public_area(&other.spki()));
    };
    assert_eq!(refused(another_key).await, "enrol_attestation_refused");
    let exportable = |laptop: &Laptop, evidence: &mut TpmEvidence| {
        let mut public = laptop.public.clone();
        public[7] &= !2;
        evidence.public = STANDARD.encode(public);
    };
    assert_eq!(refused(exportable).await, "enrol_attestation_refused");
    let elsewhere = Laptop { certificate: laptop.tpm.certificate(&other.issuer), ..Laptop::new(&maker) };
    assert_eq!(word(&bench, elsewhere.request(Some(&code))).await, "enrol_endorsement_untrusted");
    assert_eq!(bench.counted(EnrolOutcome::AttestationRefused), 6);

    let answer = laptop.open(&challenged(&bench, &laptop, &code).await).unwrap();
    assert!(bench.ask(laptop.answered(Some(&code), answer)).await.unwrap().key_in_tpm);
}

#[tokio::test]
async fn a_key_in_a_file_with_somebodys_tpm_opens_nothing() {
    let maker = Maker::new();
    let bench = bench(&[&maker]).await;
    let (mine, theirs) = (Laptop::new(&maker), Laptop::new(&maker));
    let code = bench.invite(Some("lap-7")).await;
    // The certificate of another TPM, which can be read by anybody who has the laptop in their hands.
    let thief = Laptop { certificate: theirs.certificate.clone(), ..mine };
    let asked = challenged(&bench, &thief, &code).await;
    assert!(thief.open(&asked).is_none());
    // That TPM opens challenges for keys that are in it, and this one is not.
    assert!(theirs.open(&asked).is_none());
    let guess = TpmAnswer { ticket: asked.ticket, proof: STANDARD.encode([0; 32]) };
    assert_eq!(word(&bench, thief.answered(Some(&code), guess)).await, "enrol_attestation_refused");
    assert!(bench.registrar.inventory().device(&"lap-7".parse().unwrap()).is_none());
}

#[tokio::test]
async fn a_challenge_is_answered_once_and_in_time() {
    let maker = Maker::new();
    let (bench, laptop) = (bench(&[&maker]).await, Laptop::new(&maker));
    let code = bench.invite(Some("lap-7")).await;
    let unknown = "enrol_attestation_unknown";

    let first = challenged(&bench, &laptop, &code).await;
    let right = laptop.open(&first).unwrap();
    let wrong = TpmAnswer { proof: STANDARD.encode([0; 32]), ticket: right.ticket.clone() };
    assert_eq!(word(&bench, laptop.answered(Some(&code), wrong)).await, "enrol_attestation_refused");
    assert_eq!(word(&bench, laptop.answered(Some(&code), right)).await, unknown, "a wrong answer was one");

    let late = laptop.open(&challenged(&bench, &laptop, &code).await).unwrap();
    bench.clock.advance(LIFETIME);
    assert_eq!(word(&bench, laptop.answered(Some(&code), late)).await, unknown);

    let replaced = laptop.open(&challenged(&bench, &laptop, &code).await).unwrap();
    let good = laptop.open(&challenged(&bench, &laptop, &code).await).unwrap();
    assert_eq!(word(&bench, laptop.answered(Some(&code), replaced)).await, unknown);
    bench.clock.advance(LIFETIME - Duration::from_secs(1));
    assert!(bench.ask(laptop.answered(Some(&code), good)).await.unwrap().key_in_tpm);
}

#[tokio::test]
async fn an_answer_is_for_the_key_and_the_code_that_it_was_made_for() {
    let maker = Maker::new();
    let bench = bench(&[&maker]).await;
    let (mine, theirs) = (Laptop::new(&maker), Laptop::new(&maker));
    let (code, other) = (bench.invite(Some("lap-7")).await, bench.invite(Some("lap-8")).await);
    let answer = mine.open(&challenged(&bench, &mine, &code).await).unwrap();
    assert_eq!(word(&bench, mine.answered(Some(&other), answer.clone())).await, "enrol_attestation_unknown");
    // Somebody else's key with my proof.
    let swapped = theirs.answered(Some(&code), answer);
    assert_eq!(word(&bench, swapped).await, "enrol_attestation_refused");
}

#[tokio::test]
async fn without_makers_who_are_believed_nobody_is() {
    let maker = Maker::new();
    let (bench, laptop) = (bench(&[]).await, Laptop::new(&maker));
    let code = bench.invite(Some("lap-7")).await;
    assert_eq!(word(&bench, laptop.request(Some(&code))).await, "enrol_attestation_unavailable");
    assert!(bench.registrar.inventory().device(&"lap-7".parse().unwrap()).is_none());
}

#[tokio::test]
async fn one_tpm_with_two_names_is_told() {
    let maker = Maker::new();
    let (bench, laptop) = (bench(&[&maker]).await, Laptop::new(&maker));
    let one = enrolled(&bench, &laptop, "lap-7").await.device;
    let laptop = laptop.next();
    let two = enrolled(&bench, &laptop, "lap-8").await.device;
    let proved = bench.registrar.attestations(&two).await.unwrap();
    assert_eq!(proved[0].also, [one]);
    let history = bench.registrar.device_history(&two, 1).await.unwrap();
    assert!(history[0].why.ends_with("which is that of `lap-7` too"), "{}", history[0].why);
}

async fn renew(bench: &Bench, device: &DeviceId, old: &DeviceKey, request: EnrolRequest) -> Result<EnrolReply, RenewRefusal> {
    let from: IpAddr = "192.0.2.7".parse().unwrap();
    let renewable = Renewable { device: device.clone(), authority: "house".into(), key: Digest(old.fingerprint()) };
    bench.enrolment.renew(request, renewable, from).await
}

#[tokio::test]
async fn a_renewed_key_is_in_the_tpm_only_if_that_was_proved_again() {
    let maker = Maker::new();
    let (bench, laptop) = (bench(&[&maker]).await, Laptop::new(&maker));
    let device = enrolled(&bench, &laptop, "lap-7").await.device;
    let old = DeviceKey::from_pem(&laptop.key.key_pem()).unwrap();
    let laptop = laptop.next();
    let asked = challenge(renew(&bench, &device, &old, laptop.request(None)).await.unwrap());
    let answer = laptop.open(&asked).unwrap();
    let renewed = renew(&bench, &device, &old, laptop.answered(None, answer)).await.unwrap();
    assert!(matches!(&renewed, EnrolReply::Enrolled(Enrolled { key_in_tpm: true, .. })), "{renewed:?}");
    assert_eq!(protection(&bench, &device), KeyProtection::Tpm);

    // The next one is in a file.
    let old = DeviceKey::from_pem(&laptop.key.key_pem()).unwrap();
    let laptop = laptop.next();
    let mut plain = laptop.request(None);
    plain.tpm = None;
    renew(&bench, &device, &old, plain).await.unwrap();
    assert_eq!(protection(&bench, &device), KeyProtection::Software, "the weaker one counts");
    let refused = renew(&bench, &device, &old, laptop.request(None)).await;
    let challenge_first = challenge(refused.unwrap());
    let answer = laptop.open(&challenge_first).unwrap();
    let refused = renew(&bench, &device, &old, laptop.answered(None, answer)).await.unwrap_err();
    let RenewRefusal::Enrol(refused) = refused else { panic!("{refused}") };
    assert_eq!(refused.as_str(), "enrol_attestation_refused", "it was renewed without");

    // And the one after that is not, but the one in the file is good for a while longer.
    let old = DeviceKey::from_pem(&laptop.key.key_pem()).unwrap();
    let laptop = laptop.next();
    let asked = challenge(renew(&bench, &device, &old, laptop.request(None)).await.unwrap());
    let answer = laptop.open(&asked).unwrap();
    renew(&bench, &device, &old, laptop.answered(None, answer)).await.unwrap();
    assert_eq!(protection(&bench, &device), KeyProtection::Software);
    bench.clock.advance(settings(Approval::Code).renewal_overlap);
    bench.registrar.let_keys_leave().await.unwrap();
    assert_eq!(protection(&bench, &device), KeyProtection::Tpm, "it has left");
}

#[tokio::test]
async fn a_renewal_that_is_not_proved_changes_nothing() {
    let maker = Maker::new();
    let (bench, laptop) = (bench(&[&maker]).await, Laptop::new(&maker));
    let device = enrolled(&bench, &laptop, "lap-7").await.device;
    let old = DeviceKey::from_pem(&laptop.key.key_pem()).unwrap();
    let laptop = laptop.next();
    let asked = challenge(renew(&bench, &device, &old, laptop.request(None)).await.unwrap());
    let guess = TpmAnswer { ticket: asked.ticket, proof: STANDARD.encode([0; 32]) };
    let refused = renew(&bench, &device, &old, laptop.answered(None, guess)).await.unwrap_err();
    let RenewRefusal::Enrol(refused) = refused else { panic!("{refused}") };
    assert_eq!(refused.as_str(), "enrol_attestation_refused");
    let live = bench.registrar.inventory().device(&device).unwrap();
    assert_eq!(
        (live.device.keys.as_slice(), live.device.key_protection),
        ([Digest(old.fingerprint())].as_slice(), KeyProtection::Tpm)
    );
}
