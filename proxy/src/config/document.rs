//! The text as a tree of values, each with the line that it stands on.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{At, Place, Problem};

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(in crate::config) struct Node {
    pub(in crate::config) value: Value,
    pub(in crate::config) place: Place,
}

/// What was written.
#[derive(Clone, Debug)]
pub(in crate::config) enum Value {
    Text(String),
    /// As digits with an optional sign; whether it fits is for the reader to say.
    Number(Option<i64>),
    Flag(bool),
    List(Vec<Node>),
    /// Keys in the order of the parser, each with the place of its name.
    Table(Vec<(String, Node)>),
    /// Something that no setting takes.
    Other(&'static str),
}

impl Node {
    pub(in crate::config) fn empty_table() -> Self {
        Self { value: Value::Table(Vec::new()), place: Place::Absent }
    }

    /// What it is, in words.
    pub(in crate::config) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Text(_) => "text",
            Value::Number(_) => "a number",
            Value::Flag(_) => "true or false",
            Value::List(_) => "a list",
            Value::Table(_) => "a section",
            Value::Other(kind) => kind,
        }
    }
}

/// Reads TOML. Every error of its syntax is reported.
pub(in crate::config) fn parse(text: &str, problems: &mut Vec<Problem>) -> Node {
    let lines = Lines::of(text);
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let place = error.span().map_or(Place::Absent, |span| lines.place(&span));
        let at = At { path: String::new(), place };
        problems.push(Problem::new(&at, error.message().replace('\n', ", ")));
    }
    Node { value: lines.table(root.into_inner()), place: Place::Line(1) }
}

/// Where each line begins.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect())
    }

    fn place(&self, span: &Range<usize>) -> Place {
        let before = self.0.partition_point(|&newline| newline < span.start);
        Place::Line(u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1))
    }

    fn table(&self, table: DeTable<'_>) -> Value {
        let entry = |(key, value): (Spanned<std::borrow::Cow<'_, str>>, Spanned<DeValue<'_>>)| {
            let place = self.place(&key.span());
            (key.into_inner().into_owned(), Node { value: self.value(value.into_inner()), place })
        };
        Value::Table(table.into_iter().map(entry).collect())
    }

    fn value(&self, value: DeValue<'_>) -> Value {
        match value {
            DeValue::String(text) => Value::Text(text.into_owned()),
            DeValue::Integer(digits) => Value::Number(i64::from_str_radix(digits.as_str(), digits.radix()).ok()),
            DeValue::Boolean(flag) => Value::Flag(flag),
            DeValue::Float(_) => Value::Other("a fraction"),
            DeValue::Datetime(_) => Value::Other("a date or time"),
            DeValue::Table(table) => self.table(table),
            DeValue::Array(items) => Value::List(
                items
                    .into_iter()
                    .map(|item| {
                        let place = self.place(&item.span());
                        Node { value: self.value(item.into_inner()), place }
                    })
                    .collect(),
            ),
        }
    }
}
