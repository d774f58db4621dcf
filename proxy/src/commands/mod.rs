//! The command line.
//!
//! Arrives: arguments. Leaves: what was asked for, on standard output, and an exit code: 0 fine, 1 a check failed, 2 wrong usage,
//! 3 could not do it. Refused: whatever makes no sense, with words. If interrupted, a change that the gate began is finished.

mod admin;
mod admin_client;
mod audit;
mod break_glass;
mod ca;
mod cli;
mod device;
mod device_facts;
mod enroll;
mod error;
mod invitations;
mod login;
mod nss;
mod output;
mod policy;
#[cfg(feature = "quickstart")]
mod quickstart;
mod reach;
mod reload;
mod serve;
mod session;
mod status;
#[cfg(test)]
mod tests;
mod user;
mod when;
mod why;

pub use admin::AdminCommand;
pub use admin_client::AdminClient;
pub use audit::AuditCommand;
pub use break_glass::BreakGlassCommand;
pub use ca::CaCommand;
pub use cli::Cli;
pub use device::DeviceCommand;
pub use enroll::EnrollCommand;
pub use error::CommandError;
pub use login::LoginCommand;
pub use output::{Table, print, print_json};
pub use policy::PolicyCommand;
#[cfg(feature = "quickstart")]
pub use quickstart::QuickstartCommand;
pub use reach::Reach;
pub use reload::ReloadCommand;
pub use serve::{CheckCommand, ServeCommand};
pub use session::SessionCommand;
pub use status::StatusCommand;
pub use user::UserCommand;
