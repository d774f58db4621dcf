//! From files to a checked set.
//!
//! Arrives: policy files, schema additions, the catalogue. Leaves: a [`PolicySet`] and warnings.
//! Refused: whatever is not certainly right, with every mistake of every file at once.

use std::collections::HashMap;
use std::sync::Arc;

use cedar_policy::Policy;

use crate::cells::Cells;
use crate::engine::Memo;
use crate::explain::About;
use crate::prepare::{Generation, Prepared};
use crate::problem::{File, Place, Problem};
use crate::schema::{Facts, SCHEMA};
use crate::set::{Catalogue, Origin, PolicySet, Source};

mod breadth;
mod check;
mod depth;
mod lint;
mod never;
mod parse;
mod paths;
mod reach;
mod traps;

pub(crate) use self::depth::{Grammar, too_deep};

/// Largest policy or schema file, in bytes.
pub const MAX_FILE_BYTES: usize = 4 << 20;

/// Most policies in a set.
pub const MAX_POLICIES: usize = 20_000;

/// A checked set, and what its author should look at.
#[derive(Debug)]
pub struct Loaded {
    /// The set.
    pub set: PolicySet,
    /// What is probably not meant, in the order of the files.
    pub warnings: Vec<Problem>,
}

/// A policy, where it stands, and what it is called.
pub(crate) struct Read {
    pub(crate) policy: Policy,
    /// Index of its file.
    file: usize,
    /// Its bytes in that file.
    start: usize,
    len: usize,
}

pub(crate) fn load(policies: &[Source], additions: &[Source], catalogue: &Catalogue) -> Result<Loaded, Vec<Problem>> {
    let mut problems: Vec<Problem> = policies.iter().chain(additions).filter_map(too_large).collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    let canonical = canonical(policies, additions, catalogue);
    let written = additions;
    let policies: Vec<File<'_>> = policies.iter().map(File::new).collect();
    let additions: Vec<File<'_>> = additions.iter().map(File::new).collect();
    problems.extend(policies.iter().filter_map(|file| depth::too_deep(file, Grammar::Policies)));
    problems.extend(additions.iter().filter_map(|file| depth::too_deep(file, Grammar::Schema)));
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut warnings = Vec::new();
    let read = parse::all(&policies, &mut problems, &mut warnings);
    if read.len() > MAX_POLICIES {
        problems.push(Problem::new(None, format!("{} policies are more than a set can hold ({MAX_POLICIES})", read.len())));
        return Err(problems);
    }
    let facts = match Facts::load(&additions) {
        Ok(facts) => Some(facts),
        Err(found) => {
            problems.extend(found);
            None
        }
    };
    if let Some(facts) = &facts {
        check::against_schema(&read, &policies, facts, &mut problems, &mut warnings);
        lint::names(&read, &policies, catalogue, facts, &mut warnings);
        reach::find(&read, &policies, catalogue.own, &mut problems);
        traps::find(&read, &policies, &mut warnings);
    }
    in_file_order(&mut problems, &policies, &additions);
    in_file_order(&mut warnings, &policies, &additions);
    match facts {
        Some(facts) if problems.is_empty() => {
            let origin = Origin { additions: written.to_vec(), catalogue: catalogue.clone() };
            build(read, &policies, facts, origin, canonical, warnings)
        }
        _ => Err(problems),
    }
}

/// A set as it would be without the strict checks; `None` where it cannot even be read.
#[cfg(test)]
pub(crate) fn unchecked(policies: &str, addition: &str, catalogue: &Catalogue) -> Option<PolicySet> {
    let (policies, additions) = ([Source::new("unchecked.cedar", policies)], vec![Source::new("facts.cedarschema", addition)]);
    let files = policies.each_ref().map(File::new);
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    let read = parse::all(&files, &mut problems, &mut warnings);
    let facts = Facts::load(&additions.iter().map(File::new).collect::<Vec<_>>()).ok()?;
    let origin = Origin { additions, catalogue: catalogue.clone() };
    let loaded = build(read, &files, facts, origin, String::new(), warnings).ok()?;
    problems.is_empty().then_some(loaded.set)
}

/// What Cedar says about a file, with its place.
pub(crate) fn from_diagnostic(source: &File<'_>, diagnostic: &dyn miette::Diagnostic) -> Problem {
    let label = diagnostic.labels().into_iter().flatten().next();
    let place = label.as_ref().map(|label| source.place(label.offset(), label.len()));
    let mut message = diagnostic.to_string();
    if let Some(expected) = label.as_ref().and_then(miette::LabeledSpan::label) {
        message = format!("{message}: {expected}");
    }
    let problem = Problem::new(place, message);
    match diagnostic.help() {
        Some(help) => problem.help(help.to_string()),
        None => problem,
    }
}

impl Read {
    pub(crate) fn id(&self) -> &str {
        self.policy.id().as_ref()
    }

    /// The place of `len` bytes at `offset` of the file.
    fn place_at(&self, sources: &[File<'_>], offset: usize, len: usize) -> Option<Place> {
        sources.get(self.file).map(|source| source.place(offset, len))
    }

    /// The place of the policy's first line.
    fn place(&self, sources: &[File<'_>]) -> Option<Place> {
        self.place_at(sources, self.start, self.len)
    }

    /// As it is written.
    fn text<'a>(&self, sources: &[File<'a>]) -> &'a str {
        sources.get(self.file).and_then(|source| source.text.get(self.start..self.start + self.len)).unwrap_or_default()
    }

    /// The place of the first `needle` in the policy, or of the policy where it is spelt otherwise.
    fn place_of(&self, sources: &[File<'_>], needle: &str) -> Option<Place> {
        match self.text(sources).find(needle) {
            Some(at) => self.place_at(sources, self.start + at, needle.len()),
            None => self.place(sources),
        }
    }
}

fn build(
    read: Vec<Read>,
    sources: &[File<'_>],
    facts: Facts,
    origin: Origin,
    canonical: String,
    warnings: Vec<Problem>,
) -> Result<Loaded, Vec<Problem>> {
    let about = About::new(
        read.iter().map(|read| (Arc::from(read.id()), read.policy.clone(), read.place(sources), read.text(sources).into())),
    );
    let policies: Vec<Policy> = read.into_iter().map(|read| read.policy).collect();
    let cells = Cells::new(&policies, &origin.catalogue, &facts).map_err(|error| vec![Problem::new(None, error.to_string())])?;
    let memo = Memo::new(policies.len());
    let generation = Generation::next();
    let anonymous = Prepared::anonymous(generation, cells.keys());
    Ok(Loaded { set: PolicySet { generation, facts, cells, memo, anonymous, canonical, about, origin }, warnings })
}

/// Schema additions that are not to be read at all.
pub(crate) fn too_deep_or_large(additions: &[Source]) -> Vec<Problem> {
    let large: Vec<Problem> = additions.iter().filter_map(too_large).collect();
    if !large.is_empty() {
        return large;
    }
    additions.iter().filter_map(|source| depth::too_deep(&File::new(source), Grammar::Schema)).collect()
}

/// Why the file of policies cannot be read: its size, its depth, its syntax.
pub(crate) fn unreadable(source: &Source) -> Vec<Problem> {
    if let Some(problem) = too_large(source) {
        return vec![problem];
    }
    let file = File::new(source);
    if let Some(problem) = depth::too_deep(&file, Grammar::Policies) {
        return vec![problem];
    }
    match source.text.parse::<cedar_policy::PolicySet>() {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(|error| from_diagnostic(&file, error)).collect(),
    }
}

fn too_large(source: &Source) -> Option<Problem> {
    let bytes = source.text.len();
    (bytes > MAX_FILE_BYTES).then(|| {
        Problem::new(None, format!("`{}` has {bytes} bytes; at most {MAX_FILE_BYTES} are read", source.name))
            .help("split it into several files")
    })
}

fn in_file_order(problems: &mut [Problem], policies: &[File<'_>], additions: &[File<'_>]) {
    let order: HashMap<&str, usize> =
        policies.iter().chain(additions).enumerate().map(|(at, source)| (source.name, at)).collect();
    problems.sort_by_key(|problem| {
        problem.place.as_ref().map(|place| (order.get(place.file.as_str()).copied(), place.line, place.column))
    });
}

/// Each part is preceded by its length, so that no text can pretend to be another's end.
fn canonical(policies: &[Source], additions: &[Source], catalogue: &Catalogue) -> String {
    let mut text = String::new();
    let mut part = |kind: &str, name: &str, body: &str| {
        text.push_str(&format!("{kind} {}:{name} {}:{body}\n", name.len(), body.len()));
    };
    part("schema", "sekisho", SCHEMA);
    for (kind, sources) in [("addition", additions), ("policies", policies)] {
        let mut sorted: Vec<&Source> = sources.iter().collect();
        sorted.sort_by(|a, b| (&a.name, &a.text).cmp(&(&b.name, &b.text)));
        sorted.iter().for_each(|source| part(kind, &source.name, &source.text));
    }
    let mut apps: Vec<_> = catalogue.apps.iter().collect();
    apps.sort_by(|a, b| a.name.cmp(&b.name));
    for app in apps {
        let tags: String = app.tags.iter().map(|tag| format!("{}:{tag} ", tag.len())).collect();
        part("app", &app.name, &tags);
    }
    let own = catalogue.own;
    for (name, on) in [("self_service", own.self_service), ("administration", own.administration)] {
        if on {
            part("own", name, "");
        }
    }
    text
}
