//! `sekisho policy prove`: what can never happen.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use sekisho_policy::Action;
use sekisho_policy::prove::Proof;
use sekisho_policy::testing::Tester;

use super::place::{PlaceArgs, lines};
use crate::commands::error::CommandError;
use crate::commands::output::{print, print_json};
use crate::config;
use crate::prove::{self, Limits, Program, SolverMissing};

/// Prove what can never happen, for every request that there can be
///
/// Without a claim on the command line, those in `prove/*.toml` beside the policies are proved. Exits with 0 if all hold, with 1 if
/// one is refuted or not proved, and with 3 if there is no solver.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  sekisho policy prove\n  sekisho policy prove --no-more-than policies.before\n  sekisho policy prove --only-group hr --of payroll\n  sekisho policy prove --never '!context.device.managed' --action use"
)]
pub(super) struct ProveCommand {
    #[command(flatten)]
    place: PlaceArgs,
    /// Claim that nothing is permitted that the policies in this folder deny
    #[arg(long, value_name = "DIR", group = "claim")]
    no_more_than: Option<PathBuf>,
    /// Claim that nobody outside this group is permitted anything
    #[arg(long, value_name = "GROUP", group = "claim")]
    only_group: Option<String>,
    /// Claim that nothing is permitted that fulfils this condition, written in Cedar
    #[arg(long, value_name = "CONDITION", group = "claim")]
    never: Option<String>,
    /// Claim it of this app only
    #[arg(long, value_name = "NAME", requires = "claim")]
    of: Option<String>,
    /// Claim it of these actions only: read, write, connect, public; `use` is the first three
    #[arg(long, value_name = "ACTION", requires = "claim", value_delimiter = ',')]
    action: Vec<String>,
    /// The solver; else the environment variable SEKISHO_SOLVER, else `cvc5` on the PATH
    #[arg(long, value_name = "FILE")]
    solver: Option<PathBuf>,
    /// Seconds for one question
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    each: u64,
    /// Seconds for everything
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    total: u64,
    /// Print what came of it as JSON
    #[arg(long)]
    json: bool,
}

impl ProveCommand {
    /// Proves, and prints.
    ///
    /// # Errors
    /// [`CommandError`]: a claim does not hold, the policies or claims are not right, or there is no solver.
    pub(super) fn run(self) -> Result<(), CommandError> {
        let place = self.place.find()?;
        let texts = place.texts()?;
        let set = place.load_texts(&texts)?.set;
        let wrong = |problems: Vec<String>| CommandError::CheckFailed(lines(&problems));
        let claims = match self.claim(&place.catalogue, &set)? {
            Some((proof, dir)) => prove::with_old(vec![proof], &texts, &dir, &place.catalogue).map_err(wrong)?,
            None => {
                prove::claims(&texts, place.policies.folder().unwrap_or(Path::new(".")), &set, &place.catalogue).map_err(wrong)?
            }
        };
        if claims.is_empty() {
            let beside = place.policies.folder().map(|dir| format!("write {}/prove/*.toml, or", dir.display()));
            let write = beside.unwrap_or_else(|| "write".to_owned());
            return Err(CommandError::usage(format!("nothing is claimed: {write} --no-more-than, --only-group or --never")));
        }
        let limits = Limits { each: Duration::from_secs(self.each.max(1)), total: Duration::from_secs(self.total.max(1)) };
        let missing = |missing: SolverMissing| CommandError::failed(missing);
        let program = Program::find(self.solver.as_deref(), &config::environment(), limits).map_err(missing)?;
        let run = prove::run(&claims, &set, &program).map_err(CommandError::failed)?;
        let tester = Tester { set: &set, catalogue: &place.catalogue, zone: &place.zone };
        if self.json {
            print_json(&prove::json(&run, &tester))?;
        } else {
            print(&prove::lines(&run, &tester))?;
        }
        if run.holds() { Ok(()) } else { Err(CommandError::CheckFailed("not everything that is claimed is proved".to_owned())) }
    }

    /// The claim of the command line, and the folder that its names are relative to.
    fn claim(
        &self,
        catalogue: &sekisho_policy::Catalogue,
        set: &sekisho_policy::PolicySet,
    ) -> Result<Option<(Proof, PathBuf)>, CommandError> {
        let actions = actions(&self.action)?;
        let wrong = |problems: Vec<sekisho_policy::Problem>| CommandError::CheckFailed(lines(&problems));
        let mut proof = if let Some(old) = &self.no_more_than {
            Proof::no_more_than(&old.display().to_string(), &actions)
        } else if let Some(group) = &self.only_group {
            Proof::for_group_only("--only-group", group, &actions, set).map_err(wrong)?
        } else if let Some(condition) = &self.never {
            Proof::never("--never", condition, &actions, set).map_err(wrong)?
        } else {
            return Ok(None);
        };
        if let Some(name) = &self.of {
            if !catalogue.apps.iter().any(|app| app.name == *name) {
                return Err(CommandError::usage(format!("there is no app `{name}`")));
            }
            proof.app = Some(name.clone());
        }
        Ok(Some((proof, PathBuf::from("."))))
    }
}

fn actions(words: &[String]) -> Result<Vec<Action>, CommandError> {
    let mut actions = Vec::new();
    for word in words {
        let named = Action::named_or_in(word);
        if named.is_empty() {
            let known = "read, write, connect, public or use; of the gate itself enroll, administer or one of its actions";
            return Err(CommandError::usage(format!("there is no action `{word}`: {known}")));
        }
        actions.extend(named);
    }
    Ok(actions)
}
