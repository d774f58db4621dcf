//! What the journey works with: the gate as a whole, the world as configured, and one data core.

use std::cell::RefCell;
use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, OnceLock, Weak};

use arc_swap::{ArcSwap, ArcSwapOption};

use super::access::Access;
use super::candidate::Shadow;
use super::control::Control;
use super::metrics::JourneyMetrics;
use super::signals::Signals;
use super::tally::Tallies;
use crate::accept::Limiter;
use crate::clock::Clock;
use crate::config::{Config, SessionRules};
use crate::console::admin::AdminState;
use crate::contain::{ContainMetrics, Crowd, Leases, Levers, Pace, Usage};
use crate::decide::{Decider, Explained, Prepared};
use crate::enrol::{Enrolment, pin_of};
use crate::forward::{ForwardShared, Forwarder};
use crate::identify_device;
use crate::identify_user;
use crate::identify_user::keys::Providers;
use crate::intake::Intake;
use crate::inventory::{Inventory, UserId};
use crate::read::RequestIds;
use crate::record::Recorder;
use crate::route::Router;
use crate::secret::Digest;
use crate::sign_in::SignIn;
use crate::store::Registrar;
use crate::tls::TlsSettings;

/// The gate: what outlives reloads. Shared by all cores and the control runtime.
pub struct Gate {
    /// Tells the time.
    pub clock: Clock,
    /// Devices, sessions and suspensions as they are now.
    pub inventory: Arc<Inventory>,
    /// Changes them.
    pub registrar: Registrar,
    /// Enrols devices; empty without a built-in authority.
    pub enrolment: ArcSwapOption<Enrolment>,
    /// Takes what posture sources push.
    pub intake: Arc<Intake>,
    /// The way to the control runtime.
    pub control: Control,
    /// How often people change what is theirs.
    pub acts: Pace<UserId>,
    /// What everybody has had of the apps lately.
    pub usage: Arc<Usage>,
    /// Sheds connections.
    pub limiter: Limiter,
    /// Sheds requests.
    pub crowd: Arc<Crowd>,
    /// Metrics of connections and requests.
    pub metrics: JourneyMetrics,
    /// What cores notice goes there.
    pub signals: Signals,
    /// Metrics of leases and cuts.
    pub contain: ContainMetrics,
    /// Whoever changes something pulls them, and every core hears of it.
    pub levers: Levers,
    /// What administrators ask for; empty until the admin socket is open. It knows the gate, so that the gate does not keep it.
    pub admin: OnceLock<Weak<AdminState>>,
    /// Where the candidate policies differed.
    pub shadow: Shadow,
    /// The configuration in force.
    pub world: ArcSwap<World>,
}

/// Everything that one load of configuration and policies makes. Swapped whole, so that a request never sees half of each.
#[derive(Debug)]
pub struct World {
    /// Which load: what was remembered under another is forgotten.
    pub generation: u64,
    /// The settings.
    pub config: Arc<Config>,
    /// How long sessions hold by them.
    pub rules: SessionRules,
    /// How handshakes go.
    pub tls: TlsSettings,
    /// Which app a request is for.
    pub router: Router,
    /// Who vouches for devices.
    pub devices: identify_device::Identifier,
    /// Who vouches for people.
    pub providers: Arc<Providers>,
    /// Signs people in.
    pub sign_in: Arc<SignIn>,
    /// The policies; `None`: nothing is let through.
    pub decider: Option<Decider>,
    /// Policies that are tried and decide nothing; `None`: there are none.
    pub candidate: Option<Candidate>,
    /// How to reach the apps.
    pub targets: Arc<ForwardShared>,
}

impl World {
    /// What enrolment codes pin: the key of the certificate that is shown at the sign-in host.
    pub fn pin(&self) -> Option<Digest> {
        pin_of(&self.tls.shown_at(self.config.sign_in.host.as_str())?)
    }
}

/// Policies that are tried on live traffic.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Their folder.
    pub dir: PathBuf,
    /// They themselves, or all that is wrong with them: then they are not asked.
    pub set: Result<Decider, Vec<String>>,
}

/// One data core: thread-confined, shared by its connections.
pub(super) struct Core {
    /// The gate.
    pub(super) gate: Arc<Gate>,
    /// The core's way into the record.
    pub(super) recorder: Recorder,
    /// Every access that is under way.
    pub(super) leases: Leases<Rc<Access>>,
    /// Names its requests.
    pub(super) ids: RequestIds,
    /// Counts its answers.
    pub(super) tallies: Tallies,
    /// The label of answers that are for no app.
    pub(super) no_app: Arc<str>,
    /// Finds out who asks.
    pub(super) users: identify_user::Identifier,
    /// Questions made ready.
    pub(super) prepared: Prepared,
    /// Denials explained.
    pub(super) explained: Explained,
    /// Questions made ready for the candidate policies.
    pub(super) prepared_for_candidate: Prepared,
    forwarder: RefCell<(u64, Rc<Forwarder>)>,
}

impl Gate {
    /// Whether what rests on time (sessions, certificates) can be judged now. A core that finds it cannot need not wait for the one
    /// who watches the clock.
    pub fn clock_is_sure(&self) -> bool {
        self.clock.look().is_ok()
    }
}

impl Core {
    /// A core of `gate`. To be called inside its `LocalSet`.
    pub(super) fn new(gate: Arc<Gate>, recorder: Recorder) -> Self {
        let world = gate.world.load();
        let forwarder = Rc::new(Forwarder::new(Arc::clone(&world.targets)));
        let users = identify_user::Identifier::new(Arc::clone(&gate.inventory));
        let generation = world.generation;
        drop(world);
        let leases = Leases::new(gate.contain.tally());
        Self {
            gate,
            recorder,
            leases,
            ids: RequestIds::new(),
            tallies: Tallies::default(),
            no_app: "".into(),
            users,
            prepared: Prepared::new(PREPARED),
            explained: Explained::new(),
            prepared_for_candidate: Prepared::new(PREPARED),
            forwarder: RefCell::new((generation, forwarder)),
        }
    }

    /// The core's forwarding under `world`. Exchanges of an earlier one go on as they began.
    pub(super) fn forwarder(&self, world: &World) -> Rc<Forwarder> {
        let mut current = self.forwarder.borrow_mut();
        if current.0 < world.generation {
            let reloaded = Rc::new(current.1.reloaded(Arc::clone(&world.targets)));
            *current = (world.generation, reloaded);
        }
        Rc::clone(&current.1)
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").finish_non_exhaustive()
    }
}

/// Pairs of person and device for which a core keeps the question ready.
const PREPARED: usize = 4096;
