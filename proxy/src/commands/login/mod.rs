//! `sekisho login`: people at a terminal get a token for the apps behind the gate, which is of no use on any other device.

mod browser;
mod device;
mod device_code;
mod error;
mod kept;
mod listen;
mod offer;
mod provider;
mod tokens;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use rustls_pki_types::CertificateDer;
use sekisho_certs::{files, pem};

use self::device::Device;
use self::error::LoginError;
use self::kept::{Kept, Locked, Place};
use self::provider::{Provider, Said, refused};
use self::tokens::Given;
use super::error::CommandError;
use super::output::{plain, print, time};
use crate::clock::Clock;
use crate::enrol::client::{GateAddress, KnownGate};

/// Sign in at a terminal: a token for the apps behind the gate, bound to this device's certificate
///
/// With a browser on this machine, or with --device-code in one on any other. The token is kept in a file that only you can read,
/// `sekisho/<gate>.json` in $XDG_STATE_HOME or ~/.local/state, and is renewed when it is printed. It works together with the
/// certificate and key of this device only.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  sekisho login --gate https://gate.corp.example --device ~/.sekisho\n  sekisho login --device ~/.sekisho --print-header | curl --cert ~/.sekisho/device.pem --key ~/.sekisho/device.key -H @- https://wiki.corp.example/report\n  sekisho login --device ~/.sekisho --forget"
)]
pub struct LoginCommand {
    /// The gate: https:// and its sign-in host. By default, the one that the device enrolled with
    #[arg(long, value_name = "URL")]
    gate: Option<GateAddress>,
    /// Folder with the device's key and certificate, as `sekisho enroll --out` made it
    #[arg(long, value_name = "DIR", default_value = "sekisho-device")]
    device: PathBuf,
    /// Which of the gate's identity providers, if it has several for terminals
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Show a code to be entered in a browser on another machine
    #[arg(long)]
    device_code: bool,
    /// Only print the address to open
    #[arg(long, conflicts_with = "device_code")]
    no_browser: bool,
    /// Print the token, renewed if need be, and nothing else
    #[arg(long, conflicts_with_all = ["device_code", "no_browser", "provider"])]
    print_token: bool,
    /// Print it as the header that programs send, for `curl -H @-`
    #[arg(long, conflicts_with_all = ["print_token", "device_code", "no_browser", "provider"])]
    print_header: bool,
    /// Sign out: give the tokens back to the provider, and delete the file
    #[arg(long, conflicts_with_all = ["print_token", "print_header", "device_code", "no_browser", "provider"])]
    forget: bool,
    /// Know the gate and its provider by this root certificate (PEM)
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    #[arg(long, hide = true, env = "XDG_STATE_HOME")]
    state_home: Option<PathBuf>,
    #[arg(long, hide = true, env = "HOME")]
    home: Option<PathBuf>,
}

impl LoginCommand {
    /// Does it.
    ///
    /// # Errors
    /// [`CommandError`] in words, with the exit code.
    pub async fn run(self) -> Result<(), CommandError> {
        let roots = self.ca.as_deref().map(roots).transpose()?;
        Ok(self.run_with(roots, &Clock::system()).await?)
    }

    async fn run_with(self, roots: Option<Vec<CertificateDer<'static>>>, clock: &Clock) -> Result<(), Failure> {
        let desk = Desk {
            gate: device::gate(&self.device, self.gate.as_ref(), roots.clone())?,
            device: &self.device,
            roots: roots.unwrap_or_default(),
            clock,
        };
        let place = Place::of(&desk.gate.address, self.state_home.as_deref(), self.home.as_deref())?;
        if self.forget {
            return desk.forget(&place).await;
        }
        if self.print_token || self.print_header {
            let kept = desk.usable(&place).await?;
            let token = kept.access_token.expose();
            let text = if self.print_header { format!("Authorization: Bearer {token}\n") } else { format!("{token}\n") };
            return Ok(print(&text)?);
        }
        let kept = desk.sign_in(&place, &self).await?;
        let (user, until, file) = (plain(&kept.user), time(kept.expires_at), place.file());
        let renewed = if kept.refresh_token.is_some() { ", and is renewed from then on" } else { "" };
        Ok(print(&format!(
            "Signed in as {user}. The token is good until {until}{renewed}; it is in {} (mode 0600)\n\
             and works with the certificate of this device only.\n",
            plain(&file.display().to_string())
        ))?)
    }
}

/// Why it did not come to its end.
enum Failure {
    Login(LoginError),
    Output(CommandError),
}

/// What the work is done with.
struct Desk<'a> {
    gate: KnownGate,
    /// The device's folder.
    device: &'a Path,
    /// Of the provider; empty: the system's.
    roots: Vec<CertificateDer<'static>>,
    clock: &'a Clock,
}

impl Desk<'_> {
    async fn sign_in(&self, place: &Place, how: &LoginCommand) -> Result<Kept, LoginError> {
        let device = Device::read(self.device)?;
        let offered = offer::ask(&self.gate, &device.shown, how.provider.as_deref(), self.clock).await?;
        let provider = Provider::of(offered, &self.roots, &device.shown).await?;
        let given = match how.device_code {
            true => device_code::sign_in(&provider, self.clock).await?,
            false => browser::sign_in(&provider, !how.no_browser, self.clock).await?,
        };
        let kept = match self.taken(&provider, &device, &given).await {
            Ok(kept) => kept,
            Err(why) => {
                // It is good for somebody, and nobody keeps it.
                give_back(&provider, &given).await;
                return Err(why);
            }
        };
        let locked = place.lock().await?;
        place.write(&kept, &locked)?;
        Ok(kept)
    }

    /// What came, if it is bound to this device, and the gate takes it. One that is not bound does not leave here.
    async fn taken(&self, provider: &Provider, device: &Device, given: &Given) -> Result<Kept, LoginError> {
        let expires_at = given.bound_until(device.thumbprint)?;
        let user = offer::whoami(&self.gate, &device.shown, &given.access_token, self.clock).await?;
        Ok(Kept {
            offered: provider.offered.clone(),
            user,
            certificate: device.thumbprint,
            access_token: given.access_token.clone(),
            expires_at,
            refresh_token: given.refresh_token.clone(),
        })
    }

    /// What is kept, renewed if it is about to expire. Of several processes, one renews, and the others have it from the file.
    async fn usable(&self, place: &Place) -> Result<Kept, LoginError> {
        let device = Device::read(self.device)?;
        let kept = place.read()?;
        if self.is_fresh(&kept, &device) {
            return Ok(kept);
        }
        let locked = place.lock().await?;
        let kept = place.read()?;
        if self.is_fresh(&kept, &device) {
            return Ok(kept);
        }
        self.renew(kept, &device, place, &locked).await
    }

    fn is_fresh(&self, kept: &Kept, device: &Device) -> bool {
        kept.certificate == device.thumbprint && self.clock.now().plus(AHEAD) < kept.expires_at
    }

    async fn renew(&self, kept: Kept, device: &Device, place: &Place, locked: &Locked) -> Result<Kept, LoginError> {
        let over = |why: String| LoginError::Over { gate: self.gate.address.to_string(), why };
        let Some(refresh_token) = &kept.refresh_token else {
            return Err(over("the token has expired, and the provider gave nothing to renew it with".to_owned()));
        };
        let provider = Provider::of(kept.offered.clone(), &self.roots, &device.shown).await?;
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose().as_str())];
        let given = match provider.ask(provider.token_endpoint()?, &form).await? {
            Said::Yes(body) => Given::read(&body)?,
            Said::No { error, description } if error == "invalid_grant" => {
                place.delete(locked)?;
                let why = if description.is_empty() { error } else { description };
                return Err(over(match kept.certificate == device.thumbprint {
                    true => format!("the provider does not renew it any more ({why})"),
                    false => format!("the device's certificate is another one since then ({why})"),
                }));
            }
            Said::No { error, description } => return Err(refused(&error, &description)),
        };
        let expires_at = match given.bound_until(device.thumbprint) {
            Ok(expires_at) => expires_at,
            Err(why) => {
                give_back(&provider, &given).await;
                return Err(why);
            }
        };
        let renewed = Kept {
            certificate: device.thumbprint,
            access_token: given.access_token.clone(),
            expires_at,
            refresh_token: given.refresh_token.clone().or_else(|| kept.refresh_token.clone()),
            ..kept
        };
        // On the disk before it is used: the one before may be good no more.
        place.write(&renewed, locked)?;
        Ok(renewed)
    }

    async fn forget(&self, place: &Place) -> Result<(), Failure> {
        let locked = place.lock().await?;
        let kept = place.read()?;
        let told = self.given_back(&kept).await;
        place.delete(&locked)?;
        match told {
            Ok(()) => Ok(print(&format!("{} is signed out here; the tokens are given back\n", plain(&kept.user)))?),
            Err(why) => Err(LoginError::NotGivenBack { file: place.file(), why: why.to_string() }.into()),
        }
    }

    async fn given_back(&self, kept: &Kept) -> Result<(), LoginError> {
        let device = Device::read(self.device)?;
        let provider = Provider::of(kept.offered.clone(), &self.roots, &device.shown).await?;
        let refresh = kept.refresh_token.as_ref().map(|token| ("refresh_token", token));
        let tokens: Vec<_> = refresh.into_iter().chain([("access_token", &kept.access_token)]).collect();
        provider.give_back(&tokens).await
    }
}

/// As well as it can be: what is not kept here ends by itself.
async fn give_back(provider: &Provider, given: &Given) {
    let refresh = given.refresh_token.as_ref().map(|token| ("refresh_token", token));
    let tokens: Vec<_> = refresh.into_iter().chain([("access_token", &given.access_token)]).collect();
    if let Err(error) = provider.give_back(&tokens).await {
        tracing::debug!(%error, "tokens that were not kept could not be given back");
    }
}

fn roots(path: &Path) -> Result<Vec<CertificateDer<'static>>, CommandError> {
    let wrong = |why: String| CommandError::usage(format!("--ca {}: {why}", path.display()));
    let bytes = files::read_public(path).map_err(|error| wrong(error.to_string()))?;
    pem::certificates(&bytes).map_err(|error| wrong(error.to_string()))
}

impl From<LoginError> for Failure {
    fn from(error: LoginError) -> Self {
        Self::Login(error)
    }
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        Self::Output(error)
    }
}

impl From<Failure> for CommandError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Login(error) => error.into(),
            Failure::Output(error) => error,
        }
    }
}

/// A token that ends sooner is renewed first, so that it does not end on its way.
const AHEAD: Duration = Duration::from_secs(30);
