//! Counters and histograms of requests, found once for each app and outcome: a search by five labels for each request costs more
//! than the decision.

use std::cell::RefCell;
use std::sync::Arc;

use foldhash::HashMap;
use prometheus::{Histogram, IntCounter};

use super::metrics::JourneyMetrics;
use crate::record::Decision;

/// What one core counts with. Apps that a reload took away stay: they are as many as were ever configured.
#[derive(Debug, Default)]
pub(super) struct Tallies(RefCell<HashMap<Arc<str>, AppTally>>);

#[derive(Debug)]
struct AppTally {
    duration: Histogram,
    sent: IntCounter,
    requests: Vec<(Outcome, IntCounter)>,
}

/// Labels of an answer beside its app. All are from closed sets of static words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) decision: Decision,
    pub(super) reason: &'static str,
    pub(super) method: &'static str,
    pub(super) class: &'static str,
}

impl Tallies {
    /// Counts an answer for `app` (empty: for none) that took `seconds`.
    pub(super) fn count(&self, metrics: &JourneyMetrics, app: &Arc<str>, outcome: Outcome, seconds: f64) {
        self.of(metrics, app, |tally| {
            tally.duration.observe(seconds);
            match tally.requests.iter().find(|(known, _)| *known == outcome) {
                Some((_, requests)) => requests.inc(),
                None => {
                    let Outcome { decision, reason, method, class } = outcome;
                    let requests = metrics.requests.with_label_values(&[app, decision.as_str(), reason, method, class]);
                    requests.inc();
                    if tally.requests.len() < MOST {
                        tally.requests.push((outcome, requests));
                    }
                }
            }
        });
    }

    /// Counts the bytes of an app's answers.
    pub(super) fn sent(&self, metrics: &JourneyMetrics, app: &Arc<str>) -> IntCounter {
        self.of(metrics, app, |tally| tally.sent.clone())
    }

    fn of<R>(&self, metrics: &JourneyMetrics, app: &Arc<str>, look: impl FnOnce(&mut AppTally) -> R) -> R {
        let mut tallies = self.0.borrow_mut();
        match tallies.get_mut(app) {
            Some(tally) => look(tally),
            None => look(tallies.entry(Arc::clone(app)).or_insert_with(|| AppTally::new(metrics, app))),
        }
    }
}

impl AppTally {
    fn new(metrics: &JourneyMetrics, app: &Arc<str>) -> Self {
        Self {
            duration: metrics.duration.with_label_values(&[app]),
            sent: metrics.bytes.with_label_values(&[app, "to_client"]),
            requests: Vec::new(),
        }
    }
}

/// Outcomes of an app that a core keeps counters of: more than an app ever has.
const MOST: usize = 64;

#[cfg(test)]
mod tests {
    use prometheus::Registry;

    use super::*;

    #[test]
    fn each_app_is_counted_as_itself_also_after_a_reload() {
        let registry = Registry::new();
        let metrics = JourneyMetrics::register(&registry).unwrap();
        let tallies = Tallies::default();
        let outcome = |class| Outcome { decision: Decision::Allow, reason: "permitted", method: "GET", class };
        for round in 0..3_u64 {
            for number in 0..10 {
                // Another text in memory each time, as after a reload.
                let app: Arc<str> = format!("app-{number}").into();
                tallies.count(&metrics, &app, outcome("2xx"), 0.001);
                tallies.count(&metrics, &app, outcome("2xx"), 0.001);
                tallies.count(&metrics, &app, outcome("5xx"), 0.001);
                tallies.sent(&metrics, &app).inc_by(7);
                let requests = |class| metrics.requests.with_label_values(&[&*app, "allow", "permitted", "GET", class]).get();
                assert_eq!((requests("2xx"), requests("5xx")), (2 * (round + 1), round + 1), "{app}");
                assert_eq!(metrics.duration.with_label_values(&[&*app]).get_sample_count(), 3 * (round + 1));
                assert_eq!(metrics.bytes.with_label_values(&[&*app, "to_client"]).get(), 7 * (round + 1));
            }
        }
        assert_eq!(tallies.0.borrow().len(), 10);
    }

    #[test]
    fn more_outcomes_than_are_kept_are_all_counted() {
        let metrics = JourneyMetrics::register(&Registry::new()).unwrap();
        let (tallies, app) = (Tallies::default(), Arc::<str>::from("app"));
        let reasons: Vec<&'static str> = (0..MOST + 5).map(|number| &*format!("reason-{number}").leak()).collect();
        for reason in reasons.iter().chain(&reasons) {
            tallies.count(&metrics, &app, Outcome { decision: Decision::Deny, reason, method: "GET", class: "4xx" }, 0.0);
        }
        for reason in reasons {
            assert_eq!(metrics.requests.with_label_values(&["app", "deny", reason, "GET", "4xx"]).get(), 2, "{reason}");
        }
    }
}
