//! `prove/*.toml`: claims, written beside the policies.

use std::collections::BTreeSet;

use serde::Deserialize;
use toml::Spanned;

use super::claim::{Claim, Condition, Proof, Written};
use crate::action::Action;
use crate::problem::{File, Problem};
use crate::set::{PolicySet, Source};

/// A file, as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    proof: Vec<RawProof>,
}

/// One `[[proof]]`, as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProof {
    name: Spanned<String>,
    words: Option<String>,
    app: Option<Spanned<String>>,
    tag: Option<Spanned<String>>,
    action: Option<Spanned<RawActions>>,
    only_group: Option<Spanned<String>>,
    never: Option<Spanned<String>>,
    permits_no_more_than: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawActions {
    One(String),
    Several(Vec<String>),
}

/// Reads the claims of `files` about `set`.
///
/// # Errors
/// Every mistake in every file.
pub fn read_proofs(files: &[Source], set: &PolicySet) -> Result<Vec<Proof>, Vec<Problem>> {
    let (mut proofs, mut problems) = (Vec::new(), Vec::new());
    let mut names = BTreeSet::new();
    for source in files {
        let file = File::new(source);
        let raw: RawFile = match toml::from_str(&source.text) {
            Ok(raw) => raw,
            Err(error) => {
                let place = error.span().map(|span| file.place(span.start, span.len()));
                problems.push(Problem::new(place, error.message().to_owned()));
                continue;
            }
        };
        for raw in raw.proof {
            if !names.insert(raw.name.get_ref().clone()) {
                let message = format!("another proof is named `{}`", raw.name.get_ref());
                problems.push(Problem::new(Some(place(&file, &raw.name)), message).help("each proof needs a name of its own"));
            }
            match proof(raw, &file, set) {
                Ok(proof) => proofs.push(proof),
                Err(found) => problems.extend(found),
            }
        }
    }
    if problems.is_empty() { Ok(proofs) } else { Err(problems) }
}

fn proof(raw: RawProof, file: &File<'_>, set: &PolicySet) -> Result<Proof, Vec<Problem>> {
    let mut problems = Vec::new();
    let actions = match raw.action.as_ref().map(|written| actions(written, file)) {
        None => Action::ALL.to_vec(),
        Some(Ok(actions)) => actions,
        Some(Err(problem)) => {
            problems.push(*problem);
            Vec::new()
        }
    };
    let apps = &set.origin.catalogue.apps;
    if let Some(app) = raw.app.as_ref().filter(|app| !apps.iter().any(|known| known.name == *app.get_ref())) {
        problems.push(Problem::new(Some(place(file, app)), format!("there is no app `{}`", app.get_ref())));
    }
    if let Some(tag) = raw.tag.as_ref().filter(|tag| !apps.iter().any(|known| known.tags.contains(tag.get_ref()))) {
        problems.push(Problem::new(Some(place(file, tag)), format!("no app has the tag `{}`", tag.get_ref())));
    }
    let claim = match (&raw.only_group, &raw.never, &raw.permits_no_more_than) {
        (Some(group), None, None) => {
            let written = Written { file, at: group.span() };
            Some(
                Condition::read(&Proof::only_group(group.get_ref()), &actions, &written, set)
                    .map(|condition| Claim::Never(Box::new(condition))),
            )
        }
        (None, Some(condition), None) => {
            let written = Written { file, at: inside(condition, file) };
            Some(Condition::read(condition.get_ref(), &actions, &written, set).map(|condition| Claim::Never(Box::new(condition))))
        }
        (None, None, Some(dir)) => Some(Ok(Claim::NoMoreThan(dir.get_ref().clone()))),
        _ => None,
    };
    match claim {
        // Without actions there is nothing to check a condition against.
        _ if actions.is_empty() => {}
        None => problems.push(
            Problem::new(Some(place(file, &raw.name)), format!("the proof `{}` does not say what to prove", raw.name.get_ref()))
                .help("write one of `only_group = \"…\"`, `never = '…'` and `permits_no_more_than = \"…\"`"),
        ),
        Some(Err(found)) => problems.extend(found),
        Some(Ok(claim)) if problems.is_empty() => {
            return Ok(Proof {
                name: raw.name.into_inner(),
                words: raw.words,
                claim,
                app: raw.app.map(Spanned::into_inner),
                tag: raw.tag.map(Spanned::into_inner),
                actions,
            });
        }
        Some(Ok(_)) => {}
    }
    Err(problems)
}

fn actions(written: &Spanned<RawActions>, file: &File<'_>) -> Result<Vec<Action>, Box<Problem>> {
    let words: Vec<&str> = match written.get_ref() {
        RawActions::One(word) => vec![word],
        RawActions::Several(words) => words.iter().map(String::as_str).collect(),
    };
    let unknown = |message: String| {
        Problem::new(Some(place(file, written)), message)
            .help("write \"read\", \"write\", \"connect\", \"public\", or \"use\" for the first three; of the gate itself \"enroll\", and \"administer\" or one of its actions; or a list of them")
    };
    let mut actions = Vec::new();
    for word in words {
        let named = Action::named_or_in(word);
        if named.is_empty() {
            return Err(Box::new(unknown(format!("there is no action `{word}`"))));
        }
        actions.extend(named);
    }
    actions.sort_unstable();
    actions.dedup();
    if actions.is_empty() { Err(Box::new(unknown("no action is named".to_owned()))) } else { Ok(actions) }
}

fn place<T>(file: &File<'_>, written: &Spanned<T>) -> crate::problem::Place {
    let span = written.span();
    file.place(span.start, span.len())
}

/// The text between the quotes, where it stands there as it is; else the whole value, so that places are never wrong.
fn inside(written: &Spanned<String>, file: &File<'_>) -> std::ops::Range<usize> {
    let span = written.span();
    let found = file.text.get(span.clone()).and_then(|value| value.find(written.get_ref().as_str()));
    match found {
        Some(at) if !written.get_ref().is_empty() => span.start + at..span.start + at + written.get_ref().len(),
        _ => span,
    }
}
