//! How the keeping of the record goes.

use prometheus::{Gauge, GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use super::sinks::SinkKind;
use super::summary::Because;
use crate::clock::Timestamp;

/// Metrics of checkpoints, segments and room. Clones count together.
#[derive(Clone, Debug)]
pub struct KeepMetrics {
    checkpoints: IntCounter,
    failures: IntCounter,
    last: Gauge,
    sent: IntCounterVec,
    waiting: IntGaugeVec,
    delivered: GaugeVec,
    segments: IntGaugeVec,
    bytes: IntGauge,
    free: IntGauge,
    capacity: IntGauge,
    deleted: IntCounterVec,
}

/// What became of a checkpoint at a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SentOutcome {
    /// It was taken.
    Delivered,
    /// It was not; it is sent again.
    Failed,
}

/// What a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SegmentState {
    /// Written to.
    Open,
    /// Finished, and not packed.
    Finished,
    /// Packed.
    Packed,
    /// Deleted; its summary is there.
    Deleted,
    /// Its lines do not fit together: it is neither signed nor packed nor deleted.
    Damaged,
}

/// The file system of the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// Bytes that the gate can still use.
    pub(super) free: u64,
    /// Bytes that it has.
    pub(super) capacity: u64,
}

impl KeepMetrics {
    /// Enters them into `registry`.
    ///
    /// # Errors
    /// If a name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            checkpoints: IntCounter::new("sekisho_record_checkpoints_total", "Checkpoints of the record that were signed")?,
            failures: IntCounter::new("sekisho_record_checkpoint_failures_total", "Checkpoints that could not be written")?,
            last: Gauge::new("sekisho_record_checkpoint_timestamp_seconds", "When the last checkpoint was signed")?,
            sent: counters(
                "sekisho_record_checkpoint_sent_total",
                "Attempts to hand a checkpoint to a sink",
                &["sink", "outcome"],
            )?,
            waiting: gauges("sekisho_record_checkpoints_waiting", "Checkpoints that a sink has not taken yet", &["sink"])?,
            delivered: GaugeVec::new(
                Opts::new(
                    "sekisho_record_checkpoint_delivered_timestamp_seconds",
                    "When the last checkpoint that a sink took was signed",
                ),
                &["sink"],
            )?,
            segments: gauges("sekisho_record_segments", "Segments of the record", &["state"])?,
            bytes: IntGauge::new("sekisho_record_bytes_on_disk", "What all segments of the record take on the disk")?,
            free: IntGauge::new("sekisho_record_free_bytes", "Room that is left on the file system of the record")?,
            capacity: IntGauge::new("sekisho_record_capacity_bytes", "Size of the file system of the record")?,
            deleted: counters("sekisho_record_segments_deleted_total", "Segments that were deleted", &["because"])?,
        };
        for counter in [&metrics.checkpoints, &metrics.failures] {
            registry.register(Box::new(counter.clone()))?;
        }
        for counters in [&metrics.sent, &metrics.deleted] {
            registry.register(Box::new(counters.clone()))?;
        }
        for gauges in [&metrics.waiting, &metrics.segments] {
            registry.register(Box::new(gauges.clone()))?;
        }
        for gauge in [&metrics.bytes, &metrics.free, &metrics.capacity] {
            registry.register(Box::new(gauge.clone()))?;
        }
        registry.register(Box::new(metrics.last.clone()))?;
        registry.register(Box::new(metrics.delivered.clone()))?;
        for sink in SinkKind::ALL {
            metrics.waiting(sink, 0);
        }
        Ok(metrics)
    }

    /// A checkpoint was written.
    pub(super) fn signed(&self, at: Timestamp) {
        self.checkpoints.inc();
        self.last.set(seconds(at));
    }

    /// A checkpoint could not be written.
    pub(super) fn not_signed(&self) {
        self.failures.inc();
    }

    /// A checkpoint was handed to a sink, or not.
    pub(super) fn sent(&self, sink: SinkKind, outcome: SentOutcome) {
        self.sent.with_label_values(&[sink.as_str(), outcome.as_str()]).inc();
    }

    /// So many wait for a sink.
    pub(super) fn waiting(&self, sink: SinkKind, count: u64) {
        self.waiting.with_label_values(&[sink.as_str()]).set(whole(count));
    }

    /// A sink took the checkpoint that was signed then.
    pub(super) fn delivered(&self, sink: SinkKind, at: Timestamp) {
        self.delivered.with_label_values(&[sink.as_str()]).set(seconds(at));
    }

    /// So many segments are in this state.
    pub(super) fn segments(&self, state: SegmentState, count: u64) {
        self.segments.with_label_values(&[state.as_str()]).set(whole(count));
    }

    /// What they take, and what room there is.
    pub(super) fn size(&self, bytes: u64, room: Option<Room>) {
        self.bytes.set(whole(bytes));
        if let Some(Room { free, capacity }) = room {
            self.free.set(whole(free));
            self.capacity.set(whole(capacity));
        }
    }

    /// A segment was deleted.
    pub(super) fn deleted(&self, because: Because) {
        self.deleted.with_label_values(&[because.as_str()]).inc();
    }
}

impl SentOutcome {
    /// The word for it in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

impl SegmentState {
    /// The word for it in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Finished => "finished",
            Self::Packed => "packed",
            Self::Deleted => "deleted",
            Self::Damaged => "damaged",
        }
    }
}

impl Because {
    /// The word for it in metrics and summaries.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Size => "size",
        }
    }
}

fn counters(name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
    IntCounterVec::new(Opts::new(name, help), labels)
}

fn gauges(name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, prometheus::Error> {
    IntGaugeVec::new(Opts::new(name, help), labels)
}

fn seconds(at: Timestamp) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit a double")]
    let ms = at.0 as f64;
    ms / 1000.0
}

fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
