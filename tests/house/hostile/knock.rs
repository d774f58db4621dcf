//! A gate before an app that believes everything, and people who knock with bytes of their own.

use futures_util::stream::{self, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use url::Url;

use crate::harness::{Client, Heard, House, Laptop, Plan, Raw, Recorder};

/// The gate, the app `notes` behind it, and who is there.
pub(super) struct Road {
    pub(super) house: House,
    /// What `notes` hears.
    pub(super) notes: Recorder,
    pub(super) laptop: Laptop,
    /// Signed in, and allowed everything.
    pub(super) alice: Person,
    /// On the same device, and nobody yet.
    pub(super) visitor: Person,
}

/// Somebody with a connection, and with a line that says who it is, or none.
#[derive(Clone)]
pub(super) struct Person {
    pub(super) client: Client,
    pub(super) line: String,
}

impl Road {
    pub(super) async fn open() -> Self {
        Self::planned(House::plan(), "", Recorder::open().await).await
    }

    /// With further settings of the app, and another recorder.
    pub(super) async fn planned(plan: Plan, settings: &str, notes: Recorder) -> Self {
        let lines = format!("upstream = [\"{}\"]\npublic = [\"/open/**\", \"/exact\"]\n{settings}", notes.url());
        let house = plan.app("notes", &lines).open().await;
        let laptop = house.laptop("lap-7", "alice").await;
        let client = house.signed_in(&laptop, "alice").await;
        let page = client.browse(&house.url("notes", "/signed-in")).await;
        assert_eq!(page.status, 200, "{}", page.shown());
        let line = format!("Cookie: {}\r\n", client.jar.header("notes.localhost", "/").unwrap());
        notes.take();
        let visitor = Person { client: laptop.client(&house), line: String::new() };
        Self { alice: Person { client, line }, house, notes, laptop, visitor }
    }

    pub(super) fn url(&self) -> String {
        self.house.url("notes", "/")
    }

    /// `notes`, as requests name it.
    pub(super) fn host(&self) -> String {
        format!("notes.localhost:{}", self.house.port())
    }

    /// A whole head: method and target, the lines that make it theirs, more lines.
    pub(super) fn head(&self, who: &Person, first: impl AsRef<[u8]>, more: impl AsRef<[u8]>) -> Vec<u8> {
        let host = format!(" HTTP/1.1\r\nHost: {}\r\n{}", self.host(), who.line);
        [first.as_ref(), host.as_bytes(), more.as_ref(), b"\r\n"].concat()
    }

    /// Sends a head without a body; the connection ends with the answer.
    pub(super) async fn ask(&self, who: &Person, first: impl AsRef<[u8]>, more: impl AsRef<[u8]>) -> Raw {
        let more = [b"Connection: close\r\n", more.as_ref()].concat();
        who.client.raw(&self.url(), self.head(who, first, more)).await
    }

    /// These bytes are refused in this way, and nothing of them reaches the app.
    pub(super) async fn refuses(&self, who: &Person, bytes: impl AsRef<[u8]>, status: u16, reason: &str) -> Raw {
        let raw = who.client.raw(&self.url(), bytes.as_ref()).await;
        let shown = String::from_utf8_lossy(bytes.as_ref());
        let shown = shown.get(..300).unwrap_or(&shown);
        assert_eq!(raw.statuses(), [status], "{shown:?}: {}", raw.text());
        assert_eq!(raw.reason().as_deref(), Some(reason), "{shown:?}: {}", raw.text());
        self.silent(shown);
        raw
    }

    /// As [`Road::refuses`], for each of these targets.
    pub(super) async fn refuses_targets(&self, who: &Person, targets: &[&str], status: u16, reason: &str) {
        let all = targets.iter().map(|target| async move {
            let raw = self.ask(who, format!("GET {target}"), "").await;
            assert_eq!((raw.statuses(), raw.reason().as_deref()), (vec![status], Some(reason)), "{target}: {}", raw.text());
        });
        side_by_side(all).await;
        self.silent(&targets.concat());
    }

    /// These bytes are one request for the app, and it answers it.
    pub(super) async fn passes(&self, who: &Person, bytes: impl AsRef<[u8]>) -> Heard {
        let raw = who.client.raw(&self.url(), bytes.as_ref()).await;
        let shown = String::from_utf8_lossy(bytes.as_ref());
        assert_eq!(raw.statuses(), [200], "{shown:?}: {}", raw.text());
        let heard = self.notes.take();
        assert_eq!(heard.heads.len(), 1, "{shown:?}: {:?}", heard.lines());
        heard
    }

    /// The app gets this target, as it is.
    pub(super) async fn passes_target(&self, who: &Person, target: &str) {
        let heard = self.passes(who, self.head(who, format!("GET {target}"), "Connection: close\r\n")).await;
        assert_eq!(heard.lines(), [format!("GET {target} HTTP/1.1")]);
    }

    /// Nothing has reached the app.
    #[track_caller]
    pub(super) fn silent(&self, what: &str) {
        let heard = self.notes.take();
        assert!(heard.bytes.is_empty(), "{what}: {}", String::from_utf8_lossy(&heard.bytes));
    }
}

/// All of these, some at a time: an address has a share of connections and handshakes.
pub(super) async fn side_by_side<T>(all: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    stream::iter(all).buffered(16).collect().await
}

/// What became of an HTTP/2 stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It was answered with 200.
    Served,
    /// With another status.
    Refused,
    /// It was reset, or its connection was.
    Broken,
}

/// Sends one request over HTTP/2, fields and body as they are: no library is in the way.
pub(super) async fn over_http2(client: &Client, url: &str, fields: &[(&str, &str)], body: Option<&[u8]>) -> Fate {
    let mut stream = client.clone().over_http2().tls_to(&Url::parse(url).unwrap()).await;
    let mut block = Vec::new();
    for (name, value) in fields {
        // A literal without indexing, with a name of its own (RFC 7541, section 6.2.2).
        block.push(0);
        for text in [name, value] {
            assert!(text.len() < 127);
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
    }
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    bytes.extend(frame(HEADERS, if body.is_some() { 4 } else { 5 }, 1, &block));
    if let Some(body) = body {
        bytes.extend(frame(DATA, 1, 1, body));
    }
    stream.write_all(&bytes).await.unwrap();
    stream.flush().await.unwrap();
    loop {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).await.is_err() {
            return Fate::Broken;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        if stream.read_exact(&mut payload).await.is_err() {
            return Fate::Broken;
        }
        match head[3] {
            // A block that begins with 0x88: `:status: 200` (RFC 7541, appendix A).
            HEADERS if payload.first() == Some(&0x88) => return Fate::Served,
            HEADERS => return Fate::Refused,
            RST_STREAM | GOAWAY => return Fate::Broken,
            _ => {}
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
