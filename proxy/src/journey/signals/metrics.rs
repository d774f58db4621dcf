//! How often something was noticed.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// Metrics of signals.
#[derive(Clone, Debug)]
pub struct SignalMetrics {
    /// Stolen credentials, by kind.
    pub stolen: IntCounterVec,
    /// Devices that were active from two networks at once.
    pub two_networks: IntCounter,
    /// Former keys of devices that were shown.
    pub former_keys: IntCounter,
    /// Bursts of denials.
    pub bursts: IntCounter,
    /// Devices that are in such a burst.
    pub in_burst: IntGauge,
    /// Signals for which there was no room.
    pub lost: IntCounter,
}

impl SignalMetrics {
    /// Enters them into `registry`.
    ///
    /// # Errors
    /// If a name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            stolen: IntCounterVec::new(
                Opts::new("sekisho_stolen_credentials_total", "Valid credentials shown by another device than their own"),
                &["kind"],
            )?,
            two_networks: IntCounter::new("sekisho_two_networks_total", "Devices found active from two networks at once")?,
            former_keys: IntCounter::new(
                "sekisho_former_keys_shown_total",
                "Connections with a key that its device had before a renewal",
            )?,
            bursts: IntCounter::new("sekisho_denial_bursts_total", "Times that a device began to be refused very often")?,
            in_burst: IntGauge::new("sekisho_denial_burst_devices", "Devices that are refused very often now")?,
            lost: IntCounter::new("sekisho_signals_lost_total", "Signals from data cores for which there was no room")?,
        };
        for kind in ["session", "token"] {
            metrics.stolen.with_label_values(&[kind]);
        }
        registry.register(Box::new(metrics.stolen.clone()))?;
        registry.register(Box::new(metrics.two_networks.clone()))?;
        registry.register(Box::new(metrics.former_keys.clone()))?;
        registry.register(Box::new(metrics.bursts.clone()))?;
        registry.register(Box::new(metrics.in_burst.clone()))?;
        registry.register(Box::new(metrics.lost.clone()))?;
        Ok(metrics)
    }
}
