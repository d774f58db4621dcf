//! The app behind all proxies: it answers what it has ready, so that it costs next to nothing.

use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

/// A connection of a proxy.
struct Connection {
    socket: TcpStream,
    read: Vec<u8>,
    /// What is to be sent, and how much of it was.
    write: Vec<u8>,
    written: usize,
    /// Bytes of a large body that are still to be made.
    large: u64,
    is_socket: bool,
}

/// Serves until it is killed.
pub(crate) fn run(listen: SocketAddr) {
    let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(1024));
    let mut listener = TcpListener::bind(listen).unwrap();
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE).unwrap();
    let small = answer(&[b'x'; 1024]);
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let (mut free, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
    loop {
        if poll.poll(&mut events, None).is_err() {
            continue;
        }
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut socket, _)) = listener.accept() {
                    let slot = free.pop().unwrap_or_else(|| {
                        connections.push(None);
                        connections.len() - 1
                    });
                    let _slower_without = socket.set_nodelay(true);
                    poll.registry().register(&mut socket, Token(slot), Interest::READABLE | Interest::WRITABLE).unwrap();
                    let (read, write) = (Vec::new(), Vec::new());
                    connections[slot] = Some(Connection { socket, read, write, written: 0, large: 0, is_socket: false });
                }
                continue;
            }
            let slot = event.token().0;
            if let Some(connection) = &mut connections[slot]
                && connection.serve(&mut buffer, &small).is_err()
            {
                connections[slot] = None;
                free.push(slot);
            }
        }
    }
}

impl Connection {
    fn serve(&mut self, buffer: &mut [u8], small: &[u8]) -> io::Result<()> {
        self.flush()?;
        loop {
            let read = match self.socket.read(buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            self.read.extend_from_slice(&buffer[..read]);
            while self.take(small)? {}
            self.flush()?;
            if read < buffer.len() {
                return Ok(());
            }
        }
    }

    /// Answers the next request or message, if it is there as a whole.
    fn take(&mut self, small: &[u8]) -> io::Result<bool> {
        if self.is_socket {
            return self.echo();
        }
        let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(false) };
        let head: Vec<u8> = self.read.drain(..end + 4).collect();
        if head.starts_with(b"GET /large ") {
            write!(self.write, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {LARGE}\r\n\r\n")?;
            self.large = LARGE;
        } else if head.starts_with(b"GET /socket ") {
            let text = String::from_utf8_lossy(&head);
            let key = text.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.trim().to_owned())
            });
            let accept = accept(&key.unwrap_or_default());
            write!(
                self.write,
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
            )?;
            self.is_socket = true;
        } else {
            self.write.extend_from_slice(small);
        }
        Ok(true)
    }

    /// Messages of less than 126 bytes, which are all that the load sends. Anything else ends the connection.
    fn echo(&mut self) -> io::Result<bool> {
        let [first, second, ..] = self.read[..] else { return Ok(false) };
        let length = usize::from(second & 0x7f);
        if first != 0x82 || length > 125 || second & 0x80 == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if self.read.len() < 6 + length {
            return Ok(false);
        }
        let message: Vec<u8> = self.read.drain(..6 + length).collect();
        self.write.extend([first, length as u8]);
        self.write.extend(message[6..].iter().zip(message[2..6].iter().cycle()).map(|(byte, mask)| byte ^ mask));
        Ok(true)
    }

    fn flush(&mut self) -> io::Result<()> {
        loop {
            if self.written == self.write.len() {
                self.write.clear();
                self.written = 0;
                if self.large == 0 {
                    return Ok(());
                }
                let next = self.large.min(CHUNK as u64);
                self.large -= next;
                self.write.resize(next as usize, b'x');
            }
            match self.socket.write(&self.write[self.written..]) {
                Ok(written) => self.written += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

fn answer(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// RFC 6455, section 4.2.2.
fn accept(key: &str) -> String {
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()))
}

const LISTENER: Token = Token(usize::MAX);
/// 100 MiB.
const LARGE: u64 = 100 << 20;
const CHUNK: usize = 256 << 10;
