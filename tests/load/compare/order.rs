//! What the load's process is told, and what it tells in the end.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One run of the load.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) way: Way,
    /// Where the proxy listens.
    pub(crate) to: SocketAddr,
    /// The proxy's process, whose time is taken.
    pub(crate) watched: u32,
    /// The upstream's process.
    pub(crate) upstream: u32,
    /// Folder with `ca.pem` and `device-N.pem`.
    pub(crate) keys: PathBuf,
    /// How many devices connections are shared out among.
    pub(crate) devices: usize,
    /// A file of header lines. Device N of D has lines N, N + D, and so on.
    pub(crate) credentials: PathBuf,
    pub(crate) take: Take,
    /// Connections have these in turn.
    pub(crate) hosts: Vec<String>,
    pub(crate) path: String,
    pub(crate) connections: usize,
    /// Requests at once on each HTTP/2 connection.
    pub(crate) streams: usize,
    /// HTTP/1.1: seconds from one request to the next on a connection. `None`: as soon as the answer is there.
    pub(crate) beat: Option<f64>,
    /// Seconds before the measurement.
    pub(crate) warm_up: f64,
    /// Seconds of the measurement.
    pub(crate) seconds: f64,
}

/// What the load does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Way {
    /// Request upon request on HTTP/1.1 connections that stay.
    Http1,
    /// The same in HTTP/2 streams.
    Http2,
    /// Each request on a connection of its own.
    Connections,
    /// One request on each connection, which then stays open.
    Idle,
    /// Messages there and back.
    WebSocket,
}

/// Which of a device's header lines a connection takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Take {
    /// Always the same.
    Same,
    /// One after the other, and again from the first.
    Turn,
    /// One after the other; the run ends when all were used.
    Once,
}

/// What came of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// Answers with status 200 (or messages that came back) in the measured time.
    pub(crate) good: u64,
    /// Other answers in the measured time.
    pub(crate) refused: u64,
    /// Connections that ended without an answer.
    pub(crate) broken: u64,
    /// Answers of any status from the beginning to the end, the time before the measurement included.
    pub(crate) answers: u64,
    pub(crate) seconds: f64,
    /// Processor time of the proxy in the measured time.
    pub(crate) user: f64,
    pub(crate) system: f64,
    /// Processors that others than the proxy, the load and the upstream kept busy, on average.
    pub(crate) others: f64,
    /// Milliseconds.
    pub(crate) median: f64,
    pub(crate) p99: f64,
    /// Bytes of bodies in the measured time.
    pub(crate) bytes: u64,
    /// Memory of the proxy before any connection, and with all of them idle.
    pub(crate) memory_before: u64,
    pub(crate) memory: u64,
    /// Connections that were open then.
    pub(crate) open: u64,
    /// The first answer that was not 200, or the first thing that broke.
    pub(crate) problem: Option<String>,
}
