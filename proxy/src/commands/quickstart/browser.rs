//! A browser with a profile of its own, which trusts the local root and has the laptop's certificate.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use sekisho_certs::files;
use serde_json::json;
use tokio::process::{Child, Command};

use super::devices::Device;
use super::place::Place;
use crate::commands::error::CommandError;
use crate::commands::nss::Database;
use crate::enrol::client::{PASSWORD, PKCS12};

/// A browser that was opened. It ends with us.
#[derive(Debug)]
pub(super) struct Browser {
    name: &'static str,
    _child: Child,
    log: PathBuf,
    unsafe_root: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Chromium,
    Firefox,
}

impl Browser {
    /// Prepares the profile and opens the share.
    ///
    /// # Errors
    /// What has to be installed first, or what failed.
    pub(super) async fn open(place: &Place, laptop: &Device) -> Result<Self, CommandError> {
        let Some((name, kind)) = installed().await else {
            return Err(CommandError::failed("neither Chromium, Chrome nor Firefox is installed (Debian: apt install chromium)"));
        };
        let home = place.file("browser");
        files::private_dir(&home).map_err(CommandError::failed)?;
        let home = home.canonicalize().map_err(CommandError::failed)?;
        let log = home.join("log");
        let unsafe_root = kind == Kind::Chromium && std::fs::metadata(&home).is_ok_and(|facts| facts.uid() == 0);
        let mut command = Command::new(name);
        match kind {
            Kind::Chromium => {
                chromium_profile(place, laptop, &home).await?;
                command.env("HOME", &home).arg(format!("--user-data-dir={}", home.join("profile").display()));
                command.args(["--no-first-run", "--no-default-browser-check"]);
                if unsafe_root {
                    command.arg("--no-sandbox");
                }
            }
            Kind::Firefox => {
                firefox_profile(place, laptop, &home).await?;
                command.args(["--no-remote", "--new-instance", "--profile"]).arg(home.join("firefox"));
            }
        }
        let output = std::fs::File::create(&log).map_err(|error| CommandError::failed(format!("{}: {error}", log.display())))?;
        let errors = output.try_clone().map_err(CommandError::failed)?;
        command.arg(place.share("/")).stdin(Stdio::null()).stdout(output).stderr(errors).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| CommandError::failed(format!("{name}: {error}")))?;
        if let Ok(Ok(ended)) = tokio::time::timeout(FIRST_MOMENTS, child.wait()).await
            && !ended.success()
        {
            return Err(CommandError::failed(format!("{name} ended at once ({ended}); why is in {}", log.display())));
        }
        Ok(Self { name, _child: child, log, unsafe_root })
    }

    /// What to tell about it.
    pub(super) fn words(&self) -> String {
        let mut text = format!(
            "{} is opening the share, with the laptop's certificate. If no window appears, see {}.",
            self.name,
            self.log.display()
        );
        if self.unsafe_root {
            text.push_str("\nIt runs without its sandbox, since you are root: look at nothing else with it.");
        }
        text
    }
}

/// The first browser that is there.
async fn installed() -> Option<(&'static str, Kind)> {
    for (name, kind) in BROWSERS {
        if answers(name, "--version").await {
            return Some((name, *kind));
        }
    }
    None
}

/// Whether there is a program of this name. What it says does not matter.
async fn answers(program: &str, argument: &str) -> bool {
    let mut command = Command::new(program);
    command.arg(argument).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    !matches!(command.status().await, Err(error) if error.kind() == io::ErrorKind::NotFound)
}

/// Chromium reads the certificates of the user whose home it is in.
async fn chromium_profile(place: &Place, laptop: &Device, home: &Path) -> Result<(), CommandError> {
    store(place, laptop, &home.join(".pki/nssdb")).await?;
    let preferences = home.join("profile/Default/Preferences");
    if preferences.exists() {
        return Ok(());
    }
    // What administrators set by policy: show the certificate without asking, but to the gate only.
    let choice = json!({ "setting": { "filters": [{}] } });
    let to = format!("https://[*.]localhost:{},*", place.gate_port());
    let text = json!({ "profile": { "content_settings": { "exceptions": { "auto_select_certificate": { to: choice } } } } });
    make_folder(preferences.parent().unwrap_or(home))?;
    std::fs::write(&preferences, text.to_string()).map_err(CommandError::failed)
}

async fn firefox_profile(place: &Place, laptop: &Device, home: &Path) -> Result<(), CommandError> {
    let profile = home.join("firefox");
    store(place, laptop, &profile).await?;
    let settings = "user_pref(\"security.default_personal_cert\", \"Select Automatically\");\n\
                    user_pref(\"browser.aboutwelcome.enabled\", false);\n\
                    user_pref(\"network.dns.localDomains\", \"gate.localhost,share.localhost,chat.localhost,idp.localhost\");\n";
    std::fs::write(profile.join("user.js"), settings).map_err(CommandError::failed)
}

/// A new database of certificates each time: what was in it may be of another root or device.
async fn store(place: &Place, laptop: &Device, folder: &Path) -> Result<(), CommandError> {
    for file in ["cert9.db", "key4.db", "pkcs11.txt"] {
        match std::fs::remove_file(folder.join(file)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(CommandError::failed(error)),
            _ => {}
        }
    }
    let database = Database::at(folder.to_owned());
    let made = async {
        database.create().await?;
        database.trust("quickstart root", &place.file("tls/root.pem")).await?;
        database.import(&place.file(&laptop.file(PKCS12)), &place.file(&laptop.file(PASSWORD))).await
    };
    made.await.map_err(CommandError::failed)
}

fn make_folder(folder: &Path) -> Result<(), CommandError> {
    std::fs::create_dir_all(folder).map_err(|error| CommandError::failed(format!("{}: {error}", folder.display())))
}

/// A browser that cannot start, for want of a display say, has ended by then.
const FIRST_MOMENTS: Duration = Duration::from_secs(2);
const BROWSERS: &[(&str, Kind)] = &[
    ("chromium", Kind::Chromium),
    ("chromium-browser", Kind::Chromium),
    ("google-chrome", Kind::Chromium),
    ("google-chrome-stable", Kind::Chromium),
    ("firefox", Kind::Firefox),
    ("firefox-esr", Kind::Firefox),
];
