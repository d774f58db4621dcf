//! A device, enrolled as its user and an administrator really do it.

use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::process::Command;

use super::authority::Identity;
use super::client::Client;
use super::gate::{House, Said, run};
use super::program::sekisho;

/// A device with its key and certificate.
pub(crate) struct Laptop {
    /// Its id in the inventory.
    pub(crate) id: String,
    pub(crate) identity: Identity,
    /// Where `enroll` put its files.
    pub(crate) folder: PathBuf,
    fingerprint: String,
}

impl Laptop {
    /// Invites and enrols; approval is another step. `owner`: one of the people, or `shared`.
    pub(crate) async fn enrol(house: &House, name: &str, owner: &str) -> Self {
        let email = format!("{owner}@corp.example");
        let whose = if owner == "shared" { vec!["--shared"] } else { vec!["--owner", &email] };
        let invitation = house.json(&[&["device", "invite", "--id", name], whose.as_slice()].concat()).await;
        let code = invitation["code"].as_str().unwrap();
        Self::with_code(house, name, code).await
    }

    /// Enrols with a code that somebody was given.
    pub(crate) async fn with_code(house: &House, name: &str, code: &str) -> Self {
        let folder = house.path().join("devices").join(name);
        std::fs::create_dir_all(folder.parent().unwrap()).unwrap();
        let (gate, out) = (house.url("gate", ""), folder.display().to_string());
        let said = house.command_with(&["enroll", "--gate", &gate, "--out", &out], &format!("{code}\n")).await;
        assert_eq!(said.code, Some(0), "enroll: {said:?}");
        Self::found(name, &folder, &said.out)
    }

    /// With what `enroll` left in this folder and said.
    pub(crate) fn found(name: &str, folder: &Path, said: &str) -> Self {
        // The fingerprint, as the person reads it to the administrator.
        let shown = said.lines().filter(|line| line.starts_with("    ")).map(str::trim);
        let hexadecimal =
            |line: &&str| line.split(' ').all(|group| group.len() == 4 && group.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let fingerprint = shown.filter(hexadecimal).collect::<Vec<_>>().join(" ");
        Self { id: name.to_owned(), identity: identity(folder), folder: folder.to_owned(), fingerprint }
    }

    /// An administrator confirms its key.
    pub(crate) async fn approve(&self, house: &House) {
        house.must(&["device", "approve", &self.id, "--fingerprint", &self.fingerprint]).await;
    }

    /// Of its key, as `enroll` showed it.
    pub(crate) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Renews its certificate as its person really does it, due or not. What `self` shows is as before.
    pub(crate) async fn renew(&self, house: &House) -> Said {
        Self::renew_in(house, &self.folder).await
    }

    /// The same in another folder.
    pub(crate) async fn renew_in(house: &House, folder: &Path) -> Said {
        house.command(&["enroll", "--renew", "--force", "--out", &folder.display().to_string()]).await
    }

    /// Puts its certificate into the browsers of the person whose home that is.
    pub(crate) async fn installs(&self, home: &Path, further: &[&str]) -> Said {
        let mut command = Command::new(sekisho());
        command.args(["enroll", "--install", "--out"]).arg(&self.folder).args(further).env("HOME", home);
        run(command, "").await
    }

    /// The device with what is in its folder now.
    pub(crate) fn renewed(&self) -> Self {
        Self { id: self.id.clone(), identity: identity(&self.folder), folder: self.folder.clone(), fingerprint: String::new() }
    }

    /// A program on this device, with no cookies yet.
    pub(crate) fn client(&self, house: &House) -> Client {
        Client::new(&house.roots(), Some(&self.identity))
    }

    /// SHA-256 of its certificate, as in `x5t#S256`.
    pub(crate) fn thumbprint(&self) -> [u8; 32] {
        let leaf = CertificateDer::from_pem_slice(self.identity.chain.as_bytes()).unwrap();
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &leaf).as_ref().try_into().unwrap()
    }
}

/// What a program shows that is pointed to this folder.
fn identity(folder: &Path) -> Identity {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    Identity { chain: read("device.pem"), key: read("device.key") }
}
