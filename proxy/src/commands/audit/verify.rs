//! `sekisho audit verify`: whether the record is as it was written.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;

use super::place::RecordArgs;
use crate::commands::error::CommandError;
use crate::commands::output::{plain, print, print_json};
use crate::record::verify::{Trust, Verified, VerifyError, verify};

/// Check that no line of the record was changed, taken away or put in another order
#[derive(Debug, Args)]
#[command(
    after_help = "Without --key, the public keys in the folder are believed, and without --against, its checkpoints: enough against accidents, and as good as the host. Keep both elsewhere.\n\
    Exit codes: 1 if the record is not as it was written; 3 if it cannot be read.\n\n\
    Examples:\n  sekisho audit verify\n  \
    sekisho audit verify --dir /mnt/evidence/audit --key gate-audit.pem --against checkpoints-kept-elsewhere.jsonl"
)]
pub(super) struct VerifyCommand {
    #[command(flatten)]
    record: RecordArgs,
    /// Compare with checkpoints that were kept elsewhere: one on each line
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Believe this public key, kept elsewhere, and no other; may be given several times
    #[arg(long, value_name = "PEM")]
    key: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl VerifyCommand {
    /// Checks, and prints what was found.
    ///
    /// # Errors
    /// Exit code 1 if something is wrong; 3 if it cannot be checked.
    pub(super) fn run(self) -> Result<(), CommandError> {
        let dir = self.record.dir()?;
        let trust = Trust { keys: self.key, against: self.against };
        let found = verify(&dir, &trust).map_err(|error| match error {
            VerifyError::NoCheckpoint(_) => CommandError::usage(error),
            error => CommandError::failed(error),
        })?;
        if self.json {
            print_json(&found)?;
        } else {
            print(&text(&found))?;
        }
        match found.faults.len() {
            0 => Ok(()),
            1 => Err(CommandError::CheckFailed("the record is not as it was written".to_owned())),
            faults => Err(CommandError::CheckFailed(format!("the record is not as it was written, in {faults} places at least"))),
        }
    }
}

fn text(found: &Verified) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    for fault in &found.faults {
        let line = fault.line.map_or_else(String::new, |line| format!(":{line}"));
        let of = match (&fault.chain, fault.seq) {
            (Some(chain), Some(seq)) => format!(" (chain {chain}, line {seq})"),
            _ => String::new(),
        };
        let _written = writeln!(text, "BAD {}", plain(&format!("{}{line}{of}: {}", fault.file, fault.words)));
    }
    let verdict = if found.faults.is_empty() { "OK" } else { "read" };
    let _written = writeln!(
        text,
        "{verdict}: {} in {}, {}{}",
        count(found.lines, "line"),
        count(found.segments, "file"),
        match (&found.first_at, &found.last_at) {
            (Some(first), Some(last)) => format!("from {first} to {last}"),
            _ => "without a time".to_owned(),
        },
        if found.deleted > 0 { format!("; {} deleted in order", count(found.deleted, "more file")) } else { String::new() },
    );
    for chain in &found.chains {
        let _written = if chain.last == 0 {
            writeln!(text, "chain {}: no line is there", plain(&chain.chain))
        } else if chain.last < chain.first {
            writeln!(text, "chain {}: all lines up to {} were deleted in order", plain(&chain.chain), chain.last)
        } else {
            writeln!(text, "chain {}: lines {} to {}", plain(&chain.chain), chain.first, chain.last)
        };
    }
    let keys = match (found.keys.is_empty(), found.own_keys) {
        (true, _) => "no key is known".to_owned(),
        (false, true) => format!("signed with {}", found.keys.join(", ")),
        (false, false) => "signed with the keys that are in the folder (--key believes one that was kept elsewhere)".to_owned(),
    };
    let _written = match (&found.last_checkpoint_at, found.checkpoints) {
        (Some(at), _) => writeln!(text, "checkpoints: {}, the last of {at}, {keys}", found.checkpoints),
        (None, 1..) => writeln!(text, "checkpoints: {}, and none of them can be believed", found.checkpoints),
        (None, 0) => writeln!(text, "checkpoints: none; nothing but the chains themselves vouches for the lines"),
    };
    if found.against > 0 {
        let _written = writeln!(text, "kept elsewhere: {} compared", count(found.against, "checkpoint"));
    }
    if found.after_checkpoint > 0 && found.last_checkpoint_at.is_some() {
        let _written = writeln!(
            text,
            "after the last checkpoint: {}, as good as the host that wrote them",
            count(found.after_checkpoint, "line")
        );
    }
    for note in &found.notes {
        let _written = writeln!(text, "note: {}", plain(note));
    }
    text
}

fn count(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::verify::ChainSeen;

    #[test]
    fn words_say_what_is_there_and_what_is_not() {
        let chain = |first, last| ChainSeen { chain: "0".into(), first, last };
        let of = |chain, checkpoints| text(&Verified { chains: vec![chain], checkpoints, ..Verified::default() });
        assert!(of(chain(1, 0), 0).contains("chain 0: no line is there\n"));
        assert!(of(chain(8, 7), 0).contains("chain 0: all lines up to 7 were deleted in order\n"));
        assert!(of(chain(1, 7), 3).contains("checkpoints: 3, and none of them can be believed\n"));
    }
}
