//! What is wrong with the settings, where, and what to write instead.

use std::fmt;

/// One thing that is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which setting, as a path of keys such as `app[1].upstream[0]`; empty if it concerns the file as a whole.
    pub path: String,
    /// Where it was written.
    pub place: Place,
    /// What is wrong with it.
    pub what: String,
    /// What to write or do instead.
    pub instead: Option<String>,
}

/// Where a setting was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// Nowhere: it is missing, or concerns the file as a whole.
    #[default]
    Absent,
    /// In the file, on this line (the first is 1).
    Line(u32),
    /// In this variable of the environment.
    Environment(String),
}

/// A setting's path of keys and where it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::config) struct At {
    pub(in crate::config) path: String,
    pub(in crate::config) place: Place,
}

impl Problem {
    pub(in crate::config) fn new(at: &At, what: impl Into<String>) -> Self {
        Self { path: at.path.clone(), place: at.place.clone(), what: what.into(), instead: None }
    }

    #[must_use]
    pub(in crate::config) fn instead(mut self, words: impl Into<String>) -> Self {
        self.instead = Some(words.into());
        self
    }
}

impl At {
    /// A setting that is not written.
    pub(in crate::config) fn absent(path: &str) -> Self {
        Self { path: path.to_owned(), place: Place::Absent }
    }

    /// A key of this section.
    pub(in crate::config) fn key(&self, name: &str, place: Place) -> Self {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Self { path, place }
    }

    /// An item of this list.
    pub(in crate::config) fn item(&self, index: usize, place: Place) -> Self {
        Self { path: format!("{}[{index}]", self.path), place }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.path.is_empty(), &self.place) {
            (true, Place::Absent) => {}
            (true, Place::Line(line)) => write!(f, "line {line}: ")?,
            (true, Place::Environment(name)) => write!(f, "{name}: ")?,
            (false, Place::Absent) => write!(f, "{}: ", self.path)?,
            (false, Place::Line(line)) => write!(f, "{} (line {line}): ", self.path)?,
            (false, Place::Environment(name)) => write!(f, "{} ({name}): ", self.path)?,
        }
        f.write_str(&self.what)?;
        match &self.instead {
            Some(words) => write!(f, "; {words}"),
            None => Ok(()),
        }
    }
}
