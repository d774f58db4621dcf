//! The top of the command line.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::ca::CaCommand;
use super::device::DeviceCommand;
use super::enroll::EnrollCommand;
use super::error::CommandError;
#[cfg(feature = "quickstart")]
use super::quickstart::QuickstartCommand;
use super::reload::ReloadCommand;
use super::serve::{CheckCommand, ServeCommand};
use super::session::SessionCommand;
use super::status::StatusCommand;
use super::user::UserCommand;
use crate::startup::{self, LogFormat};

/// A zero-trust access proxy: a known device and a known user, decided on every request.
#[derive(Debug, Parser)]
#[command(name = "sekisho", version, max_term_width = 100)]
pub struct Cli {
    /// What to log: a level, or a filter such as `info,sekisho::forward=debug` [default: info; of quickstart: warn]
    #[arg(long, global = true, help_heading = "Log", value_name = "FILTER", env = "SEKISHO_LOG")]
    log: Option<String>,
    /// How log lines look
    #[arg(long, global = true, help_heading = "Log", value_name = "FORMAT", env = "SEKISHO_LOG_FORMAT", default_value = "text")]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[cfg(feature = "quickstart")]
    Quickstart(QuickstartCommand),
    Serve(ServeCommand),
    Check(CheckCommand),
    Reload(ReloadCommand),
    Status(StatusCommand),
    Device(DeviceCommand),
    Session(SessionCommand),
    User(UserCommand),
    Ca(CaCommand),
    Enroll(EnrollCommand),
}

impl Cli {
    /// Does what was asked for, and gives the exit code.
    pub fn run(self) -> ExitCode {
        match self.dispatch() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                // If standard error is gone, the exit code still tells.
                let words = error.to_string();
                let gap = if words.contains('\n') { '\n' } else { ' ' };
                let _written = writeln!(io::stderr(), "sekisho:{gap}{words}");
                ExitCode::from(error.exit_code())
            }
        }
    }

    fn dispatch(self) -> Result<(), CommandError> {
        if let Some(usual) = self.command.usual_log() {
            startup::start_logging(self.log.as_deref().unwrap_or(usual), self.log_format).map_err(CommandError::usage)?;
        }
        match self.command {
            #[cfg(feature = "quickstart")]
            Command::Quickstart(command) => wait(command.run()),
            Command::Serve(command) => wait(command.run()),
            Command::Check(command) => command.run(),
            Command::Reload(command) => wait(command.run()),
            Command::Status(command) => wait(command.run()),
            Command::Device(command) => wait(command.run()),
            Command::Session(command) => wait(command.run()),
            Command::User(command) => wait(command.run()),
            Command::Ca(command) => wait(command.run()),
            Command::Enroll(command) => wait(command.run()),
        }
    }
}

impl Command {
    /// What to log unless told otherwise; `None` for commands that have nothing to log.
    fn usual_log(&self) -> Option<&'static str> {
        match self {
            // Its standard error is a person's terminal: only what that person should do something about.
            #[cfg(feature = "quickstart")]
            Self::Quickstart(_) => Some("warn"),
            Self::Serve(_) => Some("info"),
            Self::Check(_)
            | Self::Reload(_)
            | Self::Status(_)
            | Self::Device(_)
            | Self::Session(_)
            | Self::User(_)
            | Self::Ca(_)
            | Self::Enroll(_) => None,
        }
    }
}

/// Runs on the control runtime.
fn wait(work: impl Future<Output = Result<(), CommandError>>) -> Result<(), CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .thread_name("control")
        .enable_all()
        .build()
        .map_err(CommandError::failed)?;
    runtime.block_on(work)
}

/// Threads of the control runtime: it waits more than it works.
const CONTROL_THREADS: usize = 2;
