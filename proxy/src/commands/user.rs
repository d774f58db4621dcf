//! `sekisho user`: list, suspend, resume.

use clap::{Args, Subcommand};

use super::error::CommandError;
use super::output::{plain, print, print_json};
use super::reach::Reach;
use super::session::told;
use crate::console::admin::wire::{Status, UserAnswer, UserRequest};
use crate::store::did_you_mean;

/// People and services: take access away, give it back.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sekisho user suspend ana@corp.example")]
pub struct UserCommand {
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
    /// List people and services whose access was taken away
    #[command(after_help = "Example:\n  sekisho user list")]
    List,
    /// Take a person's or a service's access away on every device, now, and end their sessions
    #[command(
        after_help = "Examples:\n  sekisho user suspend ana@corp.example --reason \"password stolen\"\n  sekisho user suspend corp/build-server --stranger\n  sekisho user suspend services/spiffe://corp.example/ci/runner --stranger"
    )]
    Suspend {
        #[command(flatten)]
        whom: Whom,
        /// Also somebody who has never signed in, such as a service, or one who only uses bearer tokens: by provider/subject, which nothing checks for typing errors
        #[arg(long)]
        stranger: bool,
    },
    /// Give access back; the person signs in again
    #[command(after_help = "Example:\n  sekisho user resume corp/248289761001")]
    Resume(Whom),
}

#[derive(Debug, Args)]
struct Whom {
    /// provider/subject (of a service: provider/client, or authority/name), or the e-mail address of somebody who has signed in
    user: String,
    /// Why; recorded with the change
    #[arg(long, default_value = "", hide_default_value = true, value_parser = super::why::reason)]
    reason: String,
}

impl UserCommand {
    /// Does it.
    ///
    /// # Errors
    /// [`CommandError`] in words, with the exit code.
    pub async fn run(self) -> Result<(), CommandError> {
        let client = self.reach.client()?;
        let (path, whom, stranger) = match self.what {
            What::List => {
                let status: Status = client.get("/v1/status").await?;
                return if self.json { print_json(&status.suspended) } else { print(&list(&status.suspended)) };
            }
            What::Suspend { whom, stranger } => ("/v1/users/suspend", whom, stranger),
            What::Resume(whom) => ("/v1/users/resume", whom, false),
        };
        let answer: UserAnswer = client.post(path, &UserRequest { user: whom.user, why: whom.reason, stranger }).await?;
        if self.json {
            return print_json(&answer);
        }
        let user = plain(&answer.user);
        print(&match path {
            "/v1/users/resume" => format!("{user} has access again; a person signs in anew\n"),
            _ if !answer.known => {
                format!("{user} is suspended; nobody of that name has signed in here{}\n", plain(&did_you_mean(&answer.near)))
            }
            _ => format!("{user} is suspended; {}", told(&answer.ended)),
        })
    }
}

fn list(suspended: &[String]) -> String {
    if suspended.is_empty() {
        return "nobody is suspended\n".to_owned();
    }
    suspended.iter().map(|user| plain(user) + "\n").collect()
}
