//! What the forwarding room counts.

use std::sync::Arc;

use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use super::error::ForwardError;

/// Metrics of the forwarding room, for all apps.
#[derive(Clone, Debug)]
pub struct ForwardMetrics {
    requests: IntCounterVec,
    connections: IntCounterVec,
    connect_seconds: HistogramVec,
    first_byte_seconds: HistogramVec,
    retries: IntCounterVec,
    ejections: IntCounterVec,
    upstreams: IntGaugeVec,
    unhealthy: IntGaugeVec,
}

/// The same for one app, looked up once.
#[derive(Debug)]
pub(super) struct AppMetrics {
    all: ForwardMetrics,
    app: Arc<str>,
    answered: IntCounter,
    pub(super) fresh: IntCounter,
    pub(super) reused: IntCounter,
    pub(super) connect_seconds: Histogram,
    pub(super) first_byte_seconds: Histogram,
    pub(super) retries: IntCounter,
    pub(super) ejections: IntCounter,
    pub(super) upstreams: IntGauge,
    pub(super) unhealthy: IntGauge,
}

impl ForwardMetrics {
    /// Makes the metrics and registers them.
    ///
    /// # Errors
    /// If one of the names is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str, labels: &[&str]| -> Result<IntCounterVec, prometheus::Error> {
            let metric = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let gauge = |name: &str, help: &str| -> Result<IntGaugeVec, prometheus::Error> {
            let metric = IntGaugeVec::new(Opts::new(name, help), &["app"])?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let histogram = |name: &str, help: &str| -> Result<HistogramVec, prometheus::Error> {
            let metric = HistogramVec::new(HistogramOpts::new(name, help).buckets(SECONDS.to_vec()), &["app"])?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        Ok(Self {
            requests: counter("sekisho_upstream_requests_total", "Requests to apps by how they went.", &["app", "outcome"])?,
            connections: counter(
                "sekisho_upstream_connections_total",
                "Connections that requests to apps went over, new or reused.",
                &["app", "source"],
            )?,
            connect_seconds: histogram("sekisho_upstream_connect_seconds", "Time to connect to an app, TLS included.")?,
            first_byte_seconds: histogram(
                "sekisho_upstream_first_byte_seconds",
                "Time from sending a request to the head of its answer.",
            )?,
            retries: counter("sekisho_upstream_retries_total", "Requests that were sent to an app again.", &["app"])?,
            ejections: counter(
                "sekisho_upstream_ejections_total",
                "Times that an upstream was set aside after repeated failures.",
                &["app"],
            )?,
            upstreams: gauge("sekisho_upstreams", "Upstreams of an app.")?,
            unhealthy: gauge("sekisho_upstreams_unhealthy", "Upstreams of an app that fail their health check.")?,
        })
    }

    pub(super) fn of(&self, app: &Arc<str>) -> AppMetrics {
        AppMetrics {
            all: self.clone(),
            app: Arc::clone(app),
            answered: self.requests.with_label_values(&[&**app, "answered"]),
            fresh: self.connections.with_label_values(&[&**app, "new"]),
            reused: self.connections.with_label_values(&[&**app, "reused"]),
            connect_seconds: self.connect_seconds.with_label_values(&[&**app]),
            first_byte_seconds: self.first_byte_seconds.with_label_values(&[&**app]),
            retries: self.retries.with_label_values(&[&**app]),
            ejections: self.ejections.with_label_values(&[&**app]),
            upstreams: self.upstreams.with_label_values(&[&**app]),
            unhealthy: self.unhealthy.with_label_values(&[&**app]),
        }
    }
}

impl AppMetrics {
    /// Counts how a request went.
    pub(super) fn count<T>(&self, outcome: &Result<T, ForwardError>) {
        match outcome {
            Ok(_) => self.answered.inc(),
            Err(error) => self.all.requests.with_label_values(&[&*self.app, error.as_str()]).inc(),
        }
    }
}

/// From a loopback connection to the default `first_byte` timeout.
const SECONDS: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0, 60.0];
