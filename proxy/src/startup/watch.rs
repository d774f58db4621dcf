//! Notices when files that the configuration names were replaced. Looks at them now and then: that works on every file system,
//! and with every way in which files are swapped.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::live::{Asked, Live};
use crate::config::{Config, DeviceAuthorityKind, KeySource};

/// How a file looks from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    inode: u64,
    length: u64,
    changed: (i64, i64),
}

/// Reloads when something was replaced, until dropped.
pub(super) async fn watch(live: Arc<Live>) {
    let mut config = Arc::clone(&live.gate.world.load().config);
    let mut files = look_at_files(&config);
    let mut policies = folders(&config);
    let mut beat = tokio::time::interval(BEAT);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        let current = Arc::clone(&live.gate.world.load().config);
        let reloaded = !Arc::ptr_eq(&config, &current);
        config = current;
        let (files_now, policies_now) = (look_at_files(&config), folders(&config));
        if !reloaded && policies_now != policies && (policies_now.0.is_some() || config.policies.folder().is_none()) {
            // The folder was swapped as a whole, by its symlink. Files that change one by one wait for `sekisho reload`.
            tracing::info!(policies = %config.policies, "a folder of policies was swapped");
            let _logged = live.reload(&Asked::by_system("watch")).await;
        } else if !reloaded && files_now != files && look_again(&config, &files_now).await {
            live.refresh_files().await;
        } else if !reloaded && files_now != files {
            // Still being written: compare with what was live at the next beat.
            continue;
        }
        files = files_now;
        policies = policies_now;
    }
}

/// Where the folders of policies are: those in force, and those that are tried.
fn folders(config: &Config) -> (Option<PathBuf>, Option<PathBuf>) {
    let candidate = config.candidate_dir.as_ref().and_then(|dir| dir.canonicalize().ok());
    (config.policies.folder().and_then(|dir| dir.canonicalize().ok()), candidate)
}

/// A certificate and its key are two files: wait until both have settled.
async fn look_again(config: &Config, seen: &BTreeMap<PathBuf, Option<Look>>) -> bool {
    tokio::time::sleep(SETTLE).await;
    look_at_files(config) == *seen
}

fn look_at_files(config: &Config) -> BTreeMap<PathBuf, Option<Look>> {
    let certificates = config.server_certificates.iter().flat_map(|files| [files.chain.clone(), files.key.clone()]);
    let lists = config.device_authorities.iter().flat_map(|authority| match &authority.kind {
        DeviceAuthorityKind::External { crl, .. } => crl.clone(),
        DeviceAuthorityKind::Builtin { .. } => Vec::new(),
    });
    let keys = config.identity_providers.iter().filter_map(|provider| match &provider.keys {
        KeySource::File(path) => Some(path.clone()),
        KeySource::Discovery => None,
    });
    certificates.chain(lists).chain(keys).map(|path| (path.clone(), look(&path))).collect()
}

fn look(path: &std::path::Path) -> Option<Look> {
    let meta = std::fs::metadata(path).ok()?;
    Some(Look { inode: meta.ino(), length: meta.len(), changed: (meta.mtime(), meta.mtime_nsec()) })
}

const BEAT: Duration = Duration::from_secs(2);
const SETTLE: Duration = Duration::from_millis(200);
