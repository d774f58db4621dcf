//! What device and gate say to each other: one JSON object each way, over TLS that the device has pinned.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::inventory::{DeviceId, DeviceStatus, Platform};

/// What a device sends: `POST /.sekisho/enroll` with `application/json`. Without a code it asks for a new certificate in place of
/// the one that it shows on this connection.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct EnrolRequest {
    /// The random part of the one-time code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// PKCS#10 in PEM, signed with the device's key.
    pub csr: String,
    /// What its person calls it; shown to administrators, names nothing.
    #[serde(default)]
    pub name: Option<String>,
    /// What it runs, on its own word: `linux`, `macos`, `windows`, `android`, `ios`.
    #[serde(default)]
    pub platform: String,
    /// If its key is in a TPM and that should count: the evidence, and in a second request the answer to the gate's challenge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tpm: Option<TpmEvidence>,
}

/// That a key is in a TPM, as far as the device can say it alone. Octets are in base64.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct TpmEvidence {
    /// The certificate of the TPM's endorsement key, DER.
    pub ek_certificate: String,
    /// Those of authorities between that one and a root, if the device has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ek_chain: Vec<String>,
    /// The key's public area (`TPMT_PUBLIC`).
    pub public: String,
    /// In the second request, all else being the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<TpmAnswer>,
}

/// The answer to a challenge.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct TpmAnswer {
    /// The challenge's.
    pub ticket: String,
    /// The secret that was in it.
    pub proof: String,
}

/// What only the TPM can open (`TPM2_ActivateCredential`). Octets are in base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TpmChallenge {
    /// The contents of a `TPM2B_ID_OBJECT`.
    pub blob: String,
    /// The contents of a `TPM2B_ENCRYPTED_SECRET`.
    pub secret: String,
    /// To be sent back with the answer.
    pub ticket: String,
}

/// What the gate says to a request that it does not refuse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum EnrolReply {
    /// 202: to be answered within two minutes. Nothing has changed.
    Challenge(TpmChallenge),
    /// 201: it is done.
    Enrolled(Enrolled),
}

/// What it gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolled {
    /// Its id in the inventory.
    pub device: DeviceId,
    /// `pending`: to be confirmed by an administrator; `active`: can be used at once.
    pub status: DeviceStatus,
    /// PEM: its certificate, then the authority's.
    pub certificate_chain: String,
    /// The fingerprint of its key, as administrators see it.
    pub key_fingerprint: String,
    /// The certificate's last second, in seconds since the Unix epoch.
    pub not_after: u64,
    /// Its key was proved to be in a TPM.
    #[serde(default)]
    pub key_in_tpm: bool,
}

impl EnrolRequest {
    /// The platform that it names; [`Platform::Unknown`] if we do not know that one.
    pub fn platform(&self) -> Platform {
        let known = [Platform::Linux, Platform::Macos, Platform::Windows, Platform::Android, Platform::Ios];
        known.into_iter().find(|platform| platform.as_str() == self.platform).unwrap_or_default()
    }

    /// What to note in the device's history.
    pub(super) fn note(&self) -> String {
        match self.name.as_deref().map(str::trim) {
            Some(name) if !name.is_empty() => format!("enrolled with a code; its person calls it \"{name}\""),
            _ => "enrolled with a code".to_owned(),
        }
    }
}

impl fmt::Debug for TpmEvidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TpmEvidence").field("answered", &self.answer.is_some()).finish_non_exhaustive()
    }
}

impl fmt::Debug for TpmAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TpmAnswer([redacted])")
    }
}

impl fmt::Debug for EnrolRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnrolRequest").field("name", &self.name).field("platform", &self.platform).finish_non_exhaustive()
    }
}

/// Where a device sends its request.
pub const PATH: &str = "/.sekisho/enroll";

/// The largest request that is read; real ones have one to three kilobytes.
pub const MAX_REQUEST_BYTES: usize = 32 * 1024;

/// The largest answer that a device reads.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024;
