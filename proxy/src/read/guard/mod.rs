//! Arrives: what a client sends on an HTTP/1.1 connection. Leaves: the same bytes, handed to hyper once they have only one reading.
//! Refused: heads and bodies whose framing is malformed, ambiguous or too large; hyper never sees them, the client gets our own answer.
//! If the client goes away, the end of the stream is passed on. Nothing here waits but for the client.
//!
//! hyper is lenient where an access proxy must not be: it cuts a target at `#`, skips blank lines, merges equal lengths, and
//! answers 400, 414 and 431 itself, past our pages and our record. So [`GuardedIo`] stands between TLS and hyper. When a head is
//! refused, hyper is given one harmless request in its place, and the refusal waits in a queue that the service reads: for each
//! call of the service there is exactly one entry, in order ([`GuardHandle::next_turn`]).

mod chunked;
pub(super) mod grammar;
mod head;
mod io;
mod machine;
mod refusal;
mod shared;

#[cfg(test)]
mod tests;

pub use head::{BodyFraming, HeadFacts, TargetForm};
pub use io::{GuardTimes, GuardedIo};
pub use machine::{Bounds, Machine, Step};
pub use refusal::FramingRefusal;
pub use shared::{GuardHandle, Head, Turn};
