//! What floods and stalls do to somebody honest: how long requests take before and during each, and what the gate holds of memory and
//! files before, during and afterwards.
//!
//! ```sh
//! cargo build --release && GATE_BINARY=target/release/sekisho cargo bench -p sekisho-tests --bench floods
//! ```
//! `-- --scale 0.1` makes it smaller, `-- --only PINGS` runs those whose name has this. At its full size it needs 5,000 file descriptors.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a measurement that cannot go on stops, and it is not the product"
)]

mod measure;

#[path = "../house/hostile/frames.rs"]
#[expect(dead_code, reason = "the stories use the rest of it")]
mod frames;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use url::Url;

use frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, HEADERS, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE, block, frame,
};
use measure::harness::{self, Client, House, eventually};
use measure::{Spread, argument, judge};

/// Everything that an attacker has.
struct Attacker {
    client: Client,
    url: Url,
    authority: String,
    token: String,
    over: watch::Receiver<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attack {
    SilentHandshakes,
    SlowHeads,
    SlowBodies,
    SlowReaders,
    ShutWindows,
    RapidReset,
    MadeYouReset,
    Continuation,
    HpackBomb,
    EmptyData,
    Pings,
    Settings,
}

impl Attack {
    const ALL: [Self; 12] = [
        Self::SilentHandshakes,
        Self::SlowHeads,
        Self::SlowBodies,
        Self::SlowReaders,
        Self::ShutWindows,
        Self::RapidReset,
        Self::MadeYouReset,
        Self::Continuation,
        Self::HpackBomb,
        Self::EmptyData,
        Self::Pings,
        Self::Settings,
    ];

    /// Connections at once, at full size.
    fn connections(self) -> usize {
        match self {
            Self::SilentHandshakes | Self::SlowHeads | Self::SlowBodies | Self::SlowReaders => 1_000,
            Self::ShutWindows => 50,
            _ => 8,
        }
    }
}

fn main() {
    let scale = argument("--scale").map_or(1.0, |text| text.parse().expect("a number"));
    let only = argument("--only").unwrap_or_default().to_lowercase();
    measure::run(run(scale, &only));
}

/// Whether everything holds.
async fn run(scale: f64, only: &str) -> bool {
    let limits = "connections = 4000\nconnections_per_address = 2000\nhandshakes_per_address = 1500\nidle_timeout = \"5s\"\n\
                  header_timeout = \"5s\"\nhandshake_timeout = \"5s\"\nbody_rate = \"1kB\"";
    let house = House::plan().set("limits", limits).open().await;
    let (bad, good) = (house.laptop("lap-bad", "alice").await, house.laptop("lap-good", "bob").await);
    let token = house.idp.token("alice", Some(bad.thumbprint()));
    let honest = good.client(&house).with_token(&house.idp.token("bob", Some(good.thumbprint())));
    let url = house.url("wiki", "/honest");
    let before = honest_for(&honest, &url, Duration::from_secs(3)).await;
    println!("before: {before}\n        {}", held(&house));

    let mut all_hold = true;
    for attack in Attack::ALL {
        if !format!("{attack:?}").to_lowercase().contains(only) {
            continue;
        }
        let count = ((attack.connections() as f64 * scale) as usize).max(1);
        let at_first = held(&house);
        let (end, over) = watch::channel(false);
        let attacker = Arc::new(Attacker {
            client: bad.client(&house),
            url: Url::parse(&house.url("wiki", "/")).unwrap(),
            authority: format!("wiki.localhost:{}", house.port()),
            token: token.clone(),
            over,
        });
        let mut attackers = JoinSet::new();
        for _ in 0..count {
            let attacker = Arc::clone(&attacker);
            attackers.spawn(async move {
                let mut over = attacker.over.clone();
                let attacking = async {
                    loop {
                        attacker.attack(attack).await;
                        tokio::task::yield_now().await;
                    }
                };
                tokio::select! {
                    () = attacking => {}
                    _over = over.wait_for(|over| *over) => {}
                }
            });
        }
        let during = honest_for(&honest, &url, Duration::from_secs(8)).await;
        let at_work = held(&house);
        let _all_gone = end.send(true);
        while attackers.join_next().await.is_some() {}
        eventually("the gate to be as it was", async || {
            (house.metrics().await.sum("sekisho_connections", &[]) <= 1.0).then_some(())
        })
        .await;
        let afterwards = held(&house);
        println!(
            "{attack:?}, {count} connections\n  honest: {during}\n  before: {at_first}\n  during: {at_work}\n  after:  {afterwards}"
        );
        let kept = [
            (during.p99 < (before.p99 * 20.0).max(1_000.0), "somebody honest is served"),
            (at_work.memory < at_first.memory + (400 << 20), "memory is bounded"),
            (afterwards.files <= at_first.files + 16, "files are closed"),
        ];
        all_hold &= judge(&kept);
    }
    let metrics = house.metrics().await;
    let counted = |line: &&str| {
        [
            "sekisho_connections_cut_total{",
            "sekisho_accepted_total{",
            "sekisho_requests_shed_total{",
            "sekisho_tls_handshakes_total{",
        ]
        .iter()
        .any(|name| line.starts_with(name))
    };
    metrics.text.lines().filter(counted).for_each(|line| println!("{line}"));
    all_hold
}

/// What the gate holds.
struct Held {
    memory: usize,
    files: usize,
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} MiB, {} files", self.memory >> 20, self.files)
    }
}

fn held(house: &House) -> Held {
    let process = format!("/proc/{}", house.gate.id());
    let status = std::fs::read_to_string(format!("{process}/status")).unwrap();
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let memory = memory.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024;
    Held { memory, files: std::fs::read_dir(format!("{process}/fd")).unwrap().count() }
}

/// Somebody asks again and again, each time on a connection of its own.
async fn honest_for(client: &Client, url: &str, time: Duration) -> Spread {
    let (begin, mut took) = (Instant::now(), Vec::new());
    while begin.elapsed() < time {
        let asked = Instant::now();
        let reply = tokio::time::timeout(Duration::from_secs(30), client.get(url)).await.expect("an answer");
        assert_eq!(reply.status, 200, "{}", reply.shown());
        took.push(asked.elapsed().as_secs_f64() * 1e3);
    }
    Spread::of(took)
}

impl Attacker {
    /// Once, until the gate has had enough of it.
    async fn attack(&self, attack: Attack) {
        match attack {
            Attack::SilentHandshakes => {
                let Some(mut socket) = self.tcp().await else { return };
                let _ended = socket.read(&mut [0; 16]).await;
            }
            Attack::SlowHeads => self.drips(format!("GET / HTTP/1.1\r\nHost: {}\r\nX-Slow: ", self.authority)).await,
            Attack::SlowBodies => self.drips(self.head("POST /never", "Content-Length: 1000000\r\n\r\n")).await,
            Attack::SlowReaders => {
                let Some(mut stream) = self.tls().await else { return };
                let _sent = stream.write_all(self.head("GET /flood", "\r\n").as_bytes()).await;
                tokio::time::sleep(Duration::from_secs(3600)).await;
            }
            Attack::ShutWindows => {
                let mut frames = Frames::open(&self.client, self.url.as_str(), &[(4, 1)]).await;
                let head = self.block("GET", "/flood");
                for _ in 0..100 {
                    let stream = frames.number();
                    if !frames.send(&frame(HEADERS, END_STREAM | END_HEADERS, stream, &head)).await {
                        return;
                    }
                }
                tokio::time::timeout(Duration::from_secs(15), frames.only_answers_pings()).await.unwrap_or_default();
            }
            Attack::RapidReset => {
                let head = self.block("GET", "/never");
                self.repeats(|stream| {
                    [frame(HEADERS, END_STREAM | END_HEADERS, stream, &head), frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())]
                        .concat()
                })
                .await;
            }
            Attack::MadeYouReset => {
                let head = self.block("POST", "/never");
                self.repeats(|stream| {
                    [frame(HEADERS, END_HEADERS, stream, &head), frame(WINDOW_UPDATE, 0, stream, &0_u32.to_be_bytes())].concat()
                })
                .await;
            }
            Attack::Continuation => {
                let mut frames = Frames::open(&self.client, self.url.as_str(), &[]).await;
                let stream = frames.number();
                let mut goes_on = frames.send(&frame(HEADERS, END_STREAM, stream, &self.block("GET", "/endless"))).await;
                let piece = frame(CONTINUATION, 0, stream, &block(&[("x-more", &"x".repeat(8_000))]));
                while goes_on {
                    goes_on = frames.send(&piece).await;
                }
            }
            Attack::HpackBomb => {
                let mut head = self.block("GET", "/bomb");
                head.push(0x40);
                head.extend_from_slice(&block(&[("x-bomb", &"x".repeat(3_900))])[1..]);
                head.extend(std::iter::repeat_n(0xbe, 12_000));
                self.repeats(|stream| frame(HEADERS, END_STREAM | END_HEADERS, stream, &head)).await;
            }
            Attack::EmptyData => self.noises(frame(DATA, 0, 1, b"")).await,
            Attack::Pings => self.noises(frame(PING, 0, 0, b"12345678")).await,
            Attack::Settings => self.noises(frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0])).await,
        }
    }

    async fn tcp(&self) -> Option<TcpStream> {
        TcpStream::connect(("127.0.0.1", self.url.port()?)).await.ok()
    }

    /// A connection, unless it is shed.
    async fn tls(&self) -> Option<tokio_rustls::client::TlsStream<TcpStream>> {
        let (client, url) = (self.client.clone(), self.url.clone());
        tokio::spawn(async move { client.tls_to(&url).await }).await.ok()
    }

    fn head(&self, first: &str, more: &str) -> String {
        format!("{first} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n{more}", self.authority, self.token)
    }

    fn block(&self, method: &str, path: &str) -> Vec<u8> {
        let bearer = format!("Bearer {}", self.token);
        let authority = self.authority.as_str();
        block(&[
            (":method", method),
            (":scheme", "https"),
            (":authority", authority),
            (":path", path),
            ("authorization", &bearer),
        ])
    }

    /// Sends this, then a byte each second.
    async fn drips(&self, first: String) {
        let Some(mut stream) = self.tls().await else { return };
        let mut goes_on = stream.write_all(first.as_bytes()).await.is_ok();
        while goes_on {
            tokio::time::sleep(Duration::from_secs(1)).await;
            goes_on = stream.write_all(b"x").await.is_ok() && stream.flush().await.is_ok();
        }
    }

    /// Sends this for one stream after the other.
    async fn repeats(&self, make: impl Fn(u32) -> Vec<u8>) {
        let mut frames = Frames::open(&self.client, self.url.as_str(), &[]).await;
        loop {
            let stream = frames.number();
            if !frames.send(&make(stream)).await {
                return;
            }
        }
    }

    /// Sends this over and over, beside a request that is not over.
    async fn noises(&self, what: Vec<u8>) {
        let mut frames = Frames::open(&self.client, self.url.as_str(), &[]).await;
        let stream = frames.number();
        let mut goes_on = frames.send(&frame(HEADERS, END_HEADERS, stream, &self.block("POST", "/never"))).await;
        let burst = what.repeat(1_000);
        while goes_on {
            goes_on = frames.send(&burst).await;
        }
    }
}
