//! What a TPM can fail at, in words for the person at the device.

use crate::file::InvalidKeyFile;

/// The TPM did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TpmError {
    /// Nothing to talk to.
    #[error(
        "this device has no TPM that can be used: /dev/tpmrm0 is not there. Is it switched on in the firmware? Another one can be named with \
         --tcti or TPM2TOOLS_TCTI"
    )]
    None,
    /// Not the name of one.
    #[error("`{0}` names no TPM: write for example device:/dev/tpmrm0, swtpm:host=127.0.0.1,port=2321 or tabrmd:bus_type=system")]
    Address(String),
    /// It does not answer.
    #[error("the TPM {address} cannot be reached ({cause}). Are you in the group `tss`, which may use it?")]
    Unreachable {
        /// Which one.
        address: String,
        /// What happened.
        cause: String,
    },
    /// It said no.
    #[error("the TPM would not {doing} ({cause})")]
    Refused {
        /// What it was to do.
        doing: &'static str,
        /// Its words.
        cause: String,
    },
    /// It has no certificate of a kind that gates know.
    #[error(
        "this TPM carries no certificate of its endorsement key (RSA 2048 or ECC P-256), so nobody can tell whose it is: it cannot \
         prove that a key is in it"
    )]
    NoCertificate,
    /// A key that cannot be used.
    #[error(transparent)]
    File(#[from] InvalidKeyFile),
}
