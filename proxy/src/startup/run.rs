//! The gate from its start to its end.

use std::fmt;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use arc_swap::{ArcSwap, ArcSwapOption};
use prometheus::Registry;
use sekisho_certs::fingerprint;
use tokio::sync::{oneshot, watch};
use tokio_util::task::AbortOnDropHandle;

use super::listeners::{bind, cannot_listen};
use super::live::{Asked, Live};
use super::parts::Parts;
use super::policies::{self, Loaded};
use super::posture::{self, Posture};
use super::scrape::{self, Scrape};
use super::{
    break_glass, candidate, clock, descriptors, freshness, news, notes, posture_sources, proofs, redirect, usage, watch as files,
};
use crate::accept::{Limiter, is_free, listen};
use crate::clock::{Clock, Timestamp};
use crate::config::{self, AuditSync, Config};
use crate::console::admin::{self, AdminState, CaCertificate};
use crate::contain::{ContainMetrics, Crowd, CrowdMetrics, Pace, Usage, UsageMetrics};
use crate::decide::KnownFacts;
use crate::intake::{Intake, IntakeMetrics};
use crate::inventory::InventoryMetrics;
use crate::journey::{self, Control, CoreParts, Desk, Gate, JourneyMetrics, Shadow, SignalMetrics};
use crate::record::keep::{FinishedWords, Keeper};
use crate::record::{Archive, ArchiveError, ChainWriter, EventKind, Heads, Journal, SyncSchedule, Syncs};
use crate::secret::{Digest, Sealer};
use crate::store::Registrar;

/// A running gate. Dropping it ends it without ceremony; [`Running::stop`] lets requests finish.
pub struct Running {
    live: Arc<Live>,
    drain: watch::Sender<bool>,
    cores: Vec<oneshot::Receiver<()>>,
    tasks: Vec<AbortOnDropHandle<()>>,
    heads: Heads,
    keeper: Keeper,
    _sync: SyncSchedule,
}

/// The gate did not start. Every reason that was found.
#[derive(Debug)]
pub struct StartError(pub Vec<String>);

/// Starts a gate from the configuration at `path`. To be called on the control runtime.
///
/// # Errors
/// [`StartError`] with everything that is wrong. Policies are the exception: with bad ones, those that were live last stay in
/// force; with none, the gate runs and refuses everything with 503.
pub async fn start(path: &Path, clock: Clock) -> Result<Running, StartError> {
    let (config, path) = (load(path, &clock)?, path.to_owned());
    start_prepared(Prepared { config, path, posture: Posture::as_it_is() }, clock).await
}

/// A configuration that was read, in a process that has given up what it does not need.
#[derive(Debug)]
pub struct Prepared {
    config: Config,
    path: PathBuf,
    posture: Posture,
}

/// Reads the configuration at `path`, and gives up what a gate that has it does not need: for this thread and all that it
/// starts from now on, so that no other may be there yet.
///
/// # Errors
/// [`StartError`] with everything that is wrong.
pub fn prepare(path: &Path, clock: &Clock) -> Result<Prepared, StartError> {
    let config = load(path, clock)?;
    // Folders that are made on first start lie in others that are out of reach later.
    make_folders(&config)?;
    let posture = Posture::take(&config, path).map_err(StartError::one)?;
    Ok(Prepared { config, path: path.to_owned(), posture })
}

/// Starts what was prepared. To be called on the control runtime.
///
/// # Errors
/// As [`start`].
pub async fn start_prepared(prepared: Prepared, clock: Clock) -> Result<Running, StartError> {
    let Prepared { config, path, posture } = prepared;
    let config = Arc::new(config);
    descriptors::raise();
    let registry = Registry::new();
    posture.tell(&registry).map_err(StartError::one)?;
    for note in notes::shared_secrets(&config).into_iter().chain(notes::missing_places(&config)) {
        tracing::warn!("{note}");
    }
    make_folders(&config)?;
    let sealer = Sealer::open_or_create(&config.state).map_err(StartError::one)?;
    let registrar = Registrar::open(&config.state, Arc::new(sealer), clock.clone()).await.map_err(StartError::one)?;
    let metrics = JourneyMetrics::register(&registry).map_err(StartError::one)?;
    let usage_metrics = UsageMetrics::register(&registry).map_err(StartError::one)?;
    register_process(&registry).map_err(StartError::one)?;
    InventoryMetrics::register(&registry, Arc::clone(registrar.inventory())).map_err(StartError::one)?;
    let signal_metrics = SignalMetrics::register(&registry).map_err(StartError::one)?;
    let parts = Parts::new(path, posture, clock.clone(), registrar.clone(), registry).map_err(StartError::one)?;
    // The authority comes first: `world` and enrolment need it.
    parts.house(&config).map_err(|problem| StartError(vec![problem]))?;
    let policies = policies_at_start(&config, &metrics, clock.now());
    if let Some(policies) = &policies {
        policies::keep_for_the_record(&config, policies).map_err(|problem| StartError(vec![problem]))?;
    }
    let world = parts.world(Arc::clone(&config), policies.as_ref(), None).map_err(StartError)?;
    let intake_metrics = IntakeMetrics::register(&parts.registry).map_err(StartError::one)?;
    let intake = Arc::new(Intake::new(registrar.clone(), clock.clone(), intake_metrics));
    posture_sources::listen(&intake, &config, &[]).await.map_err(StartError::one)?;
    let (signals, desk) = Desk::new(signal_metrics);
    let gate = Arc::new(Gate {
        inventory: Arc::clone(registrar.inventory()),
        control: Control::new(parts.control.clone(), CONTROL_ROOM),
        acts: Pace::new(ACTS, ACTS_WITHIN),
        usage: Arc::new(Usage::new(config.limits.usage_accounts, usage_metrics)),
        limiter: Limiter::new(&descriptors::fitting(&config.limits)),
        crowd: Crowd::new(&config.limits, CrowdMetrics::register(&parts.registry).map_err(StartError::one)?),
        enrolment: ArcSwapOption::from(parts.enrolment(&config)),
        metrics,
        signals,
        contain: ContainMetrics::register(&parts.registry).map_err(StartError::one)?,
        levers: registrar.levers().clone(),
        intake,
        admin: OnceLock::new(),
        shadow: Shadow::default(),
        world: ArcSwap::from_pointee(world),
        clock,
        registrar,
    });
    let live = Live::new(gate, parts, policies);
    open(live, &config, desk).await
}

/// What is to be said of a configuration that could go live.
#[derive(Debug, Default)]
pub struct Checked {
    /// What is doubtful.
    pub warnings: Vec<String>,
    /// What is meant like that, or is not the configuration's fault, and worth knowing.
    pub notes: Vec<String>,
}

/// Whether the configuration and policies could go live: everything but starting.
///
/// # Errors
/// Every problem in words.
pub fn check(path: &Path, clock: &Clock) -> Result<Checked, Vec<String>> {
    let config = Config::load(path, config::environment(), clock.now()).map_err(|problems| {
        let of_policies = policies::problems_beside(path);
        problems.iter().map(ToString::to_string).chain(of_policies).collect::<Vec<_>>()
    })?;
    let live = policies::load(&config).and_then(|loaded| {
        let notes = proofs::judge(&config, &loaded.texts, loaded.decider.set(), proofs::Moment::Check)?;
        Ok(loaded.warnings.into_iter().chain(notes).collect::<Vec<_>>())
    });
    let tried = candidate::problems_in(&config);
    let within_reach = posture::within_reach(&config, path).map(|words| format!("listen.admin: {words}"));
    match live {
        Ok(warnings) if tried.is_empty() => {
            let warnings = within_reach.into_iter().chain(warnings).chain(notes::missing_places(&config)).collect();
            Ok(Checked { warnings, notes: notes::of_a_check(&config) })
        }
        live => Err(live.err().into_iter().flatten().chain(tried).collect()),
    }
}

impl Running {
    /// Loads configuration and policies again. What is wrong is logged, and the old stays.
    pub async fn reload(&self) {
        if let Ok(report) = self.live.reload(&Asked::by_system("sighup")).await {
            tracing::info!(changed = ?report.changed, waiting = ?report.waiting, notes = ?report.notes, "loaded");
        }
    }

    /// Takes no new connections, lets requests finish for `limits.drain_timeout`, then closes everything.
    pub async fn stop(self) {
        tracing::info!("draining");
        let _all_gone = self.drain.send(true);
        for core in self.cores {
            // A core that ended badly has no more to say.
            let _ended = core.await;
        }
        drop(self.tasks);
        let sign_in = Arc::clone(&self.live.gate.world.load().sign_in);
        sign_in.finish_refreshes().await;
        usage::keep_at_the_end(&self.live.gate, &self.heads);
        self.live.note(EventKind::GateStopped, &Asked::by_system("serve"), None);
        if let Err(error) = self.live.gate.registrar.close().await {
            tracing::warn!(%error, "the store was not closed cleanly; it recovers at the next start");
        }
        self.live.end_of_events();
        // Last, when nothing is written any more.
        self.keeper.stop().await;
        tracing::info!("stopped");
    }
}

fn load(path: &Path, clock: &Clock) -> Result<Config, StartError> {
    Config::load(path, config::environment(), clock.now()).map_err(|problems| StartError::of(&problems))
}

/// The folders of a gate that are not there yet: that of the state for us alone. What is there is judged by those who use it.
fn make_folders(config: &Config) -> Result<(), StartError> {
    let make = |key: &str, folder: &Path, mode: u32| {
        let made = DirBuilder::new().recursive(true).mode(mode).create(folder);
        made.map_err(|error| format!("{key}: cannot make {}: {error}", folder.display()))
    };
    let admin = admin::make_folder(&config.listen.admin, config.listen.admin_group.as_deref());
    let made = [
        make("state", &config.state, 0o700),
        make("audit.dir", &config.audit.dir, 0o750),
        admin.map_err(|error| format!("listen.admin: {error}")),
    ];
    let problems: Vec<String> = made.into_iter().filter_map(Result::err).collect();
    if problems.is_empty() { Ok(()) } else { Err(StartError(problems)) }
}

async fn open(live: Arc<Live>, config: &Config, desk: Desk) -> Result<Running, StartError> {
    let (drain, draining) = watch::channel(false);
    let started_at = live.parts.clock.now();
    let mut problems = Vec::new();
    let mut listeners = Vec::new();
    if let Err(error) = is_free(config.listen.https) {
        problems.push(cannot_listen("listen.https", config.listen.https, &error));
    }
    for _core in 0..config.cores {
        if !problems.is_empty() {
            break;
        }
        match listen(config.listen.https, BACKLOG) {
            Ok(listener) => listeners.push(listener),
            Err(error) => {
                problems.push(cannot_listen("listen.https", config.listen.https, &error));
                break;
            }
        }
    }
    let record = problems.is_empty().then(|| record(config, &live.parts));
    let record = record.and_then(|record| record.map_err(|problem| problems.push(problem)).ok());
    if problems.is_empty()
        && let Err(problem) = usage::restore(&live.gate.usage, config, started_at)
    {
        problems.push(problem);
    }
    let http = bind("listen.http", config.listen.http, &mut problems).await;
    let metrics = bind("listen.metrics", config.listen.metrics, &mut problems).await;
    let socket = admin::bind(&config.listen.admin, config.listen.admin_group.as_deref())
        .map_err(|error| problems.push(format!("listen.admin: {error}")))
        .ok();
    let (Some(socket), Some(Record { chains, control, syncs, heads, keeper }), true) = (socket, record, problems.is_empty())
    else {
        return Err(StartError(problems));
    };
    let interval = match config.audit.sync {
        AuditSync::Interval(interval) => interval,
        // Batches are forced to the disk one by one; what is left are the ends of segments.
        AuditSync::Always => SYNC_LEFTOVERS,
    };
    let sync = SyncSchedule::start(syncs, interval).map_err(StartError::one)?;
    let journal = open_journal(&live, control);
    let mut cores = Vec::new();
    for (index, (listener, chain)) in listeners.into_iter().zip(chains).enumerate() {
        let parts = CoreParts { index, listener, chain, record: live.parts.record.clone(), drain: draining.clone() };
        cores.push(journey::start(Arc::clone(&live.gate), parts).map_err(StartError::one)?);
    }
    let admin = Arc::new(admin_state(&live, started_at, journal.clone()));
    let _once = live.gate.admin.set(Arc::downgrade(&admin));
    let mut tasks = vec![
        spawn(admin::serve(socket, admin)),
        spawn(files::watch(Arc::clone(&live))),
        spawn(tend(Arc::clone(&live))),
        spawn(live.gate.registrar.clone().tend_keys()),
        spawn(posture_sources::tend(Arc::clone(&live.gate.intake))),
        spawn(break_glass::watch(Arc::clone(&live))),
        spawn(freshness::keep(Arc::clone(&live))),
        spawn(freshness::give_back(Arc::clone(&live), freshness::given_up(&live.gate.registrar))),
        spawn(journal.clone().tend()),
        spawn(desk.run(Arc::clone(&live.gate), journal.clone())),
        spawn(clock::watch(Arc::clone(&live))),
        spawn(usage::keep(Arc::clone(&live.gate), heads.clone())),
    ];
    tasks.extend(http.map(|listener| spawn(redirect::serve(listener, config.listen.public_port))));
    tasks.extend(metrics.map(|listener| spawn(scrape::serve(listener, Arc::new(scraped(&live, draining))))));
    tracing::info!(https = %config.listen.https, cores = config.cores, apps = config.apps.len(), "the gate is open");
    Ok(Running { live, drain, cores, tasks, heads, keeper, _sync: sync })
}

/// The record, taken for this process.
struct Record {
    /// One for each data core.
    chains: Vec<ChainWriter>,
    /// The control runtime's.
    control: ChainWriter,
    syncs: Syncs,
    heads: Heads,
    keeper: Keeper,
}

/// Takes the record for this process, repairs it if the last one crashed, begins a chain for each data core and one for
/// events, and has them kept.
fn record(config: &Config, parts: &Parts) -> Result<Record, String> {
    let (finished, words) = FinishedWords::new();
    let in_folder = |error: ArchiveError| format!("audit.dir: {error}");
    let mut archive = Archive::open(&config.audit, parts.clock.clone(), finished).map_err(in_folder)?;
    let names: Vec<Arc<str>> = (0..config.cores).map(|core| core.to_string().into()).chain([CONTROL.into()]).collect();
    let mut chains = archive.begin(&names).map_err(in_folder)?;
    let control = chains.pop().ok_or("audit: there is no chain for events")?;
    let (heads, metrics) = (archive.heads(), parts.keep.clone());
    let keeper = Keeper::start(&config.audit, &config.state, heads.clone(), words, parts.clock.clone(), metrics);
    Ok(Record { chains, control, syncs: archive.syncs(), heads, keeper: keeper.map_err(|error| format!("audit: {error}"))? })
}

fn policies_at_start(config: &Config, metrics: &JourneyMetrics, now: Timestamp) -> Option<Loaded> {
    let proved = policies::load(config).and_then(|loaded| {
        let notes = proofs::judge(config, &loaded.texts, loaded.decider.set(), proofs::Moment::Start)?;
        Ok((loaded, notes))
    });
    let problems = match proved {
        Ok((loaded, notes)) => {
            for warning in loaded.warnings.iter().chain(&notes) {
                tracing::warn!(warning, "policies");
            }
            if let Err(problem) = policies::keep(config, &loaded) {
                tracing::warn!(problem, "the live policies could not be kept for the next start");
            }
            metrics.reload_success.set(1);
            #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit a double")]
            metrics.reload_timestamp.set(now.as_secs() as f64);
            return Some(loaded);
        }
        Err(problems) => problems,
    };
    metrics.reload_success.set(0);
    for problem in &problems {
        tracing::error!(problem, "the policies cannot go live");
    }
    match policies::last_live(config) {
        Ok(loaded) => {
            tracing::error!("the policies that were live last are in force; mend the folder and run `sekisho reload`");
            Some(loaded)
        }
        Err(problems) => {
            for problem in &problems {
                tracing::error!(problem, "there are no earlier policies to fall back to");
            }
            tracing::error!("no policies are in force: every request is refused with 503 until `sekisho reload` finds good ones");
            None
        }
    }
}

/// Whatever happens from now on is noted.
fn open_journal(live: &Arc<Live>, chain: ChainWriter) -> Journal {
    let always = live.gate.world.load().config.audit.sync == AuditSync::Always;
    let journal = Journal::new(chain, always, live.parts.clock.clone(), live.parts.record.clone());
    live.record_to(journal.clone());
    let starting = Asked::by_system("serve");
    live.note(EventKind::GateStarted, &starting, Some(format!("sekisho {}", env!("CARGO_PKG_VERSION"))));
    live.note_loaded(&starting, &[]);
    let (notes, break_glass) = (journal.clone(), live.parts.break_glass.clone());
    live.gate.registrar.observe(Box::new(move |applied| {
        if let Some(event) = news::event(applied) {
            let _kept_if_it_must = notes.note(&event);
            break_glass.tell(&event);
        }
    }));
    journal
}

fn admin_state(live: &Arc<Live>, started_at: Timestamp, journal: Journal) -> AdminState {
    let [for_ready, for_config, for_reload, for_pin, for_ca, for_candidate, for_facts] =
        std::array::from_fn(|_| Arc::clone(live));
    AdminState {
        registrar: live.gate.registrar.clone(),
        usage: Arc::clone(&live.gate.usage),
        clock: live.parts.clock.clone(),
        started_at,
        hardening: live.parts.posture.shown().into(),
        ready: Arc::new(move || ready(&for_ready)),
        config: Arc::new(move || Arc::clone(&for_config.gate.world.load().config)),
        reload: Arc::new(move |by, why| {
            let live = Arc::clone(&for_reload);
            Box::pin(async move { live.reload(&Asked { by, why }).await })
        }),
        recorded: Arc::new(move || journal.is_complete()),
        pin: Arc::new(move || for_pin.gate.world.load().pin()),
        ca: Arc::new(move || ca(&for_ca)),
        candidate: Arc::new(move || candidate::view(&for_candidate.gate)),
        known_facts: Arc::new(move || {
            let world = for_facts.gate.world.load();
            world.decider.as_ref().map(|decider| KnownFacts::of(decider.set()))
        }),
    }
}

fn ca(live: &Live) -> Option<CaCertificate> {
    let world = live.gate.world.load();
    let house = live.parts.house(&world.config).ok()??;
    let settings = super::parts::enrol_settings(&world.config)?;
    Some(CaCertificate {
        name: settings.authority.to_string(),
        pem: house.certificate_pem(),
        fingerprint: Digest(fingerprint::certificate(house.certificate())),
        not_after: Timestamp::from_secs(i64::try_from(house.not_after().as_secs()).unwrap_or(i64::MAX)),
    })
}

fn scraped(live: &Arc<Live>, draining: watch::Receiver<bool>) -> Scrape {
    let (for_ready, for_hosts) = (Arc::clone(live), Arc::clone(live));
    Scrape {
        registry: live.parts.registry.clone(),
        ready: Box::new(move || {
            if *draining.borrow() {
                return Err("draining".to_owned());
            }
            ready(&for_ready)
        }),
        is_ours: Box::new(move |host| {
            let config = &for_hosts.gate.world.load().config;
            let own = std::iter::once(&config.sign_in.host).chain(config.apps.iter().map(|app| &app.host));
            own.chain(&config.listen.metrics_hosts).any(|own| own == host)
        }),
    }
}

/// Whether requests can be let through; if not, why.
fn ready(live: &Live) -> Result<(), String> {
    if live.gate.world.load().decider.is_none() {
        return Err("no policies are in force".to_owned());
    }
    if live.gate.inventory.is_behind() {
        return Err("the store cannot be read".to_owned());
    }
    if !live.gate.clock_is_sure() {
        return Err("the clock has jumped".to_owned());
    }
    if live.parts.record.writable.get() == 0 {
        return Err("the record cannot be written".to_owned());
    }
    Ok(())
}

async fn tend(live: Arc<Live>) {
    let registrar = live.gate.registrar.clone();
    registrar.tend(move || live.gate.world.load().config.sign_in.idle_timeout).await;
}

fn spawn(task: impl Future<Output = ()> + Send + 'static) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(task))
}

fn register_process(registry: &Registry) -> Result<(), prometheus::Error> {
    let build = prometheus::IntGauge::with_opts(
        prometheus::Opts::new("sekisho_build_info", "Which build this is").const_label("version", env!("CARGO_PKG_VERSION")),
    )?;
    build.set(1);
    registry.register(Box::new(build))?;
    registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))
}

impl StartError {
    fn one(error: impl fmt::Display) -> Self {
        Self(vec![error.to_string()])
    }

    fn of<P: fmt::Display>(problems: &[P]) -> Self {
        Self(problems.iter().map(ToString::to_string).collect())
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|problem| writeln!(f, "{problem}"))
    }
}

impl std::error::Error for StartError {}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").finish_non_exhaustive()
    }
}

/// Sign-ins, enrolments and the like under way at once.
const CONTROL_ROOM: usize = 256;
/// What a person may change of what is theirs …
const ACTS: usize = 30;
/// … within so long: each is a write, and kept for a year.
const ACTS_WITHIN: std::time::Duration = std::time::Duration::from_secs(60);
/// Connections that may wait to be accepted, per core.
const BACKLOG: u32 = 4096;
/// How often what is left of finished segments is forced to the disk.
const SYNC_LEFTOVERS: std::time::Duration = std::time::Duration::from_secs(1);
/// The chain of the record that events go to.
const CONTROL: &str = "control";
