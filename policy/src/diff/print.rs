//! Conditions as people write them.

use std::fmt;

use super::form::{Comparison, Form};

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Long(value) => write!(f, "{value}"),
            Self::Text(text) => write!(f, "{}", quoted(text)),
            Self::Entity(kind, id) => write!(f, "{kind}::{}", quoted(id)),
            Self::Var(name) => f.write_str(name),
            Self::All(parts) => joined(f, parts, " && ", |part| matches!(part, Self::Any(_) | Self::If(..))),
            Self::Any(parts) => joined(f, parts, " || ", |part| matches!(part, Self::All(_) | Self::If(..))),
            Self::Not(of) => write!(f, "!{}", Tight(of)),
            Self::Compare(op, left, right) => write!(f, "{} {} {}", Tight(left), op.as_str(), Tight(right)),
            Self::In(of, parent) => write!(f, "{} in {}", Tight(of), Tight(parent)),
            Self::Is(of, kind) => write!(f, "{} is {kind}", Tight(of)),
            Self::Get(of, name) if is_word(name) => write!(f, "{}.{name}", Tight(of)),
            Self::Get(of, name) => write!(f, "{}[{}]", Tight(of), quoted(name)),
            Self::Has(of, name) if is_word(name) => write!(f, "{} has {name}", Tight(of)),
            Self::Has(of, name) => write!(f, "{} has {}", Tight(of), quoted(name)),
            Self::Like(of, pattern) => {
                let text: String = pattern.iter().map(|element| element.map_or("*".to_owned(), in_pattern)).collect();
                write!(f, "{} like \"{text}\"", Tight(of))
            }
            Self::If(asked, then, otherwise) => write!(f, "if {asked} then {then} else {otherwise}"),
            Self::Set(items) => {
                f.write_str("[")?;
                joined(f, items, ", ", |_| false)?;
                f.write_str("]")
            }
            Self::Record(fields) => {
                f.write_str("{")?;
                for (at, (name, value)) in fields.iter().enumerate() {
                    write!(f, "{}{}: {value}", if at > 0 { ", " } else { "" }, quoted(name))?;
                }
                f.write_str("}")
            }
            Self::Call(name, arguments) => call(f, name, arguments),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl Comparison {
    fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "==",
            Self::NotEq => "!=",
            Self::Less => "<",
            Self::LessEq => "<=",
            Self::Greater => ">",
            Self::GreaterEq => ">=",
        }
    }
}

/// In parentheses unless it is one word.
struct Tight<'a>(&'a Form);

impl fmt::Display for Tight<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let loose = match self.0 {
            Form::All(_)
            | Form::Any(_)
            | Form::Compare(..)
            | Form::In(..)
            | Form::Is(..)
            | Form::Has(..)
            | Form::Like(..)
            | Form::If(..) => true,
            Form::Call(name, _) => !is_word(name),
            _ => false,
        };
        if loose { write!(f, "({})", self.0) } else { write!(f, "{}", self.0) }
    }
}

fn call(f: &mut fmt::Formatter<'_>, name: &str, arguments: &[Form]) -> fmt::Result {
    match arguments {
        [first, second] if !is_word(name) => write!(f, "{} {name} {}", Tight(first), Tight(second)),
        [first] if !is_word(name) => write!(f, "{name}{}", Tight(first)),
        [first] if CONSTRUCTORS.contains(&name) => write!(f, "{name}({first})"),
        [first, rest @ ..] => {
            write!(f, "{}.{name}(", Tight(first))?;
            joined(f, rest, ", ", |_| false)?;
            f.write_str(")")
        }
        [] => write!(f, "{name}()"),
    }
}

fn joined(f: &mut fmt::Formatter<'_>, parts: &[Form], between: &str, needs_parentheses: impl Fn(&Form) -> bool) -> fmt::Result {
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            f.write_str(between)?;
        }
        if needs_parentheses(part) { write!(f, "({part})")? } else { write!(f, "{part}")? }
    }
    Ok(())
}

fn is_word(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// As Cedar reads it: its escapes are Rust's.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.chars().map(escaped).collect::<String>())
}

fn in_pattern(c: char) -> String {
    if c == '*' { "\\*".to_owned() } else { escaped(c) }
}

fn escaped(c: char) -> String {
    match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_control() => c.escape_unicode().to_string(),
        c => c.to_string(),
    }
}

const CONSTRUCTORS: [&str; 4] = ["datetime", "decimal", "duration", "ip"];
