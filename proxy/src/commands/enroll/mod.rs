//! `sekisho enroll`: on the device, makes a key and gets a certificate for it; later, another of both in their place.

mod install;
mod renewing;
mod stores;

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use clap::Args;
use rustls_pki_types::CertificateDer;
use sekisho_certs::{files, pem};
use serde_json::json;

use self::install::Installed;
use super::error::CommandError;
use super::output::{plain, print, print_json};
use crate::clock::Clock;
use crate::enrol::EnrolmentCode;
use crate::enrol::client::{
    self, Ask, CERTIFICATE, Certificate, DeviceFolder, GateAddress, GateTrust, KEY, KeyKind, KeyPlace, KnownGate, PASSWORD,
    PKCS12,
};
use crate::inventory::DeviceStatus;
use crate::secret::Secret;

/// Enrol this device: make a key, which never leaves it, and get a certificate from the gate
///
/// The one-time code comes from an administrator (`sekisho device invite`). It is asked for, or read from the first line of standard
/// input; it is no argument, because arguments can be seen by every user of the machine.
///
/// With --renew, the device's certificate is the proof, and no code is needed. It is renewed when a third of its life is left, so the
/// command can be run every day.
///
/// With --key tpm, the key is made in the TPM of this device and never leaves it, and the gate is shown that it is so. Browsers
/// cannot use such a key; curl can, with OpenSSL's TPM provider.
///
/// With --install, key and certificate are put where the browsers of this person look for them (Linux). By itself, it does that with
/// what is in the folder.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Example:\n  sekisho enroll --gate https://gate.corp.example\n  sekisho enroll --gate https://gate.corp.example --out ~/.sekisho < code.txt\n  sekisho enroll --renew --out ~/.sekisho\n  sekisho enroll --install --out ~/.sekisho\n  sekisho enroll --key tpm --gate https://gate.corp.example"
)]
pub struct EnrollCommand {
    /// The gate: https:// and its sign-in host. With --renew, the one that the device enrolled with, unless it moved
    #[arg(long, value_name = "URL", required_unless_present_any = ["renew", "install"])]
    gate: Option<GateAddress>,
    /// Get a new key and certificate in place of those in the folder, if a third of their life or less is left
    #[arg(long)]
    renew: bool,
    /// Renew although there is time
    #[arg(long, requires = "renew")]
    force: bool,
    /// Put key and certificate into the person's browsers, in place of older ones of the device
    #[arg(long)]
    install: bool,
    /// File with the primary password of browsers that have one; it is asked for otherwise
    #[arg(long, value_name = "FILE", requires = "install")]
    nss_password_file: Option<PathBuf>,
    /// Where the key is to be: in a file, or in the TPM of this device. With --renew, where it is now, unless named
    #[arg(long, value_enum, value_name = "PLACE")]
    key: Option<KeyKind>,
    /// The TPM, as the TPM2 tools name it: device:/dev/tpmrm0, swtpm:host=…,port=…
    #[arg(long, env = "TPM2TOOLS_TCTI", value_name = "TCTI")]
    tcti: Option<String>,
    /// Folder for the key and the certificate
    #[arg(long, value_name = "DIR", default_value = "sekisho-device")]
    out: PathBuf,
    /// What you call this device, for the administrator
    #[arg(long, value_name = "NAME", conflicts_with = "renew")]
    name: Option<String>,
    /// Know the gate by this root certificate (PEM) instead of by the key that the code pins
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl EnrollCommand {
    /// Does it, and says what to do next.
    ///
    /// # Errors
    /// [`CommandError`] in words, with the exit code.
    pub async fn run(self) -> Result<(), CommandError> {
        if self.renew {
            self.renew_with(&Clock::system()).await
        } else if self.install && self.gate.is_none() {
            self.install_what_is_there().await
        } else {
            self.run_with(&Clock::system(), read_code).await
        }
    }

    async fn run_with(
        self,
        clock: &Clock,
        code: impl FnOnce() -> Result<Secret<String>, CommandError>,
    ) -> Result<(), CommandError> {
        // Everything that can be wrong here is found before the person types a code.
        let gate = self.gate.clone().ok_or_else(|| CommandError::usage("the gate is not named: add --gate"))?;
        self.no_browser_has_a_tpm()?;
        let folder = DeviceFolder::open(&self.out).map_err(CommandError::failed)?;
        let roots = self.ca.as_deref().map(roots).transpose()?;
        let code: EnrolmentCode = code()?.expose().parse().map_err(CommandError::usage)?;
        let trust = roots.clone().map_or(GateTrust::Pin(code.pin), GateTrust::Roots);
        let key = folder.key(&self.place()).map_err(CommandError::failed)?;
        let ask = Ask { gate: &gate, code: &code.code, trust: &trust, key: &key, name: self.name.clone() };
        let certificate = client::enrol(ask, clock).await.map_err(CommandError::failed)?;
        // The certificate comes last: with it the folder is complete.
        let known = KnownGate { address: gate.clone(), pin: Some(code.pin), roots };
        known.keep(&folder).map_err(CommandError::failed)?;
        folder.keep(&key, &certificate).map_err(CommandError::failed)?;
        let fingerprint = client::fingerprint_of(&key);
        let installed = if self.install { Some(self.installed().await?) } else { None };
        if self.json {
            print_json(&report_json(&folder, &fingerprint, &certificate, key.kind(), installed.as_ref()))?;
        } else {
            print(&report(&gate, &folder, &fingerprint, &certificate, key.kind(), installed.as_ref()))?;
        }
        installed.map_or(Ok(()), |installed| installed.verdict())
    }

    fn place(&self) -> KeyPlace {
        KeyPlace { kind: self.key, tcti: self.tcti.clone() }
    }

    fn no_browser_has_a_tpm(&self) -> Result<(), CommandError> {
        if self.install && self.key == Some(KeyKind::Tpm) {
            return Err(CommandError::usage(
                "--install and --key tpm do not go together: browsers cannot be given a key that is in a TPM",
            ));
        }
        Ok(())
    }
}

fn roots(path: &Path) -> Result<Vec<CertificateDer<'static>>, CommandError> {
    let wrong = |why: String| CommandError::usage(format!("--ca {}: {why}", path.display()));
    let bytes = files::read_public(path).map_err(|error| wrong(error.to_string()))?;
    pem::certificates(&bytes).map_err(|error| wrong(error.to_string()))
}

/// At a terminal, without showing it; else from the first line of standard input.
fn read_code() -> Result<Secret<String>, CommandError> {
    let unreadable = |error: io::Error| CommandError::failed(format!("the code could not be read: {error}"));
    if io::stdin().is_terminal() {
        return rpassword::prompt_password("Enrolment code (not shown): ").map(Secret::new).map_err(unreadable);
    }
    let mut line = String::new();
    io::stdin().lock().take(LONGEST_CODE).read_line(&mut line).map_err(unreadable)?;
    Ok(Secret::new(line))
}

/// What the person does next.
fn report(
    gate: &GateAddress,
    folder: &DeviceFolder,
    fingerprint: &str,
    certificate: &Certificate,
    kind: KeyKind,
    installed: Option<&Installed>,
) -> String {
    let show = |name: &str| plain(&folder.file(name).display().to_string());
    let device = &certificate.enrolled.device;
    let groups: Vec<&str> = fingerprint.split(' ').collect();
    let lines: String = groups.chunks(8).map(|line| format!("    {}\n", line.join(" "))).collect();
    let next = match certificate.enrolled.status {
        DeviceStatus::Active => "It can be used now.".to_owned(),
        _ => format!(
            "It waits for approval. Tell the administrator this fingerprint, in person or by phone;\n\
             the device works as soon as they confirm it with `sekisho device approve {device}`."
        ),
    };
    if kind == KeyKind::Tpm {
        return format!(
            "Enrolled as `{device}`. Fingerprint of this device's key, which is in its TPM:\n\n{lines}\n{next}\n\n\
             Key and certificate: {key} (of use to this TPM alone), {cert}\n\
             Browsers cannot use it. curl can, with OpenSSL's provider for TPMs (tpm2-openssl).\n",
            key = show(KEY),
            cert = show(CERTIFICATE),
        );
    }
    let browsers = installed.map_or_else(
        || {
            format!(
                "For browsers: import {p12}; its password is in {password}\n    (after that, delete both)\n",
                p12 = show(PKCS12),
                password = show(PASSWORD),
            )
        },
        Installed::words,
    );
    format!(
        "Enrolled as `{device}`. Fingerprint of this device's key:\n\n{lines}\n{next}\n\n\
         Key and certificate: {key} (mode 0600), {cert}\n\
         {browsers}\
         For curl: curl --cert {cert} --key {key} {gate}/.sekisho/whoami\n",
        key = show(KEY),
        cert = show(CERTIFICATE),
    )
}

fn report_json(
    folder: &DeviceFolder,
    fingerprint: &str,
    certificate: &Certificate,
    kind: KeyKind,
    installed: Option<&Installed>,
) -> serde_json::Value {
    json!({
        "device": certificate.enrolled.device,
        "status": certificate.enrolled.status,
        "key_fingerprint": fingerprint,
        "not_after": certificate.enrolled.not_after,
        "key": folder.file(KEY),
        "certificate": folder.file(CERTIFICATE),
        "key_in_tpm": kind == KeyKind::Tpm,
        "pkcs12": (kind == KeyKind::File).then(|| folder.file(PKCS12)),
        "pkcs12_password": (kind == KeyKind::File).then(|| folder.file(PASSWORD)),
        "browsers": installed.map(Installed::json),
    })
}

/// A code has 73 characters.
const LONGEST_CODE: u64 = 4096;

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        command: EnrollCommand,
    }

    fn parse(arguments: &[&str]) -> Result<EnrollCommand, clap::Error> {
        Line::try_parse_from([&["enroll"], arguments].concat()).map(|line| line.command)
    }

    #[test]
    fn the_gate_has_to_be_named() {
        let command = parse(&["--gate", "https://gate.example:8443"]).unwrap();
        assert_eq!(
            (command.gate.map(|gate| gate.to_string()).as_deref(), command.out.to_str()),
            (Some("https://gate.example:8443"), Some("sekisho-device"))
        );
        assert!(parse(&["--renew"]).unwrap().gate.is_none(), "who renews may leave it out");
        assert!(parse(&["--gate", "https://gate.example", "--force"]).is_err());
        assert!(parse(&[]).is_err());
        assert!(parse(&["--gate", "http://gate.example"]).is_err());
        assert!(parse(&["--gate", "https://gate.example", "CODE"]).is_err(), "a code is no argument");
    }

    #[tokio::test]
    async fn what_is_wrong_here_is_found_before_a_code_is_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("device");
        let run = |extra: &[&str]| {
            let command = parse(&[&["--gate", "https://127.0.0.1:1", "--out", out.to_str().unwrap()], extra].concat()).unwrap();
            async move { command.run_with(&Clock::system(), || panic!("asked for the code")).await.unwrap_err() }
        };
        assert_eq!(run(&["--ca", "/nowhere"]).await.exit_code(), 2);
        std::fs::write(out.join(CERTIFICATE), "x").unwrap();
        let error = run(&[]).await;
        assert!(error.exit_code() == 3 && error.to_string().contains("--out"), "{error}");
    }

    #[tokio::test]
    async fn a_code_that_is_none_is_wrong_usage_and_makes_no_key() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("device");
        let command = parse(&["--gate", "https://127.0.0.1:1", "--out", out.to_str().unwrap()]).unwrap();
        let error = command.run_with(&Clock::system(), || Ok(Secret::new("CODE".to_owned()))).await.unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert_eq!(std::fs::read_dir(&out).unwrap().count(), 0);
    }
}
