//! What was decided, and why.

use std::fmt;
use std::sync::Arc;

/// The answer to one question.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Yes or no.
    pub decision: Decision,
    /// The policies that decided, by id, sorted: the permits of an [`Decision::Allow`], the forbids that were met of a denial.
    pub policies: Arc<[Arc<str>]>,
    /// What could not be evaluated. Never empty for [`DenyReason::EvaluationFailed`], always empty otherwise.
    pub errors: Vec<EvaluationError>,
}

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Some policy permits it and none forbids it.
    Allow,
    /// Everything else.
    Deny(DenyReason),
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DenyReason {
    /// No policy permits it.
    NoPermit,
    /// A policy forbids it.
    Forbidden,
    /// It could not be decided: a policy failed, or the question could not be put.
    EvaluationFailed,
}

/// Something that could not be evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluationError {
    /// The policy that failed; `None` if the question itself could not be put.
    pub policy: Option<Arc<str>>,
    /// What went wrong.
    pub message: String,
}

impl Verdict {
    /// Whether the request may go on.
    pub fn is_allowed(&self) -> bool {
        self.decision == Decision::Allow
    }

    /// No policy was asked, because the question could not be put.
    pub(crate) fn unanswerable(message: String) -> Self {
        Self {
            decision: Decision::Deny(DenyReason::EvaluationFailed),
            policies: Arc::default(),
            errors: vec![EvaluationError { policy: None, message }],
        }
    }
}

impl Decision {
    /// The word for it in the record, metrics and policy tests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny(_) => "deny",
        }
    }
}

impl DenyReason {
    /// The word for it in the record, metrics and policy tests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoPermit => "no_permit",
            Self::Forbidden => "forbidden",
            Self::EvaluationFailed => "evaluation_failed",
        }
    }
}

impl fmt::Display for EvaluationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.policy {
            Some(policy) => write!(f, "{policy}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}
