//! HTTP/2 as nobody should speak it: frames and header blocks made by hand, without any check.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use url::Url;

use crate::harness::Client;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;
pub(super) const ACK: u8 = 1;

/// A connection on which anything can be sent.
pub(super) struct Frames {
    stream: TlsStream<TcpStream>,
    read: Vec<u8>,
    next_stream: u32,
}

pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

/// What became of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// An answer, with its status.
    Answered(u16),
    /// RST_STREAM, with its reason.
    Reset(u32),
    /// GOAWAY, with its reason.
    GoneAway(u32),
    /// The connection ended without a word.
    Closed,
}

impl End {
    /// The request was taken for none.
    pub(super) fn is_error(self) -> bool {
        !matches!(self, Self::Answered(status) if status != 400)
    }
}

impl Frames {
    /// Opens a connection with these settings (number and value).
    pub(super) async fn open(client: &Client, url: &str, settings: &[(u16, u32)]) -> Self {
        let stream = client.clone().over_http2().tls_to(&Url::parse(url).unwrap()).await;
        let mut frames = Self { stream, read: Vec::new(), next_stream: 1 };
        // A table of our own would have to be kept: without it, every block stands for itself.
        let settings = [&[(1, 0)], settings].concat();
        let payload = settings
            .iter()
            .flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect::<Vec<_>>();
        assert!(frames.send(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(SETTINGS, 0, 0, &payload)].concat()).await);
        frames
    }

    /// Whether it could be sent.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> bool {
        let sent = async { self.stream.write_all(bytes).await.is_ok() && self.stream.flush().await.is_ok() };
        tokio::time::timeout(PATIENCE, sent).await.unwrap_or(false)
    }

    /// A number for a new stream.
    pub(super) fn number(&mut self) -> u32 {
        let number = self.next_stream;
        self.next_stream += 2;
        number
    }

    /// Sends a request that is complete with its head.
    pub(super) async fn ask(&mut self, fields: &[(&str, &str)]) -> u32 {
        let stream = self.number();
        self.send(&frame(HEADERS, END_STREAM | END_HEADERS, stream, &block(fields))).await;
        stream
    }

    /// The next frame; `None` when the connection has ended.
    pub(super) async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some((head, rest)) = self.read.split_first_chunk::<9>() {
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
                if rest.len() >= length {
                    let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
                    let read = Frame { kind: head[3], flags: head[4], stream, payload: rest[..length].to_vec() };
                    self.read.drain(..9 + length);
                    return Some(read);
                }
            }
            let mut piece = vec![0; 16 * 1024];
            let count = tokio::time::timeout(PATIENCE, self.stream.read(&mut piece)).await.expect("a frame, or the end, in time");
            match count {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.read.extend_from_slice(&piece[..count]),
            }
        }
    }

    /// Waits until the gate has read everything so far; `false` if it has ended the connection.
    pub(super) async fn is_read(&mut self) -> bool {
        if !self.send(&frame(PING, 0, 0, b"so far..")).await {
            return false;
        }
        while let Some(read) = self.next().await {
            match read.kind {
                PING if read.flags & ACK != 0 => return true,
                GOAWAY => return false,
                _ => {}
            }
        }
        false
    }

    /// Answers pings and does nothing else, until the connection has ended.
    pub(super) async fn only_answers_pings(mut self) {
        while let Some(read) = self.next().await {
            if read.kind == PING && read.flags & ACK == 0 && !self.send(&frame(PING, ACK, 0, &read.payload)).await {
                return;
            }
        }
    }

    /// What becomes of a stream.
    pub(super) async fn end_of(&mut self, stream: u32) -> End {
        while let Some(frame) = self.next().await {
            match frame.kind {
                HEADERS if frame.stream == stream => return End::Answered(status(&frame.payload)),
                RST_STREAM if frame.stream == stream => return End::Reset(number(&frame.payload)),
                // A farewell without a reason comes before the last answers.
                GOAWAY if number(&frame.payload[4..]) != 0 => return End::GoneAway(number(&frame.payload[4..])),
                _ => {}
            }
        }
        End::Closed
    }
}

/// A frame.
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header block that says exactly this, whatever it is; each character is one byte.
pub(super) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        // A literal that is not to be indexed, with a new name (RFC 7541, section 6.2.2).
        block.push(0);
        for text in [name, value] {
            let bytes: Vec<u8> = text.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()).collect();
            integer(bytes.len(), 7, &mut block);
            block.extend_from_slice(&bytes);
        }
    }
    block
}

/// An integer with a prefix of so many bits (RFC 7541, section 5.1).
fn integer(mut value: usize, bits: u32, into: &mut Vec<u8>) {
    let most = (1 << bits) - 1;
    if value < most {
        into.push(u8::try_from(value).unwrap());
        return;
    }
    into.push(u8::try_from(most).unwrap());
    value -= most;
    while value >= 128 {
        into.push(u8::try_from(value % 128 + 128).unwrap());
        value /= 128;
    }
    into.push(u8::try_from(value).unwrap());
}

fn number(payload: &[u8]) -> u32 {
    u32::from_be_bytes(payload[..4].try_into().unwrap())
}

/// The status in the block of an answer: its first field.
fn status(block: &[u8]) -> u16 {
    let block = &block[block.iter().take_while(|byte| **byte & 0xe0 == 0x20).count()..];
    match block[0] {
        known if known & 0x80 != 0 => [200, 204, 206, 304, 400, 404, 500][usize::from(known & 0x7f) - 8],
        _ if block[1] & 0x80 != 0 => digits(&block[2..]),
        _ => std::str::from_utf8(&block[2..5]).unwrap().parse().unwrap(),
    }
}

/// Three digits in Huffman's code (RFC 7541, appendix B).
fn digits(code: &[u8]) -> u16 {
    let bits = code.iter().take(3).fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
    let (mut left, mut number) = (24, 0);
    for _ in 0..3 {
        let five = bits >> (left - 5) & 31;
        let digit = if five < 3 {
            left -= 5;
            five
        } else {
            left -= 6;
            (bits >> left & 63) - 0x19 + 3
        };
        number = number * 10 + digit;
    }
    u16::try_from(number).unwrap()
}

const PATIENCE: Duration = Duration::from_secs(20);
