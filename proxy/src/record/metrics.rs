//! How recording goes.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntGauge, Registry};

/// Metrics of the record.
#[derive(Clone, Debug)]
pub struct RecordMetrics {
    /// Lines written.
    pub lines: IntCounter,
    /// Bytes written.
    pub bytes: IntCounter,
    /// Failed attempts to write.
    pub failures: IntCounter,
    /// 1 while the record can be written.
    pub writable: IntGauge,
    /// Events that are not in the record yet, because it cannot be written.
    pub events_waiting: IntGauge,
    /// Lines in one write.
    pub batch: Histogram,
}

impl RecordMetrics {
    /// Enters them into `registry`.
    ///
    /// # Errors
    /// If a name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            lines: IntCounter::new("sekisho_record_lines_total", "Lines written to the record")?,
            bytes: IntCounter::new("sekisho_record_bytes_total", "Bytes written to the record")?,
            failures: IntCounter::new("sekisho_record_failures_total", "Attempts to write to the record that failed")?,
            writable: IntGauge::new("sekisho_record_writable", "1 while the record can be written; access is refused otherwise")?,
            events_waiting: IntGauge::new(
                "sekisho_record_events_waiting",
                "Events that are not in the record yet, because it cannot be written",
            )?,
            batch: Histogram::with_opts(
                HistogramOpts::new("sekisho_record_batch_lines", "Lines in one write to the record")
                    .buckets(vec![1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]),
            )?,
        };
        metrics.writable.set(1);
        registry.register(Box::new(metrics.lines.clone()))?;
        registry.register(Box::new(metrics.bytes.clone()))?;
        registry.register(Box::new(metrics.failures.clone()))?;
        registry.register(Box::new(metrics.writable.clone()))?;
        registry.register(Box::new(metrics.events_waiting.clone()))?;
        registry.register(Box::new(metrics.batch.clone()))?;
        Ok(metrics)
    }
}
