//! Sekisho's deciding crate: text and facts in, verdict out.
//!
//! It opens no file and no socket, starts nothing, waits for nothing and does not know what time it is: all of that is an
//! argument. Policies are written in Cedar against the schema in [`SCHEMA`], and checked strictly when they are loaded.
//!
//! ```
//! use sekisho_policy::{Action, App, Catalogue, Decision, PolicySet, RequestFacts, Source};
//!
//! let policies = [Source::new("health.cedar", r#"
//!     @id("health-checks")
//!     permit (principal, action == Action::"public", resource == App::"wiki")
//!     when { context.request.path == "/healthz" };
//! "#)];
//! let catalogue = Catalogue { apps: vec![App::new("wiki", ["internal"])], groups: None, ..Catalogue::default() };
//! let set = PolicySet::load(&policies, &[], &catalogue).expect("it is correct").set;
//!
//! let mut facts = RequestFacts::new("wiki", Action::Public);
//! facts.path = "/healthz";
//! assert!(set.decide(set.anonymous(), &facts).is_allowed());
//! facts.path = "/";
//! assert!(!set.decide(set.anonymous(), &facts).is_allowed());
//! ```
//!
//! Two rules stand above what Cedar does by itself. Whatever nothing permits is denied, and `forbid` wins, as in Cedar; but
//! **any evaluation error refuses**, where Cedar would skip the policy that failed, a `forbid` included.

// The tests inside share files with those outside.
#[cfg(test)]
extern crate self as sekisho_policy;

mod action;
mod asked;
mod cedar_facts;
mod cells;
mod compile;
mod diff;
mod engine;
mod explain;
mod facts;
mod format;
mod kept;
mod load;
mod names;
mod near;
mod path;
mod prepare;
mod problem;
#[cfg(feature = "prove")]
pub mod prove;
mod query;
mod question;
mod request;
mod schema;
mod schema_text;
mod set;
pub mod testing;
mod verdict;

pub use action::{ADMINISTRATORS, Action, OWN_APP, OwnActions};
pub use diff::{ChangeKind, Diff, Direction, Effect, NotComparable, PolicyChange, Texts};
pub use explain::{By, Change, Effort, Explanation, Lifted, Nearly, PolicyInfo, StepUp, Way};
pub use facts::{DeviceFacts, FactValue, Identity, Principal, ServiceFacts, SessionFacts, UserFacts};
pub use format::format;
pub use kept::{KeptSet, KeptSetError};
pub use load::{Loaded, MAX_FILE_BYTES, MAX_POLICIES};
pub use path::MAX_PATH_SEGMENTS;
pub use prepare::{PrepareError, Prepared};
pub use problem::{Place, Problem};
pub use query::{AskedFor, Query};
pub use request::{Moment, RequestFacts, Usage, Weekday};
pub use schema::{FactKind, PostureFact, SCHEMA};
pub use schema_text::{MergedSchema, merged_schema};
pub use set::{App, Catalogue, PolicySet, Source};
pub use verdict::{Decision, DenyReason, EvaluationError, Verdict};
