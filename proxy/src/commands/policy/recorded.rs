//! Where the record is that a command asks.

use std::path::Path;

use jiff::tz::TimeZone;
use sekisho_policy::{App, Catalogue};

use super::place::lines;
use crate::commands::error::CommandError;
use crate::config::{self, Outline};
use crate::record::read::RecordFolder;

/// The record in the folder `audit`, else in the one that the configuration names; then with the apps of the configuration and its time zone; of a copy, without apps and
/// with the zone of this machine.
///
/// # Errors
/// When there is no record, or the configuration cannot be used.
pub(super) fn find(audit: Option<&Path>, config: &Path) -> Result<(RecordFolder, Option<Catalogue>, TimeZone), CommandError> {
    if let Some(dir) = audit {
        return Ok((RecordFolder::open(dir).map_err(CommandError::failed)?, None, TimeZone::system()));
    }
    let outline = Outline::load(config, config::environment()).map_err(|problems| {
        CommandError::CheckFailed(format!(
            "{}\nname a copy of the record with --audit, or the configuration with --config",
            lines(&problems)
        ))
    })?;
    let apps = outline.apps.into_iter().map(|(name, tags)| App::new(name, tags)).collect();
    let folder = RecordFolder::open(&outline.audit_dir).map_err(CommandError::failed)?;
    Ok((
        folder,
        Some(Catalogue { apps, groups: outline.groups, ..Catalogue::default() }.with_own(outline.own)),
        outline.time_zone,
    ))
}
