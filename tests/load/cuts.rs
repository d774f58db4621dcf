//! How long a quarantined device still gets bytes: 10,000 live streams on more than 5,000 connections, of which 1,000 have to go, 100
//! of those to readers that stand still. The real gate, and clients that stamp the last byte that they receive.
//!
//! ```sh
//! cargo build --release && GATE_BINARY=target/release/sekisho cargo bench -p sekisho-tests --bench cuts
//! ```
//! `-- --streams 1000` makes it smaller. Needs as many file descriptors as streams, and half as many again (`ulimit -n`).

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a measurement that cannot go on stops, and it is not the product"
)]

mod measure;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use url::Url;

use measure::harness::{Client, House, Laptop, eventually};
use measure::{Spread, argument, judge};

/// What a client saw of one stream. Times are nanoseconds since the beginning of the run; 0: not yet.
#[derive(Default)]
struct Stream {
    last_byte: AtomicU64,
    ended: AtomicU64,
    /// It ended as a whole answer does.
    whole: AtomicBool,
    bytes: AtomicU64,
}

/// How a stream is read, and what is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Small pieces, one a second, as an app that pushes news does.
    Ticks,
    /// 16 KiB fifty times a second, as a download does.
    Flood,
    /// As fast as it goes, and the client reads nothing of it.
    Stalled,
}

/// The streams of one device.
struct Party {
    client: Client,
    streams: Vec<(Kind, Arc<Stream>)>,
    /// How many of them share HTTP/2 connections.
    over_http2: usize,
}

impl Kind {
    fn path(self) -> &'static str {
        match self {
            Self::Ticks => "/ticks",
            Self::Flood => "/flood",
            Self::Stalled => "/endless",
        }
    }
}

impl Stream {
    fn got(&self, begin: Instant, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.last_byte.store(since(begin), Ordering::Release);
    }

    fn end(&self, begin: Instant, whole: bool) {
        self.whole.store(whole, Ordering::Relaxed);
        self.ended.store(since(begin), Ordering::Release);
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire) != 0
    }
}

fn main() {
    measure::run(run(argument("--streams").map_or(10_000, |text| text.parse().expect("a number"))));
}

/// Whether everything holds.
async fn run(all: usize) -> bool {
    let begin = Instant::now();
    let app = open_app().await;
    let plan = House::plan().app("news", &format!("upstream = [\"{app}\"]\ntags = [\"internal\"]")).set(
        "limits",
        &format!(
            "connections = {0}\nconnections_per_address = {0}\nrequests_per_device = {0}\nrequests_per_user = {0}",
            all + 1000
        ),
    );
    let house = plan.open().await;
    let (bad, good) = (house.laptop("lap-bad", "alice").await, house.laptop("lap-good", "bob").await);

    // A tenth has to go; of that a tenth stands still and a tenth downloads. Half of everything shares connections, 20 a time.
    let (victims, survivors) = (all / 10, all - all / 10);
    let kinds = |count: usize, special: usize| {
        (0..count).map(move |n| {
            if n < special {
                Kind::Stalled
            } else if n < 2 * special {
                Kind::Flood
            } else {
                Kind::Ticks
            }
        })
    };
    let party = async |laptop: &Laptop, person: &str, count: usize, special: usize| {
        let client = laptop.client(&house);
        let reply = house.idp.sign_in(&client, &house.url("news", "/hello"), person).await;
        assert_eq!(reply.status, 200, "{}", reply.shown());
        let streams = kinds(count, special).map(|kind| (kind, Arc::<Stream>::default())).collect();
        Party { client, streams, over_http2: count / 2 }
    };
    let bad_party = party(&bad, "alice", victims, victims / 10).await;
    let good_party = party(&good, "bob", survivors, 0).await;
    let url = Url::parse(&house.url("news", "/")).unwrap();
    let connections = bad_party.open(&url, begin).await + good_party.open(&url, begin).await;
    let live = house.metrics().await.sum("sekisho_leases", &[]);
    println!(
        "{all} streams on {connections} connections after {:.1} s; the gate counts {live} leases",
        begin.elapsed().as_secs_f64()
    );

    // Two rounds of news, so that everything is in its stride.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = house.metrics().await;
    let lever = since(begin);
    pull(&house, "lap-bad").await;
    let gone = |party: &Party| party.streams.iter().filter(|(_, stream)| stream.has_ended()).count();
    eventually("the end of the device's streams", async || (gone(&bad_party) == victims).then_some(())).await;
    // Survivors go on: each gets the next news, and a little later all are still there.
    let now = since(begin);
    let heard = |(_, stream): &(Kind, Arc<Stream>)| stream.last_byte.load(Ordering::Acquire) > now;
    eventually("news for those that stay", async || good_party.streams.iter().all(heard).then_some(())).await;
    let after = house.metrics().await;

    let (ended, last): (Vec<f64>, Vec<f64>) = bad_party
        .streams
        .iter()
        .map(|(_, stream)| {
            let ms = |time: &AtomicU64| (time.load(Ordering::Acquire) as f64 - lever as f64) / 1e6;
            (ms(&stream.ended), ms(&stream.last_byte).max(0.0))
        })
        .unzip();
    let whole = bad_party.streams.iter().filter(|(_, stream)| stream.whole.load(Ordering::Relaxed)).count();
    let sum = |name: &str| after.sum(name, &[]) - before.sum(name, &[]);
    let (cut, seconds) = (sum("sekisho_cut_latency_seconds_count"), sum("sekisho_cut_latency_seconds_sum"));
    let (ended, last) = (Spread::of(ended), Spread::of(last));
    let by_metric = seconds / cut * 1e3;
    println!("clients: end of the stream after the lever   {ended}");
    println!("clients: last byte after the lever           {last}");
    println!("gate:    sekisho_cut_latency_seconds         mean {by_metric:.1} ms of {cut}");
    let bucket = [("le", "0.1")];
    let in_time =
        after.sum("sekisho_cut_latency_seconds_bucket", &bucket) - before.sum("sekisho_cut_latency_seconds_bucket", &bucket);
    println!("         within 100 ms: {in_time}");
    println!("taken for whole: {whole}; survivors that ended: {}", gone(&good_party));
    let kept = [
        (cut as usize >= victims, "the metric counts every cut"),
        (last.p99 <= 100.0, "p99 of the last byte is within 100 ms"),
        ((by_metric - ended.mean).abs() <= 10.0, "metric and clients agree within 10 ms"),
        (whole == 0, "no cut answer looks whole"),
        (gone(&good_party) == 0, "no survivor was touched"),
    ];
    judge(&kept)
}

/// The quarantine, as the command asks for it, without the time that a command takes to start.
async fn pull(house: &House, device: &str) {
    let socket = UnixStream::connect(house.path().join("run/admin.sock")).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.unwrap();
    tokio::spawn(connection);
    let body = Full::new(Bytes::from(json!({ "why": "malware" }).to_string()));
    let request = Request::post(format!("/v1/devices/{device}/quarantine")).header("host", "gate").body(body).unwrap();
    let reply = sender.send_request(request).await.unwrap();
    assert_eq!(reply.status(), 200);
}

impl Party {
    /// Opens every stream, and returns when each has had its first bytes. Gives the number of connections.
    async fn open(&self, url: &Url, begin: Instant) -> usize {
        // More at once would only be refused by the listener's queue.
        let room = Arc::new(Semaphore::new(64));
        let (ready, mut readies) = mpsc::unbounded_channel::<()>();
        let alone = self.streams.len() - self.over_http2;
        let (own, shared) = self.streams.split_at(alone);
        for (kind, stream) in own {
            let permit = Arc::clone(&room).acquire_owned().await.unwrap();
            let (client, url, kind, stream, ready) = (self.client.clone(), url.clone(), *kind, Arc::clone(stream), ready.clone());
            tokio::spawn(async move {
                let tls = client.tls_to(&url).await;
                let request = text_of(&client, &url, kind);
                drop(permit);
                read_http1(tls, &request, kind, &stream, begin, ready).await;
            });
        }
        for together in shared.chunks(STREAMS_PER_CONNECTION) {
            let permit = Arc::clone(&room).acquire_owned().await.unwrap();
            let client = self.client.clone().over_http2();
            let tls = client.tls_to(url).await;
            let (sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tls)).await.unwrap();
            tokio::spawn(connection);
            for (kind, stream) in together {
                let (mut sender, stream, ready) = (sender.clone(), Arc::clone(stream), ready.clone());
                let request = client.request(Method::GET, &url.join(kind.path()).unwrap(), &[], Bytes::new());
                tokio::spawn(async move {
                    let mut body = sender.send_request(request).await.expect("the gate answers").into_body();
                    let mut ready = Some(ready);
                    let whole = loop {
                        match body.frame().await {
                            Some(Ok(frame)) => stream.got(begin, frame.data_ref().map_or(0, Bytes::len)),
                            Some(Err(_cut)) => break false,
                            None => break true,
                        }
                        let _all_wait = ready.take().map(|ready| ready.send(()));
                    };
                    stream.end(begin, whole);
                });
            }
            drop(permit);
        }
        for _ in &self.streams {
            readies.recv().await.unwrap();
        }
        alone + shared.len().div_ceil(STREAMS_PER_CONNECTION)
    }
}

fn text_of(client: &Client, url: &Url, kind: Kind) -> String {
    let request = client.request(Method::GET, &url.join(kind.path()).unwrap(), &[], Bytes::new());
    let headers = request.headers().iter().map(|(name, value)| format!("{name}: {}\r\n", value.to_str().unwrap()));
    format!("GET {} HTTP/1.1\r\n{}\r\n", request.uri(), headers.collect::<String>())
}

async fn read_http1(
    mut tls: tokio_rustls::client::TlsStream<TcpStream>,
    request: &str,
    kind: Kind,
    stream: &Stream,
    begin: Instant,
    ready: mpsc::UnboundedSender<()>,
) {
    tls.write_all(request.as_bytes()).await.expect("the gate listens");
    let mut buffer = vec![0; 16 * 1024];
    let first = tls.read(&mut buffer).await.expect("the gate answers");
    assert!(buffer[..first].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&buffer[..first]));
    stream.got(begin, first);
    let _all_wait = ready.send(());
    if kind == Kind::Stalled {
        // Nothing is read any more; the reset is seen all the same.
        while !tls.get_ref().0.ready(Interest::ERROR).await.is_ok_and(|ready| ready.is_error()) {}
        return stream.end(begin, false);
    }
    // The answer has no length, so its end is its last chunk.
    let mut tail = Vec::new();
    loop {
        match tls.read(&mut buffer).await {
            Ok(0) => return stream.end(begin, tail.ends_with(b"0\r\n\r\n")),
            Ok(count) => {
                stream.got(begin, count);
                tail = buffer[count.saturating_sub(5)..count].to_vec();
            }
            Err(_reset) => return stream.end(begin, false),
        }
    }
}

/// An app whose answers do not end. Gives its address.
async fn open_app() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let service = service_fn(|request: Request<Incoming>| async move { Ok::<_, Infallible>(answer(&request)) });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service));
        }
    });
    address
}

fn answer(request: &Request<Incoming>) -> Response<http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>> {
    let (piece, pause) = match request.uri().path() {
        "/ticks" => (100, Duration::from_secs(1)),
        "/flood" => (16 * 1024, Duration::from_millis(20)),
        "/endless" => (16 * 1024, Duration::ZERO),
        _ => return Response::new(Full::new(Bytes::from_static(b"hello\n")).boxed_unsync()),
    };
    let piece = Bytes::from(vec![b'x'; piece]);
    let first = futures_util::stream::once(std::future::ready(piece.clone()));
    let more = futures_util::stream::repeat(piece).then(move |piece| async move {
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        piece
    });
    let frames = first.chain(more).map(|piece| Ok(Frame::data(piece)));
    Response::new(StreamBody::new(frames).boxed_unsync())
}

fn since(begin: Instant) -> u64 {
    u64::try_from(begin.elapsed().as_nanos()).unwrap()
}

const STREAMS_PER_CONNECTION: usize = 20;
