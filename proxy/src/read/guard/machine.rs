//! The framing of a connection's requests as a pure state machine: bytes in, judgement out.

use super::chunked::Chunked;
use super::head::{BodyFraming, Draft, HeadFacts, METHOD_BYTES};
use super::refusal::FramingRefusal;
use crate::config::Limits;

/// How much of a head is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of the whole head, its last line included.
    pub head_bytes: usize,
    /// Bytes of the request target.
    pub target_bytes: usize,
    /// Header lines.
    pub headers: usize,
}

/// What can be said of the bytes so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing yet: call again with the same bytes and more behind them.
    More,
    /// The first `len` bytes are a whole head, and a sound one.
    Head {
        /// Bytes, at least one.
        len: usize,
        /// What it says.
        facts: HeadFacts,
    },
    /// The first `len` bytes belong to the body, and are sound.
    Body {
        /// Bytes, at least one.
        len: usize,
        /// The body is complete; what follows is the next head.
        over: bool,
    },
    /// The head is refused. The machine is of no use any more.
    Refused(FramingRefusal),
    /// The body breaks after `len` sound bytes. The machine is of no use any more.
    Broken {
        /// Bytes, perhaps none.
        len: usize,
        /// Why.
        refusal: FramingRefusal,
    },
}

/// Reads heads and bodies in turn. Says the same whatever pieces the bytes come in.
#[derive(Debug)]
pub struct Machine {
    bounds: Bounds,
    state: State,
}

#[derive(Debug)]
enum State {
    Head(Lines),
    Length(u64),
    Chunked(Box<Chunked>),
    Dead(FramingRefusal),
}

/// How far a head has been read: offsets from its first byte.
#[derive(Debug, Default)]
struct Lines {
    draft: Option<Draft>,
    line: usize,
    scanned: usize,
}

impl Bounds {
    /// Never above what hyper takes, or it would answer by itself.
    fn within_hyper(self) -> Self {
        Self {
            head_bytes: self.head_bytes.min(HYPER_HEAD_BYTES),
            target_bytes: self.target_bytes.min(HYPER_TARGET_BYTES),
            headers: self.headers.min(HYPER_HEADERS),
        }
    }
}

impl From<&Limits> for Bounds {
    fn from(limits: &Limits) -> Self {
        Self { head_bytes: limits.head_bytes, target_bytes: limits.target_bytes, headers: limits.headers }
    }
}

impl Machine {
    /// At the beginning of a connection.
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds: bounds.within_hyper(), state: State::Head(Lines::default()) }
    }

    /// Whether a body is being read.
    pub fn in_body(&self) -> bool {
        matches!(self.state, State::Length(_) | State::Chunked(_))
    }

    /// Judges what stands at the front of `input`. After [`Step::Head`] and [`Step::Body`] the caller takes the `len` bytes off.
    pub fn step(&mut self, input: &[u8]) -> Step {
        if input.is_empty() {
            return Step::More;
        }
        match &mut self.state {
            State::Head(lines) => {
                let step = lines.read(input, &self.bounds);
                match &step {
                    Step::Head { facts, .. } => self.state = after_head(facts.body),
                    Step::Refused(refusal) => self.state = State::Dead(*refusal),
                    Step::More | Step::Body { .. } | Step::Broken { .. } => {}
                }
                step
            }
            State::Length(left) => {
                let len = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                *left -= len as u64;
                let over = *left == 0;
                if over {
                    self.state = State::Head(Lines::default());
                }
                Step::Body { len, over }
            }
            State::Chunked(chunked) => {
                let (len, sound) = chunked.read(input);
                if let Err(refusal) = sound {
                    self.state = State::Dead(refusal);
                    return Step::Broken { len, refusal };
                }
                let over = chunked.is_over();
                if over {
                    self.state = State::Head(Lines::default());
                }
                Step::Body { len, over }
            }
            State::Dead(refusal) => Step::Refused(*refusal),
        }
    }
}

fn after_head(body: BodyFraming) -> State {
    match body {
        BodyFraming::None => State::Head(Lines::default()),
        BodyFraming::Length(length) => State::Length(length),
        BodyFraming::Chunked => State::Chunked(Box::new(Chunked::new())),
    }
}

impl Lines {
    fn read(&mut self, input: &[u8], bounds: &Bounds) -> Step {
        loop {
            // Looking no further than the bound keeps the judgement the same for every way to cut the bytes into pieces.
            let (bound, beyond) = self.bound(bounds);
            let window = input.get(..bound).unwrap_or(input);
            let unfinished = if window.len() == bound { Step::Refused(beyond) } else { Step::More };
            let fresh = window.get(self.scanned..).unwrap_or_default();
            let Some(found) = memchr::memchr2(b'\r', b'\n', fresh) else {
                self.scanned = window.len();
                return unfinished;
            };
            let end = self.scanned + found;
            self.scanned = end;
            match window.get(end..) {
                Some([b'\r', b'\n', ..]) => {}
                Some([b'\r']) => return unfinished,
                Some([b'\n', ..]) => return Step::Refused(FramingRefusal::BareLf),
                _ => return Step::Refused(FramingRefusal::BareCr),
            }
            let line = window.get(self.line..end).unwrap_or_default();
            self.line = end + 2;
            self.scanned = end + 2;
            match self.take(line, bounds) {
                Ok(None) => {}
                Ok(Some(facts)) => return Step::Head { len: self.line, facts },
                Err(refusal) => return Step::Refused(refusal),
            }
        }
    }

    /// Takes a line in; the empty one ends the head.
    fn take(&mut self, line: &[u8], bounds: &Bounds) -> Result<Option<HeadFacts>, FramingRefusal> {
        match &mut self.draft {
            None => self.draft = Some(Draft::request_line(line, bounds)?),
            Some(_) if line.is_empty() => return self.draft.take().map(Draft::finish).transpose(),
            Some(draft) => draft.field_line(line, bounds)?,
        }
        Ok(None)
    }

    /// How many bytes may be looked at, and what it means if they are not enough.
    fn bound(&self, bounds: &Bounds) -> (usize, FramingRefusal) {
        let request_line = bounds.target_bytes.saturating_add(METHOD_BYTES + "  HTTP/1.1\r\n".len());
        if self.draft.is_none() && request_line < bounds.head_bytes {
            (request_line, FramingRefusal::TargetTooLong)
        } else {
            (bounds.head_bytes, FramingRefusal::HeadTooLarge)
        }
    }
}

/// hyper reads a head into one buffer of at most about 400 KiB.
const HYPER_HEAD_BYTES: usize = 256 * 1024;
/// Longer targets do not fit `http::Uri`.
const HYPER_TARGET_BYTES: usize = 65_000;
/// What hyper parses without allocating per request.
const HYPER_HEADERS: usize = 100;
