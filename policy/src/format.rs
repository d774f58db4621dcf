//! One layout for all policies.

use cedar_policy::PolicySet;
use cedar_policy_formatter::{Config, policies_str_to_pretty};
use serde_json::Value;

use crate::load::unreadable;
use crate::problem::{File, Problem};
use crate::set::Source;

/// The policies of a file in the usual layout. They mean the same, and every comment is there.
///
/// # Errors
/// What is wrong with the file's syntax; or that it cannot be laid out without a loss, in which case it is to be left alone.
pub fn format(source: &Source) -> Result<String, Vec<Problem>> {
    let problems = unreadable(source);
    if !problems.is_empty() {
        return Err(problems);
    }
    // What is laid out once more may move a little further: where it comes to rest is the layout.
    let mut text = source.text.clone();
    for _ in 0..MOST_ROUNDS {
        let next = once(&text, source)?;
        if next == text {
            break;
        }
        text = next;
    }
    let lost = |what: &str| {
        let place = File::new(source).place(0, 1);
        vec![
            Problem::new(Some(place), format!("this file cannot be laid out anew without a change of {what}"))
                .help("it is left as it is"),
        ]
    };
    if meaning(&source.text) != meaning(&text) || meaning(&text).is_none() {
        return Err(lost("meaning"));
    }
    if comments(&source.text) != comments(&text) {
        return Err(lost("comments"));
    }
    Ok(text)
}

fn once(text: &str, source: &Source) -> Result<String, Vec<Problem>> {
    let config = Config { line_width: LINE, indent_width: INDENT };
    // What holds no policy has no layout.
    if text.parse::<PolicySet>().is_ok_and(|set| set.is_empty()) {
        return Ok(text.to_owned());
    }
    policies_str_to_pretty(text, &config).map(|text| text.trim_end().to_owned() + "\n").map_err(|error| {
        vec![Problem::new(Some(File::new(source).place(0, 1)), format!("this file cannot be laid out: {error}"))]
    })
}

/// What the policies say, annotations included, in the order of the file.
fn meaning(text: &str) -> Option<Vec<Value>> {
    let set: PolicySet = text.parse().ok()?;
    let mut policies: Vec<_> = set.policies().collect();
    policies.sort_by_key(|policy| AsRef::<_>::as_ref(*policy).loc().map(|loc| loc.start()));
    policies.iter().map(|policy| policy.to_json().ok()).collect()
}

/// Every comment, sorted: one may come to stand on another line.
fn comments(text: &str) -> Vec<&str> {
    let mut found: Vec<&str> = text.lines().filter_map(comment).map(str::trim).collect();
    found.sort_unstable();
    found
}

/// The comment of a line, if it has one.
fn comment(line: &str) -> Option<&str> {
    let mut quoted = false;
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        match c {
            '"' if before != '\\' => quoted = !quoted,
            '/' if before == '/' && !quoted => return line.get(at + 1..),
            _ => {}
        }
        // A backslash that is escaped escapes nothing.
        before = if c == '\\' && before == '\\' { ' ' } else { c };
    }
    None
}

/// Characters in a line.
const LINE: usize = 120;
/// Characters that a level is moved in.
const INDENT: isize = 2;
/// Rounds until the layout rests.
const MOST_ROUNDS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_rests_and_keeps_meaning_and_comments() {
        for text in [
            "// first\n@id(\"a\") permit(principal,action,resource)when{context.session.mfa&&true};\n// last\n",
            "@id(\"b\") forbid (principal, action in Action::\"use\", resource) // why\nunless { context.request.path == \"//\\\"//\" };",
            include_str!("../../examples/policies/starter.cedar"),
            include_str!("../../examples/policies/guards.cedar"),
            "// nothing yet\n",
            "",
        ] {
            let once = format(&Source::new("a.cedar", text)).unwrap();
            assert_eq!(comments(&once), comments(text));
            assert_eq!(meaning(&once), meaning(text));
            assert_eq!(format(&Source::new("a.cedar", once.as_str())).unwrap(), once);
        }
    }

    #[test]
    fn what_is_not_a_policy_is_told_with_its_place() {
        let problems = format(&Source::new("a.cedar", "permit (principal, action)")).unwrap_err();
        assert_eq!(problems[0].place.as_ref().unwrap().file, "a.cedar");
        assert!(format(&Source::new("a.cedar", "(".repeat(500))).unwrap_err()[0].message.contains("nests too deep"));
    }

    #[test]
    fn comments_are_not_texts() {
        assert_eq!(comments("a == \"//\" // b\n//c\n\"\\\\\" // d"), ["b", "c", "d"]);
    }
}
