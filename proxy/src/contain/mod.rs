//! Arrives: every access that was let through, as a lease; and word of what changed, from a lever. Leaves: the leases that the
//! change can affect, to be asked about again. Refused: nothing; what cannot be told apart is asked about too. If the client goes
//! away, its lease goes with it.
//!
//! A lever is pulled after its fact was published: whoever is told then finds the new fact when asking again. Who asks, and how an
//! access is cut, is the hallway's business (`journey`).
//!
//! Beside them, what everybody has had lately: [`Usage`]; how many requests are under way, and whose: [`Crowd`]; and how often strangers may
//! try: [`Throttle`], and when it is their turn: [`Turns`]; how often those who are known: [`Pace`].

mod cause;
mod change;
mod crowd;
mod feed;
mod leases;
mod levers;
mod mark;
mod metrics;
mod network;
mod pace;
mod throttle;
mod turns;
mod usage;

pub use cause::Cause;
pub use change::{Change, Pulled};
pub use crowd::{Crowd, CrowdMetrics, Crowded, InFlight};
pub use leases::{Kind, Lease, Leases, Place, Terms};
pub use levers::{Levers, Way};
pub use mark::Mark;
pub use metrics::{ContainMetrics, Tally};
pub use network::Network;
pub use pace::Pace;
pub use throttle::{Rate, Throttle};
pub use turns::{Busy, Turns};
pub use usage::{
    Credit, Figures, Heads, Hold, Holder, Rebuild, Restored, SnapshotError, StreamId, Usage, UsageMetrics, Used, UsedUp, Whose,
};
