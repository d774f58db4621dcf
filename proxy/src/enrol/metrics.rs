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
    /// A device got a certificate for a new key in place of an older one.
    Renewed,
    /// A device that was just renewed asked again with the same keys.
    RenewedAgain,
    /// A certificate was renewed with a second key, and its device isolated.
    Copied,
    /// A certificate cannot be renewed: its device may not be used, it is too old, or none of ours.
    NotRenewable,
    /// A used code was shown again with another key, and the device that it made was stopped.
    CodeShownAgain,
    /// The code opened nothing.
    CodeRefused,
    /// A page of a browser asked for a certificate.
    FromAPage,
    /// The code was good, the rest was not.
    RequestRefused,
    /// A device that says that its key is in a TPM was asked to prove it.
    Challenged,
    /// A key was not proved to be in a TPM.
    AttestationRefused,
    /// Too many attempts.
    Throttled,
    /// Ours.
    Failed,
}

impl EnrolOutcome {
    const ALL: [Self; 15] = [
        Self::Pending,
        Self::Active,
        Self::Repeated,
        Self::Renewed,
        Self::RenewedAgain,
        Self::Copied,
        Self::NotRenewable,
        Self::CodeShownAgain,
        Self::CodeRefused,
        Self::FromAPage,
        Self::RequestRefused,
        Self::Challenged,
        Self::AttestationRefused,
        Self::Throttled,
        Self::Failed,
    ];

    /// Label in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Repeated => "repeated",
            Self::Renewed => "renewed",
            Self::RenewedAgain => "renewed_again",
            Self::Copied => "copied",
            Self::NotRenewable => "not_renewable",
            Self::CodeShownAgain => "code_shown_again",
            Self::CodeRefused => "code_refused",
            Self::FromAPage => "from_a_page",
            Self::RequestRefused => "request_refused",
            Self::Challenged => "challenged",
            Self::AttestationRefused => "attestation_refused",
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
        // An alert that compares with a moment ago needs that moment, too.
        for outcome in EnrolOutcome::ALL {
            attempts.with_label_values(&[outcome.as_str()]);
        }
        registry.register(Box::new(attempts.clone()))?;
        Ok(Self { attempts })
    }

    pub(super) fn ended(&self, outcome: EnrolOutcome) {
        self.attempts.with_label_values(&[outcome.as_str()]).inc();
    }
}
