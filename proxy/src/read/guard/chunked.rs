//! The chunk grammar (RFC 9112 section 7.1), byte by byte.

use super::grammar::{self, TOKEN, VALUE};
use super::head::MAX_LENGTH;
use super::refusal::FramingRefusal;

/// A chunked body of which some bytes have been read.
#[derive(Debug)]
pub(super) struct Chunked {
    state: State,
    size: u64,
    digits: u8,
    extension: usize,
    extensions: usize,
    data: u64,
    overhead: u64,
    trailers: usize,
    trailer_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size,
    SizeLf,
    ExtensionName { any: bool },
    ExtensionValue { any: bool },
    ExtensionQuoted { escaped: bool },
    ExtensionEnd,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
    Over,
}

impl Chunked {
    pub(super) fn new() -> Self {
        Self {
            state: State::Size,
            size: 0,
            digits: 0,
            extension: 0,
            extensions: 0,
            data: 0,
            overhead: 0,
            trailers: 0,
            trailer_bytes: 0,
        }
    }

    /// Whether the last byte of the body has been read.
    pub(super) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Reads on. Returns how many bytes belong to the body and are sound; less than all if it is over or broken.
    pub(super) fn read(&mut self, input: &[u8]) -> (usize, Result<(), FramingRefusal>) {
        let mut at = 0;
        while let Some(rest) = input.get(at..).filter(|rest| !rest.is_empty()) {
            if self.state == State::Over {
                break;
            }
            if self.state == State::Data {
                let here = usize::try_from(self.size).unwrap_or(usize::MAX).min(rest.len());
                at += here;
                self.data = self.data.saturating_add(here as u64);
                self.size -= here as u64;
                if self.size == 0 {
                    self.state = State::DataCr;
                }
                continue;
            }
            let Some(byte) = rest.first() else { break };
            if let Err(refusal) = self.framing(*byte) {
                return (at, Err(refusal));
            }
            at += 1;
        }
        (at, Ok(()))
    }

    fn framing(&mut self, byte: u8) -> Result<(), FramingRefusal> {
        self.overhead += 1;
        if self.overhead > FREE_OVERHEAD.saturating_add(self.data.saturating_mul(OVERHEAD_PER_BYTE)) {
            return Err(FramingRefusal::ChunkOverhead);
        }
        self.state = match self.state {
            State::Size => self.size(byte)?,
            State::SizeLf => {
                expect(byte == b'\n', FramingRefusal::ChunkSize)?;
                self.begin_chunk()
            }
            State::ExtensionName { .. } | State::ExtensionValue { .. } | State::ExtensionQuoted { .. } | State::ExtensionEnd => {
                self.extension(byte)?
            }
            State::DataCr => {
                expect(byte == b'\r', FramingRefusal::ChunkEnd)?;
                State::DataLf
            }
            State::DataLf => {
                expect(byte == b'\n', FramingRefusal::ChunkEnd)?;
                State::Size
            }
            State::TrailerStart | State::TrailerName | State::TrailerValue | State::TrailerLf | State::EndLf => {
                self.trailer(byte)?
            }
            State::Data | State::Over => self.state,
        };
        Ok(())
    }

    fn size(&mut self, byte: u8) -> Result<State, FramingRefusal> {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            b'\r' if self.digits > 0 => return Ok(State::SizeLf),
            b';' if self.digits > 0 => return Ok(State::ExtensionName { any: false }),
            _ => return Err(FramingRefusal::ChunkSize),
        };
        self.digits += 1;
        expect(self.digits <= 16, FramingRefusal::ChunkSize)?;
        self.size = self.size << 4 | u64::from(digit);
        expect(self.size <= MAX_LENGTH, FramingRefusal::ChunkSize)?;
        Ok(State::Size)
    }

    fn extension(&mut self, byte: u8) -> Result<State, FramingRefusal> {
        self.extension += 1;
        self.extensions += 1;
        expect(self.extension <= EXTENSION_BYTES && self.extensions <= EXTENSIONS_BYTES, FramingRefusal::ChunkExtension)?;
        let next = match (self.state, byte) {
            (State::ExtensionName { .. }, _) if grammar::is(byte, TOKEN) => State::ExtensionName { any: true },
            (State::ExtensionName { any: true }, b'=') => State::ExtensionValue { any: false },
            (State::ExtensionValue { any: false }, b'"') => State::ExtensionQuoted { escaped: false },
            (State::ExtensionValue { .. }, _) if grammar::is(byte, TOKEN) => State::ExtensionValue { any: true },
            (State::ExtensionQuoted { escaped: true }, _) if grammar::is(byte, VALUE) => {
                State::ExtensionQuoted { escaped: false }
            }
            (State::ExtensionQuoted { escaped: false }, b'\\') => State::ExtensionQuoted { escaped: true },
            (State::ExtensionQuoted { escaped: false }, b'"') => State::ExtensionEnd,
            (State::ExtensionQuoted { escaped: false }, _) if grammar::is(byte, VALUE) => {
                State::ExtensionQuoted { escaped: false }
            }
            (State::ExtensionName { any: true } | State::ExtensionValue { any: true } | State::ExtensionEnd, b';') => {
                State::ExtensionName { any: false }
            }
            (State::ExtensionName { any: true } | State::ExtensionValue { any: true } | State::ExtensionEnd, b'\r') => {
                State::SizeLf
            }
            _ => return Err(FramingRefusal::ChunkExtension),
        };
        Ok(next)
    }

    /// After a chunk's size line.
    fn begin_chunk(&mut self) -> State {
        self.digits = 0;
        self.extension = 0;
        if self.size == 0 { State::TrailerStart } else { State::Data }
    }

    fn trailer(&mut self, byte: u8) -> Result<State, FramingRefusal> {
        self.trailer_bytes += 1;
        expect(self.trailer_bytes <= TRAILER_BYTES, FramingRefusal::TrailersTooLarge)?;
        let next = match (self.state, byte) {
            (State::TrailerStart, b'\r') => State::EndLf,
            (State::TrailerStart, _) if grammar::is(byte, TOKEN) => {
                self.trailers += 1;
                expect(self.trailers <= TRAILERS, FramingRefusal::TrailersTooLarge)?;
                State::TrailerName
            }
            (State::TrailerName, b':') => State::TrailerValue,
            (State::TrailerName, _) if grammar::is(byte, TOKEN) => State::TrailerName,
            (State::TrailerValue, b'\r') => State::TrailerLf,
            (State::TrailerValue, _) if grammar::is(byte, VALUE) => State::TrailerValue,
            (State::TrailerLf, b'\n') => State::TrailerStart,
            (State::EndLf, b'\n') => State::Over,
            _ => return Err(FramingRefusal::Trailer),
        };
        Ok(next)
    }
}

fn expect(holds: bool, otherwise: FramingRefusal) -> Result<(), FramingRefusal> {
    if holds { Ok(()) } else { Err(otherwise) }
}

/// Framing that costs nothing, so that short bodies may be cut as they like.
const FREE_OVERHEAD: u64 = 64 * 1024;
/// Beyond that, framing bytes for each byte of data. A one-byte chunk needs five: a stream of them is cut after 64 Ki chunks.
const OVERHEAD_PER_BYTE: u64 = 4;
/// Of one chunk's extensions. Nobody is known to use any.
const EXTENSION_BYTES: usize = 256;
/// Of all extensions of a body; hyper's own bound is 16 KiB.
const EXTENSIONS_BYTES: usize = 8 * 1024;
/// Trailers are dropped anyway; hyper's own bounds are 100 and 16 KiB.
const TRAILERS: usize = 32;
const TRAILER_BYTES: usize = 8 * 1024;
