//! Watches the clock: whatever rests on time is refused while it cannot be believed.

use std::sync::Arc;

use prometheus::{Gauge, IntGauge, Registry};
use tokio::time::MissedTickBehavior;

use super::live::{Asked, Live};
use crate::clock::{ClockChange, ClockWatch};
use crate::record::EventKind;

/// How the clock is.
#[derive(Clone, Debug)]
pub(super) struct ClockMetrics {
    unsure: IntGauge,
    behind: Gauge,
}

impl ClockMetrics {
    /// Enters them into `registry`.
    ///
    /// # Errors
    /// If a name is taken.
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            unsure: IntGauge::new("sekisho_clock_unsure", "1 while the clock has jumped and what rests on time is refused")?,
            behind: Gauge::new("sekisho_clock_behind_seconds", "How far the system's clock is behind the latest time seen")?,
        };
        registry.register(Box::new(metrics.unsure.clone()))?;
        registry.register(Box::new(metrics.behind.clone()))?;
        Ok(metrics)
    }
}

/// Watches until dropped.
pub(super) async fn watch(live: Arc<Live>) {
    let mut watch = ClockWatch::new(live.parts.clock.clone());
    let mut beat = tokio::time::interval(ClockWatch::BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        let change = watch.look();
        live.parts.clock_metrics.behind.set(live.parts.clock.behind().as_secs_f64());
        match change {
            None => {}
            Some(ClockChange::Unsure { by_ms }) => {
                live.parts.clock_metrics.unsure.set(1);
                let words = format!("jumped {}", moved(by_ms));
                tracing::error!(by_ms, "the clock {words}: what rests on time is refused until it can be believed again");
                live.note(EventKind::ClockUnsure, &Asked::by_system("clock"), Some(words));
            }
            Some(ClockChange::Sure { by_ms }) => {
                live.parts.clock_metrics.unsure.set(0);
                let words = if by_ms.abs() < CAME_BACK_MS { "came back".to_owned() } else { format!("stays {}", moved(by_ms)) };
                tracing::warn!(by_ms, "the clock can be believed again: it {words}");
                live.note(EventKind::ClockSure, &Asked::by_system("clock"), Some(words));
            }
        }
    }
}

fn moved(by_ms: i64) -> String {
    let seconds = by_ms.unsigned_abs().div_ceil(1000);
    let where_to = if by_ms < 0 { "back" } else { "ahead" };
    format!("{seconds} s {where_to}")
}

const CAME_BACK_MS: i64 = 1000;
