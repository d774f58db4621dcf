//! `sekisho ca`: the certificate of the built-in device authority.

use clap::{Args, Subcommand};
use sekisho_certs::fingerprint;

use super::error::CommandError;
use super::output::{print, print_json, time};
use super::reach::Reach;
use crate::console::admin::CaCertificate;

/// The built-in device authority.
#[derive(Debug, Args)]
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
        // Text before the first PEM block is a comment, so the whole can go into a file.
        print(&format!(
            "authority    {}\nfingerprint  {}\nends         {}\n{}\n",
            ca.name,
            fingerprint::for_people(&ca.fingerprint.0),
            time(ca.not_after),
            ca.pem.trim_end()
        ))
    }
}
