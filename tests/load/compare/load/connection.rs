//! One HTTP/1.1 connection of the load: what was asked, and how far the answer has come.

use std::io::{self, Read as _, Write as _};
use std::sync::Arc;
use std::time::Instant;

use mio::net::TcpStream;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) number: usize,
    pub(super) socket: TcpStream,
    tls: ClientConnection,
    waits: Waits,
    pub(super) asked: Instant,
    /// The first answer has come.
    pub(super) stands: bool,
    head: Vec<u8>,
}

/// What it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    Head,
    /// The rest of a body; the status has been read.
    Body {
        status: u16,
        left: u64,
    },
    /// The rest of a message of a WebSocket.
    Message {
        left: usize,
    },
    /// Nothing.
    Nothing,
}

/// What has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// Bytes of a body.
    Bytes(usize),
    /// An answer, whole.
    Answer(u16),
    /// The WebSocket stands.
    Socket,
    /// A message, whole.
    Message,
}

/// An answer's head, read.
struct Head {
    status: u16,
    length: u64,
}

impl Connection {
    pub(super) fn new(number: usize, socket: TcpStream, config: &Arc<ClientConfig>, host: &str, asked: Instant) -> Self {
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let tls = ClientConnection::new(Arc::clone(config), name).unwrap();
        Self { number, socket, tls, waits: Waits::Nothing, asked, stands: false, head: Vec::with_capacity(1024) }
    }

    /// Asks; the words go out with the next [`Connection::flush`].
    pub(super) fn ask(&mut self, text: &[u8], asked: Instant) {
        self.tls.writer().write_all(text).unwrap();
        (self.waits, self.asked) = (Waits::Head, asked);
    }

    /// Everything that was asked is answered.
    pub(super) fn is_idle(&self) -> bool {
        self.waits == Waits::Nothing
    }

    /// Sends a message of a WebSocket, whose echo is so long.
    pub(super) fn send(&mut self, frame: &[u8], echo: usize) {
        self.tls.writer().write_all(frame).unwrap();
        (self.waits, self.asked) = (Waits::Message { left: echo }, Instant::now());
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.socket) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes what is there; tells `came` of it. The readiness is told once only, so the socket is read until it is empty.
    pub(super) fn read(&mut self, buffer: &mut Buffers, mut came: impl FnMut(&mut Self, Came)) -> io::Result<()> {
        loop {
            let read = match self.socket.read(&mut buffer.sealed) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let mut sealed = &buffer.sealed[..read];
            while !sealed.is_empty() {
                self.tls.read_tls(&mut sealed)?;
                self.tls.process_new_packets().map_err(io::Error::other)?;
                loop {
                    match self.tls.reader().read(&mut buffer.plain) {
                        Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                        Ok(plain) => self.take(&buffer.plain[..plain], &mut came)?,
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                        Err(error) => return Err(error),
                    }
                }
            }
            // Less than there was room for: nothing is left, and what comes later is told of.
            if read < buffer.sealed.len() {
                return Ok(());
            }
        }
    }

    fn take(&mut self, mut bytes: &[u8], came: &mut impl FnMut(&mut Self, Came)) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.waits {
                Waits::Nothing => return Err(io::Error::other("bytes that nobody asked for")),
                Waits::Head => {
                    let before = self.head.len();
                    self.head.extend_from_slice(bytes);
                    let from = before.saturating_sub(3);
                    let Some(end) = self.head[from..].windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(()) };
                    let end = from + end + 4;
                    bytes = &bytes[end - before..];
                    let head = Head::read(&self.head[..end])?;
                    self.head.clear();
                    if head.status == 101 {
                        self.waits = Waits::Nothing;
                        came(self, Came::Socket);
                    } else if head.length == 0 {
                        self.waits = Waits::Nothing;
                        came(self, Came::Answer(head.status));
                    } else {
                        self.waits = Waits::Body { status: head.status, left: head.length };
                    }
                }
                Waits::Body { status, left } => {
                    let taken = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    bytes = &bytes[taken..];
                    let left = left - taken as u64;
                    self.waits = if left == 0 { Waits::Nothing } else { Waits::Body { status, left } };
                    came(self, Came::Bytes(taken));
                    if left == 0 {
                        came(self, Came::Answer(status));
                    }
                }
                Waits::Message { left } => {
                    let taken = bytes.len().min(left);
                    bytes = &bytes[taken..];
                    self.waits = if taken == left { Waits::Nothing } else { Waits::Message { left: left - taken } };
                    if taken == left {
                        came(self, Came::Message);
                    }
                }
            }
        }
        Ok(())
    }
}

impl Head {
    fn read(text: &[u8]) -> io::Result<Self> {
        let bad = || io::Error::other("not an answer that the load understands");
        let status = text.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|digits| digits.parse().ok());
        let status = status.ok_or_else(bad)?;
        let mut length = None;
        for line in text.split(|&byte| byte == b'\n') {
            let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
            if colon == 14 && line[..colon].eq_ignore_ascii_case(b"content-length") {
                let digits = std::str::from_utf8(&line[colon + 1..]).map_err(|_latin| bad())?;
                length = Some(digits.trim().parse().map_err(|_words| bad())?);
            }
        }
        let bodiless = matches!(status, 101 | 204 | 304);
        Ok(Self { status, length: if bodiless { 0 } else { length.ok_or_else(bad)? } })
    }
}

/// Room for what is read; one for all connections.
#[derive(Debug)]
pub(super) struct Buffers {
    sealed: Vec<u8>,
    plain: Vec<u8>,
}

impl Buffers {
    pub(super) fn new() -> Self {
        Self { sealed: vec![0; 128 << 10], plain: vec![0; 32 << 10] }
    }
}
