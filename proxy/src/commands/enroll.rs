//! `sekisho enroll`: on the device, makes a key and gets a certificate for it.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use sekisho_certs::{files, pem};

use crate::clock::Clock;
use crate::enrol::client::{self, Ask, Certificate, ClientError, DeviceFolder, FolderError, GateAddress, GateTrust};
use crate::enrol::client::{CERTIFICATE, KEY, PASSWORD, PKCS12};
use crate::enrol::{EnrolmentCode, InvalidEnrolmentCode};
use crate::inventory::DeviceStatus;
use crate::secret::Secret;

/// Enrols this device: makes a key, which never leaves it, and gets a certificate from the gate.
///
/// The one-time code comes from an administrator (`sekisho device invite`). It is asked for, or read from the first line of standard
/// input; it is no argument, because arguments can be seen by every user of the machine.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Example:\n  sekisho enroll --gate https://gate.corp.example\n  sekisho enroll --gate https://gate.corp.example --out ~/.sekisho < code.txt"
)]
pub struct EnrollArgs {
    /// The gate: https:// and its sign-in host
    #[arg(long, value_name = "URL")]
    pub gate: GateAddress,
    /// Folder for the key and the certificate
    #[arg(long, value_name = "DIR", default_value = "sekisho-device")]
    pub out: PathBuf,
    /// What you call this device, for the administrator
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Know the gate by this root certificate (PEM) instead of by the key that the code pins
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

/// Why the device was not enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrollError {
    /// The code is not one.
    #[error(transparent)]
    Code(#[from] InvalidEnrolmentCode),
    /// There is no code.
    #[error("the code could not be read: {0}")]
    NoCode(#[source] io::Error),
    /// The root certificate cannot be used.
    #[error("--ca {}: {why}", path.display())]
    Ca {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The gate did not give a certificate.
    #[error(transparent)]
    Gate(#[from] ClientError),
    /// No runtime.
    #[error("the system gives no resources: {0}")]
    System(#[source] io::Error),
}

impl EnrollError {
    /// 2 for what the person wrote, 3 for everything that could not be done.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Code(_) | Self::Ca { .. } => ExitCode::from(2),
            Self::NoCode(_) | Self::Folder(_) | Self::Gate(_) | Self::System(_) => ExitCode::from(3),
        }
    }
}

/// Runs the command; prints what happened and what to do next.
pub fn run(args: &EnrollArgs, clock: &Clock) -> ExitCode {
    match enroll(args, clock) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If standard error is gone, the exit code still tells.
            let _written = writeln!(io::stderr(), "sekisho enroll: {error}");
            error.exit_code()
        }
    }
}

fn enroll(args: &EnrollArgs, clock: &Clock) -> Result<(), EnrollError> {
    // Everything that can be wrong here is found before the person types a code.
    let folder = DeviceFolder::open(&args.out)?;
    let trust = match &args.ca {
        Some(path) => GateTrust::Roots(roots(path)?),
        None => GateTrust::Pin,
    };
    let code = read_code()?;
    let key = folder.key()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(EnrollError::System)?;
    let ask = Ask { gate: &args.gate, code: &code, trust: &trust, key: &key, name: args.name.clone() };
    let certificate = runtime.block_on(client::enrol(ask, clock))?;
    folder.keep(&key, &certificate)?;
    // The device is enrolled, whether somebody reads this or not.
    let _written = report(&mut io::stdout(), &args.gate, &folder, &client::fingerprint_of(&key), &certificate);
    Ok(())
}

fn roots(path: &Path) -> Result<Vec<rustls_pki_types::CertificateDer<'static>>, EnrollError> {
    let wrong = |why: String| EnrollError::Ca { path: path.to_owned(), why };
    let bytes = files::read_public(path).map_err(|error| wrong(error.to_string()))?;
    pem::certificates(&bytes).map_err(|error| wrong(error.to_string()))
}

/// At a terminal, without showing it; else from the first line of standard input.
fn read_code() -> Result<EnrolmentCode, EnrollError> {
    let text = if io::stdin().is_terminal() {
        rpassword::prompt_password("Enrolment code (not shown): ").map_err(EnrollError::NoCode)?
    } else {
        let mut line = String::new();
        io::stdin().lock().take(LONGEST_CODE).read_line(&mut line).map_err(EnrollError::NoCode)?;
        line
    };
    Ok(Secret::new(text).expose().parse()?)
}

/// What the person does next.
fn report(
    out: &mut impl Write,
    gate: &GateAddress,
    folder: &DeviceFolder,
    fingerprint: &str,
    certificate: &Certificate,
) -> io::Result<()> {
    let show = |name: &str| folder.file(name).display().to_string();
    let enrolled = &certificate.enrolled;
    writeln!(out, "Enrolled as `{}`. Fingerprint of this device's key:\n", enrolled.device)?;
    let groups: Vec<&str> = fingerprint.split(' ').collect();
    for line in groups.chunks(8) {
        writeln!(out, "    {}", line.join(" "))?;
    }
    match enrolled.status {
        DeviceStatus::Active => writeln!(out, "\nIt can be used now.")?,
        _ => writeln!(
            out,
            "\nIt waits for approval. Tell the administrator this fingerprint, in person or by phone;\nthe device works as soon as they confirm it with `sekisho device approve {}`.",
            enrolled.device
        )?,
    }
    writeln!(out, "\nKey and certificate: {} (mode 0600), {}", show(KEY), show(CERTIFICATE))?;
    writeln!(out, "For browsers: import {}; its password is in {}", show(PKCS12), show(PASSWORD))?;
    writeln!(out, "    (after that, delete both)")?;
    writeln!(out, "For curl: curl --cert {} --key {} {gate}/.sekisho/whoami", show(CERTIFICATE), show(KEY))
}

/// A code has 73 characters.
const LONGEST_CODE: u64 = 4096;

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: EnrollArgs,
    }

    #[test]
    fn the_gate_has_to_be_named() {
        let parse = |arguments: &[&str]| Command::try_parse_from([&["enroll"], arguments].concat()).map(|command| command.args);
        let args = parse(&["--gate", "https://gate.example:8443"]).unwrap();
        assert_eq!((args.gate.to_string().as_str(), args.out.to_str()), ("https://gate.example:8443", Some("sekisho-device")));
        assert!(parse(&[]).is_err());
        assert!(parse(&["--gate", "http://gate.example"]).is_err());
        assert!(parse(&["--gate", "https://gate.example", "CODE"]).is_err(), "a code is no argument");
    }
}
