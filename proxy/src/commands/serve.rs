//! `sekisho serve` and `sekisho check`.

use std::path::PathBuf;

use tokio::signal::unix::{SignalKind, signal};

use super::error::CommandError;
use super::output::{print, print_json};
use crate::clock::Clock;
use crate::startup::{self, Checked, Prepared, StartError};

/// Run the gate
///
/// SIGHUP loads configuration and policies again; SIGTERM and SIGINT let requests finish, then end.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Example:\n  sekisho serve --config /etc/sekisho/sekisho.toml")]
pub struct ServeCommand {
    /// The configuration
    #[arg(long, value_name = "FILE", env = "SEKISHO_CONFIG", default_value = "sekisho.toml")]
    config: PathBuf,
}

/// Check configuration, certificates and policies; every problem is named with its place
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Example:\n  sekisho check --config /etc/sekisho/sekisho.toml")]
pub struct CheckCommand {
    /// The configuration
    #[arg(long, value_name = "FILE", env = "SEKISHO_CONFIG", default_value = "sekisho.toml")]
    config: PathBuf,
    /// Print the problems as JSON
    #[arg(long)]
    json: bool,
}

impl ServeCommand {
    /// Reads the configuration and gives up what the gate does not need. To be called before any other thread is started.
    ///
    /// # Errors
    /// [`CommandError`] with every reason why the gate does not start.
    pub fn prepare(&self) -> Result<Prepared, CommandError> {
        startup::prepare(&self.config, &Clock::system()).map_err(|error| not_started(&error))
    }

    /// Runs what was prepared until a signal ends it.
    ///
    /// # Errors
    /// [`CommandError`] with every reason why the gate did not start.
    pub async fn run(prepared: Prepared) -> Result<(), CommandError> {
        let mut hangup = signal(SignalKind::hangup()).map_err(CommandError::failed)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(CommandError::failed)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(CommandError::failed)?;
        let running = startup::start_prepared(prepared, Clock::system()).await.map_err(|error| not_started(&error))?;
        loop {
            tokio::select! {
                _ = hangup.recv() => running.reload().await,
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
            }
        }
        running.stop().await;
        Ok(())
    }
}

impl CheckCommand {
    /// Prints what is wrong, or that nothing is.
    ///
    /// # Errors
    /// [`CommandError::CheckFailed`] with every problem.
    pub fn run(self) -> Result<(), CommandError> {
        let outcome = startup::check(&self.config, &Clock::system());
        if self.json {
            let nothing = Checked::default();
            let (problems, checked) = match &outcome {
                Ok(checked) => (&[][..], checked),
                Err(problems) => (problems.as_slice(), &nothing),
            };
            let Checked { warnings, notes } = checked;
            print_json(&serde_json::json!({ "problems": problems, "warnings": warnings, "notes": notes }))?;
        }
        match outcome {
            Ok(Checked { warnings, notes }) => {
                if !self.json {
                    for warning in &warnings {
                        print(&format!("warning: {warning}\n"))?;
                    }
                    for note in &notes {
                        print(&format!("note: {note}\n"))?;
                    }
                    print(&format!("{}: everything is in order\n", self.config.display()))?;
                }
                Ok(())
            }
            Err(problems) => {
                let count = problems.len();
                let text = problems.join("\n");
                Err(CommandError::CheckFailed(format!("{text}\n{count} problem{} found", if count == 1 { "" } else { "s" })))
            }
        }
    }
}

fn not_started(error: &StartError) -> CommandError {
    CommandError::failed(format!("the gate did not start:\n{}", error.to_string().trim_end()))
}
