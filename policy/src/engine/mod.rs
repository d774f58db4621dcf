//! One decision over the compiled policies.
//!
//! Arrives: a question. Leaves: the verdict that Cedar would give.
//! Refused: what only Cedar can answer, a policy that fails included: the caller puts the question to it.

mod memo;
mod met;
#[cfg(test)]
mod unchecked;

pub(crate) use memo::Memo;

use self::met::Met;
use crate::asked::Asked;
use crate::cells::Cells;
use crate::cells::rule::Rule;
use crate::compile::Failed;
use crate::verdict::{Decision, DenyReason, Verdict};

/// Every policy whose scope lets the question through is evaluated, whatever the others say: any that fails refuses, and
/// all that hold are named.
pub(crate) fn decide(cells: &Cells, memo: &Memo, asked: &Asked<'_>) -> Result<Verdict, Failed> {
    let about = cells.cells(asked.row, asked.facts.action);
    let mut forbids = Met::default();
    for cell in about.clone() {
        evaluate(cells, asked, cell.forbids(asked.prepared), &mut forbids)?;
    }
    let mut permits = Met::default();
    for cell in about {
        evaluate(cells, asked, cell.permits(asked.prepared), &mut permits)?;
    }
    let (decision, mut met) = match (forbids.is_empty(), permits.is_empty()) {
        (false, _) => (Decision::Deny(DenyReason::Forbidden), forbids),
        (true, false) => (Decision::Allow, permits),
        (true, true) => (Decision::Deny(DenyReason::NoPermit), permits),
    };
    Ok(Verdict { decision, policies: memo.names(met.sorted(), cells), errors: Vec::new() })
}

fn evaluate(cells: &Cells, asked: &Asked<'_>, candidates: impl Iterator<Item = u32>, met: &mut Met) -> Result<(), Failed> {
    for at in candidates {
        if cells.rule(at).ok_or(Failed).and_then(|rule: &Rule| rule.holds(asked))? {
            met.push(at);
        }
    }
    Ok(())
}
