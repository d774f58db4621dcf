//! Keys are in memory: it is not written to a disk when the process crashes, and no other process of the account reads it.

use rustix::process::{DumpableBehavior, Resource, Rlimit, dumpable_behavior, getrlimit, set_dumpable_behavior, setrlimit};

use super::standing::{Layer, Standing};

/// Takes this process's memory out of core dumps, and from debuggers that are not root. Whether that was possible,
/// `serve` says.
pub fn seal() {
    let _told_by_look = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    // A program that gets core dumps by a pipe is given them whatever the limit is.
    let _told_by_look = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// How it stands.
pub(super) fn look() -> Standing {
    let limited = getrlimit(Resource::Core).current == Some(0);
    match (limited, dumpable_behavior()) {
        (true, Ok(DumpableBehavior::NotDumpable)) => {
            Standing::in_force(Layer::Memory, "nor does another process of its account read its memory")
        }
        (false, _) => Standing::missing(Layer::Memory, "the limit of core dumps could not be set to 0"),
        (true, _) => Standing::missing(Layer::Memory, "the process could not be made undumpable"),
    }
}
