//! How sure it is that the record is as it was written, in words for the report.

use std::path::{Path, PathBuf};

use clap::Args;
use jiff::tz::TimeZone;

use super::figures::When;
use super::made::Verification;
use super::words::{count, time};
use crate::commands::error::CommandError;
use crate::record::verify::{Trust, Verified, VerifyError, verify};

/// The options that say what the record is checked with; as of `sekisho audit verify`.
#[derive(Clone, Debug, Args)]
pub(super) struct VerifyArgs {
    /// Do not check first whether the record is as it was written
    #[arg(long, conflicts_with_all = ["against", "key"])]
    no_verify: bool,
    /// Compare with checkpoints that were kept elsewhere: one on each line
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Believe this public key, kept elsewhere, and no other; may be given several times
    #[arg(long, value_name = "PEM")]
    key: Vec<PathBuf>,
}

impl VerifyArgs {
    /// Checks the record in `dir`, unless that is not wanted.
    ///
    /// # Errors
    /// If a key or the checkpoints that are named cannot be used. A record that is not as it was written is none.
    pub(super) fn check(&self, dir: &Path, zone: &TimeZone) -> Result<Verification, CommandError> {
        if self.no_verify {
            return Ok(Verification::NotDone(
                "The record was not verified when this was made, as --no-verify was given.".to_owned(),
            ));
        }
        let trust = Trust { keys: self.key.clone(), against: self.against.clone() };
        match verify(dir, &trust) {
            Ok(found) => Ok(outcome(&found, zone)),
            Err(error @ VerifyError::NoCheckpoint(_)) => Err(CommandError::usage(error)),
            Err(error) => Err(CommandError::failed(format!("the record cannot be verified: {error}"))),
        }
    }
}

fn outcome(found: &Verified, zone: &TimeZone) -> Verification {
    if let Some(first) = found.faults.first() {
        let line = first.line.map_or_else(String::new, |line| format!(":{line}"));
        let places = count(found.faults.len() as u64, "place", "places");
        return Verification::Failed(format!(
            "The record is NOT as it was written, in {places} at least. The first is {}{line}: {}. Do not rely on this report before that is explained; `sekisho audit verify` names every place.",
            first.file, first.words
        ));
    }
    let (lines, files) = (count(found.lines, "line", "lines"), count(found.segments, "file", "files"));
    let mut words = vec![format!("The record was verified: {lines} in {files} are as they were written.")];
    let at = found.last_checkpoint_at.as_deref().and_then(When::read);
    words.push(match (at, found.after_checkpoint) {
        (None, _) => "No signature vouches for them, only that each line fits the one before.".to_owned(),
        (Some(at), 0) => format!("The gate’s signatures (checkpoints), the last of {}, vouch for all of them.", time(at, zone)),
        (Some(at), after) => {
            let after = count(after, "line", "lines");
            format!("The gate’s signatures (checkpoints), the last of {}, vouch for all but the last {after}.", time(at, zone))
        }
    });
    if at.is_some() {
        let keys = if found.own_keys { "were kept elsewhere" } else { "are those that lie beside the record itself" };
        words.push(format!("The keys that these were checked with {keys}."));
    }
    if found.against > 0 {
        let kept = count(found.against, "checkpoint that was kept elsewhere fits", "checkpoints that were kept elsewhere fit");
        words.push(format!("{kept}."));
    }
    if found.deleted > 0 {
        let deleted = count(found.deleted, "file was deleted", "files were deleted");
        words.push(format!("{deleted} in order, and signed summaries stand for them."));
    }
    Verification::Verified(words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(found: &Verified) -> Verification {
        outcome(found, &TimeZone::UTC)
    }

    #[test]
    fn words_say_how_far_somebody_vouches_for_the_lines() {
        let plain = Verified { lines: 1200, segments: 2, ..Verified::default() };
        assert!(words(&plain).words().ends_with("only that each line fits the one before."));
        let signed = Verified {
            last_checkpoint_at: Some("2026-11-20T08:00:00.000Z".into()),
            checkpoints: 3,
            after_checkpoint: 7,
            ..plain.clone()
        };
        let expected = "The record was verified: 1,200 lines in 2 files are as they were written. The gate’s signatures (checkpoints), the last of 2026-11-20 08:00:00, vouch for all but the last 7 lines. The keys that these were checked with are those that lie beside the record itself.";
        assert_eq!(words(&signed), Verification::Verified(expected.into()));
        let kept = Verified { after_checkpoint: 0, own_keys: true, against: 1, deleted: 4, ..signed };
        let told = words(&kept);
        for part in [
            "vouch for all of them",
            "were kept elsewhere.",
            "1 checkpoint that was kept elsewhere fits.",
            "4 files were deleted in order",
        ] {
            assert!(told.words().contains(part), "{part}: {}", told.words());
        }
    }
}
