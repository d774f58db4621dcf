//! What is wrong with a policy or schema file, and where.

use std::fmt;

/// One mistake, or one warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where; `None` if no single place is to blame.
    pub place: Option<Place>,
    /// The policy it is about, by id, if one is known.
    pub policy: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file's name, as the [`Source`](crate::Source) gave it.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// How many characters of the line are meant; at least 1.
    pub width: usize,
    /// The text of the line.
    pub text: String,
}

impl Problem {
    pub(crate) fn new(place: Option<Place>, message: impl Into<String>) -> Self {
        Self { place, policy: None, message: message.into(), help: None }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn policy(mut self, id: impl Into<String>) -> Self {
        self.policy = Some(id.into());
        self
    }
}

impl Place {
    /// Where the `len` bytes at `offset` of `text` are. What goes past the line's end is cut there.
    pub(crate) fn find(file: &str, text: &str, offset: usize, len: usize) -> Self {
        let offset = floor(text, offset);
        let (before, after) = text.split_at(offset);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line_end = after.find('\n').map_or(text.len(), |at| offset + at);
        let line = text.get(line_start..line_end).unwrap_or_default();
        let end = floor(text, offset.saturating_add(len)).min(line_end).max(offset);
        let count = |from: usize, to: usize| text.get(from..to).map_or(0, |part| part.chars().count());
        Self {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: count(line_start, offset) + 1,
            width: count(offset, end).max(1),
            text: line.trim_end().to_owned(),
        }
    }
}

impl fmt::Display for Problem {
    /// The message, the place with carets under it, and the help: several lines, without a line break at the end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.policy {
            Some(policy) => write!(f, "policy `{policy}`: {}", self.message)?,
            None => f.write_str(&self.message)?,
        }
        if let Some(place) = &self.place {
            let margin = place.line.to_string().len();
            // A tab in the text stays a tab under it, so that the carets stand where the eye expects them.
            let lead: String = place
                .text
                .chars()
                .chain(std::iter::repeat(' '))
                .take(place.column - 1)
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .collect();
            write!(f, "\n{:margin$}--> {place}", "")?;
            write!(f, "\n{:margin$} |", "")?;
            write!(f, "\n{} | {}", place.line, place.text)?;
            write!(f, "\n{:margin$} | {lead}{}", "", "^".repeat(place.width))?;
        }
        match &self.help {
            Some(help) => write!(f, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Place {
    /// `file:line:column`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// The last character boundary at or before `offset`.
fn floor(text: &str, offset: usize) -> usize {
    let mut at = offset.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carets_stand_under_the_place() {
        let text = "permit (\n\twhén { a }\n);";
        let at = text.find('a').unwrap();
        let problem = Problem::new(Some(Place::find("a.cedar", text, at, 1)), "no such thing").help("write `b`").policy("p");
        assert_eq!(
            problem.to_string(),
            "policy `p`: no such thing\n --> a.cedar:2:9\n  |\n2 | \twhén { a }\n  | \t       ^\n  help: write `b`"
        );
    }

    #[test]
    fn any_offset_has_a_place() {
        for text in ["", "é", "a\nb\n", "\n\n"] {
            for offset in 0..6 {
                for len in [0, 1, 9, usize::MAX] {
                    let place = Place::find("f", text, offset, len);
                    assert!(place.line >= 1 && place.column >= 1 && place.width >= 1, "{text:?} {offset} {len}");
                }
            }
        }
    }
}
