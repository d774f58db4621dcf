//! The schema with its additions as a file: for editors, and for every other tool that knows Cedar.

use cedar_policy::SchemaFragment;
use serde_json::Value;

use crate::load::too_deep_or_large;
use crate::problem::{File, Problem};
use crate::schema::{self, SCHEMA};
use crate::set::Source;

/// The schema that policies are checked against, additions included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergedSchema {
    /// In Cedar's own syntax, with the comments of both.
    pub cedar: String,
    /// In Cedar's JSON form, with line breaks and one at the end.
    pub json: String,
}

/// The shipped schema with `additions`.
///
/// # Errors
/// Every mistake in every addition.
pub fn merged_schema(additions: &[Source]) -> Result<MergedSchema, Vec<Problem>> {
    let problems = too_deep_or_large(additions);
    if !problems.is_empty() {
        return Err(problems);
    }
    let files: Vec<File<'_>> = additions.iter().map(File::new).collect();
    let whole = schema::whole(&files)?;
    let broken = |error: String| vec![Problem::new(None, format!("the schema cannot be written: {error}"))];
    let json = serde_json::to_string_pretty(&whole).map_err(|error| broken(error.to_string()))? + "\n";
    let cedar = match with_comments(additions).filter(|text| means(text, &whole)) {
        Some(text) => text,
        // Written in a way that does not let itself be put in: what it says, without its comments.
        None => generated(whole).map_err(broken)?,
    };
    Ok(MergedSchema { cedar, json })
}

/// Our text, with what each addition writes between the braces of its `Posture` before the end of ours.
fn with_comments(additions: &[Source]) -> Option<String> {
    let begin = SCHEMA.find(POSTURE)?;
    let end = begin + SCHEMA.get(begin..)?.find("\n};")? + 1;
    let (before, after) = SCHEMA.split_at_checked(end)?;
    let mut text = before.to_owned();
    for addition in additions {
        let body = body(&addition.text)?;
        // A comma after the last fact, in front of its comment, so that more can follow.
        let facts = without_comment(body).trim_end();
        let comma = if facts.ends_with(',') { "" } else { "," };
        let body = format!("{facts}{comma}{}", body.get(facts.len()..).unwrap_or_default());
        text.push_str(&format!("\n  // From {}:\n", addition.name));
        for line in body.trim().lines() {
            let line = line.trim();
            text.push_str(&if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") });
        }
    }
    text.push_str(after);
    Some(text)
}

/// What stands between the braces of `type Posture = { … }`.
fn body(text: &str) -> Option<&str> {
    let after = text.get(text.find("Posture")?..)?;
    let after = after.get(after.find('{')? + 1..)?;
    let mut offset = 0;
    for line in after.split_inclusive('\n') {
        if let Some(at) = without_comment(line).find('}') {
            return after.get(..offset + at);
        }
        offset += line.len();
    }
    None
}

/// The part of the text before the comment of its last line.
fn without_comment(text: &str) -> &str {
    let last = text.trim_end().rfind('\n').map_or(0, |at| at + 1);
    match text.get(last..).and_then(|line| line.find("//")) {
        Some(at) => text.get(..last + at).unwrap_or(text),
        None => text,
    }
}

fn means(text: &str, whole: &Value) -> bool {
    SchemaFragment::from_cedarschema_str(text).ok().and_then(|(fragment, _)| fragment.to_json_value().ok()).as_ref()
        == Some(whole)
}

fn generated(whole: Value) -> Result<String, String> {
    let fragment = SchemaFragment::from_json_value(whole).map_err(|error| error.to_string())?;
    fragment.to_cedarschema().map_err(|error| error.to_string())
}

const POSTURE: &str = "type Posture = {";

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(texts: &[&str]) -> MergedSchema {
        let additions: Vec<Source> = texts.iter().map(|text| Source::new("more.cedarschema", *text)).collect();
        merged_schema(&additions).unwrap()
    }

    #[test]
    fn nothing_added_is_what_ships() {
        assert_eq!(merged(&[]).cedar, SCHEMA);
    }

    #[test]
    fn additions_stand_among_the_facts_with_their_comments() {
        for text in [
            "type Posture = {\n  // EDR {}.\n  edr_running: Bool,\n  risk_score?: Long, // 0 to 100 }\n};\n",
            "type Posture = { edr_running: Bool, risk_score?: Long };",
            "// Ours }\ntype Posture = {\n  edr_running: Bool,\n\n  risk_score?: Long // last\n};",
        ] {
            let schema = merged(&[text]);
            assert!(
                schema.cedar.contains("// A person, named") || schema.cedar.contains("/// A person, named"),
                "{}",
                schema.cedar
            );
            let (_, after) = schema.cedar.split_once("From more.cedarschema:").unwrap();
            assert!(after.contains("edr_running: Bool") && after.contains("risk_score?: Long"), "{after}");
            assert!(means(&schema.cedar, &serde_json::from_str(&schema.json).unwrap()));
        }
        let two = merged(&["type Posture = { a: Bool };", "type Posture = { b: Bool };"]);
        assert!(two.cedar.contains("a: Bool") && two.cedar.contains("b: Bool"));
    }

    #[test]
    fn what_is_no_addition_is_refused() {
        let wrong = Source::new("more.cedarschema", "entity Robot;");
        assert!(merged_schema(&[wrong]).unwrap_err()[0].to_string().contains("cannot be declared here"));
        let deep =
            Source::new("deep.cedarschema", format!("type Posture = {{ a: {}Long{} }};", "Set<".repeat(60), ">".repeat(60)));
        assert!(merged_schema(&[deep]).unwrap_err()[0].to_string().contains("nests too deep"));
    }
}
