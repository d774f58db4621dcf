//! `[listen]`, `[sign_in]`, `[[server_certificate]]`, `[audit]`, `[limits]` and `[process]`.

use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::checker::Checker;
use super::files::Shared;
use super::{DAY, HOUR, MINUTE, SECOND, addresses, files, keeping};
use crate::config::checked::{Audit, AuditSync, Landlock, Limits, Listen, Process, ServerCertificateFiles, SignIn};
use crate::config::problem::{At, Problem};
use crate::config::raw;
use crate::config::setting::{List, Section as _, Text};

/// A server certificate's files and the names that it covers.
#[derive(Debug)]
pub(super) struct CheckedCertificate {
    pub(super) files: ServerCertificateFiles,
    pub(super) names: Arc<[String]>,
}

pub(super) fn listen(raw: Option<&raw::Listen>, checker: &mut Checker) -> Option<Listen> {
    let absent = raw::Listen::absent("listen");
    let raw = raw.unwrap_or(&absent);
    if raw.https.is_none() {
        checker.missing(raw, "https", "https = \"0.0.0.0:443\"");
    }
    let mut socket = |text: &Option<Text>, example| text.as_ref().and_then(|text| addresses::socket(text, example, checker));
    let https = socket(&raw.https, "0.0.0.0:443");
    let http = socket(&raw.http, "0.0.0.0:80");
    let metrics = socket(&raw.metrics, "127.0.0.1:9464");
    distinct(&[(&raw.https, https), (&raw.http, http), (&raw.metrics, metrics)], checker);

    let networks = raw.proxy_protocol_from.iter().flat_map(|list| &list.items);
    let admin_group = checker.text(raw.admin_group.as_ref());
    if let Some(list) = raw.metrics_hosts.as_ref().filter(|list| raw.metrics.is_none() && !list.items.is_empty()) {
        checker.wrong(&list.at, "this has no effect without `metrics`", "take it out");
    }
    let metrics_hosts = raw.metrics_hosts.iter().flat_map(|list| &list.items);
    Some(Listen {
        http,
        metrics,
        metrics_hosts: metrics_hosts.filter_map(|text| checker.host(text)).collect(),
        admin: admin_socket(raw.admin.as_ref(), checker),
        admin_group,
        proxy_protocol_from: networks.filter_map(|text| addresses::network(text, checker)).collect(),
        public_port: checker.number(raw.public_port.as_ref(), https.map_or(443, |https| https.port()), 1..=u16::MAX),
        https: https?,
    })
}

/// The gate may change everything in the folder of its admin socket, since it makes the socket there: so that has to be its own.
fn admin_socket(raw: Option<&Text>, checker: &mut Checker) -> PathBuf {
    let admin = checker.path_or(raw, "/run/sekisho/admin.sock");
    let folder = admin.parent().unwrap_or(Path::new("/"));
    let real = folder.canonicalize().ok();
    let shared = [Some(folder), real.as_deref()].into_iter().flatten().find(|folder| is_the_systems(folder));
    if let Some((text, folder)) = raw.zip(shared) {
        let what = format!(
            "{:?} lies in {}, which is the system's, and the gate may change what lies beside its socket",
            text.value,
            folder.display()
        );
        checker.wrong(&text.at, what, "give the socket a folder of its own, such as \"/run/sekisho/admin.sock\"");
    }
    admin
}

/// Whether it is one of the system's own folders.
fn is_the_systems(folder: &Path) -> bool {
    let mut plain = PathBuf::new();
    for part in folder.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    SHARED.iter().any(|shared| plain == Path::new(shared)) || SYSTEM.iter().any(|system| plain.starts_with(system))
}

fn distinct(listeners: &[(&Option<Text>, Option<SocketAddr>)], checker: &mut Checker) {
    for (index, (text, address)) in listeners.iter().enumerate() {
        let (Some(text), Some(address)) = (text, address) else { continue };
        let taken = |(_, earlier): &&(&Option<Text>, Option<SocketAddr>)| {
            // Port 0 asks the system for a free one each time.
            address.port() != 0 && earlier.is_some_and(|earlier| overlap(earlier, *address))
        };
        if listeners.iter().take(index).find(taken).is_some() {
            checker.wrong(&text.at, format!("{address} is listened on already"), "choose another port");
        }
    }
}

fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() == b.port() && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
}

pub(super) fn sign_in(raw: Option<&raw::SignIn>, checker: &mut Checker) -> Option<SignIn> {
    let absent = raw::SignIn::absent("sign_in");
    let raw = raw.unwrap_or(&absent);
    if raw.host.is_none() {
        checker.missing(raw, "host", "host = \"gate.corp.example\"");
    }
    let session_lifetime = checker.duration(raw.session_lifetime.as_ref(), 12 * HOUR, SECOND..=31 * DAY);
    // A short session needs no word about being idle.
    let idle_timeout = checker.duration(raw.idle_timeout.as_ref(), HOUR.min(session_lifetime), SECOND..=31 * DAY);
    if let Some(text) = raw.idle_timeout.as_ref().filter(|_| idle_timeout > session_lifetime) {
        checker.wrong(&text.at, "a session ends before it can be idle for so long", "write at most the session_lifetime");
    }
    let host = raw.host.as_ref().and_then(|host| checker.host(host));
    let end_stolen_sessions = raw.end_stolen_sessions.as_ref().is_none_or(|flag| flag.value);
    Some(SignIn { host: host?, session_lifetime, idle_timeout, end_stolen_sessions })
}

pub(super) fn server_certificates(raw: Option<&List<raw::ServerCertificate>>, checker: &mut Checker) -> Vec<CheckedCertificate> {
    let sections = raw.map_or(&[][..], |list| &list.items);
    if sections.is_empty() && !checker.problems().iter().any(|problem| problem.path == "server_certificate") {
        checker.report(
            Problem::new(&At::absent("server_certificate"), "at least one is needed")
                .instead("add a `[[server_certificate]]` with `chain` and `key`"),
        );
    }
    sections.iter().filter_map(|section| server_certificate(section, checker)).collect()
}

fn server_certificate(raw: &raw::ServerCertificate, checker: &mut Checker) -> Option<CheckedCertificate> {
    if raw.chain.is_none() {
        checker.missing(raw, "chain", "chain = \"tls/corp.pem\"");
    }
    if raw.key.is_none() {
        checker.missing(raw, "key", "key = \"tls/corp.key\"");
    }
    let (chain, key) = (raw.chain.as_ref()?, raw.key.as_ref()?);
    let shared = Shared::new("shared_key", raw.shared_key.as_ref());
    let names = files::server_certificate(chain, key, shared, checker)?.names();
    let files = ServerCertificateFiles { chain: checker.path(chain), key: checker.path(key), readers: shared.readers() };
    Some(CheckedCertificate { files, names })
}

pub(super) fn audit(raw: Option<&raw::Audit>, checker: &mut Checker) -> Audit {
    let absent = raw::Audit::absent("audit");
    let raw = raw.unwrap_or(&absent);
    let interval = checker.duration(raw.sync_interval.as_ref(), SECOND, SECOND / 100..=MINUTE);
    let words = [("interval", AuditSync::Interval(interval)), ("always", AuditSync::Always)];
    let sync = checker.choice(raw.sync.as_ref(), AuditSync::Interval(interval), &words);
    if sync == AuditSync::Always {
        checker.useless(raw.sync_interval.as_ref(), "beside `sync = \"always\"`");
    }
    let rotate_size = checker.size(raw.rotate_size.as_ref(), 256 << 20, 64 << 10..=1 << 40);
    let rotate_after = checker.duration(raw.rotate_after.as_ref(), HOUR, SECOND..=31 * DAY);
    Audit {
        dir: checker.path_or(raw.dir.as_ref(), "/var/log/sekisho"),
        sync,
        rotate_size,
        rotate_after,
        keeping: keeping::keeping(raw, rotate_size, rotate_after, checker),
    }
}

pub(super) fn limits(raw: Option<&raw::Limits>, checker: &mut Checker) -> Limits {
    let absent = raw::Limits::absent("limits");
    let raw = raw.unwrap_or(&absent);
    let connections: usize = checker.number(raw.connections.as_ref(), 10_000, 1..=1_000_000);
    let connections_per_address = checker.number(raw.connections_per_address.as_ref(), 256.min(connections), 1..=1_000_000);
    let requests = checker.number(raw.requests.as_ref(), connections.saturating_mul(2), 1..=10_000_000);
    let head = checker.size(raw.head.as_ref(), 64 << 10, 1 << 10..=1 << 20);
    let limits = Limits {
        connections,
        connections_per_address,
        handshakes_per_address: checker.number(
            raw.handshakes_per_address.as_ref(),
            connections_per_address.div_ceil(2),
            1..=1_000_000,
        ),
        requests,
        requests_per_address: checker.number(raw.requests_per_address.as_ref(), 1_000.min(requests), 1..=10_000_000),
        requests_per_device: checker.number(raw.requests_per_device.as_ref(), 1_000.min(requests), 1..=10_000_000),
        requests_per_user: checker.number(raw.requests_per_user.as_ref(), 1_000.min(requests), 1..=10_000_000),
        handshake_timeout: checker.duration(raw.handshake_timeout.as_ref(), 10 * SECOND, SECOND / 10..=5 * MINUTE),
        header_timeout: checker.duration(raw.header_timeout.as_ref(), 10 * SECOND, SECOND / 10..=5 * MINUTE),
        idle_timeout: checker.duration(raw.idle_timeout.as_ref(), 75 * SECOND, SECOND / 10..=HOUR),
        drain_timeout: checker.duration(raw.drain_timeout.as_ref(), 30 * SECOND, SECOND / 10..=DAY),
        head_bytes: usize::try_from(head).unwrap_or(usize::MAX),
        headers: checker.number(raw.headers.as_ref(), 100, 1..=1_000),
        target_bytes: usize::try_from(checker.size(raw.target.as_ref(), (8 << 10).min(head), 256..=64 << 10))
            .unwrap_or(usize::MAX),
        body: checker.size(raw.body.as_ref(), 1 << 30, 0..=MAX_BODY),
        body_rate: checker.size(raw.body_rate.as_ref(), 100, 0..=1 << 30),
        body_timeout: checker.duration(raw.body_timeout.as_ref(), 12 * HOUR, SECOND..=31 * DAY),
        h2_streams: checker.number(raw.h2_streams.as_ref(), 128, 1..=10_000),
        usage_accounts: checker.number(raw.usage_accounts.as_ref(), 50_000, 1..=10_000_000),
    };
    if let Some(text) = raw.target.as_ref().filter(|_| limits.target_bytes > limits.head_bytes) {
        checker.wrong(&text.at, "the target is a part of the head, and larger than it", "write at most `head`");
    }
    if let Some(number) = raw.connections_per_address.as_ref().filter(|_| limits.connections_per_address > connections) {
        checker.wrong(&number.at, "one address may not have more than all together", "write at most `connections`");
    }
    let parts = [
        (&raw.requests_per_address, limits.requests_per_address),
        (&raw.requests_per_device, limits.requests_per_device),
        (&raw.requests_per_user, limits.requests_per_user),
    ];
    for (number, part) in parts {
        if let Some(number) = number.as_ref().filter(|_| part > requests) {
            checker.wrong(&number.at, "one may not have more than all together", "write at most `requests`");
        }
    }
    if let Some(number) = raw.handshakes_per_address.as_ref().filter(|_| limits.handshakes_per_address > connections_per_address)
    {
        checker.wrong(&number.at, "a handshake is a connection", "write at most `connections_per_address`");
    }
    limits
}

pub(super) fn process(raw: Option<&raw::Process>, checker: &mut Checker) -> Process {
    let absent = raw::Process::absent("process");
    let raw = raw.unwrap_or(&absent);
    let words = [("on", Landlock::On), ("require", Landlock::Require), ("off", Landlock::Off)];
    let landlock = checker.choice(raw.landlock.as_ref(), Landlock::On, &words);
    if landlock == Landlock::Off {
        for list in [&raw.readable, &raw.writable].into_iter().flatten() {
            checker.wrong(&list.at, "this has no effect beside `landlock = \"off\"`", "take it out");
        }
    }
    Process {
        landlock,
        readable: checker.absolute(raw.readable.as_ref()),
        writable: checker.absolute(raw.writable.as_ref()),
        allow_root: raw.allow_root.as_ref().is_some_and(|flag| flag.value),
    }
}

/// Folders in which each program has one of its own.
const SHARED: &[&str] = &[
    "/",
    "/home",
    "/media",
    "/mnt",
    "/nix",
    "/opt",
    "/root",
    "/run",
    "/run/lock",
    "/srv",
    "/tmp",
    "/var",
    "/var/cache",
    "/var/lib",
    "/var/log",
    "/var/run",
    "/var/spool",
    "/var/tmp",
];

/// Folders in which no program has one.
const SYSTEM: &[&str] =
    &["/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/nix/store", "/proc", "/sbin", "/sys", "/usr"];

/// Largest bound on a body that can be asked for: 16 TiB.
pub(super) const MAX_BODY: u64 = 16 << 40;
