//! `sekisho ca`: the certificate of the built-in device authority.

use clap::{Args, Subcommand};
use sekisho_certs::fingerprint;

use super::error::CommandError;
use super::output::{note, print, print_json, time};
use super::reach::Reach;
use crate::console::admin::CaCertificate;

/// The built-in device authority.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sekisho ca show > house-ca.pem")]
pub struct CaCommand {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    reach: Reach,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show its certificate (PEM) and fingerprint
    #[command(after_help = "Example:\n  sekisho ca show > house-ca.pem")]
    Show,
}

impl CaCommand {
    /// Does it.
    ///
    /// # Errors
    /// [`CommandError`] in words, with the exit code.
    pub async fn run(self) -> Result<(), CommandError> {
        let What::Show = self.what;
        let ca: CaCertificate = self.reach.client()?.get("/v1/ca").await?;
        if self.json {
            return print_json(&ca);
        }
        // What stands beside the certificate goes to standard error, so that standard output can go into a file.
        note(&format!(
            "authority    {}\nfingerprint  {}\nends         {}\n",
            ca.name,
            fingerprint::for_people(&ca.fingerprint.0),
            time(ca.not_after)
        ));
        print(&format!("{}\n", ca.pem.trim_end()))
    }
}
