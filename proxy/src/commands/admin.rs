//! `sekisho admin`: who is in the group of administrators.

use clap::{Args, Subcommand};

use super::error::CommandError;
use super::output::{Table, plain, print, print_json, time};
use super::reach::Reach;
use crate::console::admin::wire::{AdministratorAnswer, AdministratorView, UserRequest};

/// Administrators: who is in the group that policies let administer over HTTPS.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sekisho admin add ana@corp.example --reason \"first administrator\"")]
pub struct AdminCommand {
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
    /// Put a person into the group `sekisho-administrators`; what they may do then is for policies to say
    #[command(
        after_help = "Examples:\n  sekisho admin add ana@corp.example --reason \"first administrator\"\n  sekisho admin add corp/248289761001 --stranger"
    )]
    Add {
        #[command(flatten)]
        whom: Whom,
        /// Also somebody who has never signed in: by provider/subject, which nothing checks for typing errors
        #[arg(long)]
        stranger: bool,
    },
    /// Take a person out of the group, from their next request on
    #[command(after_help = "Example:\n  sekisho admin remove ana@corp.example --reason \"other work\"")]
    Remove(Whom),
    /// List who is in the group
    #[command(after_help = "Example:\n  sekisho admin list")]
    List,
}

#[derive(Debug, Args)]
struct Whom {
    /// provider/subject, or the e-mail address of somebody who has signed in
    user: String,
    /// Why; recorded with the change
    #[arg(long, default_value = "", hide_default_value = true, value_parser = super::why::reason)]
    reason: String,
}

impl AdminCommand {
    /// Does it.
    ///
    /// # Errors
    /// [`CommandError`] in words, with the exit code.
    pub async fn run(self) -> Result<(), CommandError> {
        let client = self.reach.client()?;
        let (adds, whom, stranger) = match self.what {
            What::List => {
                let all: Vec<AdministratorView> = client.get("/v1/administrators").await?;
                return if self.json { print_json(&all) } else { print(&list(&all)) };
            }
            What::Add { whom, stranger } => (true, whom, stranger),
            What::Remove(whom) => (false, whom, false),
        };
        let path = if adds { "/v1/administrators/add" } else { "/v1/administrators/remove" };
        let answer: AdministratorAnswer =
            client.post(path, &UserRequest { user: whom.user, why: whom.reason, stranger, retire_devices: false }).await?;
        if self.json { print_json(&answer) } else { print(&told(&answer, adds)) }
    }
}

fn told(answer: &AdministratorAnswer, adds: bool) -> String {
    let user = plain(&answer.user);
    let mut words = if adds {
        format!("{user} is an administrator: policies see them in the group `sekisho-administrators`\n")
    } else {
        format!("{user} is no administrator any more\n")
    };
    if adds && !answer.api {
        words += "the gate takes nothing from administrators over HTTPS: `[admin] api` is not on\n";
    }
    if answer.left == 0 {
        words += "nobody is an administrator now; the admin socket works as before\n";
    }
    words
}

fn list(all: &[AdministratorView]) -> String {
    let mut table = Table::new(&["USER", "E-MAIL", "SINCE", "BY", "WHY"]);
    for one in all {
        let suspended = if one.suspended { " (suspended)" } else { "" };
        table.row(&[
            format!("{}{suspended}", one.user),
            one.email.clone().unwrap_or_else(|| "-".to_owned()),
            time(one.since),
            one.by.clone(),
            one.why.clone(),
        ]);
    }
    table.text("nobody is an administrator")
}
