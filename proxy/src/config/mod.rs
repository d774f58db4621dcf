//! Settings in two stages: what was written (`raw`), then what it means (`checked`), with every problem reported at once.
//!
//! Arrives: a TOML file and the environment. Leaves: a [`Config`], immutable. Refused: everything unknown, unclear, unsafe or
//! contradictory, as a list of [`Problem`]s. Nothing here waits or keeps anything open.

mod builtin;
mod check;
mod checked;
mod document;
mod environment;
mod host;
mod keeping;
mod load;
mod outline;
mod path;
mod posture;
mod problem;
mod raw;
mod setting;
mod suggest;
#[cfg(test)]
mod tests;
mod units;

pub use checked::{
    Admin, Admit, App, Approval, Audit, AuditSync, ClientCertificate, Config, CorsPreflight, CrossSite, DeviceAuthority,
    DeviceAuthorityKind, DeviceIdSource, Enrolment, HealthCheck, IdentityProvider, KeySource, Landlock, Limits, Listen,
    OidcClient, Policies, Process, PublicPath, ServerCertificateFiles, SessionRules, SignIn, TerminalClient, Timeouts, Upstream,
    UpstreamProtocol, UpstreamScheme,
};
pub use environment::environment;
pub use host::{Host, InvalidHost};
pub use keeping::{CheckpointCommand, Keeping, SyslogAddress};
pub use outline::Outline;
pub use path::{PathRefusal, canonical as canonical_path};
pub use posture::{
    CertificateFact, DeviceNaming, ENROLMENT_SOURCE, MaySet, OPERATOR_SOURCE, PostureSource, QueryFact, ReportFormat,
};
pub use problem::{Place, Problem};
pub use units::{Rate, UnitError, duration as parse_duration};
