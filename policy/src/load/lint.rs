//! Names that nothing defines: the validator cannot know them, the catalogue does.

use std::collections::{BTreeSet, HashSet};

use cedar_policy::EntityUid;

use super::Read;
use crate::action::{ADMINISTRATORS, OWN_APP};
use crate::near::did_you_mean;
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
            let (message, help) = if *kind == names.app && !apps.contains(id) && id != OWN_APP {
                (format!("there is no app `{id}`"), did_you_mean(id, apps.iter().copied()))
            } else if *kind == names.tag && !tags.contains(id) {
                (format!("no app has the tag `{id}`"), did_you_mean(id, tags.iter().copied()))
            } else if *kind == names.group && id != ADMINISTRATORS && groups.as_ref().is_some_and(|groups| !groups.contains(id)) {
                (format!("there is no group `{id}`"), nearest_group(id, groups.iter().flatten().copied()))
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

/// The group that may be meant.
fn nearest_group<'a>(id: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<String> {
    match known.clone().next() {
        Some(_) => did_you_mean(id, known),
        None => Some("nobody is in any group: no identity provider has a `groups_claim`, or `known_groups` is empty".to_owned()),
    }
}

/// The way that people write it, most of the time.
fn spelt(entity: &EntityUid) -> String {
    format!("{}::\"{}\"", entity.type_name(), entity.id().unescaped())
}
