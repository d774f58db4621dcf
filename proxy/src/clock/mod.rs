//! The one place that asks the operating system what time it is.
//!
//! Time is an argument everywhere else: tests move a [`Clock::manual`] hand instead of sleeping.

mod source;
mod sure;
mod teller;
mod timestamp;
mod turn;
mod wait;
mod watch;

pub use sure::ClockUnsure;
pub use teller::Clock;
pub use timestamp::Timestamp;
pub use turn::{instant, turn};
pub use wait::whole_seconds;
pub use watch::{ClockChange, ClockWatch};
