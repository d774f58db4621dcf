//! Names of the record's files: `access-<start in ms>-<process>-<chain>.jsonl`.

use crate::clock::Timestamp;

/// What the name of a segment tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentName<'a> {
    /// When it was begun. Of two segments of one chain, the later may tell the earlier time: clocks are set.
    pub started: Timestamp,
    /// Process id of who wrote it.
    pub process: u64,
    /// Whose lines they are: a core's number, or `control`.
    pub chain: &'a str,
}

impl<'a> SegmentName<'a> {
    /// Reads one; `None` if it is the name of something else.
    pub fn parse(name: &'a str) -> Option<Self> {
        let mut parts = name.strip_prefix("access-")?.strip_suffix(".jsonl")?.splitn(3, '-');
        let started = Timestamp(parts.next()?.parse().ok()?);
        let process = parts.next()?.parse().ok()?;
        let chain = parts.next()?;
        let fits = chain == "control" || (!chain.is_empty() && chain.bytes().all(|byte| byte.is_ascii_digit()));
        fits.then_some(Self { started, process, chain })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_segments_are_known_and_others_are_not() {
        let name = SegmentName::parse("access-0000000000002-7-control.jsonl").unwrap();
        assert_eq!(name, SegmentName { started: Timestamp(2), process: 7, chain: "control" });
        for bad in [
            "access-x-7-1.jsonl",
            "notes.jsonl",
            "sets",
            "access-1-7-.jsonl",
            "access-1-7-1-2.jsonl",
            "access-1-7-0.jsonl.zst",
            "access-1-7-core.jsonl",
        ] {
            assert_eq!(SegmentName::parse(bad), None, "{bad}");
        }
    }
}
