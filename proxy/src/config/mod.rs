//! Settings in two stages: what was written (`raw`), then what it means (`checked`), with every problem reported at once.

mod checked;
mod host;

pub use checked::{
    Admit, App, Approval, Audit, AuditSync, ClientCertificate, Config, CorsPreflight, DeviceAuthority, DeviceAuthorityKind,
    DeviceIdSource, HealthCheck, IdentityProvider, KeySource, Limits, Listen, OidcClient, PublicPath, ServerCertificateFiles,
    SignIn, Timeouts, Upstream, UpstreamProtocol, UpstreamScheme,
};
pub use host::{Host, InvalidHost};
