//! The folder's files: a root for this machine, certificates, the provider's secret, the configuration and the policies.
//! What is there and still fits is kept; policies that are there are the user's and never touched.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use sekisho_certs::files;
use sekisho_certs::local_root::{LocalRoot, LocalServer};
use sekisho_certs::pem;

use super::place::{CHAT_HOST, GATE_HOST, PROVIDER_HOST, Place, SHARE_HOST};
use crate::clock::{Clock, Timestamp};
use crate::commands::error::CommandError;
use crate::secret::{self, Secret};

/// What the folder holds that others here need.
#[derive(Debug)]
pub(super) struct Furniture {
    /// The root that vouches for the hosts of this quickstart.
    pub(super) root: CertificateDer<'static>,
    /// TLS of the demo provider.
    pub(super) provider_tls: Arc<rustls::ServerConfig>,
    /// What the gate shows the provider to prove that it is the gate.
    pub(super) client_secret: Secret<String>,
    /// What somebody should know about what was done.
    pub(super) notes: Vec<String>,
}

impl Furniture {
    /// Only this root.
    pub(super) fn trusted(&self) -> Result<RootCertStore, CommandError> {
        let mut store = RootCertStore::empty();
        store.add(self.root.clone()).map_err(CommandError::failed)?;
        Ok(store)
    }
}

/// Makes the folder and whatever is missing in it.
///
/// # Errors
/// What could not be made, with its path.
pub(super) fn furnish(place: &Place, clock: &Clock) -> Result<Furniture, CommandError> {
    make_folder(place.folder())?;
    let now = UnixTime::since_unix_epoch(clock.now().since(Timestamp(0)));
    let tls = place.file("tls");
    let root = LocalRoot::open_or_create(&tls, &["localhost"], now).map_err(CommandError::failed)?;
    let gate = root.server(&[GATE_HOST, SHARE_HOST, CHAT_HOST], now).map_err(CommandError::failed)?;
    keep_pair(&tls, "gate", &gate)?;
    let provider = root.server(&[PROVIDER_HOST], now).map_err(CommandError::failed)?;
    keep_pair(&tls, "idp", &provider)?;
    let mut notes = Vec::new();
    configuration(place, &mut notes)?;
    policies(&place.file("policies"))?;
    Ok(Furniture {
        root: root.certificate().clone(),
        provider_tls: server_tls(&provider)?,
        client_secret: client_secret(&place.file("oidc-secret"))?,
        notes,
    })
}

fn make_folder(folder: &Path) -> Result<(), CommandError> {
    if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent).map_err(|error| cannot("make", parent, &error))?;
    }
    files::private_dir(folder).map_err(CommandError::failed)
}

fn keep_pair(tls: &Path, name: &str, pair: &LocalServer) -> Result<(), CommandError> {
    files::write_private(&tls.join(format!("{name}.key")), pair.key_pem.as_bytes()).map_err(CommandError::failed)?;
    files::write_public(&tls.join(format!("{name}.pem")), pair.chain_pem.as_bytes()).map_err(CommandError::failed)
}

fn server_tls(pair: &LocalServer) -> Result<Arc<rustls::ServerConfig>, CommandError> {
    let chain = pem::certificates(pair.chain_pem.as_bytes()).map_err(CommandError::failed)?;
    let key = PrivateKeyDer::from_pem_slice(pair.key_pem.as_bytes()).map_err(CommandError::failed)?;
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(crypto)
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
        .map_err(CommandError::failed)?;
    Ok(Arc::new(config))
}

fn client_secret(path: &Path) -> Result<Secret<String>, CommandError> {
    if !files::exists(path).map_err(CommandError::failed)? {
        let secret = secret::token().map_err(CommandError::failed)?;
        files::write_private(path, secret.as_bytes()).map_err(CommandError::failed)?;
    }
    let text = files::read_private_text(path).map_err(CommandError::failed)?;
    Ok(Secret::new(text.trim().to_owned()))
}

fn configuration(place: &Place, notes: &mut Vec<String>) -> Result<(), CommandError> {
    let path = place.file("sekisho.toml");
    let wanted = CONFIGURATION
        .replace("{port}", &place.gate_port().to_string())
        .replace("{provider_port}", &place.provider_port().to_string())
        .replace("{share_port}", &place.share_port().to_string())
        .replace("{chat_port}", &place.chat_port().to_string())
        .replace("{metrics_port}", &place.metrics_port().to_string());
    match fs::read_to_string(&path) {
        Ok(kept) if fits(&kept, &wanted) => return Ok(()),
        Ok(_other) => {
            let old = place.file("sekisho.toml.old");
            fs::rename(&path, &old).map_err(|error| cannot("rename", &path, &error))?;
            notes.push(format!(
                "{} was for other addresses: it is written anew, and the old one is {}",
                path.display(),
                old.display()
            ));
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(cannot("read", &path, &error)),
    }
    files::write_public(&path, wanted.as_bytes()).map_err(CommandError::failed)
}

/// Whether a configuration has the addresses that this quickstart uses. One that cannot be read is somebody's work in progress:
/// the gate will say what is wrong with it.
fn fits(kept: &str, wanted: &str) -> bool {
    let (Ok(kept), Ok(wanted)) = (kept.parse::<toml::Table>(), wanted.parse::<toml::Table>()) else { return true };
    let same_listen = ["https", "metrics", "admin"].iter().all(|key| {
        let at = |table: &toml::Table| table.get("listen").and_then(|listen| listen.get(key)).cloned();
        at(&kept) == at(&wanted)
    });
    let entries = |table: &toml::Table, list: &str| table.get(list).and_then(toml::Value::as_array).cloned().unwrap_or_default();
    let all_there = |list: &str, keys: &[&str]| {
        let kept = entries(&kept, list);
        entries(&wanted, list)
            .iter()
            .all(|entry| kept.iter().any(|other| keys.iter().all(|key| entry.get(key) == other.get(key))))
    };
    same_listen && all_there("identity_provider", &["issuer", "client_id"]) && all_there("app", &["name", "host", "upstream"])
}

/// The starter policies, in a folder that appears whole or not at all. If it is there, it is the user's.
fn policies(dir: &Path) -> Result<(), CommandError> {
    if files::exists(dir).map_err(CommandError::failed)? {
        return Ok(());
    }
    let draft = dir.with_extension("draft");
    if draft.exists() {
        fs::remove_dir_all(&draft).map_err(|error| cannot("remove", &draft, &error))?;
    }
    fs::create_dir(&draft).map_err(|error| cannot("make", &draft, &error))?;
    for folder in ["prove", "tests"] {
        fs::create_dir(draft.join(folder)).map_err(|error| cannot("make", &draft, &error))?;
    }
    for (name, text) in POLICIES {
        files::write_public(&draft.join(name), text.as_bytes()).map_err(CommandError::failed)?;
    }
    fs::rename(&draft, dir).map_err(|error| cannot("make", dir, &error))
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> CommandError {
    CommandError::failed(format!("cannot {what} {}: {error}", path.display()))
}

const CONFIGURATION: &str = include_str!("sekisho.toml");
const POLICIES: &[(&str, &str)] = &[
    ("starter.cedar", include_str!("../../../../examples/policies/starter.cedar")),
    ("guards.cedar", include_str!("../../../../examples/policies/guards.cedar")),
    ("bulk-export.cedar", include_str!("../../../../examples/policies/bulk-export.cedar")),
    ("prove/never.toml", include_str!("../../../../examples/policies/prove/never.toml")),
    ("tests/bulk-export.toml", include_str!("../../../../examples/policies/tests/bulk-export.toml")),
    ("tests/starter.toml", include_str!("../../../../examples/policies/tests/starter.toml")),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn furnished(folder: &Path, port: u16) -> Furniture {
        furnish(&Place::new(folder.join("state"), port), &Clock::system()).unwrap()
    }

    #[test]
    fn what_is_written_is_a_configuration_that_can_go_live() {
        let dir = tempfile::tempdir().unwrap();
        furnished(dir.path(), 8443);
        let outcome = crate::startup::check(&dir.path().join("state/sekisho.toml"), &Clock::system());
        assert_eq!(outcome.map(|checked| checked.warnings), Ok(Vec::new()));
    }

    #[test]
    fn what_the_user_changed_is_kept_while_the_addresses_fit() {
        let dir = tempfile::tempdir().unwrap();
        let first = furnished(dir.path(), 8443);
        let state = dir.path().join("state");
        let config = state.join("sekisho.toml");
        fs::write(state.join("policies/guards.cedar"), "// mine\n").unwrap();
        fs::remove_file(state.join("policies/starter.cedar")).unwrap();
        let mine = fs::read_to_string(&config).unwrap().replace("cores = 2", "cores = 1");
        fs::write(&config, &mine).unwrap();

        let again = furnished(dir.path(), 8443);
        assert_eq!((again.root.as_ref(), again.notes.len()), (first.root.as_ref(), 0));
        assert_eq!(fs::read_to_string(&config).unwrap(), mine);
        assert_eq!(fs::read_to_string(state.join("policies/guards.cedar")).unwrap(), "// mine\n");
        assert!(!state.join("policies/starter.cedar").exists());

        let elsewhere = furnished(dir.path(), 9443);
        assert_eq!(elsewhere.notes.len(), 1, "{:?}", elsewhere.notes);
        assert!(fs::read_to_string(&config).unwrap().contains("127.0.0.1:9443"));
        assert_eq!(fs::read_to_string(state.join("sekisho.toml.old")).unwrap(), mine);
        assert_eq!(fs::read_to_string(state.join("policies/guards.cedar")).unwrap(), "// mine\n");
    }

    #[test]
    fn a_configuration_in_the_middle_of_an_edit_is_left_alone() {
        assert!(fits("state = ", "state = \"gate\""));
        assert!(!fits("[listen]\nhttps = \"127.0.0.1:1\"", "[listen]\nhttps = \"127.0.0.1:2\""));
    }
}
