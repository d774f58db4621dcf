//! `sekisho session`: list, end.

use clap::{Args, Subcommand};

use super::error::CommandError;
use super::output::{Table, print, print_json, roughly, time};
use super::reach::Reach;
use crate::clock::{Clock, Timestamp};
use crate::console::admin::wire::{EndRequest, Ended, SessionView};
use crate::inventory::{DeviceId, SessionId};

/// Sessions: who is signed in where, and an end to it.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sekisho session end --user ana@corp.example")]
pub struct SessionCommand {
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
    /// List sessions that can be used now
    #[command(after_help = "Example:\n  sekisho session list --user ana@corp.example")]
    List {
        /// Only of this person: an e-mail address or provider/subject
        #[arg(long)]
        user: Option<String>,
        /// Only on this device
        #[arg(long)]
        device: Option<DeviceId>,
    },
    /// End sessions now: one, all of a person, or all on a device
    #[command(
        after_help = "Examples:\n  sekisho session end s-4f9a\n  sekisho session end --user ana@corp.example --reason \"password stolen\"\n  sekisho session end --device ana-7k2q"
    )]
    End(End),
}

#[derive(Debug, Args)]
struct End {
    #[command(flatten)]
    which: Which,
    /// Why; recorded with the change
    #[arg(long, default_value = "", hide_default_value = true, value_parser = super::why::reason)]
    reason: String,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// This session, as `session list` names it
    session: Option<String>,
    /// All of this person: an e-mail address or provider/subject
    #[arg(long)]
    user: Option<String>,
    /// All on this device
    #[arg(long)]
    device: Option<DeviceId>,
}

impl SessionCommand {
    /// Does it.
    ///
    /// # Errors
    /// [`CommandError`] in words, with the exit code.
    pub async fn run(self) -> Result<(), CommandError> {
        let client = self.reach.client()?;
        match self.what {
            What::List { user, device } => {
                let sessions: Vec<SessionView> = client.get("/v1/sessions").await?;
                let sessions: Vec<SessionView> = sessions
                    .into_iter()
                    .filter(|view| user.as_ref().is_none_or(|user| view.user == *user || view.email.as_ref() == Some(user)))
                    .filter(|view| device.as_ref().is_none_or(|device| view.device == *device))
                    .collect();
                if self.json { print_json(&sessions) } else { print(&list(&sessions, Clock::system().now())) }
            }
            What::End(end) => {
                let Which { session, user, device } = end.which;
                let request = EndRequest { session: session.map(|id| SessionId(id.into())), user, device, why: end.reason };
                let ended: Ended = client.post("/v1/sessions/end", &request).await?;
                if self.json { print_json(&ended) } else { print(&told(&ended.ended)) }
            }
        }
    }
}

pub(super) fn list(sessions: &[SessionView], now: Timestamp) -> String {
    let mut table = Table::new(&["SESSION", "USER", "E-MAIL", "DEVICE", "MFA", "USED", "CONFIRMED", "BEGUN", "ENDS"]);
    for view in sessions {
        let device = match view.device_status {
            Some(status) if status != crate::inventory::DeviceStatus::Active => format!("{} ({status})", view.device),
            _ => view.device.to_string(),
        };
        table.row(&[
            view.id.to_string(),
            view.user.clone(),
            view.email.clone().unwrap_or_else(|| "-".to_owned()),
            device,
            if view.mfa { "yes" } else { "no" }.to_owned(),
            format!("{} ago", roughly(now.since(view.last_used))),
            format!("{} ago", roughly(now.since(view.confirmed_at))),
            time(view.created_at),
            time(view.expires_at.min(view.idle_at)),
        ]);
    }
    table.text("no sessions")
}

/// What was ended, for people.
pub(super) fn told(ended: &[SessionId]) -> String {
    match ended {
        [] => "no session was open\n".to_owned(),
        [one] => format!("session {one} was ended\n"),
        several => format!("{} sessions were ended\n", several.len()),
    }
}
