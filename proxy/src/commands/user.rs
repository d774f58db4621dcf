//! `sekisho user`: list, show, suspend, resume.

use clap::{Args, Subcommand};

use super::error::CommandError;
use super::output::{plain, print, print_json, time};
use super::reach::Reach;
use super::session::told;
use super::{device, invitations, session};
use crate::clock::Clock;
use crate::console::admin::wire::{PersonRequest, PersonView, Status, UserAnswer, UserRequest};
use crate::store::did_you_mean;

/// People and services: look at one, take access away, give it back.
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
    /// Show one person: their last sign-in, devices, sessions and open invitations
    #[command(after_help = "Example:\n  sekisho user show ana@corp.example")]
    Show {
        /// provider/subject, or the e-mail address of somebody who has signed in
        user: String,
    },
    /// Take a person's or a service's access away on every device, now, and end their sessions
    #[command(
        after_help = "Examples:\n  sekisho user suspend ana@corp.example --reason \"password stolen\"\n  sekisho user suspend ana@corp.example --retire-devices --reason \"last day\"\n  sekisho user suspend corp/build-server --stranger\n  sekisho user suspend services/spiffe://corp.example/ci/runner --stranger"
    )]
    Suspend {
        #[command(flatten)]
        whom: Whom,
        /// Also somebody who has never signed in, such as a service, or one who only uses bearer tokens: by provider/subject, which nothing checks for typing errors
        #[arg(long)]
        stranger: bool,
        /// For good: retire the devices that are theirs alone, and withdraw every open invitation for one
        #[arg(long)]
        retire_devices: bool,
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
        let (path, whom, stranger, retire_devices) = match self.what {
            What::List => {
                let status: Status = client.get("/v1/status").await?;
                return if self.json { print_json(&status.suspended) } else { print(&list(&status.suspended)) };
            }
            What::Show { user } => {
                let view: PersonView = client.post("/v1/users/show", &PersonRequest { user }).await?;
                return if self.json { print_json(&view) } else { print(&shown(&view)) };
            }
            What::Suspend { whom, stranger, retire_devices } => ("/v1/users/suspend", whom, stranger, retire_devices),
            What::Resume(whom) => ("/v1/users/resume", whom, false, false),
        };
        let request = UserRequest { user: whom.user, why: whom.reason, stranger, retire_devices };
        let answer: UserAnswer = client.post(path, &request).await?;
        if self.json {
            return print_json(&answer);
        }
        let user = plain(&answer.user);
        print(&match path {
            "/v1/users/resume" => format!("{user} has access again; a person signs in anew\n"),
            _ if !answer.known => {
                format!("{user} is suspended; nobody of that name has signed in here{}\n", plain(&did_you_mean(&answer.near)))
            }
            _ => format!("{user} is suspended; {}{}", told(&answer.ended), further(&answer)),
        })
    }
}

/// What else came of a suspension, a line each.
fn further(answer: &UserAnswer) -> String {
    let retired = answer.retired.iter().map(|device| format!("device {device} was retired\n"));
    let shared = answer.shared.iter().map(|device| format!("device {device} stays: others use it too\n"));
    let withdrawn = answer.withdrawn.iter().map(|id| format!("invitation {} was withdrawn\n", plain(id)));
    retired.chain(shared).chain(withdrawn).collect()
}

fn shown(view: &PersonView) -> String {
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let lines = [
        format!("person        {}", view.user),
        format!("e-mail        {}", or_none(&view.email)),
        format!("name          {}", or_none(&view.name)),
        format!("last sign-in  {}", view.last_sign_in.map_or_else(|| "never".to_owned(), time)),
        format!("suspended     {}", if view.suspended { "yes" } else { "no" }),
    ];
    let lines: String = lines.iter().map(|line| plain(line) + "\n").collect();
    format!(
        "{lines}\n{}\n{}\n{}",
        device::list(&view.devices),
        session::list(&view.sessions, Clock::system().now()),
        invitations::list(&view.invitations)
    )
}

fn list(suspended: &[String]) -> String {
    if suspended.is_empty() {
        return "nobody is suspended\n".to_owned();
    }
    suspended.iter().map(|user| plain(user) + "\n").collect()
}
