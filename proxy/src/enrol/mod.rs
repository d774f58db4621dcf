//! Arrives: a certificate signing request, with a one-time code or over the device's current certificate. Leaves: a certificate, and the device in the inventory (pending, or
//! in use where the code is enough). Refused: codes that do not open anything now, keys that are weak or not proved, and too many
//! attempts. If the device goes away, it may ask again with the same code and key for a while, and gets the same device.
//!
//! The gate's half runs on the control runtime. [`client`] is the device's half; both speak [`EnrolRequest`] and [`Enrolled`].

pub mod client;

mod attestation;
#[cfg(test)]
mod attestation_tests;
mod code;
mod enrolment;
mod metrics;
mod refusal;
mod renewal;
#[cfg(test)]
mod renewal_tests;
#[cfg(test)]
mod tests;
mod wire;

pub use attestation::AttestationRefusal;
pub use code::{EnrolmentCode, InvalidEnrolmentCode, pin_of};
pub use enrolment::{Admitted, EnrolSettings, Enrolment};
pub use metrics::{EnrolMetrics, EnrolOutcome};
pub use refusal::{EnrolRefusal, RenewRefusal};
pub use wire::{
    EnrolReply, EnrolRequest, Enrolled, MAX_ANSWER_BYTES, MAX_REQUEST_BYTES, PATH, TpmAnswer, TpmChallenge, TpmEvidence,
};
