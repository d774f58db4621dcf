//! Syntax, file by file, so that places are right; and what each policy is called.

use std::collections::HashMap;

use cedar_policy::{Policy, PolicyId, PolicySet};

use super::{Read, from_diagnostic};
use crate::problem::{File, Problem};

/// Longest policy id, in characters: it stands in every line of the record.
const MAX_ID: usize = 128;

/// Reads every file.
pub(super) fn all(sources: &[File<'_>], problems: &mut Vec<Problem>, warnings: &mut Vec<Problem>) -> Vec<Read> {
    let mut read = Vec::new();
    for (file, source) in sources.iter().enumerate() {
        match source.text.parse::<PolicySet>() {
            Ok(set) => read.extend(one(file, source, &set, problems, warnings)),
            Err(errors) => problems.extend(errors.iter().map(|error| from_diagnostic(source, error))),
        }
    }
    twice(&read, sources, problems);
    read
}

/// Names the policies of one file.
fn one(file: usize, source: &File<'_>, set: &PolicySet, problems: &mut Vec<Problem>, warnings: &mut Vec<Problem>) -> Vec<Read> {
    for template in set.templates() {
        let slot = template.slots().next().map_or_else(|| "?principal".to_owned(), ToString::to_string);
        let at = source.text.find(&slot).unwrap_or(0);
        problems.push(
            Problem::new(
                Some(source.place(at, slot.len())),
                format!("this is a template: `{slot}` stands for something that nobody fills in"),
            )
            .help("write one policy for each, or use a group or a tag"),
        );
    }
    let mut policies: Vec<(usize, usize, &Policy)> = set.policies().map(|policy| located(source, policy)).collect();
    policies.sort_by_key(|(start, ..)| *start);
    let mut read = Vec::with_capacity(policies.len());
    for (number, (start, len, policy)) in (1..).zip(policies) {
        let place = || Some(source.place(start, len));
        let id = match policy.annotation("id") {
            Some(id) => {
                if let Some(fault) = fault_of(id) {
                    problems.push(Problem::new(place(), fault).help("write `@id(\"what-it-does\")`"));
                }
                id.to_owned()
            }
            None => {
                let id = format!("{}#{number}", source.name);
                warnings.push(
                    Problem::new(place(), format!("this policy has no `@id`; it goes by `{id}`"))
                        .help("write `@id(\"what-it-does\")` before it: the record and refusals name policies by id"),
                );
                id
            }
        };
        read.push(Read { policy: policy.new_id(PolicyId::new(id)), file, start, len });
    }
    read
}

/// Where in its file a policy stands: first byte and length.
fn located<'a>(source: &File<'_>, policy: &'a Policy) -> (usize, usize, &'a Policy) {
    match AsRef::<_>::as_ref(policy).loc() {
        Some(loc) => (loc.start(), loc.end().saturating_sub(loc.start()), policy),
        None => (0, source.text.len(), policy),
    }
}

fn fault_of(id: &str) -> Option<String> {
    if id.is_empty() {
        return Some("the `@id` is empty".to_owned());
    }
    if id.chars().count() > MAX_ID {
        return Some(format!("the `@id` is longer than {MAX_ID} characters"));
    }
    id.chars().any(|c| c.is_control() || c.is_whitespace()).then(|| "the `@id` has white space in it".to_owned())
}

fn twice(read: &[Read], sources: &[File<'_>], problems: &mut Vec<Problem>) {
    let mut first: HashMap<&str, &Read> = HashMap::new();
    for policy in read {
        let Some(earlier) = first.insert(policy.id(), policy) else { continue };
        let elsewhere = earlier.place(sources).map(|place| format!(" at {place}")).unwrap_or_default();
        problems.push(
            Problem::new(policy.place(sources), format!("the id `{}` is taken{elsewhere}", policy.id()))
                .help("each policy needs an id of its own"),
        );
    }
}
