//! Finished files are read through and packed while requests are served, on the same processors.

use std::thread;

/// Whoever waits for this processor goes first. To be called after each [`PIECE`] or so: done at one stretch, this work would keep
/// everybody on a data core waiting for a whole share of the processor's time, some milliseconds, a dozen times a second.
pub(super) fn give_way() {
    thread::yield_now();
}

/// Bytes that are worked on at one stretch: a millisecond, or less. With fewer, packing could not keep up with a machine whose processors are
/// all busy: whoever gives way has one turn in four milliseconds.
pub(super) const PIECE: usize = 256 << 10;
