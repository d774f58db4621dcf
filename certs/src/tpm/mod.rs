//! Keys that are in a TPM 2.0, and the proof of it. Nothing here talks to a TPM.
//!
//! Arrives: the certificate of a TPM's endorsement key (EK), which its maker signed, and the public area of a key that is said to be in
//! the same TPM. Leaves: a [`Challenge`] that only that TPM can read, and only while that key is loaded in it. Who answers it has
//! the key in that TPM, and nowhere else: [`PublicArea::read`] takes none that could be exported or was made elsewhere.
//! Refused: whatever does not fit, each with its own words.
//!
//! The forms are those of the TPM 2.0 Library (Part 1, 24; Part 2, 12) and of the TCG EK Credential Profile, templates L-1 and L-2:
//! RSA with 2048 bits or ECC P-256, SHA-256, AES-128.

mod credential;
mod endorsement;
mod public_area;
mod reader;
#[cfg(test)]
mod soft;
#[cfg(test)]
mod tests;

pub use credential::{Challenge, CredentialError};
pub use endorsement::{Endorsement, EndorsementRefusal, EndorsementTrust};
pub use public_area::{Name, PublicArea, PublicAreaRefusal};
