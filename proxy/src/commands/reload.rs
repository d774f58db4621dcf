//! `sekisho reload`: load configuration and policies again.

use clap::Args;

use super::error::CommandError;
use super::output::{plain, print, print_json};
use super::reach::Reach;
use crate::console::admin::ReloadReport;
use crate::console::admin::wire::WhyRequest;

/// Ask the running gate to load configuration and policies again: checked first, swapped whole.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  sekisho reload && echo live\n\nIf anything is wrong, nothing is swapped, every problem is printed, and the exit code is 1."
)]
pub struct ReloadCommand {
    #[command(flatten)]
    reach: Reach,
    /// Why; recorded with it
    #[arg(long, default_value = "", hide_default_value = true, value_parser = super::why::reason)]
    reason: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl ReloadCommand {
    /// Does it.
    ///
    /// # Errors
    /// [`CommandError`] in words, with the exit code; 1 if what was to be loaded is not right.
    pub async fn run(self) -> Result<(), CommandError> {
        let report: ReloadReport = self.reach.client()?.post("/v1/reload", &WhyRequest { why: self.reason }).await?;
        if self.json {
            return print_json(&report);
        }
        let mut text = headline(&report);
        for line in report.changed.iter().chain(&report.notes) {
            for part in line.lines() {
                text.push_str(&format!("  {}\n", plain(part)));
            }
        }
        print(&text)
    }
}

/// What happened, in a line: nobody is to take what waits for a restart for live.
fn headline(report: &ReloadReport) -> String {
    let waiting = report.waiting.iter().map(|key| format!("`{}`", plain(key))).collect::<Vec<_>>().join(", ");
    let verb = if report.waiting.len() == 1 { "waits" } else { "wait" };
    match (report.changed.is_empty(), report.waiting.is_empty()) {
        (true, true) => "reloaded; nothing has changed\n".to_owned(),
        (false, true) => "reloaded\n".to_owned(),
        (true, false) => format!("reloaded; nothing that is in force has changed: {waiting} {verb} for a restart\n"),
        (false, false) => format!("reloaded; {waiting} {verb} for a restart\n"),
    }
}
