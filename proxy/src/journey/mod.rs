//! Arrives: a socket. Leaves: answers, each recorded. Refused: whatever a room refuses, answered in one place. If the client
//! goes away, everything that was done for it is dropped, and its lines are written all the same.
//!
//! The hallway: [`travel`] is the one function that knows the order of the rooms.

mod access;
mod administering;
mod answer;
#[cfg(test)]
mod answers_tests;
mod bell;
mod belongings;
mod body;
mod calls;
mod candidate;
mod connection;
mod control;
mod core_loop;
mod device;
mod enrolling;
mod finish;
mod freshness;
mod gate;
mod gathered;
mod http1;
mod http2;
mod landing;
mod leftover;
mod logout;
mod manner;
mod mend;
mod metrics;
mod own;
mod own_policy;
mod posture;
mod preflight;
mod refusal;
mod reply;
mod signals;
mod socket;
mod step_up;
mod story;
mod stream;
mod tally;
mod terminal;
mod theft;
mod travel;
mod warden;
mod words;

pub use administering::AdministeringRefusal;
pub use answer::{Answer, answer};
pub use belongings::BelongingsRefusal;
pub use candidate::Shadow;
pub use control::{Control, ControlError};
pub use core_loop::{CoreParts, start};
pub use gate::{Candidate, Gate, World};
pub use metrics::JourneyMetrics;
pub use refusal::Refusal;
pub use signals::{Desk, SignalMetrics, Signals};
pub use socket::MOST_HELD;
