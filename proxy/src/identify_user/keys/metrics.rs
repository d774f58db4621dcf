//! What operators see of key sets.

use prometheus::{GaugeVec, IntCounterVec, Opts, Registry};

use crate::clock::Timestamp;

/// Renewals of the providers' keys. Clones count together.
#[derive(Clone, Debug)]
pub struct KeyMetrics {
    refreshes: IntCounterVec,
    last_success: GaugeVec,
}

/// How a renewal ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum RefreshOutcome {
    Success,
    Failure,
}

impl RefreshOutcome {
    /// Label in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
        }
    }

    pub(super) fn of(success: bool) -> Self {
        if success { Self::Success } else { Self::Failure }
    }
}

impl KeyMetrics {
    /// Enters the metrics into `registry`.
    ///
    /// # Errors
    /// If one of their names is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let refreshes = IntCounterVec::new(
            Opts::new("sekisho_key_set_refreshes_total", "Attempts to renew an identity provider's key set, by outcome."),
            &["provider", "outcome"],
        )?;
        let last_success = GaugeVec::new(
            Opts::new(
                "sekisho_key_set_last_success_timestamp_seconds",
                "When an identity provider's key set was last renewed, in seconds since the epoch.",
            ),
            &["provider"],
        )?;
        registry.register(Box::new(refreshes.clone()))?;
        registry.register(Box::new(last_success.clone()))?;
        Ok(Self { refreshes, last_success })
    }

    pub(super) fn refreshed(&self, provider: &str, outcome: RefreshOutcome, now: Timestamp) {
        self.refreshes.with_label_values(&[provider, outcome.as_str()]).inc();
        if outcome == RefreshOutcome::Success {
            #[expect(clippy::cast_precision_loss, reason = "seconds since the epoch fit a float exactly for ages to come")]
            self.last_success.with_label_values(&[provider]).set(now.as_secs() as f64);
        }
    }
}
