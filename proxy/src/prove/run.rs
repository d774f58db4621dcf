//! Proofs, one after another, within a time.

use std::path::Path;

use sekisho_policy::prove::{Claim, Doubts, Outcome, Proof, Prover, doubts, prove, read_proofs};
use sekisho_policy::{Catalogue, PolicySet, Problem};

use super::program::Program;
use super::relay::Relay;
use crate::decide::PolicyTexts;

/// What is claimed of a set, with the sets that it is compared with.
#[derive(Debug, Default)]
pub struct Claims {
    claims: Vec<(Proof, Option<PolicySet>)>,
}

/// What came of all claims.
#[derive(Debug)]
pub struct Run {
    /// In the order of the claims.
    pub findings: Vec<Finding>,
    /// Why the solver was not asked to the end, in words.
    pub gone: Option<String>,
}

/// What came of one claim.
#[derive(Debug)]
pub struct Finding {
    /// The claim's name.
    pub name: String,
    /// What it says, in its author's words.
    pub words: Option<String>,
    /// Whether it holds.
    pub outcome: Outcome,
}

impl Claims {
    /// Whether nothing is claimed.
    pub fn is_empty(&self) -> bool {
        self.claims.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.claims.len()
    }
}

impl Run {
    /// Whether every claim holds.
    pub fn holds(&self) -> bool {
        self.findings.iter().all(|finding| finding.outcome.holds())
    }
}

/// The claims in the `prove` folder of `texts`, read from `dir`. A folder to compare with is named from there.
///
/// # Errors
/// Every mistake, in words.
pub fn claims(texts: &PolicyTexts, dir: &Path, set: &PolicySet, catalogue: &Catalogue) -> Result<Claims, Vec<String>> {
    let proofs = read_proofs(&texts.proofs, set).map_err(|problems| words(&problems))?;
    with_old(proofs, texts, dir, catalogue)
}

/// The same, for claims that are made already.
///
/// # Errors
/// When a set to compare with cannot be loaded.
pub fn with_old(proofs: Vec<Proof>, texts: &PolicyTexts, dir: &Path, catalogue: &Catalogue) -> Result<Claims, Vec<String>> {
    let mut claims = Claims::default();
    let mut problems = Vec::new();
    for proof in proofs {
        let old = match &proof.claim {
            Claim::Never(_) => None,
            Claim::NoMoreThan(old) => match load_old(&dir.join(old), texts, catalogue) {
                Ok(old) => Some(old),
                Err(found) => {
                    problems.extend(found.into_iter().map(|problem| format!("proof `{}`: {problem}", proof.name)));
                    continue;
                }
            },
        };
        claims.claims.push((proof, old));
    }
    if problems.is_empty() { Ok(claims) } else { Err(problems) }
}

/// Asks the solver about every claim.
///
/// # Errors
/// In words, if no question can be put at all.
pub fn run(claims: &Claims, set: &PolicySet, program: &Program) -> Result<Run, String> {
    let mut prover = Prover::new(Relay::new(program.clone()))?;
    let finding = |(proof, old): &(Proof, Option<PolicySet>)| Finding {
        name: proof.name.clone(),
        words: proof.words.clone(),
        outcome: prove(&mut prover, set, proof, old.as_ref()),
    };
    let findings = claims.claims.iter().map(finding).collect();
    Ok(Run { findings, gone: prover.solver().gone() })
}

/// Looks for policies that do nothing, as long as `program` may take.
///
/// # Errors
/// In words, if no question can be put at all.
pub fn look(set: &PolicySet, program: &Program) -> Result<Doubts, String> {
    Ok(doubts(&mut Prover::new(Relay::new(program.clone()))?, set))
}

/// Both sets have to speak of the same facts: what the new one adds to the schema is added for the old one too.
fn load_old(dir: &Path, new: &PolicyTexts, catalogue: &Catalogue) -> Result<PolicySet, Vec<String>> {
    let old = PolicyTexts::read(dir).map_err(|error| vec![error.to_string()])?;
    PolicySet::load(&old.policies, &new.additions, catalogue).map(|loaded| loaded.set).map_err(|problems| {
        let mut words = words(&problems);
        if old.additions != new.additions {
            words.push("the two sets are compared with the facts of the new one's *.cedarschema".to_owned());
        }
        words
    })
}

fn words(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}
