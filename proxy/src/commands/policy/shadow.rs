//! `sekisho policy shadow`: what the candidate policies would have answered, so far.

use std::fmt::Write as _;

use clap::Args;

use crate::commands::error::CommandError;
use crate::commands::output::{plain, print, print_json};
use crate::commands::reach::Reach;
use crate::console::admin::wire::{CandidateView, Difference};

/// What the candidate policies of the running gate would have answered otherwise since they were loaded.
///
/// They are those that `[policies] candidate` names. The exit code is 1 if they cannot be loaded.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sekisho policy shadow --json")]
pub(super) struct ShadowCommand {
    #[command(flatten)]
    reach: Reach,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl ShadowCommand {
    /// Does it.
    ///
    /// # Errors
    /// [`CommandError`] in words, with the exit code.
    pub(super) fn run(self) -> Result<(), CommandError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CommandError::failed)?;
        let client = self.reach.client()?;
        let view: Option<CandidateView> = runtime.block_on(client.get("/v1/candidate"))?;
        let Some(view) = view else {
            return Err(CommandError::failed("no policies are tried: name a folder in `[policies] candidate`, and reload"));
        };
        if self.json {
            print_json(&view)?
        } else {
            print(&described(&view))?
        }
        if view.problems.is_empty() {
            return Ok(());
        }
        Err(CommandError::CheckFailed(format!("the candidate policies are not tried:\n{}", view.problems.join("\n"))))
    }
}

fn described(view: &CandidateView) -> String {
    let Some(hash) = &view.policy_set else { return format!("candidate  {}\n", plain(&view.dir)) };
    let mut text = format!("candidate  {}\npolicies   {}\npolicy set {hash}\n", plain(&view.dir), view.policies);
    if view.differences.is_empty() {
        text.push_str("\nNo request was answered otherwise so far.\n");
    }
    for difference in &view.differences {
        let _written = write!(
            text,
            "\n{}: {} {} of `{}`\n",
            meaning(difference),
            difference.requests,
            if difference.requests == 1 { "request" } else { "requests" },
            plain(&difference.app)
        );
        for example in &difference.examples {
            let ids = |ids: &[String]| if ids.is_empty() { "no policy".to_owned() } else { plain(&ids.join(", ")) };
            let _written = writeln!(
                text,
                "  {}  {}  {} {}  {} (live: {}; candidate: {})",
                plain(&example.at),
                plain(&example.request),
                plain(&example.method),
                plain(&example.path),
                plain(example.user.as_deref().unwrap_or("anybody")),
                ids(&example.active),
                ids(&example.candidate),
            );
        }
    }
    text
}

fn meaning(difference: &Difference) -> &'static str {
    match (difference.active.as_str(), difference.candidate.as_str()) {
        (_, "allow") => "would be allowed",
        ("allow", "deny") => "would be denied",
        (_, "error") => "could not be decided",
        _ => "would be denied, and could not be decided before",
    }
}
