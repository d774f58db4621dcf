//! `sekisho enroll --install`: the certificate goes to where the person's browsers look.

use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use sekisho_certs::files;
use serde_json::json;
use zeroize::Zeroizing;

use super::EnrollCommand;
use super::stores::{Store, stores};
use crate::commands::error::CommandError;
use crate::commands::nss::{Database, NssError};
use crate::commands::output::{plain, print, print_json};
use crate::config::environment;
use crate::enrol::client::{self, Packed};

/// What became of it in one browser.
#[derive(Debug)]
struct Done {
    browser: String,
    folder: PathBuf,
    /// Names of certificates that were left alone; or why it was not installed.
    put: Result<Vec<String>, NssError>,
}

/// What became of it in all of them.
#[derive(Debug)]
pub(super) struct Installed(Vec<Done>);

/// Files for NSS' tools, which take no secret from anywhere else. Nothing of them stays.
#[derive(Debug)]
struct Handed(PathBuf);

impl Drop for Handed {
    fn drop(&mut self) {
        // If this fails, the next time begins with it.
        drop(fs::remove_dir_all(&self.0));
    }
}

impl EnrollCommand {
    /// What is in the folder, into browsers.
    pub(super) async fn install_what_is_there(self) -> Result<(), CommandError> {
        let installed = self.installed().await?;
        if self.json {
            print_json(&json!({ "browsers": installed.json() }))?
        } else {
            print(&installed.words())?
        }
        installed.verdict()
    }

    /// Puts key and certificate into every browser's database.
    ///
    /// # Errors
    /// If nothing could be tried.
    pub(super) async fn installed(&self) -> Result<Installed, CommandError> {
        let variables = environment();
        let variable = |name: &str| variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        let home = variable("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        let home = home.ok_or_else(|| CommandError::failed("HOME is not set, so it is not clear whose browsers are meant"))?;
        let packed = client::packed(&self.out).map_err(CommandError::failed)?;
        let handed = Handed(self.out.join(HANDED));
        let given = hand(&handed.0, &packed)?;
        let mut all = Vec::new();
        for Store { browser, database } in stores(&home, variable("PATH").as_deref()) {
            let folder = database.folder().to_owned();
            let put = self.put(database, &packed, &given, &handed.0).await;
            all.push(Done { browser, folder, put });
        }
        let installed = Installed(all);
        if installed.0.iter().all(|done| done.put.is_ok()) {
            client::forget_packed(&self.out).map_err(CommandError::failed)?;
        }
        Ok(installed)
    }

    async fn put(
        &self,
        database: Database,
        packed: &Packed,
        given: &[PathBuf; 2],
        folder: &Path,
    ) -> Result<Vec<String>, NssError> {
        let [pkcs12, password] = given;
        if !database.exists() {
            database.create().await?;
        }
        let named = self.nss_password_file.clone().map(|file| database.clone().with_password(file));
        // A database without a password is opened without; the file may be for another one.
        match (database.put(packed, pkcs12, password).await, named) {
            (Err(NssError::Locked(_)), Some(named)) => named.put(packed, pkcs12, password).await,
            (Err(NssError::Locked(locked)), None) if io::stdin().is_terminal() && !self.json => match ask(&locked, folder) {
                Some(file) => database.with_password(file).put(packed, pkcs12, password).await,
                None => Err(NssError::Locked(locked)),
            },
            (put, _) => put,
        }
    }
}

/// Writes what NSS' tools are to read.
fn hand(folder: &Path, packed: &Packed) -> Result<[PathBuf; 2], CommandError> {
    files::private_dir(folder).map_err(CommandError::failed)?;
    let [pkcs12, password] = [folder.join("p12"), folder.join("password")];
    files::write_private(&pkcs12, &packed.pkcs12).map_err(CommandError::failed)?;
    let line = Zeroizing::new(format!("{}\n", packed.password.expose()));
    files::write_private(&password, line.as_bytes()).map_err(CommandError::failed)?;
    Ok([pkcs12, password])
}

/// The primary password of a database, in a file.
fn ask(database: &Path, folder: &Path) -> Option<PathBuf> {
    let question = format!("Primary password of {} (not shown): ", plain(&database.display().to_string()));
    let said = rpassword::prompt_password(question).map(Zeroizing::new).ok().filter(|said| !said.is_empty())?;
    let file = folder.join("primary");
    files::write_private(&file, Zeroizing::new(format!("{}\n", *said)).as_bytes()).ok()?;
    Some(file)
}

impl Installed {
    pub(super) fn words(&self) -> String {
        let mut text = String::from("In browsers:\n");
        for Done { browser, folder, put } in &self.0 {
            let (browser, folder) = (plain(browser), plain(&folder.display().to_string()));
            match put {
                Ok(left) => {
                    text.push_str(&format!("    {browser}: installed ({folder})\n"));
                    for name in left {
                        text.push_str(&format!(
                            "        left alone: what is called `{}` there, since not all of it is this device's\n",
                            plain(name)
                        ));
                    }
                }
                Err(problem) => text.push_str(&format!("    {browser}: not installed: {}\n", plain(&problem.to_string()))),
            }
        }
        if self.0.iter().any(|done| done.put.is_ok()) {
            text.push_str("    A browser that is running may have to be started anew.\n");
        }
        text
    }

    pub(super) fn json(&self) -> serde_json::Value {
        let one = |done: &Done| {
            json!({
                "browser": done.browser,
                "database": done.folder,
                "installed": done.put.is_ok(),
                "left_alone": done.put.as_ref().ok(),
                "problem": done.put.as_ref().err().map(ToString::to_string),
            })
        };
        self.0.iter().map(one).collect()
    }

    /// Fails if a browser does not have it: whoever watches a timer hears of it while the older certificate is still good.
    pub(super) fn verdict(&self) -> Result<(), CommandError> {
        if self.0.iter().all(|done| done.put.is_ok()) {
            return Ok(());
        }
        let remedy = "What is in the folder is good: mend what is said above, and run `sekisho enroll --install` with the same --out again";
        Err(if self.0.iter().any(|done| done.put.is_ok()) {
            CommandError::CheckFailed(format!("not every browser has the certificate. {remedy}"))
        } else {
            CommandError::failed(format!("no browser has the certificate. {remedy}"))
        })
    }
}

/// Where the files are meanwhile, below the device's folder.
const HANDED: &str = ".install";
