//! The kernel keeps the process from files and ports that are not its own.

use ::landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, LandlockStatus, NetPort, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};

use super::paths::Paths;
use super::standing::{Layer, Standing};

/// Restricts this thread, and all that it starts from now on.
pub(super) fn restrict(paths: &Paths) -> Standing {
    // Only the thread that asks is restricted: one that is there already would be a way round.
    match std::fs::read_dir("/proc/self/task").map(Iterator::count) {
        Ok(1) => {}
        Ok(threads) => return Standing::missing(Layer::Landlock, format!("there are {threads} threads already")),
        Err(error) => return Standing::missing(Layer::Landlock, format!("/proc cannot be read: {error}")),
    }
    match apply(paths) {
        Ok((RulesetStatus::NotEnforced, _)) | Err(Failure::Missing) => Standing::missing(
            Layer::Landlock,
            "this kernel has none that is recent enough (Linux 5.19, with `landlock` in its list of security modules)",
        ),
        Ok((status, known)) => {
            let rest = if status == RulesetStatus::FullyEnforced { "" } else { "; what newer kernels restrict beside is open" };
            Standing::in_force(Layer::Landlock, format!("{known}{rest}"))
        }
        Err(Failure::Other(words)) => Standing::missing(Layer::Landlock, words),
    }
}

enum Failure {
    Missing,
    Other(String),
}

impl From<RulesetError> for Failure {
    fn from(error: RulesetError) -> Self {
        Self::Other(error.to_string())
    }
}

fn apply(paths: &Paths) -> Result<(RulesetStatus, String), Failure> {
    // The first version cannot let a file be moved between folders, which the admin socket needs.
    let least = Ruleset::default().set_compatibility(CompatLevel::HardRequirement).handle_access(AccessFs::from_all(ABI::V2));
    let ruleset = least.map_err(|_old| Failure::Missing)?.set_compatibility(CompatLevel::BestEffort);
    let mut ruleset = ruleset
        .handle_access(AccessFs::from_all(KNOWN))?
        .handle_access(AccessNet::BindTcp)?
        .scope(Scope::from_all(KNOWN))?
        .create()
        .map_err(|_old| Failure::Missing)?;
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    ruleset = ruleset
        .add_rules(path_beneath_rules(&paths.read, read))?
        .add_rules(path_beneath_rules(&paths.run, read | AccessFs::Execute))?
        .add_rules(path_beneath_rules(&paths.write, changes()))?
        .add_rules(path_beneath_rules(&paths.devices, AccessFs::ReadFile | AccessFs::WriteFile))?;
    for port in &paths.ports {
        ruleset = ruleset.add_rule(NetPort::new(*port, AccessNet::BindTcp))?;
    }
    let done = ruleset.restrict_self()?;
    let known = match done.landlock {
        LandlockStatus::Available { effective_abi, .. } => format!("ABI {}", effective_abi as i32),
        LandlockStatus::NotEnabled | LandlockStatus::NotImplemented => return Err(Failure::Missing),
    };
    Ok((done.ruleset, known))
}

/// Everything but executing, and making devices.
fn changes() -> BitFlags<AccessFs> {
    AccessFs::from_all(KNOWN) & !(AccessFs::Execute | AccessFs::MakeBlock | AccessFs::MakeChar | AccessFs::IoctlDev)
}

/// The version whose kinds of access are handled: files and their moves, truncation, TCP ports, devices' controls, signals and
/// abstract sockets. What a later one adds is added here when it is known to be harmless.
const KNOWN: ABI = ABI::V6;
