//! Why policy does not let a request through.

use std::sync::Arc;
use std::time::Duration;

use sekisho_policy::DenyReason;

use super::basis::Basis;
use super::remedies::Remedies;

/// A decision against a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("policy does not allow it: {}", .reason.as_str())]
pub struct DecideRefusal {
    /// Why.
    pub reason: DenyReason,
    /// Ids of the policies that forbade it; empty if nothing permits it.
    pub policies: Arc<[Arc<str>]>,
    /// What could not be evaluated, for operators.
    pub errors: Vec<String>,
    /// What was decided by and on; `None` if policy was not asked.
    pub basis: Option<Box<Basis>>,
    /// Nothing but what they have had of the app is in the way: policy would permit it to somebody who has had nothing yet.
    pub budget: Option<Budget>,
    /// How it could have come out otherwise; `None` if nobody looked.
    pub remedies: Option<Arc<Remedies>>,
}

/// A budget that is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// When there is room in it again, if nothing is had meanwhile; `None` if that cannot be told.
    pub wait: Option<Duration>,
}
