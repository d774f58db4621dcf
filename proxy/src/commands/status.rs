//! `sekisho status`: how the running gate is.

use clap::Args;

use super::error::CommandError;
use super::output::{plain, print, print_json, roughly, time};
use super::reach::Reach;
use crate::clock::{Clock, Timestamp};
use crate::console::admin::wire::Status;

/// How the running gate is, and how many devices and sessions it knows.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sekisho status --json")]
pub struct StatusCommand {
    #[command(flatten)]
    reach: Reach,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl StatusCommand {
    /// Does it.
    ///
    /// # Errors
    /// [`CommandError`] in words, with the exit code; 1 if the gate refuses every request.
    pub async fn run(self) -> Result<(), CommandError> {
        let status: Status = self.reach.client()?.get("/v1/status").await?;
        if self.json {
            print_json(&status)?;
        } else {
            print(&described(&status, Clock::system().now()))?;
        }
        if let Some(why) = &status.not_ready {
            return Err(CommandError::CheckFailed(format!("the gate refuses every request: {why}; see its log")));
        }
        Ok(())
    }
}

/// Nobody who looks at the gate overlooks that somebody is let in without a provider.
fn break_glass(status: &Status) -> String {
    let Some(known) = &status.break_glass else { return String::new() };
    let used = if known.used_at.is_some() { "used" } else { "not used yet" };
    format!(
        "BREAK-GLASS  on {} until {}, {used}; by {}: {}\n",
        plain(known.device.as_str()),
        time(known.ends_at),
        plain(&known.by),
        plain(&known.why)
    )
}

fn described(status: &Status, now: Timestamp) -> String {
    let counts = &status.counts;
    let candidate = match &status.candidate {
        None => String::new(),
        Some(candidate) => {
            let how = if candidate.tried { "tried" } else { "not tried: it cannot be loaded; see `sekisho policy shadow`" };
            format!("candidate  {}, {how}\n", plain(&candidate.dir))
        }
    };
    let text = format!(
        "version    {}\nstarted    {} ({} ago)\ndevices    {} active, {} pending, {} quarantined, {} retired\nsessions   {}\nsuspended  {}\n",
        status.version,
        time(status.started_at),
        roughly(now.since(status.started_at)),
        counts.devices_active,
        counts.devices_pending,
        counts.devices_quarantined,
        counts.devices_retired,
        counts.sessions,
        counts.suspended_users,
    );
    let standing = |in_force: bool| {
        let chosen = status.hardening.iter().filter(|layer| layer.in_force == in_force);
        chosen.map(|layer| plain(&layer.layer)).collect::<Vec<_>>().join(", ")
    };
    let missing = match standing(false) {
        missing if missing.is_empty() => String::new(),
        missing => format!("; not in force: {missing}"),
    };
    let hardening = match status.hardening.is_empty() {
        // A gate of another version.
        true => String::new(),
        false => format!("hardening  {}{missing}\n", standing(true)),
    };
    text + &candidate + &break_glass(status) + &hardening
}
