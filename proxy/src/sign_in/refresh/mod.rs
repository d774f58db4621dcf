//! Facts that stay fresh: a session's provider is asked again with its refresh token (OpenID Connect Core 1.0, section 12).
//!
//! However many tabs and cores need a session's facts at once, one of them asks and all wait for that: a refresh token is good once at many
//! providers, and one that is shown twice is taken for stolen. Nobody waits for long, nor for a provider that does not answer.

mod ask;
mod facts;
mod flight;
mod give_back;
mod metrics;
mod pace;
mod refresher;
mod sweep;
mod turn;
mod unsaved;

pub(super) use flight::Flights;
pub use metrics::{RefreshMetrics, RefreshOutcome};
pub(super) use pace::Paces;
pub(super) use unsaved::Unsaved;
