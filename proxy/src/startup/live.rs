//! Loading again while the gate runs: checked first, swapped whole; the old stays if the new is bad.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use tokio::sync::Mutex;
use tokio_util::task::AbortOnDropHandle;

use super::parts::{Parts, enrol_settings};
use super::policies::{self, Loaded};
use super::{candidate, descriptors, posture_sources, proofs};
use crate::config::{self, Config};
use crate::console::admin::ReloadReport;
use crate::contain::{Cause, Change};
use crate::forward::watch_health;
use crate::journey::{Gate, JourneyMetrics, World};
use crate::record::{Event, EventKind, Journal};
use crate::store::{Actor, one_line};

/// The running gate with what it takes to load anew. One load at a time.
pub(super) struct Live {
    pub(super) gate: Arc<Gate>,
    pub(super) parts: Parts,
    /// Told of what was loaded. Empty until the record is open.
    journal: OnceLock<Journal>,
    turn: Mutex<Turn>,
}

/// Who had something loaded, and why.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) by: Actor,
    pub(super) why: String,
}

struct Turn {
    policies: Option<Loaded>,
    /// Whether the last load of configuration and policies went live.
    loaded: bool,
    _health: AbortOnDropHandle<()>,
}

impl Live {
    /// Takes a gate over that was just built from `policies`.
    pub(super) fn new(gate: Arc<Gate>, parts: Parts, policies: Option<Loaded>) -> Arc<Self> {
        let world = gate.world.load();
        let health = health(&world);
        show_expiries(&gate.metrics, &world);
        candidate::tell(world.candidate.as_ref(), &gate.metrics);
        drop(world);
        let loaded = gate.metrics.reload_success.get() == 1;
        Arc::new(Self { gate, parts, journal: OnceLock::new(), turn: Mutex::new(Turn { policies, loaded, _health: health }) })
    }

    /// From now on events of this gate go there.
    pub(super) fn record_to(&self, journal: Journal) {
        let _once = self.journal.set(journal);
    }

    /// Notes what happened to the gate itself.
    pub(super) fn note(&self, kind: EventKind, asked: &Asked, detail: Option<String>) {
        let Some(journal) = self.journal.get() else { return };
        let why = one_line(&asked.why);
        let event = Event {
            by: Some(asked.by.to_string()),
            why: (!why.is_empty()).then_some(why),
            detail,
            ..Event::of(kind, self.parts.clock.now())
        };
        let _kept_if_it_must = journal.note(&event);
    }

    /// Ends the record of events; whatever happens later is lost.
    pub(super) fn end_of_events(&self) {
        if let Some(journal) = self.journal.get() {
            journal.finish();
        }
    }

    /// Notes what is in force.
    pub(super) fn note_loaded(&self, asked: &Asked, changed: &[String]) {
        let world = self.gate.world.load_full();
        let changes = if changed.is_empty() { String::new() } else { format!(": {}", bounded(changed)) };
        self.note(EventKind::ConfigurationLoaded, asked, Some(format!("{}{changes}", world.config.hash)));
        if let Some(decider) = &world.decider {
            self.note(EventKind::PoliciesLoaded, asked, Some(decider.hash().to_string()));
        }
    }

    /// Reads configuration and policies again.
    ///
    /// # Errors
    /// Every problem in words; the old stays in force, and a metric says so.
    pub(super) async fn reload(&self, asked: &Asked) -> Result<ReloadReport, Vec<String>> {
        let mut turn = self.turn.lock().await;
        let before = self.gate.world.load_full();
        let outcome = self.load(&mut turn).map_err(|problems| self.explained(problems));
        if outcome.is_ok() {
            let now = self.gate.world.load_full();
            let sources = &before.config.posture_sources;
            // They count for as long as they did: a store that fails closes the gate in other ways.
            if let Err(error) = posture_sources::listen(&self.gate.intake, &now.config, sources).await {
                tracing::error!(%error, "what posture sources say counts for as long as it did; reload again");
            }
        }
        turn.loaded = outcome.is_ok();
        self.count(outcome.as_ref().err().map(Vec::as_slice));
        match &outcome {
            Ok(report) => self.note_loaded(asked, &report.changed),
            Err(problems) => self.note(EventKind::ReloadRefused, asked, Some(bounded(problems))),
        }
        outcome
    }

    /// Reads the files that the configuration names again, but not the configuration and not the policies.
    pub(super) async fn refresh_files(&self) {
        let mut turn = self.turn.lock().await;
        let old = self.gate.world.load_full();
        match self.parts.world(Arc::clone(&old.config), turn.policies.as_ref(), Some(&old)) {
            Ok(world) => {
                self.swap(&mut turn, world);
                // A configuration that could not be loaded is still not in force.
                if turn.loaded {
                    self.count(None);
                }
                tracing::info!("certificates and lists were read again");
                self.note_loaded(&Asked::by_system("watch"), &["files that it names were replaced".to_owned()]);
            }
            Err(problems) => {
                let problems = self.explained(problems);
                self.count(Some(&problems));
                self.note(EventKind::ReloadRefused, &Asked::by_system("watch"), Some(bounded(&problems)));
            }
        }
    }

    /// Nobody who reads "permission denied" of a file that everybody may read thinks of what the gate gave up.
    fn explained(&self, mut problems: Vec<String>) -> Vec<String> {
        problems.extend(self.parts.posture.hint(&problems));
        problems
    }

    fn load(&self, turn: &mut Turn) -> Result<ReloadReport, Vec<String>> {
        let now = self.parts.clock.now();
        let mut config = Config::load(&self.parts.config_path, config::environment(), now)
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        let old = self.gate.world.load_full();
        let waiting = keep_what_takes_a_restart(&old.config, &mut config);
        let config = Arc::new(config);
        let mut policies = policies::load(&config)?;
        policies.warnings.extend(proofs::judge(&config, &policies.texts, policies.decider.set(), proofs::Moment::Reload)?);
        let world = self.parts.world(Arc::clone(&config), Some(&policies), Some(&old))?;
        policies::keep_for_the_record(&config, &policies).map_err(|problem| vec![problem])?;
        let report = report(&old, &world, &policies, waiting);
        if let Err(problem) = policies::keep(&config, &policies) {
            tracing::warn!(problem, "the live policies could not be kept for the next start");
        }
        turn.policies = Some(policies);
        self.swap(turn, world);
        Ok(report)
    }

    fn swap(&self, turn: &mut Turn, world: World) {
        self.gate.limiter.set(&descriptors::fitting(&world.config.limits));
        self.gate.crowd.set(&world.config.limits);
        self.gate.usage.set_room(world.config.limits.usage_accounts);
        match (enrol_settings(&world.config), self.gate.enrolment.load_full()) {
            (Some(settings), Some(enrolment)) => enrolment.configure(settings),
            (Some(_), None) => self.gate.enrolment.store(self.parts.enrolment(&world.config)),
            (None, _) => self.gate.enrolment.store(None),
        }
        turn._health = health(&world);
        show_expiries(&self.gate.metrics, &world);
        candidate::tell(world.candidate.as_ref(), &self.gate.metrics);
        // What was checked goes live: the lever is pulled now, however long the checks took.
        let since = Instant::now();
        self.gate.world.store(Arc::new(world));
        self.gate.levers.pull(Change::World, Cause::Policies, since);
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

impl Asked {
    /// A part of the gate did it by itself.
    pub(super) fn by_system(part: &'static str) -> Self {
        Self { by: Actor::System(part), why: String::new() }
    }
}

/// A list as one text that is not too long for a line.
fn bounded(list: &[String]) -> String {
    let whole = list.join("; ");
    match whole.char_indices().nth(MOST_DETAIL) {
        None => whole,
        Some((end, _)) => format!("{}…", whole.get(..end).unwrap_or_default()),
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

/// Puts back what only a restart can change, so that the world never speaks of a port that nobody listens on. Names the keys that wait.
fn keep_what_takes_a_restart(running: &Config, new: &mut Config) -> Vec<String> {
    let mut waiting = Vec::new();
    let mut wait = |name: &str| waiting.push(name.to_owned());
    if new.listen.https != running.listen.https {
        wait("listen.https");
        new.listen.https = running.listen.https;
        // By default it is the port of `https`.
        new.listen.public_port = running.listen.public_port;
    }
    keep("state", &running.state, &mut new.state, &mut wait);
    keep("listen.http", &running.listen.http, &mut new.listen.http, &mut wait);
    keep("listen.metrics", &running.listen.metrics, &mut new.listen.metrics, &mut wait);
    keep("listen.admin", &running.listen.admin, &mut new.listen.admin, &mut wait);
    keep("listen.admin_group", &running.listen.admin_group, &mut new.listen.admin_group, &mut wait);
    keep("cores", &running.cores, &mut new.cores, &mut wait);
    keep("process", &running.process, &mut new.process, &mut wait);
    keep("audit", &running.audit, &mut new.audit, &mut wait);
    waiting
}

fn keep<T: Clone + PartialEq>(name: &str, running: &T, new: &mut T, wait: &mut impl FnMut(&str)) {
    if new != running {
        wait(name);
        new.clone_from(running);
    }
}

/// The sections that say something else now, apart from apps and policies.
fn different<'a>(old: &Config, new: &Config) -> impl Iterator<Item = &'a str> {
    let sections = [
        ("listen", old.listen != new.listen),
        ("sign_in", old.sign_in != new.sign_in),
        ("server_certificate", old.server_certificates != new.server_certificates),
        ("identity_provider", old.identity_providers != new.identity_providers),
        ("device_authority", old.device_authorities != new.device_authorities),
        ("posture_source", old.posture_sources != new.posture_sources),
        ("enrolment", old.enrolment != new.enrolment),
        ("admin", old.admin != new.admin),
        ("limits", old.limits != new.limits),
        ("time_zone", old.time_zone != new.time_zone),
        ("max_fact_age", old.max_fact_age != new.max_fact_age),
    ];
    sections.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name)
}

/// What is different now, and what is not although it should be.
fn report(old: &World, new: &World, policies: &Loaded, waiting: Vec<String>) -> ReloadReport {
    let mut report = ReloadReport::default();
    let find = |world: &World, name: &str| world.config.apps.iter().find(|app| &*app.name == name).cloned();
    for app in &new.config.apps {
        match find(old, &app.name) {
            None => report.changed.push(format!("app `{}` is new", app.name)),
            Some(before) if before != *app => report.changed.push(format!("app `{}` is different", app.name)),
            Some(_) => {}
        }
    }
    let gone = old.config.apps.iter().filter(|app| find(new, &app.name).is_none());
    report.changed.extend(gone.map(|app| format!("app `{}` is gone", app.name)));
    report.changed.extend(different(&old.config, &new.config).map(|section| format!("`{section}` is different")));
    let set = |world: &World| world.decider.as_ref().map(crate::decide::Decider::hash);
    if set(old) != set(new) {
        report.changed.push("the policies are different".to_owned());
    }
    let candidate = |world: &World| Some(world.candidate.as_ref()?.set.as_ref().ok()?.hash());
    match (candidate(old), candidate(new)) {
        (before, Some(now)) if before != Some(now) => report.changed.push("other candidate policies are tried".to_owned()),
        (Some(_), None) => report.changed.push("no candidate policies are tried any more".to_owned()),
        _ => {}
    }
    report.notes.extend(candidate::problems(new.candidate.as_ref()));
    report.notes.extend(policies.warnings.iter().cloned());
    report.waiting = waiting;
    report
}

fn health(world: &World) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(watch_health(Arc::clone(&world.targets))))
}

/// Characters of what an event tells beside its fields.
const MOST_DETAIL: usize = 2000;
