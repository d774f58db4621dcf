//! Making the authority.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    PublicKeyData as _, SanType, SerialNumber, string::Ia5String,
};
use rustls_pki_types::UnixTime;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::device_id::{InvalidTrustDomain, SCHEME, is_trust_domain};
use super::{Authority, Created};
use crate::entropy::{self, NoEntropy, hex};
use crate::fingerprint;

/// An authority could not be made.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CreateError {
    /// The name for it is not usable.
    #[error(transparent)]
    TrustDomain(#[from] InvalidTrustDomain),
    /// No randomness.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
    /// The clock is outside what certificates can say.
    #[error("the current time cannot be written into a certificate")]
    Time,
    /// The key file that is there is not usable.
    #[error("authority key: not a P-256 private key in PKCS#8 PEM")]
    Key,
    /// The crypto library refused.
    #[error("the crypto library refused: {0}")]
    Crypto(String),
}

impl Authority {
    /// Makes a new authority: a P-256 key and its certificate, for ten years.
    ///
    /// # Errors
    /// [`CreateError`].
    pub fn create(trust_domain: &str, now: UnixTime) -> Result<Created, CreateError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|err| CreateError::Crypto(err.to_string()))?;
        let key_pem = Zeroizing::new(key.serialize_pem());
        Ok(Created { cert_pem: certify(&key, trust_domain, now)?, key_pem })
    }

    /// Makes the certificate again for a key that is there: after a crash between the two files, or after the certificate was lost.
    /// Name and key are the same as before, so devices' certificates stay good.
    pub(super) fn certificate_for(key_pem: &str, trust_domain: &str, now: UnixTime) -> Result<String, CreateError> {
        let key = KeyPair::from_pem(key_pem).map_err(|_details| CreateError::Key)?;
        if key.algorithm() != &PKCS_ECDSA_P256_SHA256 {
            return Err(CreateError::Key);
        }
        certify(&key, trust_domain, now)
    }
}

fn certify(key: &KeyPair, trust_domain: &str, now: UnixTime) -> Result<String, CreateError> {
    if !is_trust_domain(trust_domain) {
        return Err(InvalidTrustDomain.into());
    }
    let mut params = CertificateParams::default();
    params.not_before = date(now.as_secs().saturating_sub(BACKDATED.as_secs())).ok_or(CreateError::Time)?;
    params.not_after = date(now.as_secs().saturating_add(LIFETIME.as_secs())).ok_or(CreateError::Time)?;
    params.serial_number = Some(SerialNumber::from_slice(&entropy::serial()?));
    params.distinguished_name = name(trust_domain, key);
    let uri = Ia5String::try_from(format!("{SCHEME}{trust_domain}")).map_err(|_not_ascii| InvalidTrustDomain)?;
    params.subject_alt_names = vec![SanType::URI(uri)];
    // It signs devices and nothing else: no authority below it.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = params.self_signed(key).map_err(|err| CreateError::Crypto(err.to_string()))?;
    Ok(crate::pem::encode(certificate.der()))
}

/// Different for each authority, so that browsers can tell certificates of two gates apart; the same whenever the key is the same.
fn name(trust_domain: &str, key: &KeyPair) -> DistinguishedName {
    let fingerprint = fingerprint::spki(&key.subject_public_key_info());
    let short = hex(fingerprint.get(..4).unwrap_or_default());
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, trust_domain.chars().take(64).collect::<String>());
    name.push(DnType::CommonName, format!("Sekisho device authority {short}"));
    name
}

/// Seconds since the epoch as the type that certificates are written with.
pub(crate) fn date(seconds: u64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(i64::try_from(seconds).ok()?).ok()
}

/// Clocks differ: the authority is older than the first certificate's backdated beginning.
const BACKDATED: Duration = Duration::from_secs(3600);
/// Ten years.
const LIFETIME: Duration = Duration::from_secs(10 * 365 * 86_400);
