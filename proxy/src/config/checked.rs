//! What the settings mean: addresses parsed, files read, names resolved to each other.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use rustls_pki_types::CertificateDer;
use sekisho_certs::files::Readers;
use sekisho_policy::OwnActions;

use super::host::Host;
use super::keeping::Keeping;
use super::posture::{CertificateFact, PostureSource};
use super::units::Rate;
use crate::secret::{Digest, Secret};

/// The whole configuration, checked. Immutable; a reload makes a new one.
#[derive(Debug)]
pub struct Config {
    /// SHA-256 of the text of the file that it was loaded from. What the environment lays over it is not part of it.
    pub hash: Digest,
    /// Folder of the embedded database, `secret.key` and the built-in authority.
    pub state: PathBuf,
    /// Every file and folder that the settings name to be read.
    pub reads: BTreeSet<PathBuf>,
    /// What the process may do.
    pub process: Process,
    /// Where the gate listens.
    pub listen: Listen,
    /// Sign-in and sessions.
    pub sign_in: SignIn,
    /// Certificates that the gate shows, chosen by SNI. At least one.
    pub server_certificates: Vec<ServerCertificateFiles>,
    /// Who vouches for people. Names are unique.
    pub identity_providers: Vec<Arc<IdentityProvider>>,
    /// Who vouches for devices. Names are unique, at most one is built in.
    pub device_authorities: Vec<Arc<DeviceAuthority>>,
    /// Who reports the state of devices. Names are unique, and no two have the same token.
    pub posture_sources: Vec<Arc<PostureSource>>,
    /// What people may do for themselves.
    pub enrolment: Enrolment,
    /// What administrators may do over HTTPS.
    pub admin: Admin,
    /// What stands behind the gate. Names and hosts are unique, and no app has the sign-in host.
    pub apps: Vec<Arc<App>>,
    /// Where the policies are.
    pub policies: Policies,
    /// Folder of a policy set that is tried on live traffic and decides nothing (`[policies] candidate`).
    pub candidate_dir: Option<PathBuf>,
    /// The record.
    pub audit: Audit,
    /// Bounds on what clients may use.
    pub limits: Limits,
    /// Data cores (`cores`); default: one per processor.
    pub cores: usize,
    /// Zone of `context.local_time` and `context.weekday`. Default `UTC`.
    pub time_zone: jiff::tz::TimeZone,
    /// How old facts about a person may get while the provider cannot be reached. Default 1 h.
    pub max_fact_age: Duration,
}

/// How long sessions and what stands in them hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionRules {
    /// A session ends when unused for this long.
    pub idle_timeout: Duration,
    /// Facts that are younger are fresh, whoever gave them: the shortest `refresh` of a provider that people sign in with.
    pub fresh_for: Duration,
    /// Facts that are this old or older serve nobody.
    pub max_fact_age: Duration,
}

impl Config {
    /// How long sessions hold.
    pub fn session_rules(&self) -> SessionRules {
        let providers = self.identity_providers.iter().filter(|provider| provider.client.is_some());
        let shortest = providers.map(|provider| provider.refresh).min().unwrap_or(self.max_fact_age);
        SessionRules {
            idle_timeout: self.sign_in.idle_timeout,
            fresh_for: shortest.min(self.max_fact_age),
            max_fact_age: self.max_fact_age,
        }
    }

    /// What the gate itself is asked for, as policies see it.
    pub fn own_actions(&self) -> OwnActions {
        OwnActions { self_service: self.enrolment.self_service, administration: self.admin.api }
    }

    /// The groups that policies may name, if every identity provider that has groups lists them.
    pub fn known_groups(&self) -> Option<BTreeSet<String>> {
        let providers = self.identity_providers.iter();
        known_groups(providers.map(|provider| (provider.groups_claim.is_some(), provider.known_groups.clone())))
    }
}

/// Of providers, whether each has groups, and which it lists. Where no provider has any, there are none; without a provider,
/// nothing is known.
pub(super) fn known_groups(providers: impl Iterator<Item = (bool, Option<BTreeSet<String>>)>) -> Option<BTreeSet<String>> {
    let mut providers = providers.peekable();
    let _some = providers.peek()?;
    let listed: Option<Vec<_>> = providers.filter(|(has_groups, _)| *has_groups).map(|(_, known)| known).collect();
    Some(listed?.into_iter().flatten().collect())
}

/// Addresses to listen on.
#[derive(Clone, Debug, PartialEq)]
pub struct Listen {
    /// The gate itself.
    pub https: SocketAddr,
    /// Redirects to https, nothing else.
    pub http: Option<SocketAddr>,
    /// `/metrics`, `/healthz`, `/readyz`.
    pub metrics: Option<SocketAddr>,
    /// Further names by which these may be asked for (`metrics_hosts`).
    pub metrics_hosts: Vec<Host>,
    /// The operators' commands.
    pub admin: PathBuf,
    /// Group that may use the admin socket beside its owner (`admin_group`).
    pub admin_group: Option<String>,
    /// Balancers that speak PROXY protocol v2; from them the header is required, from others it is refused.
    pub proxy_protocol_from: Vec<IpNet>,
    /// The https port that browsers see (`public_port`); default: the port of `https`.
    pub public_port: u16,
}

/// Where the policies are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Policies {
    /// In the files of a folder (`[policies] dir`).
    Folder(PathBuf),
    /// In the configuration itself (`[policies] text`).
    Text {
        /// What the text goes by in problems and in the record, such as `sekisho.toml:policies.text`.
        name: String,
        /// Policies as in one file of a folder.
        text: String,
    },
}

impl Policies {
    /// The folder, if they have one.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(dir) => Some(dir),
            Self::Text { .. } => None,
        }
    }

    /// The same, out of the file at `path`: a text says which file it is in.
    #[must_use]
    pub(super) fn of_file(self, path: &Path) -> Self {
        match (self, path.file_name()) {
            (Self::Text { name, text }, Some(file)) => Self::Text { name: format!("{}:{name}", file.to_string_lossy()), text },
            (policies, _) => policies,
        }
    }
}

impl std::fmt::Display for Policies {
    /// What to look at to find them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(dir) => write!(f, "{}", dir.display()),
            Self::Text { name, .. } => f.write_str(name),
        }
    }
}

/// What the gate's process may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Whether the kernel keeps it from files and ports that are not its own.
    pub landlock: Landlock,
    /// Further files and folders that it, and what it starts, may read and execute.
    pub readable: Vec<PathBuf>,
    /// Further files and folders that it, and what it starts, may change.
    pub writable: Vec<PathBuf>,
    /// Whether it may run as root.
    pub allow_root: bool,
}

/// Whether the kernel keeps the process from files and ports that are not its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landlock {
    /// Where the kernel can; where it cannot, the log says so.
    On,
    /// Without it, the gate does not start.
    Require,
    /// No.
    Off,
}

/// Sign-in and sessions.
#[derive(Clone, Debug, PartialEq)]
pub struct SignIn {
    /// The gate's own host.
    pub host: Host,
    /// A session's absolute end. Default 12 h.
    pub session_lifetime: Duration,
    /// A session ends when unused for this long. Default 1 h.
    pub idle_timeout: Duration,
    /// A session that another known device shows is ended, and a bound token not taken any more. Default `true`.
    pub end_stolen_sessions: bool,
}

/// Devices that people invite for themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enrolment {
    /// Whether they may at all, if policy permits (`Action::"enroll"`). Default `false`.
    pub self_service: bool,
    /// Devices and open invitations of a person, beyond which they cannot invite another. Default 10.
    pub devices_per_person: usize,
    /// Open invitations that a person made for themselves. Default 3.
    pub invitations_per_person: usize,
}

/// Administration over HTTPS, at the gate's host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Admin {
    /// Whether there is any, if policy permits (the group `Action::"administer"`). Default `false`.
    pub api: bool,
}

/// Files of a certificate that the gate shows. Read again when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerCertificateFiles {
    /// PEM, leaf first.
    pub chain: PathBuf,
    /// PEM, PKCS#8, PKCS#1 or SEC1.
    pub key: PathBuf,
    /// Who may read the key's file (`shared_key`).
    pub readers: Readers,
}

/// Somebody who vouches for people.
#[derive(Debug, PartialEq)]
pub struct IdentityProvider {
    /// Unique name; part of every user's id.
    pub name: Arc<str>,
    /// The issuer, exactly as it stands in tokens.
    pub issuer: String,
    /// The audience that bearer tokens must name. Default: the client id.
    pub audience: Option<String>,
    /// Where its keys come from.
    pub keys: KeySource,
    /// How to sign people in; `None`: bearer tokens only.
    pub client: Option<OidcClient>,
    /// Claim that lists groups; if set, it must be there, as an array of strings.
    pub groups_claim: Option<String>,
    /// The groups that policies may name (`known_groups`); `None`: any. Nobody is kept out of another.
    pub known_groups: Option<BTreeSet<String>>,
    /// Further claims to keep as tags of the principal.
    pub claims: Vec<String>,
    /// Clients whose tokens for themselves are a service's, though their `sub` is not the client's id.
    pub service_clients: BTreeSet<String>,
    /// As whom people sign in at a terminal, if they can.
    pub terminal: Option<TerminalClient>,
    /// `acr` values that mean more than one factor, beside `amr` (`mfa_acr`).
    pub mfa_acr: BTreeSet<String>,
    /// `acr` values to ask for when a second factor is missing, the most wanted first (`mfa_acr_values`).
    pub mfa_acr_values: Vec<String>,
    /// Root certificates of the provider's own https; empty: the system's.
    pub ca: Vec<CertificateDer<'static>>,
    /// Facts about a person are taken again after this long. Default 15 min.
    pub refresh: Duration,
    /// Key sets are fetched again after this long. Default 10 min (`keys_refresh`).
    pub keys_refresh: Duration,
    /// Known keys serve this long while the provider is down. Default 24 h (`keys_max_age`).
    pub keys_max_age: Duration,
    /// Bearer tokens that are valid for longer than this from now on are refused; `None`: as long as they say.
    pub max_token_lifetime: Option<Duration>,
    /// Hosts, beside the issuer's own, that its discovery document may lead the gate to; lower case.
    pub hosts: Vec<String>,
}

impl IdentityProvider {
    /// Whether an `acr` can stand in `acr_values`, a list with spaces between, and in a challenge without being escaped.
    pub fn can_ask_for(acr: &str) -> bool {
        (1..=256).contains(&acr.len()) && acr.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
    }
}

/// Where a provider's signing keys come from.
#[derive(Clone, Debug, PartialEq)]
pub enum KeySource {
    /// `jwks_uri` of the discovery document.
    Discovery,
    /// A JWKS file (`jwks_file`), for closed networks: its path; read again on reload.
    File(PathBuf),
}

/// The gate as a client of the provider.
#[derive(Clone, Debug, PartialEq)]
pub struct OidcClient {
    /// `client_id`.
    pub id: String,
    /// From `client_secret_file` or the environment; `None` for a public client.
    pub secret: Option<Secret<String>>,
    /// Who may read that file (`shared_secret_file`).
    pub readers: Readers,
    /// Scopes beside `openid`. Default `profile`, `email`.
    pub scopes: Vec<String>,
    /// Asks for `offline_access` where the provider has it. Default `true`.
    pub offline_access: bool,
}

/// The client of the provider that `sekisho login` is: it keeps no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TerminalClient {
    /// `login_client_id`.
    pub id: String,
    /// `login_scopes`. Default `openid`, `offline_access`.
    pub scopes: Vec<String>,
    /// What the provider calls the gate (`login_resource`, RFC 8707).
    pub resource: Option<String>,
}

/// Somebody who vouches for devices.
#[derive(Debug, PartialEq)]
pub struct DeviceAuthority {
    /// Unique name, policies see it as `context.device.authority`.
    pub name: Arc<str>,
    /// Ours or somebody else's.
    pub kind: DeviceAuthorityKind,
    /// What its certificates say of the state of devices; nothing of the built-in one's.
    pub certificate_facts: Vec<CertificateFact>,
}

/// Kinds of device authority.
#[derive(Debug, PartialEq)]
pub enum DeviceAuthorityKind {
    /// Our own CA, made on first start in the state folder.
    Builtin {
        /// Lifetime of the certificates that it signs. Default 90 d.
        certificate_lifetime: Duration,
        /// Who lets a new device in.
        approval: Approval,
        /// For how long after its end a certificate may be renewed. Default 30 d.
        renewal_grace: Duration,
        /// For how long a renewed key is good beside the new one. Default 7 d.
        renewal_overlap: Duration,
        /// Makers of TPMs who are believed (`tpm_roots`): each of these certificates by itself. Empty: none.
        tpm_roots: Vec<CertificateDer<'static>>,
    },
    /// A CA that exists already.
    External {
        /// Trust anchors (`roots`), at least one.
        roots: Vec<CertificateDer<'static>>,
        /// Revocation list files (`crl`), PEM or DER; if any is given, every certificate of the chain must be covered.
        crl: Vec<PathBuf>,
        /// Which part of the certificate names the device.
        device_id: DeviceIdSource,
        /// Which of its devices are let in.
        admit: Admit,
    },
}

/// Who lets a newly enrolled device in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approval {
    /// An administrator confirms its key's fingerprint.
    Administrator,
    /// The one-time code is enough.
    Code,
}

/// The part of a foreign certificate that names the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceIdSource {
    /// The only URI in the subject alternative name: its last path segment if it has one, else the whole.
    SanUri,
    /// The only DNS name in the subject alternative name.
    SanDns,
    /// The only common name of the subject.
    SubjectCn,
    /// The certificate's serial number, lower-case hex.
    Serial,
    /// The authority names services (`names = "services"`): the only URI in the subject alternative name, whole.
    Spiffe {
        /// The only trust domain whose services it may name.
        trust_domain: Arc<str>,
    },
}

/// Which devices of a foreign authority are let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admit {
    /// Those that the inventory lists.
    Listed,
    /// Any; entered at first sight.
    Any,
}

/// An app behind the gate.
#[derive(Debug, PartialEq, Eq)]
pub struct App {
    /// Unique name; `App::"name"` in policies, label in metrics.
    pub name: Arc<str>,
    /// Its host.
    pub host: Host,
    /// Where it runs; at least one.
    pub upstreams: Vec<Upstream>,
    /// `Tag::"…"` in policies.
    pub tags: BTreeSet<Arc<str>>,
    /// Paths for which no sign-in is asked; still decided by policy (`Action::"public"`).
    pub public: Vec<PublicPath>,
    /// What answers a CORS preflight. Default refuse.
    pub cors_preflight: CorsPreflight,
    /// Further origins (beside its own) that may read its answers and open WebSockets (`allowed_origins`), such as `https://a.example`.
    pub allowed_origins: BTreeSet<String>,
    /// What becomes of what pages of other origins send with a person's own cookie. Default refuse.
    pub cross_site: CrossSite,
    /// Root certificates of an https app; empty: the system's.
    pub ca: Vec<CertificateDer<'static>>,
    /// Certificate that the gate shows to the app.
    pub client_certificate: Option<ClientCertificate>,
    /// What to speak to it.
    pub protocol: UpstreamProtocol,
    /// How long to wait for it.
    pub timeouts: Timeouts,
    /// Active health checks.
    pub health: Option<HealthCheck>,
    /// Methods beside the usual ones, treated as writes; upper case.
    pub methods: BTreeSet<String>,
    /// Only devices of these authorities; `None`: of any.
    pub device_authorities: Option<BTreeSet<Arc<str>>>,
    /// Pass the `Authorization` header on. Default no.
    pub pass_authorization: bool,
    /// Send `Sekisho-Assertion`. Default yes.
    pub assertion: bool,
    /// Largest request body in bytes (`max_body`); `None`: `limits.body`.
    pub max_body: Option<u64>,
    /// How many requests each person may make on each device.
    pub rate_limit: Option<Rate>,
}

/// Where an app runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Upstream {
    /// Plain or TLS.
    pub scheme: UpstreamScheme,
    /// DNS name or IP address literal (IPv6 without brackets).
    pub host: Arc<str>,
    /// TCP port.
    pub port: u16,
}

impl std::fmt::Display for Upstream {
    /// As written in the settings, the port always shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = match self.scheme {
            UpstreamScheme::Http => "http",
            UpstreamScheme::Https => "https",
        };
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]:{}", self.host, self.port),
            false => write!(f, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

/// Plain or TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum UpstreamScheme {
    Http,
    Https,
}

/// What to speak to an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpstreamProtocol {
    /// HTTP/1.1 with keep-alive. The default.
    Http1,
    /// HTTP/2: by prior knowledge over `http`, by ALPN over `https`. For gRPC.
    Http2,
}

/// A path for which no sign-in is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PublicPath {
    /// Exactly this path.
    Exact(String),
    /// Written `/hooks/**`: this path and everything below it, by segment. Kept without the `/**`.
    Below(String),
}

/// What answers a CORS preflight: browsers send neither cookie nor certificate with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CorsPreflight {
    /// The gate, for `allowed_origins`.
    Answer,
    /// The app; the request is stripped of credentials and identity.
    Forward,
    /// Nobody: it is decided like any other request.
    Refuse,
}

/// What becomes of what pages of other origins send with a person's own cookie: requests that change something, and WebSockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrossSite {
    /// It is refused, but for `allowed_origins`.
    Refuse,
    /// It is let through: the app tells forgeries apart itself.
    Allow,
}

/// A certificate and key to show to an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// PEM file, leaf first.
    pub chain: PathBuf,
    /// PEM file.
    pub key: PathBuf,
    /// Who may read the key's file (`shared_key`).
    pub readers: Readers,
}

/// How long to wait for an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, TLS included. Default 5 s.
    pub connect: Duration,
    /// From the request's last byte to the response's first. Default 60 s.
    pub first_byte: Duration,
    /// Between bytes of a body in either direction; WebSockets and event streams too. Default 5 min.
    pub idle: Duration,
}

/// An active health check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// Path to GET; 2xx and 3xx are healthy.
    pub path: String,
    /// Time between checks. Default 10 s.
    pub interval: Duration,
    /// Time for an answer. Default 2 s.
    pub timeout: Duration,
}

/// The record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// Folder of the segments.
    pub dir: PathBuf,
    /// When to force lines to the disk.
    pub sync: AuditSync,
    /// Bytes after which a new segment is begun. Default 256 MiB.
    pub rotate_size: u64,
    /// Age at which a new segment is begun. Default 1 h.
    pub rotate_after: Duration,
    /// What happens to what was written.
    pub keeping: Keeping,
}

/// When the record is forced to the disk. It is always written before a response's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditSync {
    /// At this interval (`sync_interval`, default 1 s): what power loss may lose.
    Interval(Duration),
    /// With each batch (`sync = "always"`).
    Always,
}

/// Bounds on what clients may use. Each has a default that suits a small machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections in all. Default 10,000.
    pub connections: usize,
    /// Connections of one address (IPv6: of one /64). Default 256.
    pub connections_per_address: usize,
    /// Handshakes under way of one address. Default: half of `connections_per_address`.
    pub handshakes_per_address: usize,
    /// Requests under way in all. Default: twice `connections`.
    pub requests: usize,
    /// Requests under way of one address (IPv6: of one /64), among those that name no device. Default 1,000.
    pub requests_per_address: usize,
    /// Requests under way of one device. Default 1,000.
    pub requests_per_device: usize,
    /// Requests under way of one person, on all devices. Default 1,000.
    pub requests_per_user: usize,
    /// For the TLS handshake, PROXY header included. Default 10 s.
    pub handshake_timeout: Duration,
    /// For a request's head. Default 10 s.
    pub header_timeout: Duration,
    /// For the next request on an open connection. Default 75 s.
    pub idle_timeout: Duration,
    /// On drain, open requests have this long. Default 30 s.
    pub drain_timeout: Duration,
    /// Bytes of a request's head. Default 64 KiB.
    pub head_bytes: usize,
    /// Header lines of a request. Default 100.
    pub headers: usize,
    /// Bytes of the request target. Default 8 KiB.
    pub target_bytes: usize,
    /// Bytes of a request body, unless the app says otherwise. Default 1 GiB.
    pub body: u64,
    /// Bytes a second that a request's body has to bring on average, after `idle_timeout`; 0: any. Default 100.
    pub body_rate: u64,
    /// For a request's whole body. Default 12 h.
    pub body_timeout: Duration,
    /// Concurrent requests on one HTTP/2 connection. Default 128.
    pub h2_streams: u32,
    /// People, each with a device and an app, whose usage is counted by itself; about 2.5 kB each. Default 50,000.
    pub usage_accounts: usize,
}

#[cfg(test)]
impl Limits {
    /// Something to begin with.
    pub(crate) fn for_tests() -> Self {
        let second = Duration::from_secs(1);
        Self {
            connections: 100,
            connections_per_address: 100,
            handshakes_per_address: 100,
            requests: 100,
            requests_per_address: 100,
            requests_per_device: 100,
            requests_per_user: 100,
            handshake_timeout: second,
            header_timeout: second,
            idle_timeout: second,
            drain_timeout: second,
            head_bytes: 1 << 16,
            headers: 100,
            target_bytes: 1 << 13,
            body: 1 << 20,
            body_rate: 0,
            body_timeout: second,
            h2_streams: 100,
            usage_accounts: 100,
        }
    }
}
