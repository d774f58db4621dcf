//! TOML with places: what is of the wrong kind or not known is told with its line, and reading goes on.

use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::near::did_you_mean;
use crate::problem::{File, Place, Problem};
use crate::set::Source;

/// A key as it was written.
pub(crate) type Key<'i> = Spanned<DeString<'i>>;

/// A value as it was written.
pub(crate) type Value<'i> = Spanned<DeValue<'i>>;

/// Reads one file, and gathers what is wrong with it.
#[derive(Debug)]
pub(crate) struct Reader<'s> {
    file: File<'s>,
    problems: Vec<Problem>,
}

impl<'s> Reader<'s> {
    /// Opens a file; `None` in place of its content if it is no TOML.
    pub(crate) fn open(source: &'s Source) -> (Self, Option<DeTable<'s>>) {
        let mut reader = Self { file: File::new(source), problems: Vec::new() };
        let (root, errors) = DeTable::parse_recoverable(&source.text);
        for error in &errors {
            reader.wrong(&error.span().unwrap_or(0..1), error.message().replace('\n', ", "));
        }
        // What is not TOML has lost some of its keys: to call them missing would mislead.
        (reader, errors.is_empty().then(|| root.into_inner()))
    }

    /// What was wrong, in the order of the file.
    pub(crate) fn finish(mut self) -> Vec<Problem> {
        self.problems.sort_by_key(|problem| problem.place.as_ref().map(|place| (place.line, place.column)));
        self.problems
    }

    /// Whether nothing was wrong so far.
    pub(crate) fn is_content(&self) -> bool {
        self.problems.is_empty()
    }

    pub(crate) fn place(&self, at: &Range<usize>) -> Place {
        self.file.place(at.start, at.len())
    }

    pub(crate) fn wrong(&mut self, at: &Range<usize>, message: impl Into<String>) {
        self.problems.push(Problem::new(Some(self.place(at)), message));
    }

    /// Something wrong, with what to write instead, if that is known.
    pub(crate) fn wrong_but(&mut self, at: &Range<usize>, message: impl Into<String>, help: Option<impl Into<String>>) {
        let problem = Problem::new(Some(self.place(at)), message);
        self.problems.push(match help {
            Some(help) => problem.help(help),
            None => problem,
        });
    }

    /// A key that `what` does not have.
    pub(crate) fn unknown(&mut self, key: &Key<'_>, what: &str, known: &[&str]) {
        let written = key.get_ref();
        let help = did_you_mean(written, known.iter().copied()).unwrap_or_else(|| format!("it has {}", known.join(", ")));
        self.wrong_but(&key.span(), format!("{what} has no `{written}`"), Some(help));
    }

    pub(crate) fn table<'v, 'i>(&mut self, value: &'v Value<'i>, what: &str) -> Option<&'v DeTable<'i>> {
        let found = value.get_ref().as_table();
        if found.is_none() {
            self.wrong(&value.span(), format!("{what} is a table of keys, and this is {}", kind(value)));
        }
        found
    }

    pub(crate) fn list<'v, 'i>(&mut self, value: &'v Value<'i>) -> Option<&'v [Value<'i>]> {
        let found = value.get_ref().as_array();
        if found.is_none() {
            self.wrong(&value.span(), format!("a list in brackets belongs here, and this is {}", kind(value)));
        }
        found.map(|list| &**list)
    }

    pub(crate) fn text(&mut self, value: &Value<'_>) -> Option<String> {
        let found = value.get_ref().as_str();
        if found.is_none() {
            self.wrong(&value.span(), format!("a text in quotes belongs here, and this is {}", kind(value)));
        }
        found.map(str::to_owned)
    }

    pub(crate) fn flag(&mut self, value: &Value<'_>) -> Option<bool> {
        let found = value.get_ref().as_bool();
        if found.is_none() {
            self.wrong(&value.span(), format!("true or false belongs here, and this is {}", kind(value)));
        }
        found
    }

    pub(crate) fn number(&mut self, value: &Value<'_>) -> Option<i64> {
        let digits = value.get_ref().as_integer();
        let found = digits.and_then(|digits| i64::from_str_radix(digits.as_str(), digits.radix()).ok());
        if found.is_none() {
            self.wrong(&value.span(), format!("a whole number belongs here, and this is {}", kind(value)));
        }
        found
    }

    pub(crate) fn count(&mut self, value: &Value<'_>) -> Option<u64> {
        let number = self.number(value)?;
        let found = u64::try_from(number).ok();
        if found.is_none() {
            self.wrong(&value.span(), "this cannot be below nothing");
        }
        found
    }

    pub(crate) fn texts(&mut self, value: &Value<'_>) -> Option<BTreeSet<String>> {
        let list = self.list(value)?;
        Some(list.iter().filter_map(|item| self.text(item)).collect())
    }
}

fn kind(value: &Value<'_>) -> &'static str {
    match value.get_ref() {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
