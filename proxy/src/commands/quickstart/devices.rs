//! The devices, enrolled as their people and an administrator really do it: invitation, key and request, approval by fingerprint.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sekisho_certs::key::DeviceKey;
use sekisho_certs::{files, fingerprint, pem};
use serde_json::Value;

use super::place::Place;
use super::visitor::Visitor;
use crate::clock::Clock;
use crate::commands::admin_client::AdminClient;
use crate::commands::error::CommandError;
use crate::console::admin::wire::{ApproveRequest, DeviceView, InviteAnswer, InviteRequest, WhyRequest};
use crate::enrol::EnrolmentCode;
use crate::enrol::client::{
    self, Ask, CERTIFICATE, CHAIN, DeviceFolder, GateAddress, GateTrust, KEY, KeyPlace, KnownGate, PASSWORD,
};
use crate::inventory::{DeviceId, DeviceStatus};
use crate::secret::Digest;

/// An enrolled and approved device, with its key in a folder.
#[derive(Clone, Debug)]
pub(super) struct Device {
    /// Its id in the inventory.
    pub(super) id: DeviceId,
    /// Its folder, below the state folder.
    pub(super) name: String,
    /// Password of its PKCS#12 file.
    pub(super) password: String,
    chain: Vec<CertificateDer<'static>>,
    key_pem: String,
}

/// Enrols devices over the admin socket and the gate's own address.
#[derive(Debug)]
pub(super) struct Workshop<'a> {
    /// Where everything is.
    pub(super) place: &'a Place,
    /// The administrator.
    pub(super) admin: &'a AdminClient,
    /// The time.
    pub(super) clock: &'a Clock,
    /// What somebody should know about what was done.
    pub(super) notes: Vec<String>,
}

impl Workshop<'_> {
    /// The device in the folder `devices/NAME`, which belongs to `owner`: the one that is there, if the gate takes it; else a new one.
    ///
    /// # Errors
    /// If it cannot be enrolled or approved.
    pub(super) async fn device(&mut self, name: &str, owner: &str) -> Result<Device, CommandError> {
        let folder = self.folder(name);
        let known: Vec<DeviceView> = self.admin.get("/v1/devices").await?;
        if let Some(view) = kept(&folder).and_then(|key| known.iter().find(|view| view.device.keys.contains(&key)))
            && self.revive(view).await?
        {
            return read(&folder, name, view.device.id.clone());
        }
        if folder.exists() {
            // A key without a certificate, a certificate of another gate, one that ends soon: of no more use.
            fs::remove_dir_all(&folder).map_err(|error| CommandError::failed(format!("{}: {error}", folder.display())))?;
        }
        let id = free_id(name, &known)?;
        self.enrol(&folder, &id, owner).await?;
        read(&folder, name, id)
    }

    /// Whether the gate takes this device, or does once it is let in (again).
    async fn revive(&mut self, view: &DeviceView) -> Result<bool, CommandError> {
        let id = &view.device.id;
        let age = self.clock.now().since(view.device.enrolled_at);
        match view.device.status {
            _ if age > CERTIFICATE_IS_GOOD => return Ok(false),
            DeviceStatus::Retired => return Ok(false),
            DeviceStatus::Active => {}
            DeviceStatus::Pending => match view.device.keys.first() {
                Some(key) => self.approve(id, *key).await?,
                None => return Ok(false),
            },
            DeviceStatus::Quarantined => {
                let why = WhyRequest { why: "quickstart was started again".to_owned() };
                let _view: Value = self.admin.post(&format!("/v1/devices/{id}/release"), &why).await?;
                self.notes.push(format!("device `{id}` was quarantined: it is released, as this is a demonstration"));
            }
        }
        Ok(true)
    }

    async fn enrol(&self, folder: &Path, id: &DeviceId, owner: &str) -> Result<(), CommandError> {
        let invite = InviteRequest {
            owner: Some(owner.to_owned()),
            device: Some(id.clone()),
            managed: true,
            why: "quickstart".to_owned(),
            ..InviteRequest::default()
        };
        let invitation: InviteAnswer = self.admin.post("/v1/invitations", &invite).await?;
        let code: EnrolmentCode = invitation.code.parse().map_err(CommandError::failed)?;
        let gate: GateAddress = self.place.gate().parse().map_err(CommandError::failed)?;

        files::private_dir(&self.place.file("devices")).map_err(CommandError::failed)?;
        let kept = DeviceFolder::open(folder).map_err(CommandError::failed)?;
        let key = kept.key(&KeyPlace::default()).map_err(CommandError::failed)?;
        let trust = GateTrust::Pin(code.pin);
        let ask = Ask { gate: &gate, code: &code.code, trust: &trust, key: &key, name: Some(id.to_string()) };
        let certificate = client::enrol(ask, self.clock).await.map_err(CommandError::failed)?;
        let known = KnownGate { address: gate.clone(), pin: Some(code.pin), roots: None };
        known.keep(&kept).map_err(CommandError::failed)?;
        kept.keep(&key, &certificate).map_err(CommandError::failed)?;
        self.approve(id, Digest(key.fingerprint())).await
    }

    async fn approve(&self, id: &DeviceId, fingerprint: Digest) -> Result<(), CommandError> {
        let request = ApproveRequest { fingerprint, why: "quickstart".to_owned() };
        let _view: Value = self.admin.post(&format!("/v1/devices/{id}/approve"), &request).await?;
        Ok(())
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.place.file("devices").join(name)
    }
}

impl Device {
    /// A program on this device.
    ///
    /// # Errors
    /// If its key and certificate do not fit.
    pub(super) fn visitor(&self, roots: RootCertStore) -> Result<Visitor, CommandError> {
        let key = PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes()).map_err(CommandError::failed)?;
        Visitor::new(roots, Some((self.chain.clone(), key))).map_err(CommandError::failed)
    }

    /// SHA-256 of its certificate, as tokens are bound to it (RFC 8705).
    pub(super) fn thumbprint(&self) -> Option<[u8; 32]> {
        self.chain.first().map(fingerprint::certificate)
    }

    /// One of its files, below the state folder.
    pub(super) fn file(&self, name: &str) -> String {
        format!("devices/{}/{name}", self.name)
    }
}

/// The key in a device's folder, if there is a certificate for it.
fn kept(folder: &Path) -> Option<Digest> {
    let leaf = pem::certificates(&files::read_public(&folder.join(CERTIFICATE)).ok()?).ok()?;
    let key = DeviceKey::from_pem(&files::read_private_text(&folder.join(KEY)).ok()?).ok()?.fingerprint();
    (fingerprint::public_key(leaf.first()?).ok()? == key).then_some(Digest(key))
}

fn read(folder: &Path, name: &str, id: DeviceId) -> Result<Device, CommandError> {
    let certificates = |file: &str| {
        let bytes = files::read_public(&folder.join(file)).map_err(CommandError::failed)?;
        pem::certificates(&bytes).map_err(CommandError::failed)
    };
    let secret = |file: &str| files::read_private_text(&folder.join(file)).map_err(CommandError::failed);
    let mut chain = certificates(CERTIFICATE)?;
    chain.extend(certificates(CHAIN)?);
    Ok(Device {
        id,
        name: name.to_owned(),
        password: secret(PASSWORD)?.trim().to_owned(),
        chain,
        key_pem: secret(KEY)?.to_string(),
    })
}

/// `laptop`, or `laptop-2` and so on: ids of earlier devices are never given again.
fn free_id(name: &str, known: &[DeviceView]) -> Result<DeviceId, CommandError> {
    let ids = std::iter::once(name.to_owned()).chain((2..=known.len() + 2).map(|number| format!("{name}-{number}")));
    let free = ids.into_iter().find(|id| known.iter().all(|view| view.device.id.as_str() != id));
    free.unwrap_or_default().parse().map_err(CommandError::failed)
}

/// The certificates of the configuration live for 90 days.
const CERTIFICATE_IS_GOOD: Duration = Duration::from_secs(80 * 86_400);
