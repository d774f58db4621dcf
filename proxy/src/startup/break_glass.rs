//! A break-glass is loud, and ends at its time.

use std::sync::Arc;
use std::time::Duration;

use prometheus::{IntCounterVec, Opts, Registry};

use super::live::Live;
use crate::clock::Timestamp;
use crate::record::{Event, EventKind};
use crate::store::BreakGlassError;

/// What became of break-glasses.
#[derive(Clone, Debug)]
pub(super) struct BreakGlassMetrics(IntCounterVec);

impl BreakGlassMetrics {
    /// Enters them into `registry`.
    ///
    /// # Errors
    /// If the name is taken.
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let events =
            IntCounterVec::new(Opts::new("sekisho_break_glass_total", "Break-glasses begun, used and ended"), &["event"])?;
        for event in ["begun", "used", "ended"] {
            let _at_zero = events.with_label_values(&[event]);
        }
        registry.register(Box::new(events.clone()))?;
        Ok(Self(events))
    }

    /// Counts it, if it is one, and says it in the log.
    pub(super) fn tell(&self, event: &Event) {
        let what = match event.event {
            EventKind::BreakGlassBegun => "begun",
            EventKind::BreakGlassUsed => "used",
            EventKind::BreakGlassEnded => "ended",
            _ => return,
        };
        self.0.with_label_values(&[what]).inc();
        let said = |text: &Option<String>| text.clone().unwrap_or_default();
        let (device, by, why) = (said(&event.device), said(&event.by), said(&event.why));
        tracing::warn!(device, by, why, "break-glass: {what}");
    }
}

/// Ends it when its time is over, and says each minute until then that it is under way.
pub(super) async fn watch(live: Arc<Live>) {
    let registrar = &live.gate.registrar;
    let mut said_at: Option<Timestamp> = None;
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(known) = registrar.inventory().break_glass() else {
            said_at = None;
            continue;
        };
        // By a clock that cannot be believed nothing is over; nobody gets anything meanwhile.
        let Ok(now) = live.gate.clock.look() else { continue };
        if now >= known.ends_at {
            match registrar.end_break_glass_in_time().await {
                Ok(_) | Err(BreakGlassError::None) => {}
                Err(error) => tracing::warn!(%error, "a break-glass that is over could not be cleared away; it opens nothing"),
            }
        } else if said_at.is_none_or(|at| now.since(at) >= SAY) {
            let used = if known.used_at.is_some() { "its code was used" } else { "its code was not used yet" };
            tracing::warn!(device = %known.device, until = %known.ends_at, by = known.by, why = known.why, used, "a break-glass is under way");
            said_at = Some(now);
        }
    }
}

/// How late it may be cleared away. Its session has ended by then.
const LOOK: Duration = Duration::from_millis(500);
const SAY: Duration = Duration::from_secs(60);
