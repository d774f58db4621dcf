//! Claims about policies, proved before the policies go live.
//!
//! Where there is a solver, a claim that is refuted keeps the set from going live; at a check and at a reload, so does one that
//! could not be proved in time. A start goes on then: what nobody could prove today was proved when it went live, and a gate
//! that is down helps nobody. Without a solver, claims are read and not proved: it is a tool for authors, not a part of the gate.

use std::path::Path;

use sekisho_policy::PolicySet;
use sekisho_policy::testing::Tester;
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::config::{self, Config};
use crate::decide::PolicyTexts;
use crate::prove::{self, Claims, Limits, Program};

/// What is done when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// Whoever wrote the policies is looking: policies that do nothing are looked for as well.
    Check,
    /// The gate runs, and the old policies are in force.
    Reload,
    /// Nothing is in force yet.
    Start,
}

/// Proves what is claimed of `set`. Returns what there is to say.
///
/// # Errors
/// Every claim that keeps the set from going live, in words.
pub(super) fn judge(config: &Config, texts: &PolicyTexts, set: &PolicySet, moment: Moment) -> Result<Vec<String>, Vec<String>> {
    let catalogue = super::policies::catalogue(config);
    let claims = prove::claims(texts, config.policies.folder().unwrap_or(Path::new(".")), set, &catalogue)?;
    let mut notes = Vec::new();
    let program = match Program::find(None, &config::environment(), Limits::default()) {
        Ok(program) => program,
        // Whoever starts a gate is not its policies' author.
        Err(_) if claims.is_empty() || moment == Moment::Start => return Ok(notes),
        Err(missing) => {
            notes.push(format!("{} in {}/prove not proved: {missing}", count(claims.len(), "claim"), config.policies));
            return Ok(notes);
        }
    };
    let tester = Tester { set, catalogue: &catalogue, zone: &config.time_zone };
    waiting(|| {
        let mut problems = claimed(&claims, &tester, &program, moment, &mut notes)?;
        if moment == Moment::Check && problems.is_empty() {
            match prove::look(set, &program) {
                Ok(doubts) => {
                    notes.extend(doubts.found.iter().map(ToString::to_string));
                    if doubts.looked_at < doubts.of {
                        notes.push(format!(
                            "{} of {} were looked at for what changes nothing; then the time, {:?}, was over",
                            doubts.looked_at,
                            count(doubts.of, "policy"),
                            program.limits.total
                        ));
                    }
                }
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() { Ok(notes) } else { Err(problems) }
    })
}

fn claimed(
    claims: &Claims,
    tester: &Tester<'_>,
    program: &Program,
    moment: Moment,
    notes: &mut Vec<String>,
) -> Result<Vec<String>, Vec<String>> {
    if claims.is_empty() {
        return Ok(Vec::new());
    }
    let run = prove::run(claims, tester.set, program).map_err(|problem| vec![problem])?;
    let (mut problems, unknown) = prove::faults(&run, tester);
    if moment == Moment::Start {
        notes.extend(unknown);
    } else {
        problems.extend(unknown);
    }
    Ok(problems)
}

/// The solver takes seconds: other tasks of this thread go elsewhere meanwhile.
fn waiting<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

fn count(number: usize, what: &str) -> String {
    match (number, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        (_, None) => format!("{number} {what}s"),
    }
}
