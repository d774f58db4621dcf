//! Arrives: a browser's visit to one of the addresses for signing in and out. Leaves: a redirect, a page, cookies; and a session
//! that is bound to the device. Refused: whatever this browser on this device did not begin, and whatever the provider does not
//! vouch for. If the client goes away, an attempt is left to its end of time; a session that was begun is unused until then.
//!
//! The way of a sign-in: an app's host sends the browser to the sign-in host ([`SignIn::challenge`]), that to the provider, and the
//! provider back to `callback`, where a session begins. The sign-in host then sends the browser back to the app's host with a
//! code that is good once, for a minute, for this host, this device and this browser.

mod address;
mod begin;
mod break_glass;
mod callback;
mod form;
#[doc(hidden)]
pub mod fuzzing;
mod id_token;
mod kept;
mod logout;
mod logout_token;
mod mend;
mod metrics;
mod page_token;
mod provider;
mod query;
mod refresh;
mod refusal;
mod service;
mod shelf;
mod sign_out;
mod step_up;
#[cfg(test)]
mod tests;
mod tokens;
mod visit;
mod wanted;

pub use form::{Field, FormId, MAX_FORM, NewForm, OpenForm};
pub use logout::{Logout, LogoutRefusal, LogoutRequest};
pub use metrics::{LogoutOutcome, Outcome, SignInMetrics, StepUpOutcome};
pub use query::BadQuery;
pub use refresh::{RefreshMetrics, RefreshOutcome};
pub use refusal::{IdTokenProblem, SignInRefusal};
pub use service::SignIn;
pub use step_up::{CameFrom, FormFate, Holder, Needed, Sending, StepUp, StepUpRefusal, Way};
pub use visit::{Choice, Endpoint, PageKind, Reply, Visit};
pub use wanted::{Asked, StepUpProblem, Wanted};
