//! What outlives reloads, and how it becomes a world together with a configuration.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use prometheus::Registry;
use sekisho_certs::authority::Authority;
use sekisho_certs::tpm::EndorsementTrust;
use tokio::runtime::Handle;

use super::break_glass::BreakGlassMetrics;
use super::candidate;
use super::clock::ClockMetrics;
use super::policies::Loaded;
use super::posture::Posture;
use super::trust;
use crate::clock::Clock;
use crate::config::{Config, DeviceAuthorityKind};
use crate::enrol::{EnrolMetrics, EnrolSettings, Enrolment};
use crate::forward::{ForwardMetrics, ForwardShared};
use crate::identify_user::keys::{KeyMetrics, Providers};
use crate::journey::World;
use crate::record::RecordMetrics;
use crate::record::keep::KeepMetrics;
use crate::route::Router;
use crate::sign_in::{SignIn, SignInMetrics};
use crate::store::Registrar;
use crate::tls::{Resumption, TlsSettings};

/// The parts of the gate that every configuration shares.
pub(super) struct Parts {
    pub(super) config_path: PathBuf,
    pub(super) posture: Posture,
    pub(super) clock: Clock,
    pub(super) registrar: Registrar,
    pub(super) control: Handle,
    pub(super) registry: Registry,
    pub(super) record: RecordMetrics,
    pub(super) keep: KeepMetrics,
    house: ArcSwapOption<Authority>,
    resumption: Resumption,
    keys: KeyMetrics,
    sign_in: SignInMetrics,
    forward: ForwardMetrics,
    enrol: EnrolMetrics,
    pub(super) clock_metrics: ClockMetrics,
    pub(super) break_glass: BreakGlassMetrics,
    generation: AtomicU64,
}

impl Parts {
    /// To be called on the control runtime.
    pub(super) fn new(
        config_path: PathBuf,
        posture: Posture,
        clock: Clock,
        registrar: Registrar,
        registry: Registry,
    ) -> Result<Self, prometheus::Error> {
        Ok(Self {
            config_path,
            posture,
            clock,
            registrar,
            control: Handle::current(),
            record: RecordMetrics::register(&registry)?,
            keep: KeepMetrics::register(&registry)?,
            house: ArcSwapOption::empty(),
            resumption: Resumption::new(),
            keys: KeyMetrics::register(&registry)?,
            sign_in: SignInMetrics::register(&registry)?,
            forward: ForwardMetrics::register(&registry)?,
            enrol: EnrolMetrics::register(&registry)?,
            clock_metrics: ClockMetrics::register(&registry)?,
            break_glass: BreakGlassMetrics::register(&registry)?,
            generation: AtomicU64::new(1),
            registry,
        })
    }

    /// The world of `config`. What `previous` has in common with it is carried over.
    ///
    /// # Errors
    /// Every problem in words; nothing has changed then.
    pub(super) fn world(
        &self,
        config: Arc<Config>,
        policies: Option<&Loaded>,
        previous: Option<&World>,
    ) -> Result<World, Vec<String>> {
        let mut problems = Vec::new();
        let mut collect = |error: Vec<String>| problems.extend(error);
        let now = self.clock.now();
        let house = self.house(&config).map_err(|problem| vec![problem]);
        let house = house.map_err(&mut collect).ok().flatten();
        let certificates = trust::server_certificates(&config, now).map_err(&mut collect).ok();
        let devices = trust::device_authorities(&config, house.as_deref()).map_err(&mut collect).ok();
        let providers = match previous {
            Some(previous) => previous.providers.reload(&config.identity_providers),
            None => Providers::start(&config.identity_providers, self.control.clone(), self.clock.clone(), self.keys.clone()),
        };
        let providers = providers.map_err(|error| collect(vec![error.to_string()])).ok();
        let targets = previous.map(|previous| &*previous.targets);
        let targets = ForwardShared::build(&config, self.clock.clone(), &self.forward, targets).map_err(&mut collect).ok();
        let (Some(certificates), Some((devices, hints)), Some(providers), Some(targets)) =
            (certificates, devices, providers, targets)
        else {
            return Err(problems);
        };
        let tls = TlsSettings::new(certificates, hints, &self.resumption).map_err(|error| vec![error.to_string()])?;
        let providers = Arc::new(providers);
        let sign_in = match previous {
            Some(previous) => previous.sign_in.reload(Arc::clone(&config), Arc::clone(&providers)),
            None => SignIn::new(Arc::clone(&config), Arc::clone(&providers), self.registrar.clone(), self.sign_in.clone()),
        };
        Ok(World {
            generation: self.generation.fetch_add(1, Ordering::Relaxed),
            tls,
            router: Router::new(&config),
            devices,
            providers,
            sign_in: Arc::new(sign_in),
            decider: policies.map(|loaded| loaded.decider.clone()),
            candidate: match previous {
                // The same configuration again: only files that it names were read anew.
                Some(previous) if Arc::ptr_eq(&previous.config, &config) => previous.candidate.clone(),
                _ => candidate::load(&config),
            },
            targets,
            rules: config.session_rules(),
            config,
        })
    }

    /// The built-in authority, if `config` has one: made on first start.
    pub(super) fn house(&self, config: &Config) -> Result<Option<Arc<Authority>>, String> {
        if config.builtin_authority().is_none() {
            return Ok(None);
        }
        if let Some(house) = self.house.load_full() {
            return Ok(Some(house));
        }
        let dir = config.state.join("authority");
        let house = Authority::open_or_create(&dir, config.sign_in.host.as_str(), trust::unix_time(self.clock.now()))
            .map_err(|error| format!("the built-in device authority in {}: {error}", dir.display()))?;
        let house = Arc::new(house);
        self.house.store(Some(Arc::clone(&house)));
        Ok(Some(house))
    }

    /// Enrolment under `config`; `None` if it has no built-in authority.
    pub(super) fn enrolment(&self, config: &Config) -> Option<Arc<Enrolment>> {
        let settings = enrol_settings(config)?;
        let house = self.house.load_full()?;
        Some(Arc::new(Enrolment::new(self.registrar.clone(), house, settings, self.clock.clone(), self.enrol.clone())))
    }
}

/// What `config` says of its built-in authority.
pub(super) fn enrol_settings(config: &Config) -> Option<EnrolSettings> {
    config.device_authorities.iter().find_map(|authority| match &authority.kind {
        &DeviceAuthorityKind::Builtin { certificate_lifetime, approval, renewal_grace, renewal_overlap, ref tpm_roots } => {
            let authority = Arc::clone(&authority.name);
            // Its only error is that there are none: each was read when the configuration was checked.
            let tpm = EndorsementTrust::new(tpm_roots).ok().map(Arc::new);
            Some(EnrolSettings { authority, certificate_lifetime, approval, renewal_grace, renewal_overlap, tpm })
        }
        DeviceAuthorityKind::External { .. } => None,
    })
}
