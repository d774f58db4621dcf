//! The command itself.

use std::path::PathBuf;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::browser::Browser;
use super::check;
use super::guide::guide;
use super::place::Place;
use super::stage::Stage;
use crate::clock::Clock;
use crate::commands::error::CommandError;
use crate::commands::output::{note, print};

/// A whole gate on this machine, with a demo provider, two apps and enrolled devices
///
/// Keeps everything in a folder: configuration, policies, keys, the record. Run it again and it goes on where it was; delete the
/// folder and it begins anew. Needs five ports in a row on loopback and nothing else.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sekisho quickstart\n  sekisho quickstart --check\n  sekisho quickstart --port 9443 --state /tmp/gate --browser"
)]
pub struct QuickstartCommand {
    /// Port of the gate; the provider, the apps and the metrics take the four above it
    #[arg(long, value_name = "PORT", default_value_t = 8443, value_parser = clap::value_parser!(u16).range(1..=65_531))]
    port: u16,
    /// Try everything from outside, print a line for each, and end: with 0 if all went as it should, else 1
    #[arg(long)]
    check: bool,
    /// Open Chromium or Firefox with a profile of its own that has the laptop's certificate
    #[arg(long, conflicts_with = "check")]
    browser: bool,
    /// Folder for everything that is kept
    #[arg(long, value_name = "DIR", default_value = "sekisho-quickstart")]
    state: PathBuf,
}

struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
}

enum Wish {
    Reload,
    Stop,
}

impl QuickstartCommand {
    /// Runs until it is told to stop, or, with `--check`, until everything was tried.
    ///
    /// # Errors
    /// [`CommandError`]: what is in the way, or how many checks failed.
    pub async fn run(self) -> Result<(), CommandError> {
        let mut signals = Signals::new()?;
        let clock = Clock::system();
        let place = Place::new(self.state, self.port);
        let stage = tokio::select! {
            stage = Stage::set(place, &clock) => stage?,
            () = signals.stop() => return Ok(()),
        };
        let done = if self.check {
            tokio::select! {
                done = check::play(&stage, &clock) => done,
                () = signals.stop() => Err(CommandError::failed("interrupted before everything was tried")),
            }
        } else {
            attend(&stage, &mut signals, self.browser).await
        };
        if !self.check {
            note("\nStopping …\n");
        }
        // Whoever asks a second time does not want to wait.
        tokio::select! {
            stopped = tokio::time::timeout(LONGEST_STOP, stage.strike()) => drop(stopped),
            () = signals.stop() => {}
        }
        done
    }
}

/// Shows what there is, and waits.
async fn attend(stage: &Stage, signals: &mut Signals, browser: bool) -> Result<(), CommandError> {
    print(&guide(&stage.place, &stage.laptop, &stage.other, &stage.notes))?;
    let _browser = if browser {
        match Browser::open(&stage.place, &stage.laptop).await {
            Ok(browser) => {
                print(&format!("\n{}\n", browser.words()))?;
                Some(browser)
            }
            Err(error) => {
                // The gate is there all the same.
                note(&format!("\nNo browser was opened: {error}\n"));
                None
            }
        }
    } else {
        None
    };
    loop {
        match signals.next().await {
            Wish::Reload => stage.reload().await,
            Wish::Stop => return Ok(()),
        }
    }
}

impl Signals {
    fn new() -> Result<Self, CommandError> {
        let listen = |kind| signal(kind).map_err(CommandError::failed);
        Ok(Self {
            hangup: listen(SignalKind::hangup())?,
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.hangup.recv() => Wish::Reload,
            _ = self.interrupt.recv() => Wish::Stop,
            _ = self.terminate.recv() => Wish::Stop,
        }
    }

    async fn stop(&mut self) {
        while !matches!(self.next().await, Wish::Stop) {}
    }
}

/// The gate drains for two seconds, as its configuration says; the apps end within one.
const LONGEST_STOP: Duration = Duration::from_secs(20);
