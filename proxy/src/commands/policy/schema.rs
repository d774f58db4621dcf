//! `sekisho policy schema`: what policies can speak about, for editors and other tools.

use clap::Args;
use sekisho_policy::merged_schema;

use super::place::{PlaceArgs, lines};
use crate::commands::error::CommandError;
use crate::commands::output::print;

/// Print the schema, with the additions of the policies' folder
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sekisho policy schema > sekisho.cedarschema")]
pub(super) struct SchemaCommand {
    #[command(flatten)]
    place: PlaceArgs,
    /// Only what ships with Sekisho; no folder is read
    #[arg(long)]
    shipped: bool,
    /// In Cedar's JSON form
    #[arg(long)]
    json: bool,
}

impl SchemaCommand {
    /// Prints it.
    ///
    /// # Errors
    /// When the folder cannot be read, or its additions are none.
    pub(super) fn run(self) -> Result<(), CommandError> {
        let additions = if self.shipped { Vec::new() } else { super::place::texts(&self.place.find()?.policies)?.additions };
        let schema = merged_schema(&additions).map_err(|problems| CommandError::CheckFailed(lines(&problems)))?;
        if self.json {
            return print(&schema.json);
        }
        print(&schema.cedar)
    }
}
