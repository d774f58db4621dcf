//! The schema that ships, and the additions to it.
//!
//! An addition is a file that declares `type Posture = { … };` with facts that ours does not have. Nothing else: everything
//! that we declare keeps its meaning whatever is added.

use cedar_policy::{Schema, SchemaFragment};
use serde_json::{Map, Value};

use crate::names::Names;
use crate::problem::{File, Place, Problem};

/// The schema that ships, in Cedar's own syntax, with a comment on every fact.
pub const SCHEMA: &str = include_str!("schema.cedarschema");

/// The schema with its additions.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) schema: Schema,
    pub(crate) names: Names,
    /// The facts of `context.device.posture`.
    pub(crate) posture: Vec<PostureFact>,
}

/// A fact of `context.device.posture`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostureFact {
    /// What policies call it.
    pub name: String,
    /// What its value is.
    pub kind: FactKind,
    /// Always there; false if unknown. Only flags can be: there is no number and no text that is the worst of all.
    pub required: bool,
}

/// What the value of a fact is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactKind {
    /// True or false, phrased so that true is good.
    Flag,
    /// A whole number.
    Number,
    /// A text.
    Text,
}

impl Facts {
    /// Ours, with `additions`.
    pub(crate) fn load(additions: &[File<'_>]) -> Result<Self, Vec<Problem>> {
        let whole = whole(additions)?;
        let posture = posture_facts(&whole);
        let broken =
            |error: String| vec![Problem::new(None, format!("the schema with its additions does not hold together: {error}"))];
        let schema = Schema::from_json_value(whole).map_err(|error| broken(error.to_string()))?;
        let names = Names::find(&schema).map_err(|missing| broken(format!("`{missing}` is missing")))?;
        Ok(Self { schema, names, posture })
    }
}

/// Ours with `additions`, in JSON form.
pub(crate) fn whole(additions: &[File<'_>]) -> Result<Value, Vec<Problem>> {
    let mut whole = shipped()?;
    let mut problems = Vec::new();
    for source in additions {
        match read_addition(source) {
            Ok(addition) => problems.extend(merge(&mut whole, addition, source)),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(whole) } else { Err(problems) }
}

/// The shipped schema in JSON form. It cannot fail: a test loads it.
fn shipped() -> Result<Value, Vec<Problem>> {
    let (fragment, _) = SchemaFragment::from_cedarschema_str(SCHEMA)
        .map_err(|error| vec![Problem::new(None, format!("the schema that ships cannot be read: {error}"))])?;
    fragment.to_json_value().map_err(|error| vec![Problem::new(None, format!("the schema that ships cannot be read: {error}"))])
}

/// The attributes that a file adds to `Posture`.
fn read_addition(source: &File<'_>) -> Result<Map<String, Value>, Vec<Problem>> {
    let start = || Some(source.place(0, 1));
    let (fragment, _) = SchemaFragment::from_cedarschema_str(source.text).map_err(|error| syntax_problems(source, &error))?;
    let json = fragment
        .to_json_value()
        .map_err(|error| vec![Problem::new(start(), format!("this schema file cannot be read: {error}"))])?;
    let mut problems = Vec::new();
    let mut added = Map::new();
    for (namespace, body) in json.as_object().into_iter().flatten() {
        if !namespace.is_empty() {
            problems.push(not_an_addition(source, namespace, &format!("the namespace `{namespace}`")));
            continue;
        }
        for (section, what) in [("entityTypes", "the entity type"), ("actions", "the action")] {
            for name in body.get(section).and_then(Value::as_object).into_iter().flat_map(Map::keys) {
                problems.push(not_an_addition(source, name, &format!("{what} `{name}`")));
            }
        }
        for (name, definition) in body.get("commonTypes").and_then(Value::as_object).into_iter().flatten() {
            match (name.as_str(), definition.get("attributes").and_then(Value::as_object)) {
                ("Posture", Some(attributes)) => added.extend(attributes.clone()),
                ("Posture", None) => problems.push(
                    Problem::new(place_of(source, "Posture"), "`Posture` is a record of facts")
                        .help("write `type Posture = { edr_running: Bool };`"),
                ),
                _ => problems.push(not_an_addition(source, name, &format!("the type `{name}`"))),
            }
        }
    }
    if problems.is_empty() { Ok(added) } else { Err(problems) }
}

/// Puts `added` into the `Posture` of `whole`, where it is new and of a type that a fact can have.
fn merge(whole: &mut Value, added: Map<String, Value>, source: &File<'_>) -> Vec<Problem> {
    let Some(ours) = whole.pointer_mut(POSTURE).and_then(Value::as_object_mut) else {
        return vec![Problem::new(None, "the schema that ships has no `Posture`")];
    };
    let mut problems = Vec::new();
    for (name, definition) in added {
        let place = || place_of(source, &name);
        if ours.contains_key(&name) {
            problems.push(
                Problem::new(place(), format!("`{name}` is declared already"))
                    .help("an addition only adds: choose another name, or leave it out"),
            );
            continue;
        }
        match (kind_of(&definition), is_required(&definition)) {
            (Some(FactKind::Number | FactKind::Text), true) => problems.push(
                Problem::new(place(), format!("`{name}` is not known of every device, and no value stands for unknown"))
                    .help(format!("write `{name}?: …`; policies then ask `context.device.posture has {name}` first")),
            ),
            (Some(_), _) => {
                ours.insert(name, definition);
            }
            (None, _) => problems.push(
                Problem::new(place(), format!("`{name}` has a type that a fact cannot have"))
                    .help("a fact is a `Bool`, or an optional `Long` or `String`"),
            ),
        }
    }
    problems
}

fn posture_facts(whole: &Value) -> Vec<PostureFact> {
    let declared = whole.pointer(POSTURE).and_then(Value::as_object).into_iter().flatten();
    declared
        .filter_map(|(name, definition)| {
            Some(PostureFact { name: name.clone(), kind: kind_of(definition)?, required: is_required(definition) })
        })
        .collect()
}

fn kind_of(definition: &Value) -> Option<FactKind> {
    let word = match definition.get("type")?.as_str()? {
        "EntityOrCommon" => definition.get("name")?.as_str()?,
        primitive => primitive,
    };
    match word.strip_prefix("__cedar::").unwrap_or(word) {
        "Bool" | "Boolean" => Some(FactKind::Flag),
        "Long" => Some(FactKind::Number),
        "String" => Some(FactKind::Text),
        _ => None,
    }
}

fn is_required(definition: &Value) -> bool {
    definition.get("required").and_then(Value::as_bool).unwrap_or(true)
}

fn not_an_addition(source: &File<'_>, name: &str, what: &str) -> Problem {
    Problem::new(place_of(source, name), format!("{what} cannot be declared here"))
        .help("the schema ships with Sekisho; additions declare `type Posture = { … };` and nothing else")
}

/// The first place that spells `name` as a whole word: the JSON form of a schema keeps no places.
fn place_of(source: &File<'_>, name: &str) -> Option<Place> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let text = source.text;
    let at = text
        .match_indices(name)
        .find(|(at, _)| {
            let before = text.get(..*at).and_then(|part| part.chars().next_back());
            let after = text.get(at + name.len()..).and_then(|part| part.chars().next());
            !before.is_some_and(is_word) && !after.is_some_and(is_word)
        })
        .map_or((0, 1), |(at, name)| (at, name.len()));
    Some(source.place(at.0, at.1))
}

fn syntax_problems(source: &File<'_>, error: &cedar_policy::CedarSchemaError) -> Vec<Problem> {
    use miette::Diagnostic as _;
    let every = std::iter::once(error as &dyn miette::Diagnostic).chain(error.related().into_iter().flatten());
    every.map(|one| crate::load::from_diagnostic(source, one)).collect()
}

const POSTURE: &str = "//commonTypes/Posture/attributes";
