//! What the process may still do once it serves. Taken before any thread of the gate is there, so that every thread has it.
//!
//! Each layer is asked of the kernel and then looked at: what the log, the metric and `sekisho status` say is what is so.

mod account;
mod landlock;
mod memory;
mod paths;
mod standing;

use std::path::Path;

use prometheus::{IntGaugeVec, Opts, Registry};

use standing::{Layer, Standing};

use crate::config::{Config, Landlock};
use crate::console::admin::wire::Hardening;

pub use memory::seal as seal_memory;
pub(super) use paths::within_reach;

/// The layers of hardening, and which of them are in force.
#[derive(Clone, Debug)]
pub(super) struct Posture {
    layers: Vec<Standing>,
    /// Whether anything was to be given up: else there is nothing to warn of.
    asked: bool,
}

impl Posture {
    /// Gives up what `config` does not need, for this thread and all that it starts from now on.
    ///
    /// # Errors
    /// In words, if the gate must not start like this.
    pub(super) fn take(config: &Config, config_path: &Path) -> Result<Self, String> {
        let account = account::judge(config.process.allow_root)?;
        // Before landlock, which needs it of those that are not root.
        let privileges = no_new_privileges();
        let landlock = match config.process.landlock {
            Landlock::Off => Standing::missing(Layer::Landlock, "landlock = \"off\" in [process]"),
            Landlock::On | Landlock::Require => landlock::restrict(&paths::Paths::of(config, config_path)),
        };
        if config.process.landlock == Landlock::Require && !landlock.in_force {
            return Err(format!("process.landlock: it is required, and {}", landlock.words));
        }
        Ok(Self { layers: vec![account, memory::look(), privileges, landlock], asked: true })
    }

    /// How this process stands, with nothing given up.
    pub(super) fn as_it_is() -> Self {
        let privileges = match rustix::thread::no_new_privs() {
            Ok(true) => Standing::in_force(Layer::NoNewPrivileges, "programs that it starts gain nothing"),
            Ok(false) | Err(_) => Standing::missing(Layer::NoNewPrivileges, NOT_SERVE),
        };
        let landlock = Standing::missing(Layer::Landlock, NOT_SERVE);
        Self { layers: vec![account::look(), memory::look(), privileges, landlock], asked: false }
    }

    /// Says it in the log, in one line, and in a metric.
    pub(super) fn tell(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        let opts = Opts::new("sekisho_hardening", "1 for each layer of hardening of the process that is in force");
        let gauge = IntGaugeVec::new(opts, &["layer"])?;
        for standing in &self.layers {
            gauge.with_label_values(&[standing.layer.as_str()]).set(i64::from(standing.in_force));
        }
        registry.register(Box::new(gauge))?;
        let list = |in_force: bool| {
            let chosen = self.layers.iter().filter(|standing| standing.in_force == in_force);
            let words = chosen.map(|standing| format!("{} ({})", standing.layer.as_str(), standing.words));
            words.collect::<Vec<_>>().join(", ")
        };
        let (has, lacks) = (list(true), list(false));
        if lacks.is_empty() || !self.asked {
            tracing::info!("hardening in force: {has}");
        } else {
            tracing::warn!("hardening in force: {has}; not in force: {lacks}");
        }
        Ok(())
    }

    /// For `sekisho status`.
    pub(super) fn shown(&self) -> Vec<Hardening> {
        let shown = |standing: &Standing| Hardening {
            layer: standing.layer.as_str().to_owned(),
            in_force: standing.in_force,
            words: standing.words.clone(),
        };
        self.layers.iter().map(shown).collect()
    }

    /// What to add to these reasons why something could not be read, if it may be that the kernel keeps us from it.
    pub(super) fn hint(&self, problems: &[String]) -> Option<String> {
        let restricted = self.layers.iter().any(|standing| standing.layer == Layer::Landlock && standing.in_force);
        let denied = problems.iter().any(|problem| problem.contains("ermission denied"));
        (restricted && denied).then(|| {
            "landlock: since its start the gate reads only folders that the configuration named then; one that is new takes a \
             restart, or its name in process.readable"
                .to_owned()
        })
    }
}

/// Whether a gate with this configuration would not start by the account of this process.
pub(super) fn refuses_this_account(config: &Config) -> bool {
    account::judge(config.process.allow_root).is_err()
}

fn no_new_privileges() -> Standing {
    match rustix::thread::set_no_new_privs(true) {
        Ok(()) => Standing::in_force(Layer::NoNewPrivileges, "programs that it starts gain nothing"),
        Err(error) => Standing::missing(Layer::NoNewPrivileges, error.to_string()),
    }
}

const NOT_SERVE: &str = "only `sekisho serve` gives up what it does not need";
