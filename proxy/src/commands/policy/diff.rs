//! `sekisho policy diff`: what a change of policies means.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use sekisho_policy::{App, Catalogue, Diff, Texts};

use super::place::{self, lines};
use crate::commands::error::CommandError;
use crate::commands::output::{print, print_json};
use crate::config::{self, Outline};
use crate::decide::PolicyTexts;

/// What a change of policies means: who gains and who loses what, in words and with a request to show it.
///
/// Layout, comments, order and equivalent ways to write a condition are no change.
/// The exit code is 0 if nothing changed in meaning, 1 if something did.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  sekisho policy diff policies policies.new --config sekisho.toml\n  sekisho policy diff policies policies.new --fail-on widen"
)]
pub(super) struct DiffCommand {
    /// The policies as they are: a folder, or a configuration
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The policies as they would be: a folder, or a configuration
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// The configuration: it names the apps; without one they are those that the policies name [default: sekisho.toml, if it is there]
    #[arg(long, value_name = "FILE", env = "SEKISHO_CONFIG")]
    config: Option<PathBuf>,
    /// An app with its tags, such as `wiki=internal,staff`; with these no configuration is read
    #[arg(long = "app", value_name = "NAME[=TAG,…]", value_parser = place::app)]
    apps: Vec<App>,
    /// Which changes make the exit code 1
    #[arg(long, value_name = "WHAT", default_value = "change")]
    fail_on: FailOn,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Any change in meaning
    Change,
    /// A request may be allowed that was denied
    Widen,
    /// A request may be denied that was allowed
    Narrow,
}

impl DiffCommand {
    /// Does it.
    ///
    /// # Errors
    /// [`CommandError`] in words, with the exit code.
    pub(super) fn run(&self) -> Result<(), CommandError> {
        let catalogue = self.catalogue()?;
        let (old, new) = (place::policies(&self.old)?, place::policies(&self.new)?);
        let diff = Diff::between(texts(&old), texts(&new), catalogue.as_ref()).map_err(|problem| {
            let side = |dir: &PathBuf, problems: &[_]| match problems {
                [] => None,
                problems => Some(format!("{}:\n{}", dir.display(), lines(problems))),
            };
            let sides = [side(&self.old, &problem.old), side(&self.new, &problem.new)];
            CommandError::Failed(sides.into_iter().flatten().collect::<Vec<_>>().join("\n"))
        })?;
        if self.json {
            print_json(&diff)?
        } else {
            print(&diff.to_string())?
        }
        let (fails, why) = match self.fail_on {
            FailOn::Change => (diff.changes_meaning(), "the meaning changed"),
            FailOn::Widen => (diff.widens(), "requests may be allowed that were denied"),
            FailOn::Narrow => (diff.narrows(), "requests may be denied that were allowed"),
        };
        if fails { Err(CommandError::CheckFailed(why.to_owned())) } else { Ok(()) }
    }

    /// The apps, if they are known.
    fn catalogue(&self) -> Result<Option<Catalogue>, CommandError> {
        if !self.apps.is_empty() {
            return Ok(Some(Catalogue { apps: self.apps.clone(), groups: None, ..Catalogue::default() }));
        }
        let usual = Some(Path::new("sekisho.toml")).filter(|usual| usual.exists());
        let Some(config) = self.config.as_deref().or(usual) else { return Ok(None) };
        // 1 is what a change is.
        let outline = Outline::load(config, config::environment()).map_err(|problems| CommandError::Failed(lines(&problems)))?;
        let apps = outline.apps.into_iter().map(|(name, tags)| App::new(name, tags)).collect();
        Ok(Some(Catalogue { apps, groups: outline.groups, ..Catalogue::default() }.with_own(outline.own)))
    }
}

fn texts(folder: &PolicyTexts) -> Texts<'_> {
    Texts { policies: &folder.policies, additions: &folder.additions, tests: &folder.tests }
}
