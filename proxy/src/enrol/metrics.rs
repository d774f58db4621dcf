//! What operators see of enrolment.

use prometheus::{IntCounterVec, Opts, Registry};

/// Attempts to enrol a device. Clones count together.
#[derive(Clone, Debug)]
pub struct EnrolMetrics {
    attempts: IntCounterVec,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnrolOutcome {
    /// In the inventory, waiting for an administrator.
    Pending,
    /// In the inventory and in use.
    Active,
    /// A device that was just enrolled asked again and got its certificate.
    Repeated,
    /// The code opened nothing.
    CodeRefused,
    /// The code was good, the rest was not.
    RequestRefused,
    /// Too many attempts.
    Throttled,
    /// Ours.
    Failed,
}

impl EnrolOutcome {
    /// Label in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Repeated => "repeated",
            Self::CodeRefused => "code_refused",
            Self::RequestRefused => "request_refused",
            Self::Throttled => "throttled",
            Self::Failed => "failed",
        }
    }
}

impl EnrolMetrics {
    /// Enters the metrics into `registry`.
    ///
    /// # Errors
    /// If their name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let opts = Opts::new("sekisho_enrolments_total", "Attempts to enrol a device, by outcome.");
        let attempts = IntCounterVec::new(opts, &["outcome"])?;
        registry.register(Box::new(attempts.clone()))?;
        Ok(Self { attempts })
    }

    pub(super) fn ended(&self, outcome: EnrolOutcome) {
        self.attempts.with_label_values(&[outcome.as_str()]).inc();
    }
}
