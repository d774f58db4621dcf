//! The top of the command line.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::admin::AdminCommand;
use super::audit::AuditCommand;
use super::break_glass::BreakGlassCommand;
use super::ca::CaCommand;
use super::device::DeviceCommand;
use super::enroll::EnrollCommand;
use super::error::CommandError;
use super::login::LoginCommand;
use super::policy::PolicyCommand;
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
    Policy(PolicyCommand),
    Status(StatusCommand),
    Device(DeviceCommand),
    Session(SessionCommand),
    User(UserCommand),
    Admin(AdminCommand),
    BreakGlass(BreakGlassCommand),
    Audit(AuditCommand),
    Ca(CaCommand),
    Enroll(EnrollCommand),
    Login(LoginCommand),
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
        // Most commands come to hold a key, a code or somebody's secret.
        startup::seal_memory();
        if let Some(usual) = self.command.usual_log() {
            startup::start_logging(self.log.as_deref().unwrap_or(usual), self.log_format).map_err(CommandError::usage)?;
        }
        match self.command {
            #[cfg(feature = "quickstart")]
            Command::Quickstart(command) => wait(command.run()),
            Command::Serve(command) => {
                let prepared = command.prepare()?;
                wait(ServeCommand::run(prepared))
            }
            Command::Check(command) => command.run(),
            Command::Reload(command) => wait(command.run()),
            Command::Policy(command) => command.run(),
            Command::Status(command) => wait(command.run()),
            Command::Device(command) => wait(command.run()),
            Command::Session(command) => wait(command.run()),
            Command::User(command) => wait(command.run()),
            Command::Admin(command) => wait(command.run()),
            Command::BreakGlass(command) => wait(command.run()),
            Command::Audit(command) => wait(command.run()),
            Command::Ca(command) => wait(command.run()),
            Command::Enroll(command) => wait(command.run()),
            Command::Login(command) => wait(command.run()),
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
            | Self::Policy(_)
            | Self::Status(_)
            | Self::Device(_)
            | Self::Session(_)
            | Self::User(_)
            | Self::Admin(_)
            | Self::BreakGlass(_)
            | Self::Audit(_)
            | Self::Ca(_)
            | Self::Enroll(_)
            | Self::Login(_) => None,
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

#[cfg(test)]
mod tests {
    use super::*;

    const PAGES: &[(&str, &str)] = &[
        ("README.md", include_str!("../../../README.md")),
        ("administration.md", include_str!("../../../docs/administration.md")),
        ("devices.md", include_str!("../../../docs/devices.md")),
        ("incident.md", include_str!("../../../docs/incident.md")),
        ("operations.md", include_str!("../../../docs/operations.md")),
        ("people.md", include_str!("../../../docs/people.md")),
        ("policies.md", include_str!("../../../docs/policies.md")),
        ("posture.md", include_str!("../../../docs/posture.md")),
        ("policy-reference.md", include_str!("../../../docs/policy-reference.md")),
        ("protect-your-app.md", include_str!("../../../docs/protect-your-app.md")),
        ("providers.md", include_str!("../../../docs/providers.md")),
        ("record.md", include_str!("../../../docs/record.md")),
        ("sign-in.md", include_str!("../../../docs/sign-in.md")),
        ("terminal.md", include_str!("../../../docs/terminal.md")),
        ("systemd", include_str!("../../../examples/systemd/sekisho.service")),
        ("systemd of a user", include_str!("../../../examples/systemd/sekisho-renew.service")),
        ("Containerfile", include_str!("../../../examples/Containerfile")),
    ];

    /// The commands of a page: lines that begin with `sekisho` or `$ sekisho`, and what stands between backticks or behind `=` in a unit.
    fn commands(page: &str) -> Vec<Vec<String>> {
        let own = page.lines().map(|line| line.strip_prefix("$ ").unwrap_or(line)).filter(|line| line.starts_with("sekisho "));
        let quoted = page.split('`').skip(1).step_by(2).filter(|text| text.starts_with("sekisho "));
        let unit =
            page.lines().filter_map(|line| line.strip_prefix("Exec")?.split_once("=/usr/local/bin/").map(|(_, rest)| rest));
        own.chain(quoted).chain(unit).map(words).collect()
    }

    /// As a shell would split it: quotes keep words together, and what follows a comment or redirection is not the command's.
    fn words(line: &str) -> Vec<String> {
        let line = line.replace('\n', " ").replace("7d2f 90aa …", &"7d".repeat(32));
        let mut words = Vec::new();
        for (index, part) in line.split('"').enumerate() {
            if index % 2 == 1 {
                words.push(part.to_owned());
            } else {
                let part = part.split(['#', '<', '>', '|', '&']).next().unwrap();
                words.extend(part.split_whitespace().map(str::to_owned));
            }
        }
        words
    }

    #[test]
    fn every_command_in_the_manual_is_one() {
        let mut tried = 0;
        for (name, page) in PAGES {
            for command in commands(page) {
                if command.iter().any(|word| word == "…") {
                    continue;
                }
                tried += 1;
                if let Err(error) = Cli::try_parse_from(&command) {
                    // The name of a command alone is how the pages speak of it.
                    let lacks = error.kind() == clap::error::ErrorKind::MissingRequiredArgument
                        || error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
                    assert!(lacks && command.len() <= 3, "{name}: {}: {error}", command.join(" "));
                }
            }
        }
        assert!(tried > 30, "{tried}");
    }
}
