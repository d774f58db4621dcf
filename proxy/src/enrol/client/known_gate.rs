//! Which gate a device belongs to: written beside its key when it enrols, so that a renewal needs nobody who remembers it.

use std::path::Path;

use rustls_pki_types::CertificateDer;
use sekisho_certs::{files, pem};
use serde::{Deserialize, Serialize};

use super::GateTrust;
use super::address::GateAddress;
use super::folder::{DeviceFolder, FolderError};
use crate::secret::Digest;

/// The gate of a device.
#[derive(Clone, Debug)]
pub struct KnownGate {
    /// Where it is.
    pub address: GateAddress,
    /// The key that it had when the device enrolled.
    pub pin: Option<Digest>,
    /// The roots that it is known by, if somebody named some.
    pub roots: Option<Vec<CertificateDer<'static>>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    gate: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pin: Option<Digest>,
}

impl KnownGate {
    /// Writes it down in the folder of a device.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn keep(&self, folder: &DeviceFolder) -> Result<(), FolderError> {
        if let Some(roots) = &self.roots {
            let text: String = roots.iter().map(pem::encode).collect();
            files::write_public(&folder.file(ROOTS), text.as_bytes())?;
        }
        let path = folder.file(GATE);
        let unwritable =
            |_error| FolderError::Changed { path: path.clone(), problem: "what is known of the gate cannot be written" };
        let text = toml::to_string(&Written { gate: self.address.to_string(), pin: self.pin }).map_err(unwritable)?;
        Ok(files::write_private(&path, format!("{HEADING}{text}").as_bytes())?)
    }

    /// The ways in which it may be known, to be tried one after the other.
    pub fn ways(&self) -> Vec<GateTrust> {
        match (&self.roots, self.pin) {
            (Some(roots), _) => vec![GateTrust::Roots(roots.clone())],
            (None, Some(pin)) => vec![GateTrust::Pin(pin), GateTrust::System],
            (None, None) => vec![GateTrust::System],
        }
    }

    /// Reads it; `None`: nobody has written it down.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn read(folder: &DeviceFolder) -> Result<Option<Self>, FolderError> {
        let path = folder.file(GATE);
        if !files::exists(&path)? {
            return Ok(None);
        }
        let wrong = || FolderError::Changed {
            path: path.clone(),
            problem: "a line `gate = \"https://…\"` and perhaps one `pin = \"…\"` were written there; name the gate anew with --gate",
        };
        let text = files::read_private_text(&path)?;
        let Written { gate, pin } = toml::from_str(&text).map_err(|_details| wrong())?;
        let address = gate.parse().map_err(|_details| wrong())?;
        Ok(Some(Self { address, pin, roots: roots(&folder.file(ROOTS))? }))
    }
}

fn roots(path: &Path) -> Result<Option<Vec<CertificateDer<'static>>>, FolderError> {
    if !files::exists(path)? {
        return Ok(None);
    }
    let unreadable = |_details| FolderError::Changed { path: path.to_owned(), problem: "it has no certificate" };
    pem::certificates(&files::read_public(path)?).map(Some).map_err(unreadable)
}

const GATE: &str = "gate.toml";
const ROOTS: &str = "gate-roots.pem";
const HEADING: &str = "# The gate that `sekisho enroll --renew` asks. Written when the device enrolled.\n";
