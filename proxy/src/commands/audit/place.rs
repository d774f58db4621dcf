//! Where the record is that is asked.

use std::path::PathBuf;

use clap::Args;
use jiff::tz::TimeZone;

use crate::commands::admin_client::AdminClient;
use crate::commands::error::CommandError;
use crate::commands::reach::Reach;
use crate::config::{self, Outline};
use crate::record::read::RecordFolder;

/// The options that say which record is meant.
#[derive(Clone, Debug, Args)]
pub(in crate::commands) struct RecordArgs {
    /// The folder of the record, of a running gate or a copy; then no configuration is read
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The configuration: it names the folder of the record, the time zone and the gate
    #[arg(long, value_name = "FILE", env = "SEKISHO_CONFIG", default_value = "sekisho.toml")]
    config: PathBuf,
}

/// The record that is asked, and what is known around it.
#[derive(Debug)]
pub(in crate::commands) struct RecordPlace {
    /// The record.
    pub(in crate::commands) folder: RecordFolder,
    /// The zone in which people write and read times: the configured one; of a copy, that of this machine.
    pub(in crate::commands) zone: TimeZone,
    /// Names of the apps; empty for a copy.
    pub(in crate::commands) apps: Vec<String>,
    /// The gate, if the record is not a copy. It need not run.
    pub(in crate::commands) gate: Option<AdminClient>,
}

impl RecordArgs {
    /// The folder, without looking into it.
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub(in crate::commands) fn dir(&self) -> Result<PathBuf, CommandError> {
        self.dir.clone().map_or_else(|| self.outline().map(|outline| outline.audit_dir), Ok)
    }

    /// Finds it.
    ///
    /// # Errors
    /// When there is no record, or the configuration cannot be used.
    pub(in crate::commands) fn find(&self) -> Result<RecordPlace, CommandError> {
        if let Some(dir) = &self.dir {
            let folder = RecordFolder::open(dir).map_err(CommandError::failed)?;
            return Ok(RecordPlace { folder, zone: TimeZone::system(), apps: Vec::new(), gate: None });
        }
        let outline = self.outline()?;
        let folder = RecordFolder::open(&outline.audit_dir).map_err(CommandError::failed)?;
        let reach = Reach { socket: None, config: Some(self.config.clone()) };
        let apps = outline.apps.into_iter().map(|(name, _tags)| name).collect();
        Ok(RecordPlace { folder, zone: outline.time_zone, apps, gate: reach.client().ok() })
    }

    fn outline(&self) -> Result<Outline, CommandError> {
        Outline::load(&self.config, config::environment()).map_err(|problems| {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            CommandError::CheckFailed(format!(
                "{}\nname the folder of the record with --dir, or the configuration with --config",
                problems.join("\n")
            ))
        })
    }
}

impl RecordPlace {
    /// From when to when the record tells, in words.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(in crate::commands) fn extent(&self) -> Result<String, CommandError> {
        let extent = self.folder.extent().map_err(CommandError::failed)?;
        Ok(extent.map_or_else(|| "which is empty".to_owned(), |(first, last)| format!("which tells from {first} to {last}")))
    }
}
