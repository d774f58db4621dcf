//! File descriptors: as many as the system gives, and no more connections than they are enough for.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Limits;

/// Raises the bound on open files as far as the process may.
pub(super) fn raise() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        tracing::warn!(%error, "the bound on open files cannot be raised");
    }
}

/// `limits`, with no more connections than there are file descriptors for. Where that is less than was asked for, the log says so.
pub(super) fn fitting(limits: &Limits) -> Limits {
    let open_files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let connections = limits.connections.min(room(open_files));
    if connections < limits.connections {
        tracing::warn!(
            wanted = limits.connections,
            taken = connections,
            open_files,
            needed = needed(limits.connections),
            "limits.connections does not fit into the open files that the process may have: more connections are shed; raise \
             the bound (LimitNOFILE= in a systemd unit, `ulimit -Hn` in a shell), or lower limits.connections"
        );
    }
    Limits { connections, ..limits.clone() }
}

/// What so many connections need: each may have one to an app beside it.
fn needed(connections: usize) -> usize {
    connections.saturating_mul(2).saturating_add(OTHERS)
}

/// How many connections so many open files are enough for.
fn room(open_files: u64) -> usize {
    let open_files = usize::try_from(open_files).unwrap_or(usize::MAX);
    // Where there are very few, even the gate's own files are in doubt; a gate that takes nobody helps nobody.
    (open_files.saturating_sub(OTHERS) / 2).max(1)
}

/// The store, the record, listeners, runtimes, metrics and operators.
const OTHERS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_what_is_needed() {
        for connections in [1, 100, 10_000, 1_000_000] {
            assert_eq!(room(needed(connections) as u64), connections);
        }
        assert_eq!(room(0), 1);
        assert_eq!(room(1024), 384);
    }

    #[test]
    fn what_fits_stays_as_it_is() {
        raise();
        let limits = Limits { connections: 1, ..Limits::for_tests() };
        assert_eq!(fitting(&limits).connections, 1);
    }
}
