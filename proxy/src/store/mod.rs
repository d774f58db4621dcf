//! Arrives: what should change, who asks and why. Leaves: the change, durable and in effect in the live state.
//! Refused: transitions that make no sense, names that nobody has, codes that are used up; and everything while the database fails.
//! If the caller goes away, the change is finished all the same.
//!
//! SQL is in this folder only. Each write is one transaction that also appends to the change feed, and the live state is updated
//! by following that feed and in no other way: several nodes on one database would do the same.

mod actor;
mod administrators;
mod attestations;
mod belongings;
mod break_glass;
mod code;
mod devices;
mod ended;
mod error;
mod facts;
mod feed;
mod follow;
mod given_up;
mod invitations;
mod near;
mod open;
mod open_invitations;
mod people;
mod pieces;
#[cfg(test)]
mod read_back;
mod refresh;
mod registrar;
mod renewals;
#[cfg(test)]
mod renewals_tests;
#[cfg(test)]
mod replay;
mod rows;
mod sessions;
#[cfg(test)]
mod tests;
mod upkeep;
mod used_codes;

pub use actor::{Actor, LONGEST_REASON, one_line};
pub use administrators::{Administrator, AdministratorError};
pub use attestations::Attestation;
pub use belongings::{BelongingError, Belongings, Oneself, OwnDevice, OwnInvitation, OwnLimits};
pub use break_glass::{BreakGlassError, IssuedBreakGlass};
pub use code::{InvalidCode, InviteCode};
pub use devices::{DeviceError, NewDevice};
pub use error::StoreError;
pub use facts::{DeviceAlias, DeviceFact, DeviceSetting, FactReport, FactSource, MANAGED, PLATFORM, Reported, SettingError};
pub use feed::{Applied, Change};
pub use follow::Observer;
pub use given_up::GivenUp;
pub use invitations::{Enrolment, Invitation, InvitationError, Invite, IssuedInvitation};
pub use near::{did_you_mean, near};
pub use open_invitations::{KnownPerson, NotOpen, OpenInvitation};
pub use people::{PersonError, canonical_email};
pub use registrar::Registrar;
pub use renewals::{Renewal, RenewalError, Renewed};
pub use sessions::{FromProvider, Meant, SessionError, SessionsOf};
pub use used_codes::ShownAgain;
