//! Arrives: a routed request, the device and the user. Leaves: [`Allowed`], which owns the request and which only this room
//! can make. Refused: whatever policy does not permit, and whatever it cannot decide. Nothing here waits, so nothing is left if
//! the client goes away.

mod allowed;
mod basis;
mod decider;
mod facts;
mod folder;
mod known_facts;
mod own;
mod refusal;
mod remedies;

pub use allowed::{Allowed, Permit};
pub use basis::{Basis, Snapshot, Snapshots};
pub use decider::{Decider, Denied, Opinion, Prepared, Who};
pub use folder::{FolderError, PolicyTexts};
pub use known_facts::{FactProblem, Kind, KnownFacts};
pub use own::{OwnAsk, OwnPermit};
pub use refusal::{Budget, DecideRefusal};
pub use remedies::{Explained, Remedies, Remedy};
