//! What operators see of posture sources.

use prometheus::{GaugeVec, IntCounterVec, Opts, Registry};

use super::answer::Became;
use crate::clock::Timestamp;

/// What sources of facts about devices push, and what of it ends. Clones count together.
#[derive(Clone, Debug)]
pub struct IntakeMetrics {
    reports: IntCounterVec,
    last: GaugeVec,
    expired: IntCounterVec,
}

impl IntakeMetrics {
    /// Enters the metrics into `registry`.
    ///
    /// # Errors
    /// If a name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let reports = Opts::new("sekisho_posture_reports_total", "What posture sources said of devices, by what became of it.");
        let last = Opts::new(
            "sekisho_posture_last_report_timestamp_seconds",
            "When a posture source last pushed something that could be read; at first, when the gate began to listen to it.",
        );
        let expired = Opts::new("sekisho_posture_facts_expired_total", "Facts about devices that were not confirmed in time.");
        let metrics = Self {
            reports: IntCounterVec::new(reports, &["source", "outcome"])?,
            last: GaugeVec::new(last, &["source"])?,
            expired: IntCounterVec::new(expired, &["source"])?,
        };
        registry.register(Box::new(metrics.reports.clone()))?;
        registry.register(Box::new(metrics.last.clone()))?;
        registry.register(Box::new(metrics.expired.clone()))?;
        Ok(metrics)
    }

    /// From now on the gate listens to that source. Of one that it listened to already, nothing changes.
    pub(super) fn begin(&self, source: &str, now: Timestamp) {
        // An alert that compares with a moment ago needs that moment, too.
        for outcome in Became::ALL {
            self.reports.with_label_values(&[source, outcome.as_str()]);
        }
        self.expired.with_label_values(&[source]);
        let last = self.last.with_label_values(&[source]);
        if last.get() == 0.0 {
            last.set(seconds(now));
        }
    }

    /// It does not any more: whatever it says, nobody is to be warned that it is silent.
    pub(super) fn end(&self, source: &str) {
        let _was_there = self.last.remove_label_values(&[source]);
    }

    pub(super) fn took(&self, source: &str, all: impl Iterator<Item = Became>, now: Timestamp) {
        all.for_each(|became| self.reports.with_label_values(&[source, became.as_str()]).inc());
        self.last.with_label_values(&[source]).set(seconds(now));
    }

    /// So many facts of that source were not confirmed in time.
    pub fn expired(&self, source: &str, count: u64) {
        self.expired.with_label_values(&[source]).inc_by(count);
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit a double")]
fn seconds(at: Timestamp) -> f64 {
    at.as_secs() as f64
}
