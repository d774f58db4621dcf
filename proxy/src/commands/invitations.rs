//! `sekisho device invitations`: list, withdraw.

use clap::Subcommand;
use serde_json::Value;

use super::admin_client::AdminClient;
use super::device::{Why, owner_text};
use super::error::CommandError;
use super::output::{Table, print, print_json, time};
use crate::console::admin::wire::{InvitationView, WhyRequest};

/// What to do with open invitations.
#[derive(Debug, Subcommand)]
pub(super) enum Invitations {
    /// List invitations that are open
    #[command(after_help = "Example:\n  sekisho device invitations list")]
    List,
    /// Take an invitation back: its code opens nothing any more
    #[command(after_help = "Example:\n  sekisho device invitations withdraw inv-7k2q4m9x --reason \"sent to the wrong person\"")]
    Withdraw {
        /// The invitation, as `list` names it
        id: String,
        #[command(flatten)]
        why: Why,
    },
}

impl Invitations {
    /// Does it.
    pub(super) async fn run(self, client: &AdminClient, json: bool) -> Result<(), CommandError> {
        match self {
            Self::List => {
                let open: Vec<InvitationView> = client.get("/v1/invitations").await?;
                if json { print_json(&open) } else { print(&list(&open)) }
            }
            Self::Withdraw { id, why } => {
                if !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
                    return Err(CommandError::failed(format!(
                        "`{id}` is not the name of an invitation; see `sekisho device invitations list`"
                    )));
                }
                let request = WhyRequest { why: why.reason };
                let answer: Value = client.post(&format!("/v1/invitations/{id}/withdraw"), &request).await?;
                if json { print_json(&answer) } else { print(&format!("invitation {id} was withdrawn\n")) }
            }
        }
    }
}

/// A line for each.
pub(super) fn list(open: &[InvitationView]) -> String {
    let mut table = Table::new(&["INVITATION", "OWNER", "DEVICE", "MADE", "BY", "ENDS"]);
    for view in open {
        table.row(&[
            view.id.clone(),
            owner_text(&view.invite.owner) + if view.invite.shared { " (shared)" } else { "" },
            view.invite.device.as_ref().map_or_else(|| "any".to_owned(), ToString::to_string),
            time(view.made_at),
            view.made_by.as_ref().map_or_else(|| "an administrator".to_owned(), ToString::to_string),
            time(view.expires_at),
        ]);
    }
    table.text("no open invitations")
}
