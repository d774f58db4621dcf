//! What files say: the same each time, made up as it is sent, so that a gibibyte costs no memory.

pub(super) mod csv;
pub(super) mod pdf;

use std::io;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::chance;

/// What a file says.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// All of it.
    Whole(Bytes),
    /// A pattern, again and again.
    MadeUp {
        /// Where in the pattern it begins.
        start: usize,
        /// How many bytes.
        len: u64,
    },
}

/// A part of a file, on its way.
#[derive(Debug)]
pub(super) struct Sending {
    content: Content,
    at: u64,
    end: u64,
}

impl Content {
    /// `len` bytes that depend on `path` only.
    pub(super) fn made_up(path: &str, len: u64) -> Self {
        let start = chance::sha256(path.as_bytes()).iter().fold(0_usize, |sum, &byte| (sum * 31 + usize::from(byte)) % PATTERN);
        Self::MadeUp { start, len }
    }

    /// How many bytes.
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::MadeUp { len, .. } => *len,
        }
    }

    /// The bytes from `at`, before `end`; at most [`PIECE`] of them.
    fn piece(&self, at: u64, end: u64) -> Bytes {
        let want = usize::try_from(end.saturating_sub(at)).unwrap_or(PIECE).min(PIECE);
        match self {
            Self::Whole(bytes) => {
                let from = usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
                bytes.slice(from..(from + want).min(bytes.len()))
            }
            Self::MadeUp { start, .. } => {
                let turn = usize::try_from(at % PATTERN as u64).unwrap_or(0);
                let from = (start + turn) % PATTERN;
                pattern().slice(from..(from + want).min(PATTERN))
            }
        }
    }
}

impl Sending {
    /// The bytes from `at`, before `end`.
    pub(super) fn new(content: Content, at: u64, end: u64) -> Self {
        Self { content, at, end }
    }
}

impl Body for Sending {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _task: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.at >= self.end {
            return Poll::Ready(None);
        }
        let piece = self.content.piece(self.at, self.end);
        self.at += piece.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.at >= self.end
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.end.saturating_sub(self.at))
    }
}

/// Bytes that look random and do not compress (xorshift64*).
fn pattern() -> &'static Bytes {
    static BYTES: OnceLock<Bytes> = OnceLock::new();
    BYTES.get_or_init(|| {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let words = std::iter::repeat_with(|| {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes()
        });
        words.flatten().take(PATTERN).collect()
    })
}

/// Length of the pattern: odd, so that pieces do not repeat at round distances.
const PATTERN: usize = (1 << 20) + 7;
/// Largest piece that is sent at once.
const PIECE: usize = 64 * 1024;
