//! Policies on their way to being live, and the copy that a start falls back to.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sekisho_policy::{App as PolicyApp, Catalogue, PolicySet, Source};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::decide::{Decider, PolicyTexts};
use crate::record::SetShelf;
use crate::secret::Digest;

/// A policy set that may go live, with the texts that it was made of.
#[derive(Clone, Debug)]
pub(super) struct Loaded {
    /// Decides by it.
    pub(super) decider: Decider,
    /// For the copy that is kept.
    texts: PolicyTexts,
    /// What is doubtful about it, for operators.
    pub(super) warnings: Vec<String>,
}

/// The texts as they are kept in the state folder.
#[derive(Serialize, Deserialize)]
struct Kept {
    policies: Vec<(String, String)>,
    additions: Vec<(String, String)>,
}

/// Reads and checks the policies of `config`.
///
/// # Errors
/// Every problem in words.
pub(super) fn load(config: &Config) -> Result<Loaded, Vec<String>> {
    let texts = PolicyTexts::read(&config.policies_dir).map_err(|error| vec![format!("policies: {error}")])?;
    if texts.policies.is_empty() {
        return Err(vec![format!(
            "policies: {} has no *.cedar file; without a policy nobody may do anything",
            config.policies_dir.display()
        )]);
    }
    check(config, texts)
}

/// What is wrong with the policies of a configuration that is wrong itself, as far as that can be told: so that both are named at
/// once. The file at `path` is read without judging it.
pub(super) fn problems_beside(path: &Path) -> Vec<String> {
    let Some(written) = std::fs::read_to_string(path).ok().and_then(|text| text.parse::<toml::Table>().ok()) else {
        return Vec::new();
    };
    let Some(dir) = written.get("policies").and_then(|policies| policies.get("dir")?.as_str()) else { return Vec::new() };
    let texts = PolicyTexts::read(&path.parent().unwrap_or(Path::new(".")).join(dir));
    let strings = |list: Option<&toml::Value>| -> Vec<String> {
        let list = list.and_then(toml::Value::as_array).into_iter().flatten();
        list.filter_map(|item| item.as_str().map(str::to_owned)).collect()
    };
    let apps = written.get("app").and_then(toml::Value::as_array).into_iter().flatten();
    let apps = apps.filter_map(|app| Some(PolicyApp::new(app.get("name")?.as_str()?, strings(app.get("tags"))))).collect();
    let judged = texts.map_err(|error| vec![format!("policies: {error}")]).and_then(|texts| judge(&texts, apps).map(drop));
    judged.err().unwrap_or_default()
}

/// The set that was live last, for a start on which the folder has a bad one.
///
/// # Errors
/// In words, if there is none or it does not fit the configuration any more.
pub(super) fn last_live(config: &Config) -> Result<Loaded, Vec<String>> {
    let path = kept_at(&config.state);
    let text = std::fs::read_to_string(&path).map_err(|error| vec![format!("{}: {error}", path.display())])?;
    let kept: Kept = serde_json::from_str(&text).map_err(|error| vec![format!("{}: {error}", path.display())])?;
    check(config, PolicyTexts { policies: sources(kept.policies), additions: sources(kept.additions), ..PolicyTexts::default() })
}

/// Keeps the texts of a set that went live.
///
/// # Errors
/// In words; the set is live all the same.
pub(super) fn keep(config: &Config, live: &Loaded) -> Result<(), String> {
    let pairs = |sources: &[Source]| sources.iter().map(|source| (source.name.clone(), source.text.clone())).collect();
    let kept = Kept { policies: pairs(&live.texts.policies), additions: pairs(&live.texts.additions) };
    let text = serde_json::to_vec(&kept).map_err(|error| error.to_string())?;
    sekisho_certs::files::write_private(&kept_at(&config.state), &text).map_err(|error| error.to_string())
}

/// Keeps a set beside the record, for whoever asks later why it decided as it did. To be called before it goes live.
///
/// # Errors
/// In words; the set must not go live.
pub(super) fn keep_for_the_record(config: &Config, policies: &Loaded) -> Result<(), String> {
    SetShelf::of(&config.audit.dir).keep(policies.decider.set()).map_err(|error| format!("audit.dir: {error}"))
}

fn check(config: &Config, texts: PolicyTexts) -> Result<Loaded, Vec<String>> {
    let apps = config.apps.iter().map(|app| PolicyApp::new(&*app.name, app.tags.iter().map(ToString::to_string))).collect();
    let loaded = judge(&texts, apps)?;
    let hash = Digest::of(loaded.set.canonical_text().as_bytes());
    let decider = Decider::new(Arc::new(loaded.set), hash, config.time_zone.clone());
    Ok(Loaded { decider, texts, warnings: loaded.warnings.iter().map(ToString::to_string).collect() })
}

fn judge(texts: &PolicyTexts, apps: Vec<PolicyApp>) -> Result<sekisho_policy::Loaded, Vec<String>> {
    PolicySet::load(&texts.policies, &texts.additions, &Catalogue { apps, groups: None })
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn sources(pairs: Vec<(String, String)>) -> Vec<Source> {
    pairs.into_iter().map(|(name, text)| Source { name, text }).collect()
}

fn kept_at(state: &Path) -> PathBuf {
    state.join("policies.live.json")
}
