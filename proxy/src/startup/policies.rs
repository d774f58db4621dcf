//! Policies on their way to being live, and the copy that a start falls back to.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::tz::TimeZone;
use sekisho_policy::testing::{self, Tester};
use sekisho_policy::{App as PolicyApp, Catalogue, PolicySet, Problem, Source};
use serde::{Deserialize, Serialize};

use super::posture_sources;
use crate::config::{self, Config, Outline, Policies};
use crate::decide::{Decider, KnownFacts, PolicyTexts};
use crate::record::SetShelf;
use crate::secret::Digest;

/// A policy set that may go live, with the texts that it was made of.
#[derive(Clone, Debug)]
pub(super) struct Loaded {
    /// Decides by it.
    pub(super) decider: Decider,
    /// For the copy that is kept.
    pub(super) texts: PolicyTexts,
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
    load_from(config, &config.policies)
}

/// Reads and checks `policies` for the apps of `config`.
///
/// # Errors
/// Every problem in words.
pub(super) fn load_from(config: &Config, policies: &Policies) -> Result<Loaded, Vec<String>> {
    let texts = PolicyTexts::of(policies).map_err(|error| vec![format!("policies: {error}")])?;
    if texts.policies.is_empty() {
        return Err(vec![format!("policies: {policies} has no *.cedar file; without a policy nobody may do anything")]);
    }
    let loaded = check(config, texts)?;
    if loaded.decider.set().is_empty() {
        // What an editor or a copy has emptied, more likely than what somebody means: `forbid (principal, action, resource);` says that.
        let none_of = if policies.folder().is_some() { "no file of " } else { "nothing in " };
        return Err(vec![format!("policies: {none_of}{policies} has a policy; without one nobody may do anything")]);
    }
    Ok(loaded)
}

/// What is wrong with the policies of a configuration that is wrong itself, as far as that can be told: so that both are named at
/// once. The file at `path` is read without judging it.
pub(super) fn problems_beside(path: &Path) -> Vec<String> {
    let Ok(outline) = Outline::load(path, config::environment()) else { return Vec::new() };
    let apps = outline.apps.iter().map(|(name, tags)| PolicyApp::new(name, tags.clone())).collect();
    let catalogue = Catalogue { apps, groups: outline.groups, ..Catalogue::default() }.with_own(outline.own);
    let texts = PolicyTexts::of(&outline.policies).map_err(|error| vec![format!("policies: {error}")]);
    let judged = texts.and_then(|texts| judge(&texts, &catalogue, &outline.time_zone).map(drop));
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
    // They were tested before they went live.
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
    let loaded = judge(&texts, &catalogue(config), &config.time_zone)?;
    let hash = Digest::of(loaded.set.canonical_text().as_bytes());
    let decider = Decider::new(Arc::new(loaded.set), hash, config.time_zone.clone());
    let of_sources = posture_sources::unknown_facts(config, &KnownFacts::of(decider.set()));
    let warnings = loaded.warnings.iter().map(ToString::to_string).chain(of_sources).collect();
    Ok(Loaded { decider, texts, warnings })
}

/// What policies can name.
pub(super) fn catalogue(config: &Config) -> Catalogue {
    let apps = config.apps.iter().map(|app| PolicyApp::new(&*app.name, app.tags.iter().map(ToString::to_string))).collect();
    Catalogue { apps, groups: config.known_groups(), ..Catalogue::default() }.with_own(config.own_actions())
}

/// The checked set, if its own tests pass too: a set whose tests fail never goes live.
fn judge(texts: &PolicyTexts, catalogue: &Catalogue, zone: &TimeZone) -> Result<sekisho_policy::Loaded, Vec<String>> {
    let words = |problems: Vec<Problem>| problems.iter().map(ToString::to_string).collect::<Vec<_>>();
    let loaded = PolicySet::load(&texts.policies, &texts.additions, catalogue).map_err(words)?;
    let of_tests = testing::catalogue(&texts.tests, catalogue);
    if of_tests == *catalogue {
        let _passed = Tester { set: &loaded.set, catalogue, zone }.check(&texts.tests).map_err(words)?;
    } else {
        // They make apps up, which nobody can reach when the set is live.
        let set = PolicySet::load(&texts.policies, &texts.additions, &of_tests).map_err(words)?.set;
        let _passed = Tester { set: &set, catalogue: &of_tests, zone }.check(&texts.tests).map_err(words)?;
    }
    Ok(loaded)
}

fn sources(pairs: Vec<(String, String)>) -> Vec<Source> {
    pairs.into_iter().map(|(name, text)| Source { name, text }).collect()
}

fn kept_at(state: &Path) -> PathBuf {
    state.join("policies.live.json")
}
