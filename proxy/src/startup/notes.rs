//! What is as the configuration says, and worth knowing nevertheless.

use std::path::PathBuf;

use sekisho_certs::files::Readers;

use super::posture;
use crate::config::Config;

/// Secrets that others on this machine may read, since the configuration says so.
pub(super) fn shared_secrets(config: &Config) -> Vec<String> {
    let certificates =
        config.server_certificates.iter().map(|files| (files.readers, "shared_key", files.key.display().to_string()));
    let to_apps = config.apps.iter().filter_map(|app| {
        let files = app.client_certificate.as_ref()?;
        Some((files.readers, "shared_key", files.key.display().to_string()))
    });
    let clients = config.identity_providers.iter().filter_map(|provider| {
        let client = provider.client.as_ref()?;
        Some((client.readers, "shared_secret_file", format!("the client_secret_file of `{}`", provider.name)))
    });
    let sources = config
        .posture_sources
        .iter()
        .map(|source| (source.readers, "shared_token_file", format!("the token_file of the posture source `{}`", source.name)));
    let all = certificates.chain(to_apps).chain(clients).chain(sources);
    let shared = all.filter(|(readers, ..)| *readers == Readers::Others);
    shared.map(|(_, key, what)| format!("{what} may be readable by others on this machine: `{key} = true`")).collect()
}

/// Files and folders of `[process]` that are not there. The kernel is told of what there is at the start, so what is made later is out
/// of reach.
pub(super) fn missing_places(config: &Config) -> Vec<String> {
    let lists = [("readable", &config.process.readable), ("writable", &config.process.writable)];
    let places = lists.into_iter().flat_map(|(key, list)| list.iter().map(move |path| (key, path)));
    let missing = places.filter(|(_, path)| !path.exists());
    let words = |(key, path): (&str, &PathBuf)| {
        format!(
            "process.{key}: {} is not there; what is made there later is out of the gate's reach until a restart",
            path.display()
        )
    };
    missing.map(words).collect()
}

/// For whoever only has the configuration checked.
pub(super) fn of_a_check(config: &Config) -> Vec<String> {
    let account = posture::refuses_this_account(config).then(|| {
        "this was checked as root, as which `sekisho serve` does not start unless [process] says `allow_root = true`; and what root \
         can read, the gate's own account may not: check as that account, too"
            .to_owned()
    });
    shared_secrets(config).into_iter().chain(account).collect()
}
