//! Reading what a Rust file imports: plainly, without a parser, as the sources are formatted by rustfmt.

#![expect(clippy::string_slice, reason = "every position comes from a search in the same text")]

use std::fmt;

/// A path below the crate's root that a file names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Import {
    pub(super) path: Vec<String>,
}

/// What the text of `module` (`read/chunk`) names below the crate's root, in `use` lines and in paths, tests left out.
pub(super) fn imports(text: &str, module: &str) -> Vec<Import> {
    let code = without_tests(&without_comments(text));
    let here: Vec<String> = module.split('/').map(str::to_owned).collect();
    let mut found = Vec::new();
    for start in starts(&code) {
        let written = path_from(&code[start..]);
        for path in expand(&written) {
            let path = path.trim_end_matches("::self");
            found.extend(resolve(path, &here).map(|path| Import { path }));
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Places where a path begins that leads out of the module.
fn starts(code: &str) -> Vec<usize> {
    let mut starts = Vec::new();
    for word in ["crate::", "super::"] {
        for (at, _) in code.match_indices(word) {
            let before = code[..at].chars().next_back();
            let inner = before.is_some_and(|letter| letter.is_alphanumeric() || "_:$".contains(letter));
            // `pub(in crate::config)` says who may look, not where we look.
            let visibility = code[..at].trim_end().ends_with("pub(in");
            if !inner && !visibility {
                starts.push(at);
            }
        }
    }
    starts
}

/// The path as written, with its braces.
fn path_from(code: &str) -> String {
    let mut depth = 0;
    let mut path = String::new();
    for letter in code.chars() {
        match letter {
            '{' if path.ends_with("::") || depth > 0 => depth += 1,
            '}' if depth > 0 => depth -= 1,
            letter if letter.is_alphanumeric() || "_:".contains(letter) => {}
            ',' | ' ' | '\n' | '*' if depth > 0 => {}
            _ => break,
        }
        path.push(letter);
        if letter == '}' && depth == 0 {
            break;
        }
    }
    path
}

/// `a::{b, c::{d, e}}` as `a::b`, `a::c::d`, `a::c::e`.
fn expand(path: &str) -> Vec<String> {
    let Some(open) = path.find('{') else {
        return vec![path.split_whitespace().next().unwrap_or_default().trim_end_matches(':').to_owned()];
    };
    let (head, rest) = path.split_at(open);
    let inner = &rest[1..rest.rfind('}').unwrap_or(rest.len())];
    let mut parts = vec![String::new()];
    let mut depth = 0;
    for letter in inner.chars() {
        match letter {
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        parts.last_mut().unwrap().push(letter);
    }
    let parts = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty());
    parts.flat_map(|part| expand(&format!("{head}{part}"))).collect()
}

/// The path below the crate's root; `None` if it stays where it is.
fn resolve(path: &str, here: &[String]) -> Option<Vec<String>> {
    let mut segments: Vec<&str> = path.split("::").collect();
    if segments.first() == Some(&"crate") {
        return Some(segments.drain(1..).map(str::to_owned).collect());
    }
    let up = segments.iter().take_while(|segment| **segment == "super").count();
    // The module of `read/mod.rs` is `read`, that of `read/chunk.rs` is `read/chunk`: both go up one step for each `super`.
    let stays = here.len().checked_sub(up)?;
    let base = here.get(..stays)?;
    Some(base.iter().cloned().chain(segments.drain(up..).map(str::to_owned)).collect())
}

/// Without `//` comments, and without what stands in string literals.
fn without_comments(text: &str) -> String {
    let mut code = String::new();
    let mut letters = text.chars().peekable();
    let mut in_text = false;
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if in_text => {
                letters.next();
            }
            '\'' if !in_text => {
                // `'"'` is a character; a lifetime has no closing quote close by.
                let mut ahead = letters.clone();
                let escaped = ahead.next() == Some('\\');
                if escaped || ahead.next() == Some('\'') {
                    letters.next();
                    letters.next();
                }
            }
            '"' => in_text = !in_text,
            '/' if !in_text && letters.peek() == Some(&'/') => {
                for skipped in letters.by_ref() {
                    if skipped == '\n' {
                        break;
                    }
                }
                code.push('\n');
            }
            letter if !in_text => code.push(letter),
            _ => {}
        }
    }
    code
}

/// Without items that are only there for tests.
fn without_tests(code: &str) -> String {
    let mut rest = code;
    let mut kept = String::new();
    while let Some((before, after)) = rest.split_once("#[cfg(test)]") {
        kept.push_str(before);
        let open = after.find('{').unwrap_or(after.len());
        let semicolon = after.find(';').unwrap_or(after.len());
        rest = if semicolon < open { &after[semicolon..] } else { &after[closing(after, open)..] };
    }
    kept.push_str(rest);
    kept
}

/// Where the brace at `open` is closed.
fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0;
    for (at, letter) in code.char_indices().skip_while(|(at, _)| *at < open) {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    code.len()
}

impl fmt::Display for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "crate::{}", self.path.join("::"))
    }
}

#[test]
fn paths_are_read_as_they_are_meant() {
    let text = "use crate::a::{B, c::{D, E}};\nuse super::f::G; // use crate::no::No;\nlet x = \"crate::no::No\"; crate::h::i();\n\
                pub(in crate::no) fn j() {}\n#[cfg(test)]\nmod tests { use crate::no::No; }\n";
    let found: Vec<String> = imports(text, "room/child").iter().map(ToString::to_string).collect();
    assert_eq!(found, ["crate::a::B", "crate::a::c::D", "crate::a::c::E", "crate::h::i", "crate::room::f::G"]);
}
