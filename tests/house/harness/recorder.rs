//! An app that believes everything: it frames as leniently as any server was ever seen to, and keeps every byte that reached it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The app. It ends with the test.
#[derive(Clone)]
pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Heard>>,
}

/// What reached it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    /// Every byte, of all connections.
    pub(crate) bytes: Vec<u8>,
    /// What it took for the heads of requests, in the order in which they came.
    pub(crate) heads: Vec<Vec<u8>>,
    /// For each of them, which connection it came on.
    pub(crate) connections: Vec<usize>,
    /// Connections so far.
    pub(crate) opened: usize,
}

/// What it answers: given the head of a request, the bytes to write. Nothing: the connection ends.
type Answers = Arc<dyn Fn(&[u8]) -> Vec<u8> + Send + Sync>;

impl Recorder {
    /// Answers `ok` to whatever looks like a request.
    pub(crate) async fn open() -> Self {
        Self::answering(ok).await
    }

    /// With other answers.
    pub(crate) async fn answering(answers: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let recorder = Self { address: listener.local_addr().unwrap(), heard: Arc::default() };
        let (heard, answers): (_, Answers) = (Arc::clone(&recorder.heard), Arc::new(answers));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let number = {
                    let mut heard = heard.lock().unwrap();
                    heard.opened += 1;
                    heard.opened
                };
                tokio::spawn(listen(
                    Line { socket, buffer: Vec::new(), heard: Arc::clone(&heard) },
                    number,
                    Arc::clone(&answers),
                ));
            }
        });
        recorder
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What has reached it so far.
    pub(crate) fn heard(&self) -> Heard {
        self.heard.lock().unwrap().clone()
    }

    /// The same, and forgets it.
    pub(crate) fn take(&self) -> Heard {
        let mut heard = self.heard.lock().unwrap();
        let opened = heard.opened;
        std::mem::replace(&mut *heard, Heard { opened, ..Heard::default() })
    }
}

impl Heard {
    /// The first lines of what it took for requests.
    pub(crate) fn lines(&self) -> Vec<String> {
        let first = |head: &Vec<u8>| {
            let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
            String::from_utf8_lossy(line).trim_end_matches('\r').to_owned()
        };
        self.heads.iter().map(first).collect()
    }

    /// Whether these bytes were among what reached it, whatever their case. What an assertion's base64 happens to spell does not count.
    pub(crate) fn has(&self, what: &str) -> bool {
        let name = b"sekisho-assertion: ";
        let mut bytes = self.bytes.to_ascii_lowercase();
        let mut from = 0;
        while let Some(at) = bytes.get(from..).and_then(|rest| rest.windows(name.len()).position(|window| window == name)) {
            from += at + name.len();
            let length = bytes[from..].iter().take_while(|byte| **byte != b'\r').count();
            bytes.drain(from..from + length);
        }
        contains(&bytes, what.to_ascii_lowercase().as_bytes())
    }
}

/// One connection.
struct Line {
    socket: TcpStream,
    buffer: Vec<u8>,
    heard: Arc<Mutex<Heard>>,
}

async fn listen(mut line: Line, number: usize, answers: Answers) -> Option<()> {
    loop {
        let end = loop {
            if let Some(end) = head_end(&line.buffer) {
                break end;
            }
            line.more().await?;
        };
        let head = line.take(end);
        {
            let mut heard = line.heard.lock().unwrap();
            heard.heads.push(head.clone());
            heard.connections.push(number);
        }
        line.body(&head).await?;
        let answer = answers(&head);
        if answer.is_empty() {
            return None;
        }
        line.socket.write_all(&answer).await.ok()?;
    }
}

impl Line {
    async fn more(&mut self) -> Option<()> {
        let before = self.buffer.len();
        let count = self.socket.read_buf(&mut self.buffer).await.ok()?;
        self.heard.lock().unwrap().bytes.extend_from_slice(&self.buffer[before..]);
        (count > 0).then_some(())
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        self.buffer.drain(..count).collect()
    }

    /// Reads the body away, as this head frames it for somebody who wants to see a body.
    async fn body(&mut self, head: &[u8]) -> Option<()> {
        let fields = fields(head);
        let field = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        if field("transfer-encoding").is_some_and(|value| value.contains("chunked")) {
            return self.chunks().await;
        }
        let digits = |value: &str| value.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
        let length: usize = field("content-length").and_then(digits).unwrap_or(0);
        while self.buffer.len() < length {
            self.more().await?;
        }
        self.take(length);
        Some(())
    }

    async fn chunks(&mut self) -> Option<()> {
        loop {
            let line = self.line().await?;
            let text = line.trim().trim_start_matches("0x").trim_start_matches('+');
            let digits: String = text.chars().take_while(char::is_ascii_hexdigit).collect();
            let Ok(size) = usize::from_str_radix(&digits, 16) else { return Some(()) };
            if size == 0 {
                while !self.line().await?.trim().is_empty() {}
                return Some(());
            }
            while self.buffer.len() < size {
                self.more().await?;
            }
            self.take(size);
            while self.buffer.first().is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
                self.take(1);
            }
        }
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                return Some(String::from_utf8_lossy(&self.take(end + 1)).into_owned());
            }
            self.more().await?;
        }
    }
}

/// Names in their plainest reading, and values, in lower case.
fn fields(head: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    let field = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.trim().replace(['_', '.'], "-"), value.trim().to_owned()))
    };
    text.lines().skip(1).filter_map(field).collect()
}

/// Where the head ends, if it does: after an empty line, however its end is written.
fn head_end(bytes: &[u8]) -> Option<usize> {
    let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let ends =
        |end: &&[u8]| bytes.get(blank..)?.windows(end.len()).position(|window| window == *end).map(|at| blank + at + end.len());
    [&b"\r\n\r\n"[..], b"\n\n", b"\n\r\n"].iter().filter_map(ends).min()
}

/// The answer to anything.
pub(crate) fn ok(head: &[u8]) -> Vec<u8> {
    let body = if head.trim_ascii_start().starts_with(b"HEAD") { "" } else { "ok" };
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Recorder: 1\r\nContent-Length: 2\r\n\r\n{body}").into_bytes()
}

/// Whether `bytes` have `what` somewhere.
pub(crate) fn contains(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len().max(1)).any(|window| window == what)
}
