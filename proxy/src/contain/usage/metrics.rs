//! How many accounts there are, and whether they would survive.

use prometheus::{Gauge, IntCounter, IntGauge, Opts, Registry};

/// Metrics of usage.
#[derive(Clone, Debug)]
pub struct UsageMetrics {
    /// Accounts: one per person, device and app that had something within the last day.
    pub accounts: IntGauge,
    /// Holds of a shared account, for want of room.
    pub shared: IntCounter,
    /// When the accounts were last written down, Unix seconds.
    pub saved: Gauge,
    /// Attempts to write them down that failed.
    pub save_failures: IntCounter,
    /// How long reading them took at the start.
    pub restore_seconds: Gauge,
}

impl UsageMetrics {
    /// Enters them into `registry`.
    ///
    /// # Errors
    /// If a name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            accounts: IntGauge::new(
                "sekisho_usage_accounts",
                "People on a device who had something from an app within the last day",
            )?,
            shared: IntCounter::new(
                "sekisho_usage_shared_total",
                "Requests that were counted together with those of others, as there was no room for an account of their own",
            )?,
            saved: Gauge::with_opts(Opts::new("sekisho_usage_saved_timestamp_seconds", "When usage was last written down"))?,
            save_failures: IntCounter::new("sekisho_usage_save_failures_total", "Attempts to write usage down that failed")?,
            restore_seconds: Gauge::new("sekisho_usage_restore_seconds", "How long it took at the start to know usage again")?,
        };
        registry.register(Box::new(metrics.accounts.clone()))?;
        registry.register(Box::new(metrics.shared.clone()))?;
        registry.register(Box::new(metrics.saved.clone()))?;
        registry.register(Box::new(metrics.save_failures.clone()))?;
        registry.register(Box::new(metrics.restore_seconds.clone()))?;
        Ok(metrics)
    }
}
