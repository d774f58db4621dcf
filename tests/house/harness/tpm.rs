//! A TPM that is made of software (swtpm), with a maker of its own who put a certificate into it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use sekisho_tpm::{KeyFile, TpmKey};
use tempfile::TempDir;
use tokio::process::Command;

use super::client::Client;
use super::gate::{House, Said, eventually, run};
use super::port::ReservedPort;
use super::program::{Program, sekisho_with_tpm};

/// A TPM that answers. One program talks to it at a time.
pub(crate) struct SoftwareTpm {
    folder: TempDir,
    ports: [ReservedPort; 2],
    _program: Program,
}

impl SoftwareTpm {
    /// A new one, of a new maker.
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::create_dir(path("state")).unwrap();
        let localca = format!(
            "statedir = {0}\nsigningkey = {0}/signkey.pem\nissuercert = {0}/issuercert.pem\ncertserial = {0}/certserial\n",
            path("maker")
        );
        std::fs::create_dir(path("maker")).unwrap();
        std::fs::write(path("localca.conf"), localca).unwrap();
        std::fs::write(path("localca.options"), "").unwrap();
        let setup = format!(
            "create_certs_tool = {}\ncreate_certs_tool_config = {}\ncreate_certs_tool_options = {}\nactive_pcr_banks = sha256\n",
            "/usr/bin/swtpm_localca",
            path("localca.conf"),
            path("localca.options")
        );
        std::fs::write(path("setup.conf"), setup).unwrap();
        let mut command = Command::new("swtpm_setup");
        command.args(["--tpm2", "--tpmstate", &path("state"), "--createek", "--create-ek-cert", "--lock-nvram", "--config"]);
        command.arg(path("setup.conf"));
        let made = run(command, "").await;
        assert_eq!(made.code, Some(0), "swtpm_setup: {made:?}");

        let ports = ReservedPort::pair();
        let at = |port: &ReservedPort| format!("type=tcp,port={},bindaddr=127.0.0.1", port.number);
        let mut command = Command::new("swtpm");
        command
            .args(["socket", "--tpm2", "--tpmstate", &format!("dir={}", path("state"))])
            .args(["--server", &at(&ports[0]), "--ctrl", &at(&ports[1])])
            .args(["--flags", "not-need-init,startup-clear", "--pid", &format!("file={}", path("pid"))]);
        let program = Program::start("swtpm", command);
        let pid = path("pid");
        eventually("the TPM", async || std::fs::read_to_string(&pid).ok().filter(|text| !text.is_empty())).await;
        Self { folder, ports, _program: program }
    }

    /// Its address, for programs.
    pub(crate) fn tcti(&self) -> String {
        format!("swtpm:host=127.0.0.1,port={}", self.ports[0].number)
    }

    /// The certificate of its maker's plant, PEM.
    pub(crate) fn maker(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("maker/issuercert.pem")).unwrap()
    }

    /// Enrols a device whose key is in it.
    pub(crate) async fn enrols(&self, house: &House, name: &str, owner: &str) -> (Said, PathBuf) {
        let email = format!("{owner}@corp.example");
        let invitation = house.json(&["device", "invite", "--id", name, "--owner", &email]).await;
        let folder = house.path().join("devices").join(name);
        std::fs::create_dir_all(folder.parent().unwrap()).unwrap();
        let out = folder.display().to_string();
        let code = format!("{}\n", invitation["code"].as_str().unwrap());
        let said = self.enroll(house, &["--key", "tpm", "--gate", &house.url("gate", ""), "--out", &out], &code).await;
        (said, folder)
    }

    /// `sekisho enroll` on a device with this TPM.
    pub(crate) async fn enroll(&self, house: &House, arguments: &[&str], input: &str) -> Said {
        let mut command = Command::new(sekisho_with_tpm());
        command.arg("enroll").args(arguments).env("TPM2TOOLS_TCTI", self.tcti()).env("HOME", house.path());
        run(command, input).await
    }

    /// The key that OpenSSL signs with if it is given the key's file in this folder, PEM.
    pub(crate) async fn key_of_openssl(&self, folder: &Path) -> String {
        let request = folder.join("request.pem");
        let mut command = Command::new("openssl");
        command.args([
            "req",
            "-provider",
            "tpm2",
            "-provider",
            "default",
            "-propquery",
            "?provider=tpm2",
            "-new",
            "-subj",
            "/CN=x",
        ]);
        command.arg("-key").arg(folder.join("device.key")).arg("-out").arg(&request).env("TPM2OPENSSL_TCTI", self.tcti());
        let said = run(command, "").await;
        assert_eq!(said.code, Some(0), "openssl: {said:?}");
        let mut command = Command::new("openssl");
        command.args(["req", "-verify", "-noout", "-pubkey", "-in"]).arg(&request);
        let said = run(command, "").await;
        assert_eq!(said.code, Some(0), "openssl: {said:?}");
        said.out
    }

    /// A program on a device with this TPM, that uses the key and certificate of this folder. The TPM is its own while it lives.
    pub(crate) fn client(&self, house: &House, folder: &Path) -> Client {
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
        let file = KeyFile::from_pem(&read("device.key")).unwrap();
        let key: TpmKey = sekisho_tpm::Tpm::open(Some(&self.tcti())).unwrap().load(&file).unwrap();
        let chain = CertificateDer::pem_slice_iter(read("device.pem").as_bytes()).map(Result::unwrap).collect();
        Client::with_key(&house.roots(), chain, Arc::new(key))
    }
}
