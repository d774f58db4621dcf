//! Columns and rows as SQLite gives them: JSON of which most is read where it stands.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use serde::Deserialize;

use crate::store::error::StoreError;

/// A column. Most have nothing that JSON escapes, and are read where they stand.
#[derive(Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// Authorities and providers are few and devices many: they share the text of the name.
#[derive(Default)]
pub(in crate::store) struct Names(HashMap<String, Arc<str>>);

impl Names {
    pub(super) fn share(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.get(name) {
            return Arc::clone(known);
        }
        let shared: Arc<str> = name.into();
        self.0.insert(name.to_owned(), Arc::clone(&shared));
        shared
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// Rows out of the text that a statement of these gives: one, or a list of them.
pub(in crate::store) fn read<'a, R: Deserialize<'a>>(text: &'a str) -> Result<R, StoreError> {
    serde_json::from_str(text).map_err(|problem| StoreError::Corrupt(format!("rows are not as they were asked for: {problem}")))
}

/// The value that is called `text`.
pub(super) fn word<T: Copy>(all: &[T], text: &str, as_str: fn(T) -> &'static str) -> Option<T> {
    all.iter().copied().find(|&one| as_str(one) == text)
}

macro_rules! one {
    ($columns:ident, $table:literal, $key:literal) => {
        concat!("SELECT json_array(", $columns!(), ") FROM ", $table, " WHERE ", $key, " = ?")
    };
}

/// With the number of the last of them.
macro_rules! some {
    ($columns:ident, $table:literal) => {
        concat!(
            "SELECT max(number), json_group_array(json_array(",
            $columns!(),
            ")) FROM (SELECT rowid AS number, * FROM ",
            $table,
            " WHERE rowid > ? ORDER BY rowid LIMIT ?)"
        )
    };
}

pub(super) use {one, some};
