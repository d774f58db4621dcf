//! How the gate as a whole is doing. Labels are closed sets: never users, paths or devices.

use prometheus::{GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// Metrics of connections and requests.
#[derive(Clone, Debug)]
pub struct JourneyMetrics {
    /// Answers by app, decision, reason, method and status class.
    pub requests: IntCounterVec,
    /// From a request's head to its answer's head, by app.
    pub duration: HistogramVec,
    /// Bytes of answers' bodies by app; the direction is `to_client`.
    pub bytes: IntCounterVec,
    /// Open connections.
    pub connections: IntGauge,
    /// Connections of HTTP/1 that rest between requests.
    pub resting: IntGauge,
    /// Connections by how they began: `served`, or why they were shed.
    pub accepted: IntCounterVec,
    /// Handshakes by outcome.
    pub handshakes: IntCounterVec,
    /// Connections that the gate closed or cut by itself, and why.
    pub cut: IntCounterVec,
    /// Answers under way, by kind.
    pub in_flight: IntGaugeVec,
    /// Panics that were caught. Each is a bug.
    pub panics: prometheus::IntCounter,
    /// 1 if the last load of configuration and policies went live.
    pub reload_success: IntGauge,
    /// When the last load went live, Unix seconds.
    pub reload_timestamp: prometheus::Gauge,
    /// Requests that the candidate policies were asked about too, by both answers.
    pub shadow: IntCounterVec,
    /// 1 while candidate policies are tried.
    pub candidate_loaded: IntGauge,
    /// What people did with what is theirs, by what and whether it was done.
    pub self_service: IntCounterVec,
    /// What administrators asked for over HTTPS, by action and whether it was done.
    pub administration: IntCounterVec,
    /// When the certificates that we show end, Unix seconds, by their first name.
    pub certificate_expiry: GaugeVec,
}

impl JourneyMetrics {
    /// Enters them into `registry`.
    ///
    /// # Errors
    /// If a name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            requests: IntCounterVec::new(
                Opts::new("sekisho_requests_total", "Answered requests"),
                &["app", "decision", "reason", "method", "status_class"],
            )?,
            duration: HistogramVec::new(
                HistogramOpts::new("sekisho_request_duration_seconds", "From a request's head to its answer's head")
                    .buckets(vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0]),
                &["app"],
            )?,
            bytes: IntCounterVec::new(Opts::new("sekisho_body_bytes_total", "Bytes of bodies"), &["app", "direction"])?,
            connections: IntGauge::new("sekisho_connections", "Open connections")?,
            resting: IntGauge::new("sekisho_connections_resting", "Connections that rest between requests")?,
            accepted: IntCounterVec::new(Opts::new("sekisho_accepted_total", "Connections by how they began"), &["outcome"])?,
            handshakes: IntCounterVec::new(Opts::new("sekisho_tls_handshakes_total", "TLS handshakes by outcome"), &["outcome"])?,
            cut: IntCounterVec::new(
                Opts::new("sekisho_connections_cut_total", "Connections that the gate closed by itself, and why"),
                &["reason"],
            )?,
            in_flight: IntGaugeVec::new(Opts::new("sekisho_in_flight", "Answers under way, by kind"), &["kind"])?,
            panics: prometheus::IntCounter::new("sekisho_panics_total", "Panics that were caught; each is a bug")?,
            reload_success: IntGauge::new(
                "sekisho_config_last_reload_successful",
                "1 if the last load of configuration and policies went live",
            )?,
            reload_timestamp: prometheus::Gauge::new(
                "sekisho_config_last_reload_success_timestamp_seconds",
                "When configuration and policies last went live",
            )?,
            shadow: IntCounterVec::new(
                Opts::new(
                    "sekisho_policy_shadow_total",
                    "Requests that the candidate policies were asked about too, by both answers",
                ),
                &["app", "active", "candidate"],
            )?,
            candidate_loaded: IntGauge::new("sekisho_policy_candidate_loaded", "1 while candidate policies are tried")?,
            self_service: IntCounterVec::new(
                Opts::new("sekisho_self_service_total", "What people did with devices and sessions of their own"),
                &["action", "outcome"],
            )?,
            administration: IntCounterVec::new(
                Opts::new("sekisho_administration_total", "What administrators asked for at the gate's host"),
                &["action", "outcome"],
            )?,
            certificate_expiry: GaugeVec::new(
                Opts::new("sekisho_server_certificate_expiry_timestamp_seconds", "When the certificates that we show end"),
                &["name"],
            )?,
        };
        registry.register(Box::new(metrics.requests.clone()))?;
        registry.register(Box::new(metrics.duration.clone()))?;
        registry.register(Box::new(metrics.bytes.clone()))?;
        registry.register(Box::new(metrics.connections.clone()))?;
        registry.register(Box::new(metrics.resting.clone()))?;
        registry.register(Box::new(metrics.accepted.clone()))?;
        registry.register(Box::new(metrics.handshakes.clone()))?;
        registry.register(Box::new(metrics.cut.clone()))?;
        registry.register(Box::new(metrics.in_flight.clone()))?;
        registry.register(Box::new(metrics.panics.clone()))?;
        registry.register(Box::new(metrics.reload_success.clone()))?;
        registry.register(Box::new(metrics.reload_timestamp.clone()))?;
        registry.register(Box::new(metrics.shadow.clone()))?;
        registry.register(Box::new(metrics.candidate_loaded.clone()))?;
        registry.register(Box::new(metrics.self_service.clone()))?;
        registry.register(Box::new(metrics.administration.clone()))?;
        registry.register(Box::new(metrics.certificate_expiry.clone()))?;
        Ok(metrics)
    }
}
