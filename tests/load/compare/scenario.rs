//! What is measured.

use super::contest::Task;
use super::keys::Algorithm;
use super::order::{Take, Way};
use super::peers::Peer;
use super::table::Cost;

/// One comparison.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) shows: Shows,
    pub(crate) peers: &'static [Peer],
    pub(crate) cost: Cost,
    /// What an answer is called.
    pub(crate) what: &'static str,
    pub(crate) task: Task,
}

/// What the gate's clients show. To the others they always show tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shows {
    /// 32 tokens, again and again.
    Tokens(Algorithm),
    /// A token that was never shown before, with each request, to an app that gets an assertion and to one that does not.
    NewTokens(Algorithm),
    /// Cookies of sessions.
    Sessions,
    /// Tokens, to a gate that knows a million devices and a hundred thousand sessions, and to one that knows a thousand.
    BigInventory,
}

/// Request upon request on connections that stay, for this many seconds.
pub(crate) fn stay(seconds: f64) -> Task {
    Task { way: Way::Http1, take: Take::Same, path: "/small", connections: 32, streams: 1, beat: None, warm_up: 1.0, seconds }
}

/// All of them, for this many seconds each.
pub(crate) fn all(seconds: f64) -> Vec<Scenario> {
    use Algorithm::{Es256, Rs256};
    use Peer::{EnvoyJwt, EnvoyMtls, Floor, HaproxyJwt, HaproxyMtls, NginxMtls};
    const EVERYBODY: &[Peer] = &[Floor, HaproxyMtls, HaproxyJwt, NginxMtls, EnvoyMtls, EnvoyJwt];
    let stay = stay(seconds);
    let scenario = |name, title, shows, peers, task: Task| Scenario {
        name,
        title,
        shows,
        peers,
        cost: match (task.way, task.path) {
            (Way::Idle, _) => Cost::Connection,
            (_, "/large") => Cost::Gibibyte,
            _ => Cost::Answer,
        },
        what: if task.way == Way::WebSocket { "message" } else { "request" },
        task,
    };
    vec![
        scenario("h1-rs256", "HTTP/1.1, 32 connections that stay, RS256", Shows::Tokens(Rs256), EVERYBODY, stay.clone()),
        scenario(
            "h1-es256",
            "HTTP/1.1, 32 connections that stay, ES256",
            Shows::Tokens(Es256),
            &[Floor, HaproxyMtls, HaproxyJwt, EnvoyJwt],
            stay.clone(),
        ),
        scenario(
            "sessions",
            "HTTP/1.1, 32 connections that stay, 512 sessions in turn (the others: 32 tokens, RS256)",
            Shows::Sessions,
            &[Floor, HaproxyMtls, HaproxyJwt, EnvoyJwt],
            Task { take: Take::Turn, ..stay.clone() },
        ),
        scenario(
            "spare",
            "HTTP/1.1, 32 connections, 250 requests a second on each, RS256: with time to spare",
            Shows::Tokens(Rs256),
            &[Floor, HaproxyMtls, HaproxyJwt, EnvoyJwt],
            Task { beat: Some(0.004), ..stay.clone() },
        ),
        scenario(
            "new-rs256",
            "HTTP/1.1, every token new, RS256",
            Shows::NewTokens(Rs256),
            &[HaproxyJwt, EnvoyJwt],
            Task { take: Take::Once, warm_up: 0.0, seconds: 60.0, ..stay.clone() },
        ),
        scenario(
            "new-es256",
            "HTTP/1.1, every token new, ES256",
            Shows::NewTokens(Es256),
            &[HaproxyJwt, EnvoyJwt],
            Task { take: Take::Once, warm_up: 0.0, seconds: 60.0, ..stay.clone() },
        ),
        scenario(
            "h2",
            "HTTP/2, 8 connections with 16 requests at once on each, RS256",
            Shows::Tokens(Rs256),
            EVERYBODY,
            Task { way: Way::Http2, connections: 8, streams: 16, ..stay.clone() },
        ),
        scenario(
            "connections",
            "A new connection for each request, 32 at once, nothing resumed",
            Shows::Tokens(Rs256),
            EVERYBODY,
            Task { way: Way::Connections, ..stay.clone() },
        ),
        scenario(
            "downloads",
            "Downloads of 100 MiB, 4 at once",
            Shows::Tokens(Rs256),
            EVERYBODY,
            Task { path: "/large", connections: 4, ..stay.clone() },
        ),
        scenario(
            "websocket",
            "WebSocket, 32 connections, messages of 64 bytes there and back",
            Shows::Tokens(Rs256),
            EVERYBODY,
            Task { way: Way::WebSocket, path: "/socket", ..stay.clone() },
        ),
        scenario(
            "idle",
            "5,000 idle connections, after one request on each",
            Shows::Tokens(Rs256),
            EVERYBODY,
            Task { way: Way::Idle, connections: 5000, seconds: 3.0, ..stay.clone() },
        ),
        scenario(
            "big-inventory",
            "HTTP/1.1 with 1,000,000 devices and 100,000 sessions in the inventory",
            Shows::BigInventory,
            &[],
            stay,
        ),
    ]
}

/// Tokens of each round, where every one is new.
pub(crate) const NEW_TOKENS: usize = 20_000;
