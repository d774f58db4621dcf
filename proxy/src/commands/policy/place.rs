//! Which policies a command is about, and for which apps.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::tz::TimeZone;
use sekisho_policy::{App, Catalogue, Loaded, PolicySet};

use crate::commands::error::CommandError;
use crate::commands::output::note;
use crate::config::{self, Outline, Policies};
use crate::decide::PolicyTexts;

/// The options that say which policies are meant.
#[derive(Clone, Debug, Args)]
pub(super) struct PlaceArgs {
    /// The configuration: it has the policies or names their folder, the apps and the time zone [default: sekisho.toml; with --dir it may be missing]
    #[arg(long, value_name = "FILE", env = "SEKISHO_CONFIG")]
    config: Option<PathBuf>,
    /// A folder of policies, in place of the one that the configuration names
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// An app with its tags, such as `wiki=internal,staff`; with these and `--dir` no configuration is read
    #[arg(long = "app", value_name = "NAME[=TAG,…]", value_parser = app, requires = "dir")]
    apps: Vec<App>,
}

/// Where the policies are and what they are for.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The policies.
    pub(super) policies: Policies,
    /// The apps.
    pub(super) catalogue: Catalogue,
    /// Zone of `context.local_time` and `context.weekday`.
    pub(super) zone: TimeZone,
}

impl PlaceArgs {
    /// The configuration.
    pub(super) fn config(&self) -> &Path {
        self.config.as_deref().unwrap_or(Path::new("sekisho.toml"))
    }

    /// Finds the folder and the apps. Of the configuration only what policies need is judged.
    ///
    /// # Errors
    /// When the configuration cannot be used, with every reason.
    pub(super) fn find(&self) -> Result<Place, CommandError> {
        if let Some(dir) = self.dir.clone().filter(|_| !self.apps.is_empty()) {
            let catalogue = Catalogue { apps: self.apps.clone(), groups: None, ..Catalogue::default() };
            return Ok(Place { policies: Policies::Folder(dir), catalogue, zone: TimeZone::UTC });
        }
        let config = self.config();
        if let (Some(dir), None, false) = (&self.dir, &self.config, config.exists()) {
            return Ok(Place { policies: Policies::Folder(dir.clone()), catalogue: Catalogue::default(), zone: TimeZone::UTC });
        }
        if !config.exists() {
            let remedy = "name it with --config FILE; for a folder of policies alone, use --dir DIR and --app NAME=TAG,…";
            return Err(CommandError::Failed(format!("{} is not there: {remedy}", config.display())));
        }
        let outline =
            Outline::load(config, config::environment()).map_err(|problems| CommandError::CheckFailed(lines(&problems)))?;
        let apps = outline.apps.into_iter().map(|(name, tags)| App::new(name, tags)).collect();
        let policies = self.dir.clone().map_or(outline.policies, Policies::Folder);
        Ok(Place {
            policies,
            catalogue: Catalogue { apps, groups: outline.groups, ..Catalogue::default() }.with_own(outline.own),
            zone: outline.time_zone,
        })
    }
}

impl Place {
    /// The texts of the policies.
    ///
    /// # Errors
    /// When they cannot be read, or there are none.
    pub(super) fn texts(&self) -> Result<PolicyTexts, CommandError> {
        some(&self.policies)
    }

    /// The folder, for what lies in files beside the policies.
    ///
    /// # Errors
    /// When the policies are in the configuration itself.
    pub(super) fn folder(&self, what: &str) -> Result<&Path, CommandError> {
        self.policies.folder().ok_or_else(|| {
            let remedy = "put the policies into a folder, and name it in [policies] dir or with --dir DIR";
            CommandError::Failed(format!("{what} need a folder of policies, and these are in {}: {remedy}", self.policies))
        })
    }

    /// The checked set.
    ///
    /// # Errors
    /// When the policies cannot be read, or with every mistake.
    pub(super) fn load(&self) -> Result<Loaded, CommandError> {
        self.load_texts(&self.texts()?)
    }

    /// The checked set of any texts, for the apps of this place.
    ///
    /// # Errors
    /// With every mistake.
    pub(super) fn load_texts(&self, texts: &PolicyTexts) -> Result<Loaded, CommandError> {
        let loaded = PolicySet::load(&texts.policies, &texts.additions, &self.catalogue)
            .map_err(|problems| CommandError::CheckFailed(lines(&problems)))?;
        if self.catalogue.apps.is_empty() {
            note("warning: no app is known, so nothing can be said of any: name them with --app NAME=TAG,… or --config FILE\n");
        }
        Ok(loaded)
    }
}

/// The texts of policies, if there are any.
///
/// # Errors
/// When they cannot be read.
pub(super) fn texts(policies: &Policies) -> Result<PolicyTexts, CommandError> {
    PolicyTexts::of(policies).map_err(CommandError::failed)
}

/// The texts of a folder of policies, or of the policies of the configuration that a file is.
///
/// # Errors
/// When they cannot be read, or there are none.
pub(super) fn policies(path: &Path) -> Result<PolicyTexts, CommandError> {
    if !path.is_file() {
        return some(&Policies::Folder(path.to_owned()));
    }
    // A mistake in it is no answer to what was asked of two sets: those that find one exit with 1.
    let outline = Outline::load(path, config::environment());
    let outline = outline.map_err(|problems| CommandError::Failed(format!("{}:\n{}", path.display(), lines(&problems))))?;
    some(&outline.policies)
}

/// A folder that is to hold policies and is empty is the wrong one.
fn some(policies: &Policies) -> Result<PolicyTexts, CommandError> {
    let texts = texts(policies)?;
    if texts.policies.is_empty() {
        return Err(CommandError::Failed(format!("{policies} has no *.cedar file")));
    }
    Ok(texts)
}

/// Problems as people read them: each on lines of its own.
pub(super) fn lines(problems: &[impl fmt::Display]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Reads `name=tag,tag`.
pub(super) fn app(text: &str) -> Result<App, String> {
    let (name, tags) = text.split_once('=').unwrap_or((text, ""));
    if name.is_empty() {
        return Err("write a name, and after `=` its tags".to_owned());
    }
    let tags: BTreeSet<String> = tags.split(',').filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
    // A mistyped app would be an app that no policy speaks of, and every answer about it reassuring.
    let odd = |name: &str| !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    if let Some(odd) = std::iter::once(name).chain(tags.iter().map(String::as_str)).find(|name| odd(name)) {
        return Err(format!("`{odd}` is no name: write NAME=TAG,TAG, such as wiki=internal"));
    }
    Ok(App { name: name.to_owned(), tags })
}
