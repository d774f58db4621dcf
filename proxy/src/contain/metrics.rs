//! How many accesses are under way, how many were cut and why, and how long that took.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry};

use super::cause::Cause;
use super::leases::Kind;

/// Metrics of leases and cuts. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ContainMetrics {
    latency: Histogram,
    cut: [IntCounter; Cause::ALL.len()],
    cores: Arc<Mutex<Vec<Arc<Live>>>>,
}

/// One core's leases by kind: written by that core alone, so that counting is not shared.
#[derive(Debug, Default)]
struct Live([AtomicI64; Kind::ALL.len()]);

/// A core's part of the metrics.
#[derive(Clone, Debug)]
pub struct Tally {
    live: Arc<Live>,
    metrics: ContainMetrics,
}

/// Sums the cores up when it is asked.
struct LeasesGauge {
    cores: Arc<Mutex<Vec<Arc<Live>>>>,
    gauge: IntGaugeVec,
}

impl ContainMetrics {
    /// Enters them into `registry`.
    ///
    /// # Errors
    /// If a name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let latency = Histogram::with_opts(
            HistogramOpts::new("sekisho_cut_latency_seconds", "From the lever to the last byte of what was cut")
                .buckets(vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0]),
        )?;
        let cut = IntCounterVec::new(
            Opts::new("sekisho_streams_cut_total", "Accesses that were cut while under way, and why"),
            &["cause"],
        )?;
        let cores = Arc::<Mutex<Vec<Arc<Live>>>>::default();
        let gauge = IntGaugeVec::new(Opts::new("sekisho_leases", "Accesses under way, by kind"), &["kind"])?;
        registry.register(Box::new(latency.clone()))?;
        registry.register(Box::new(cut.clone()))?;
        registry.register(Box::new(LeasesGauge { cores: Arc::clone(&cores), gauge }))?;
        Ok(Self { latency, cut: Cause::ALL.map(|cause| cut.with_label_values(&[cause.as_str()])), cores })
    }

    /// The part of one more core.
    pub fn tally(&self) -> Tally {
        let live = Arc::<Live>::default();
        self.cores.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&live));
        Tally { live, metrics: self.clone() }
    }
}

impl Tally {
    pub(super) fn begins(&self, kind: Kind) {
        self.live.add(kind, 1);
    }

    pub(super) fn ends(&self, kind: Kind) {
        self.live.add(kind, -1);
    }

    pub(super) fn was_cut(&self, cause: Cause) {
        if let Some(counter) = self.metrics.cut.get(cause as usize) {
            counter.inc();
        }
    }

    pub(super) fn took(&self, since: Instant) {
        self.metrics.latency.observe(since.elapsed().as_secs_f64());
    }
}

impl Live {
    /// Load and store, not a locked addition: only this core writes here.
    fn add(&self, kind: Kind, more: i64) {
        if let Some(count) = self.0.get(kind as usize) {
            count.store(count.load(Ordering::Relaxed) + more, Ordering::Relaxed);
        }
    }
}

impl Collector for LeasesGauge {
    fn desc(&self) -> Vec<&Desc> {
        self.gauge.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let cores = self.cores.lock().unwrap_or_else(PoisonError::into_inner);
        for kind in Kind::ALL {
            let live = cores.iter().filter_map(|core| core.0.get(kind as usize));
            let sum = live.map(|count| count.load(Ordering::Relaxed)).sum();
            self.gauge.with_label_values(&[kind.as_str()]).set(sum);
        }
        drop(cores);
        self.gauge.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::contain::leases::Leases;
    use crate::contain::{Mark, Terms};

    const TERMS: Terms = Terms {
        device: Mark::NOBODY,
        session: Mark::NOBODY,
        user: Mark::NOBODY,
        app: Mark::NOBODY,
        generation: 1,
        valid_until: Timestamp(0),
    };

    fn value(registry: &Registry, name: &str, label: &str) -> f64 {
        let families = registry.gather();
        let family = families.iter().find(|family| family.name() == name).unwrap();
        let labelled = family.get_metric().iter().find(|metric| metric.get_label().iter().any(|pair| pair.value() == label));
        labelled.map_or(0.0, |metric| metric.get_gauge().get_value() + metric.get_counter().get_value())
    }

    #[test]
    fn what_is_under_way_on_all_cores_and_what_was_cut() {
        let registry = Registry::new();
        let metrics = ContainMetrics::register(&registry).unwrap();
        let (here, there) = (Leases::new(metrics.tally()), Leases::new(metrics.tally()));
        let first = here.register(TERMS, Kind::Request, |_| ());
        let second = there.register(TERMS, Kind::Request, |_| ());
        first.becomes(Kind::Download);
        assert_eq!(value(&registry, "sekisho_leases", "request"), 1.0);
        assert_eq!(value(&registry, "sekisho_leases", "download"), 1.0);
        here.cut(first.place(), Cause::DeviceQuarantined, Some(Instant::now()));
        there.cut(second.place(), Cause::Time, None);
        first.is_silent();
        assert_eq!(metrics.latency.get_sample_count(), 1);
        drop((first, second));
        assert_eq!(value(&registry, "sekisho_leases", "download"), 0.0);
        assert_eq!(value(&registry, "sekisho_streams_cut_total", "device_quarantined"), 1.0);
        assert_eq!(value(&registry, "sekisho_streams_cut_total", "time"), 1.0);
        assert_eq!(metrics.latency.get_sample_count(), 1, "once each, and only a lever has a moment to count from");
    }

    #[test]
    fn causes_and_kinds_stand_at_their_numbers() {
        assert!(Cause::ALL.iter().enumerate().all(|(number, cause)| *cause as usize == number));
        assert!(Kind::ALL.iter().enumerate().all(|(number, kind)| *kind as usize == number));
    }
}
