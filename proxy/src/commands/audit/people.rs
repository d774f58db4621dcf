//! People by their e-mail addresses: the record names them by provider and subject, and says their addresses in facts.

use std::collections::{BTreeMap, BTreeSet};

use sekisho_policy::Principal;

use crate::commands::error::CommandError;
use crate::record::read::{FactsKind, FactsLine, LineKind, RawLine, RecordFolder, SegmentFile, Sift, person};
use crate::store::{did_you_mean, near};

/// The ids of these people; an e-mail address may be that of several.
///
/// # Errors
/// Exit code 3, with near ones, if nobody in the record has such an address.
pub(in crate::commands) fn ids(folder: &RecordFolder, users: &[String]) -> Result<Vec<String>, CommandError> {
    if !users.iter().any(|user| is_address(user)) {
        return Ok(users.to_vec());
    }
    let known = addresses(folder)?;
    let mut ids = Vec::new();
    for user in users {
        if !is_address(user) {
            ids.push(user.clone());
        } else if let Some(of) = known.get(&user.to_lowercase()) {
            ids.extend(of.iter().cloned());
        } else {
            let near = near(&user.to_lowercase(), known.keys().map(String::as_str));
            return Err(CommandError::Failed(format!(
                "nobody in the record has the e-mail address `{user}`{}{}",
                did_you_mean(&near),
                if near.is_empty() { "; a person can also be named as the record does: provider/subject" } else { "" }
            )));
        }
    }
    Ok(ids)
}

fn is_address(user: &str) -> bool {
    user.contains('@') && !user.contains('/')
}

/// Who has which address, anywhere in the record.
fn addresses(folder: &RecordFolder) -> Result<BTreeMap<String, BTreeSet<String>>, CommandError> {
    let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut lines = folder.lines().map_err(CommandError::failed)?;
    while let Some(line) = lines.next_of(&mut Facts).map_err(CommandError::failed)? {
        let Some(FactsLine { kind: FactsKind::Session, json, .. }) = FactsLine::parse(line.text) else { continue };
        if let Some(Principal::User(user)) = person(json)
            && let Some(address) = user.email
        {
            known.entry(address.to_lowercase()).or_default().insert(user.id);
        }
    }
    Ok(known)
}

struct Facts;

impl Sift for Facts {
    fn file(&mut self, _file: &SegmentFile) -> bool {
        true
    }

    fn line(&mut self, line: &RawLine<'_>) -> bool {
        line.kind == LineKind::Facts
    }
}
