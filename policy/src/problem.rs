//! What is wrong with a policy or schema file, and where.

use std::fmt;

use crate::set::Source;

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
    /// The text of the line; of a very long line, the part around the place.
    pub text: String,
    /// Characters of `text` before the place.
    lead: usize,
}

/// A file, with an index of its lines: a set of 20,000 policies can have as many warnings.
#[derive(Debug)]
pub(crate) struct File<'a> {
    pub(crate) name: &'a str,
    pub(crate) text: &'a str,
    /// Where each line begins.
    lines: Vec<usize>,
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

impl<'a> File<'a> {
    pub(crate) fn new(source: &'a Source) -> Self {
        let lines = std::iter::once(0).chain(source.text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { name: &source.name, text: &source.text, lines }
    }

    /// Where the `len` bytes at `offset` are. What goes past the line's end is cut there.
    pub(crate) fn place(&self, offset: usize, len: usize) -> Place {
        let text = self.text;
        let offset = floor(text, offset);
        let line = self.lines.partition_point(|&start| start <= offset).max(1);
        let line_start = self.lines.get(line - 1).copied().unwrap_or_default();
        let line_end = self.lines.get(line).map_or(text.len(), |&next| next - 1);
        let end = floor(text, offset.saturating_add(len)).min(line_end).max(offset);
        let count = |from: usize, to: usize| text.get(from..to).map_or(0, |part| part.chars().count());
        let column = count(line_start, offset) + 1;
        // Of a line without end, what is around the place.
        let shown_start = floor(text, line_start.max(offset.saturating_sub(SHOWN / 2)));
        let shown_end = floor(text, line_end.min(shown_start + SHOWN));
        Place {
            file: self.name.to_owned(),
            line,
            column,
            width: count(offset, end.min(shown_end)).max(1),
            text: text.get(shown_start..shown_end).unwrap_or_default().trim_end().to_owned(),
            lead: count(shown_start, offset),
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
                .take(place.lead)
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

/// Most bytes of a line that are shown.
const SHOWN: usize = 200;

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
        let problem = Problem::new(Some(File::new(&Source::new("a.cedar", text)).place(at, 1)), "no such thing")
            .help("write `b`")
            .policy("p");
        assert_eq!(
            problem.to_string(),
            "policy `p`: no such thing\n --> a.cedar:2:9\n  |\n2 | \twhén { a }\n  | \t       ^\n  help: write `b`"
        );
    }

    #[test]
    fn any_offset_has_a_place() {
        let long = "é".repeat(900);
        for text in ["", "é", "a\nb\n", "\n\n", long.as_str()] {
            for offset in (0..6).chain([700, 1799, 1800, 1801]) {
                for len in [0, 1, 9, usize::MAX] {
                    let place = File::new(&Source::new("f", text)).place(offset, len);
                    assert!(place.line >= 1 && place.column >= 1 && place.width >= 1, "{text:?} {offset} {len}");
                    assert!(place.text.len() <= SHOWN && place.lead <= SHOWN);
                }
            }
        }
    }
}
