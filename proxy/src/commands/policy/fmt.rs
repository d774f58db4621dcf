//! `sekisho policy fmt`: one layout for all policies.

use clap::Args;
use sekisho_policy::format;

use super::place::{PlaceArgs, lines};
use crate::commands::error::CommandError;
use crate::commands::output::print;

/// Lay out the policies in the usual way; what they mean, and every comment, stays
///
/// A file is replaced as a whole, and only if something changes. Nothing is written if any file has a mistake.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sekisho policy fmt --check --dir policies")]
pub(super) struct FmtCommand {
    #[command(flatten)]
    place: PlaceArgs,
    /// Write nothing; fail and name the files that would change
    #[arg(long)]
    check: bool,
}

impl FmtCommand {
    /// Does it.
    ///
    /// # Errors
    /// When a file has a mistake or cannot be written, and with `--check` when one would change.
    pub(super) fn run(self) -> Result<(), CommandError> {
        let place = self.place.find()?;
        let dir = place.folder("files to lay out")?;
        let (mut changed, mut problems) = (Vec::new(), Vec::new());
        for source in place.texts()?.policies {
            match format(&source) {
                Ok(text) if text != source.text => changed.push((source.name, text)),
                Ok(_) => {}
                Err(found) => problems.extend(found),
            }
        }
        if !problems.is_empty() {
            return Err(CommandError::CheckFailed(lines(&problems)));
        }
        for (name, text) in &changed {
            if !self.check {
                let path = dir.join(name);
                sekisho_certs::files::write_public(&path, text.as_bytes()).map_err(CommandError::failed)?;
            }
            print(&format!("{name}\n"))?;
        }
        match changed.len() {
            count if self.check && count > 0 => {
                let files = if count == 1 { "file is" } else { "files are" };
                Err(CommandError::CheckFailed(format!("{count} {files} laid out otherwise: run `sekisho policy fmt`")))
            }
            _ => Ok(()),
        }
    }
}
