//! Names that nothing defines: the validator cannot know them, the catalogue does.

use std::collections::{BTreeSet, HashSet};

use cedar_policy::EntityUid;

use super::Read;
use crate::problem::{File, Problem};
use crate::schema::Facts;
use crate::set::Catalogue;

/// Warns of apps, tags, groups and people that cannot be meant.
pub(super) fn names(read: &[Read], sources: &[File<'_>], catalogue: &Catalogue, facts: &Facts, warnings: &mut Vec<Problem>) {
    let apps: BTreeSet<&str> = catalogue.apps.iter().map(|app| app.name.as_str()).collect();
    let tags: BTreeSet<&str> = catalogue.apps.iter().flat_map(|app| app.tags.iter().map(String::as_str)).collect();
    let groups: Option<BTreeSet<&str>> = catalogue.groups.as_ref().map(|groups| groups.iter().map(String::as_str).collect());
    let names = &facts.names;
    for policy in read {
        let mut seen = HashSet::new();
        for entity in policy.policy.entity_literals() {
            let (kind, id) = (entity.type_name(), entity.id().unescaped());
            let (message, help) = if *kind == names.app && !apps.contains(id) {
                (format!("there is no app `{id}`"), near(id, &apps))
            } else if *kind == names.tag && !tags.contains(id) {
                (format!("no app has the tag `{id}`"), near(id, &tags))
            } else if *kind == names.group && groups.as_ref().is_some_and(|groups| !groups.contains(id)) {
                (format!("there is no group `{id}`"), groups.as_ref().and_then(|groups| near(id, groups)))
            } else if (*kind == names.user || *kind == names.service) && !id.is_empty() && !id.contains('/') {
                let help = "ids are `provider/subject`, the identity provider's name and the `sub` that it gives; an e-mail address is `principal.email`";
                (format!("nobody has the id `{id}`"), Some(help.to_owned()))
            } else {
                continue;
            };
            if seen.insert(entity.clone()) {
                let problem = Problem::new(policy.place_of(sources, &spelt(&entity)), message).policy(policy.id());
                warnings.push(match help {
                    Some(help) => problem.help(help),
                    None => problem,
                });
            }
        }
    }
}

/// The way that people write it, most of the time.
fn spelt(entity: &EntityUid) -> String {
    format!("{}::\"{}\"", entity.type_name(), entity.id().unescaped())
}

/// The known name that is nearest to `wrong`, if one is near.
fn near(wrong: &str, known: &BTreeSet<&str>) -> Option<String> {
    let (distance, best) = known.iter().map(|name| (distance(wrong, name), name)).min()?;
    (distance <= 1 + wrong.chars().count() / 4).then(|| format!("did you mean `{best}`?"))
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in (1..).zip(a.chars()) {
        let mut diagonal = i - 1;
        let mut left = i;
        for (cell, to) in row.iter_mut().skip(1).zip(&b) {
            let here = (*cell + 1).min(left + 1).min(diagonal + usize::from(from != *to));
            diagonal = std::mem::replace(cell, here);
            left = here;
        }
        if let Some(first) = row.first_mut() {
            *first = i;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_edits() {
        for (a, b, expected) in
            [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("share", "shaer", 2), ("wiki", "wiki", 0)]
        {
            assert_eq!((distance(a, b), distance(b, a)), (expected, expected), "{a} {b}");
        }
    }
}
