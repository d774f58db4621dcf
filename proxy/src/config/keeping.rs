//! How the record is kept: signed, sent elsewhere, compressed, and bounded.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use rustls_pki_types::CertificateDer;

/// `[audit]`, what happens to what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// Lines after which all chains are signed together. Default 10,000.
    pub checkpoint_lines: u64,
    /// How long lines stay unsigned at most. Default 10 s.
    pub checkpoint_every: Duration,
    /// A program that gets each checkpoint on its standard input.
    pub command: Option<CheckpointCommand>,
    /// A syslog server that gets each checkpoint.
    pub syslog: Option<SyslogAddress>,
    /// An https address that gets each checkpoint.
    pub url: Option<Uri>,
    /// Certificates to trust that address by; the system's if there are none.
    pub ca: Vec<CertificateDer<'static>>,
    /// Whether finished segments are compressed. Default true.
    pub compress: bool,
    /// A finished segment whose last line is older is deleted. Default: none is.
    pub keep_for: Option<Duration>,
    /// While all segments together are larger (bytes), the oldest is deleted. Default: none is.
    pub keep_size: Option<u64>,
}

/// A program and what it is started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointCommand {
    /// Its file.
    pub program: PathBuf,
    /// Its arguments, as they are: there is no shell.
    pub arguments: Vec<String>,
}

/// Where a syslog server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyslogAddress {
    /// A datagram socket of this machine.
    Unix(PathBuf),
    /// Host (without brackets) and port, over UDP (RFC 5426).
    Udp(String, u16),
    /// Host (without brackets) and port, over TCP (RFC 6587).
    Tcp(String, u16),
}

impl Default for Keeping {
    fn default() -> Self {
        Self {
            checkpoint_lines: 10_000,
            checkpoint_every: Duration::from_secs(10),
            command: None,
            syslog: None,
            url: None,
            ca: Vec::new(),
            compress: true,
            keep_for: None,
            keep_size: None,
        }
    }
}

impl fmt::Display for SyslogAddress {
    /// As it is written in the file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, host, port) = match self {
            Self::Unix(path) => return write!(f, "unix:{}", path.display()),
            Self::Udp(host, port) => ("udp", host, port),
            Self::Tcp(host, port) => ("tcp", host, port),
        };
        if host.contains(':') { write!(f, "{kind}:[{host}]:{port}") } else { write!(f, "{kind}:{host}:{port}") }
    }
}
