//! Loading again while the gate runs: checked first, swapped whole; the old stays if the new is bad.

use std::sync::Arc;

use tokio::sync::Mutex;
use tokio_util::task::AbortOnDropHandle;

use super::parts::{Parts, enrol_settings};
use super::policies::{self, Loaded};
use crate::config::{self, Config};
use crate::console::admin::ReloadReport;
use crate::forward::watch_health;
use crate::journey::{Gate, JourneyMetrics, World};

/// The running gate with what it takes to load anew. One load at a time.
pub(super) struct Live {
    pub(super) gate: Arc<Gate>,
    pub(super) parts: Parts,
    turn: Mutex<Turn>,
}

struct Turn {
    policies: Option<Loaded>,
    _health: AbortOnDropHandle<()>,
}

impl Live {
    /// Takes a gate over that was just built from `policies`.
    pub(super) fn new(gate: Arc<Gate>, parts: Parts, policies: Option<Loaded>) -> Arc<Self> {
        let world = gate.world.load();
        let health = health(&world);
        show_expiries(&gate.metrics, &world);
        drop(world);
        Arc::new(Self { gate, parts, turn: Mutex::new(Turn { policies, _health: health }) })
    }

    /// Reads configuration and policies again.
    ///
    /// # Errors
    /// Every problem in words; the old stays in force, and a metric says so.
    pub(super) async fn reload(&self) -> Result<ReloadReport, Vec<String>> {
        let mut turn = self.turn.lock().await;
        let outcome = self.load(&mut turn);
        self.count(outcome.as_ref().err().map(Vec::as_slice));
        outcome
    }

    /// Reads the files that the configuration names again, but not the configuration and not the policies.
    pub(super) async fn refresh_files(&self) {
        let mut turn = self.turn.lock().await;
        let old = self.gate.world.load_full();
        match self.parts.world(Arc::clone(&old.config), turn.policies.as_ref(), Some(&old)) {
            Ok(world) => {
                self.swap(&mut turn, world);
                self.count(None);
                tracing::info!("certificates and lists were read again");
            }
            Err(problems) => self.count(Some(&problems)),
        }
    }

    fn load(&self, turn: &mut Turn) -> Result<ReloadReport, Vec<String>> {
        let now = self.parts.clock.now();
        let config = Config::load(&self.parts.config_path, config::environment(), now)
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        let config = Arc::new(config);
        let policies = policies::load(&config)?;
        let old = self.gate.world.load_full();
        let world = self.parts.world(Arc::clone(&config), Some(&policies), Some(&old))?;
        let report = report(&old, &world, &policies);
        if let Err(problem) = policies::keep(&config, &policies) {
            tracing::warn!(problem, "the live policies could not be kept for the next start");
        }
        turn.policies = Some(policies);
        self.swap(turn, world);
        Ok(report)
    }

    fn swap(&self, turn: &mut Turn, world: World) {
        self.gate.limiter.set(&world.config.limits);
        match (enrol_settings(&world.config), self.gate.enrolment.load_full()) {
            (Some(settings), Some(enrolment)) => enrolment.configure(settings),
            (Some(_), None) => self.gate.enrolment.store(self.parts.enrolment(&world.config)),
            (None, _) => self.gate.enrolment.store(None),
        }
        turn._health = health(&world);
        show_expiries(&self.gate.metrics, &world);
        self.gate.world.store(Arc::new(world));
    }

    fn count(&self, problems: Option<&[String]>) {
        let metrics = &self.gate.metrics;
        match problems {
            None => {
                metrics.reload_success.set(1);
                #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit a double")]
                metrics.reload_timestamp.set(self.parts.clock.now().as_secs() as f64);
            }
            Some(problems) => {
                metrics.reload_success.set(0);
                for problem in problems {
                    tracing::error!(problem, "not loaded; what was live stays live");
                }
            }
        }
    }
}

/// When each certificate that we show ends.
fn show_expiries(metrics: &JourneyMetrics, world: &World) {
    // Those that are not shown any more are not to be warned of either.
    metrics.certificate_expiry.reset();
    for (name, seconds) in world.tls.expiries() {
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit a double")]
        metrics.certificate_expiry.with_label_values(&[&name]).set(seconds as f64);
    }
}

/// Whether the configuration and policies that `config_path` leads to could go live now: everything but listening.
fn report(old: &World, new: &World, policies: &Loaded) -> ReloadReport {
    let mut report = ReloadReport::default();
    let names = |world: &World| world.config.apps.iter().map(|app| Arc::clone(&app.name)).collect::<Vec<_>>();
    let (before, after) = (names(old), names(new));
    report.changed.extend(after.iter().filter(|name| !before.contains(name)).map(|name| format!("app `{name}` is new")));
    report.changed.extend(before.iter().filter(|name| !after.contains(name)).map(|name| format!("app `{name}` is gone")));
    let set = |world: &World| world.decider.as_ref().map(crate::decide::Decider::hash);
    if set(old) != set(new) {
        report.changed.push("the policies are different".to_owned());
    }
    report.notes.extend(policies.warnings.iter().cloned());
    let (was, is) = (&old.config, &new.config);
    for (name, same) in [
        ("state", was.state == is.state),
        ("listen.https", was.listen.https == is.listen.https),
        ("listen.http", was.listen.http == is.listen.http),
        ("listen.metrics", was.listen.metrics == is.listen.metrics),
        ("listen.admin", was.listen.admin == is.listen.admin),
        ("cores", was.cores == is.cores),
        ("audit", was.audit == is.audit),
    ] {
        if !same {
            report.notes.push(format!("{name} changed; that takes a restart"));
        }
    }
    report
}

fn health(world: &World) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(watch_health(Arc::clone(&world.targets))))
}
