//! How many devices, sessions and suspended people there are, read from the live state at each scrape.

use std::sync::Arc;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntGauge, IntGaugeVec, Opts, Registry};

use super::device::DeviceStatus;
use super::live::Inventory;

/// The gauges of one live state.
#[derive(Debug)]
pub struct InventoryMetrics {
    inventory: Arc<Inventory>,
    devices: IntGaugeVec,
    sessions: IntGauge,
    suspended: IntGauge,
    behind: IntGauge,
    break_glass: IntGauge,
}

impl InventoryMetrics {
    /// Enters them in `registry`.
    ///
    /// # Errors
    /// If one of their names is taken.
    pub fn register(registry: &Registry, inventory: Arc<Inventory>) -> Result<(), prometheus::Error> {
        registry.register(Box::new(Self {
            inventory,
            devices: IntGaugeVec::new(Opts::new("sekisho_devices", "Devices in the inventory, by status."), &["status"])?,
            sessions: IntGauge::new("sekisho_sessions", "Sessions that have not ended.")?,
            suspended: IntGauge::new("sekisho_suspended_users", "People whose access an administrator took away.")?,
            behind: IntGauge::new(
                "sekisho_inventory_behind",
                "1 while the live state is behind the store and every request is refused, else 0.",
            )?,
            break_glass: IntGauge::new("sekisho_break_glass_active", "1 while a break-glass is under way, else 0.")?,
        }))
    }

    fn parts(&self) -> [&dyn Collector; 5] {
        [&self.devices, &self.sessions, &self.suspended, &self.behind, &self.break_glass]
    }
}

impl Collector for InventoryMetrics {
    fn desc(&self) -> Vec<&Desc> {
        self.parts().into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let counts = self.inventory.counts();
        for (status, count) in [
            (DeviceStatus::Pending, counts.devices_pending),
            (DeviceStatus::Active, counts.devices_active),
            (DeviceStatus::Quarantined, counts.devices_quarantined),
            (DeviceStatus::Retired, counts.devices_retired),
        ] {
            self.devices.with_label_values(&[status.as_str()]).set(whole(count));
        }
        self.sessions.set(whole(counts.sessions));
        self.suspended.set(whole(counts.suspended_users));
        self.behind.set(i64::from(self.inventory.is_behind()));
        self.break_glass.set(i64::from(self.inventory.break_glass().is_some()));
        self.parts().into_iter().flat_map(Collector::collect).collect()
    }
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::samples;

    #[test]
    fn a_scrape_shows_the_live_state_of_that_moment() {
        let (registry, inventory) = (Registry::new(), Arc::new(Inventory::default()));
        InventoryMetrics::register(&registry, Arc::clone(&inventory)).unwrap();
        let scrape = || prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        assert!(scrape().contains("sekisho_devices{status=\"active\"} 0\n"));
        inventory.put_device(samples::device("lap-1", DeviceStatus::Active));
        inventory.set_behind(true);
        let text = scrape();
        for line in ["sekisho_devices{status=\"active\"} 1\n", "sekisho_sessions 0\n", "sekisho_inventory_behind 1\n"] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
