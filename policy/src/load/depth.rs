//! How deep a file nests, seen before Cedar's parser sees it.
//!
//! Cedar parses, checks and evaluates by recursion. Nesting without end would overflow the stack and take the process down;
//! long chains of `&&` would load, and then fail on every request. So both are bounded, far above what people write.

use crate::problem::{File, Problem};

/// A bracket counts as this much: it passes through every level of Cedar's grammar.
const BRACKET: usize = 4;

/// `is` counts as this much: Cedar reads `a is B in c` as `a is B && a in c`, so whatever `a` holds stands there twice, and
/// twice again with each further one around it.
const IS: usize = 12;

/// Most that brackets and chained operators may add up to: 50 brackets, or 200 operators.
const MAX_DEPTH: usize = 200;

/// What kind of file it is: in schemas `<` and `>` are brackets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grammar {
    Policies,
    Schema,
}

/// The problem, if `source` nests too deep.
pub(crate) fn too_deep(source: &File<'_>, grammar: Grammar) -> Option<Problem> {
    let at = scan(source.text, grammar)?;
    let place = source.place(at, 1);
    Some(
        Problem::new(Some(place), "this nests too deep, or chains too many operators")
            .help("at most 50 brackets inside each other, or 200 operators in a row: use groups, tags, sets or several policies"),
    )
}

/// What one bracket holds since the last comma: `&&`, `||` and the words that chain, the longest operand between them, the
/// deepest bracket; and the most that there was before the comma.
#[derive(Clone, Copy, Default)]
struct Level {
    chained: usize,
    operand: usize,
    longest: usize,
    inside: usize,
    most: usize,
}

impl Level {
    /// At `&&` and its like: another operand begins.
    fn chain(&mut self) {
        self.longest = self.longest.max(self.operand);
        self.operand = 0;
        self.chained += 1;
    }

    /// At a comma or semicolon: what follows does not stand on what was before.
    fn next(&mut self) {
        *self = Self { most: self.depth(), ..Self::default() };
    }

    /// How deep a bracket that opens here is in this level.
    fn down_to_here(&self) -> usize {
        self.chained + self.operand + BRACKET
    }

    fn depth(&self) -> usize {
        self.most.max(self.chained + self.longest.max(self.operand) + self.inside)
    }
}

/// Where the limit is crossed.
fn scan(text: &str, grammar: Grammar) -> Option<usize> {
    let mut open: Vec<Level> = Vec::new();
    let mut here = Level::default();
    let mut above = 0;
    let mut tokens = Tokens { rest: text, at: 0 };
    while let Some((at, token)) = tokens.next() {
        let schema = grammar == Grammar::Schema;
        match token {
            "(" | "[" | "{" => down(&mut open, &mut here, &mut above),
            "<" if schema => down(&mut open, &mut here, &mut above),
            ")" | "]" | "}" => up(&mut open, &mut here, &mut above),
            ">" if schema => up(&mut open, &mut here, &mut above),
            "," | ";" => here.next(),
            "&&" | "||" | "if" | "when" | "unless" => here.chain(),
            "is" => here.operand += IS,
            _ => here.operand += 1,
        }
        if above.saturating_add(here.depth()) > MAX_DEPTH {
            return Some(at);
        }
    }
    None
}

/// A bracket opens.
fn down(open: &mut Vec<Level>, here: &mut Level, above: &mut usize) {
    *above += here.down_to_here();
    open.push(std::mem::take(here));
}

/// A bracket closes.
fn up(open: &mut Vec<Level>, here: &mut Level, above: &mut usize) {
    let inner = std::mem::replace(here, open.pop().unwrap_or_default());
    *above = above.saturating_sub(here.down_to_here());
    here.inside = here.inside.max(inner.depth() + BRACKET);
}

/// Brackets, separators, operators and the words that nest; texts, names, numbers and comments are passed over.
struct Tokens<'a> {
    rest: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    /// Takes `len` bytes; `None` at the end.
    fn take(&mut self, len: usize) -> Option<(usize, &'a str)> {
        let (token, rest) = self.rest.split_at_checked(len)?;
        let at = self.at;
        self.rest = rest;
        self.at += len;
        Some((at, token))
    }

    /// Passes over a text, its quotes included.
    fn pass_text(&mut self) {
        let mut escaped = false;
        let end = self.rest.char_indices().skip(1).find(|&(_, c)| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        self.take(end.map_or(self.rest.len(), |(at, _)| at + 1));
    }

    fn next(&mut self) -> Option<(usize, &'a str)> {
        loop {
            let first = self.rest.chars().next()?;
            if first == '"' {
                self.pass_text();
            } else if self.rest.starts_with("//") {
                self.take(self.rest.find('\n').unwrap_or(self.rest.len()));
            } else if first.is_alphanumeric() || first == '_' {
                let len = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
                let (at, word) = self.take(len)?;
                if ["if", "when", "unless", "in", "has", "like", "is"].contains(&word) {
                    return Some((at, word));
                }
            } else if "()[]{}<>,;.+-*!=&|".contains(first) {
                // Operators of two characters count once.
                let pair = ["&&", "||", "==", "!=", "<=", ">="].iter().any(|pair| self.rest.starts_with(pair));
                return self.take(if pair { 2 } else { 1 });
            } else {
                self.take(first.len_utf8());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_too_deep(body: &str) -> bool {
        scan(&format!("@id(\"a\") permit (principal, action, resource) when {{ {body} }};"), Grammar::Policies).is_some()
    }

    #[test]
    fn brackets_and_chains_are_bounded() {
        let nested = |depth: usize| format!("{}true{}", "(".repeat(depth), ")".repeat(depth));
        assert!(!is_too_deep(&nested(45)));
        assert!(is_too_deep(&nested(60)));
        let chain = |length: usize| format!("true{}", " && true".repeat(length));
        assert!(!is_too_deep(&chain(190)));
        assert!(is_too_deep(&chain(210)));
        assert!(is_too_deep(&format!("{}true", "if a then b else ".repeat(210))));
        assert!(is_too_deep(&format!("context{}", ".a".repeat(210))));
        assert!(is_too_deep(&format!("({} && true) && true", chain(190)).repeat(2)));
        assert!(is_too_deep(&format!("true }} {} when {{ true", "when { true }".repeat(210))));
    }

    #[test]
    fn what_doubles_is_bounded_sooner() {
        let nested = |depth: usize| {
            (0..depth).fold("principal".to_owned(), |inside, _| {
                format!("(if {inside} is User in Group::\"a\" then principal else principal)")
            })
        };
        assert!(!is_too_deep(&nested(8)));
        assert!(is_too_deep(&nested(12)));
        assert!(is_too_deep(
            &(0..14).fold("principal".to_owned(), |inside, _| format!("{{a: {inside} is User in principal}}.a"))
        ));
        assert!(!is_too_deep(&["(principal is User in Group::\"a\")"; 30].join(" || ")));
    }

    #[test]
    fn what_is_long_but_flat_is_not_deep() {
        assert!(!is_too_deep(&format!("[{}].contains(context.request.source_ip)", vec!["ip(\"10.0.0.1\")"; 5_000].join(", "))));
        assert!(!is_too_deep("context.request.path == \"((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((\""));
        assert!(!is_too_deep(&format!("true // {}\n", "(".repeat(300))));
        assert!(!is_too_deep(&format!("context.request.path == \"\\\"{}\"", "(".repeat(300))));
        let many = "permit (principal, action, resource) when { context.session.mfa };".repeat(1_000);
        assert_eq!(scan(&many, Grammar::Policies), None);
    }

    #[test]
    fn schemas_nest_by_angle_brackets_too() {
        let sets = |depth: usize| format!("type Posture = {{ a: {}Long{} }};", "Set<".repeat(depth), ">".repeat(depth));
        assert_eq!(scan(&sets(40), Grammar::Schema), None);
        assert!(scan(&sets(60), Grammar::Schema).is_some());
    }
}
