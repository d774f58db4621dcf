//! Why not, and what to do now.

use std::fmt;

use askama::Template;

use super::action::Action;

/// A request was refused. Everything in it is shown as text, whoever wrote it.
#[derive(Debug, Template)]
#[template(path = "refusal.html")]
pub struct RefusalPage<'a> {
    /// The host that was asked for.
    pub host: &'a str,
    /// How serious it looks.
    pub tone: Tone,
    /// In a few words.
    pub title: &'a str,
    /// What happened, in plain words.
    pub what: &'a str,
    /// Ways to what was asked for, each a list of steps for the reader.
    pub ways: &'a [Vec<String>],
    /// What the authors of policies have to say about it.
    pub advice: &'a [String],
    /// What the reader can do now; after the steps of a way, if there are any.
    pub remedy: Option<&'a str>,
    /// A command to copy that does it; shown with `remedy`.
    pub command: Option<&'a str>,
    /// Facts that the refusal rests on, such as `Device`, as far as the reader may know them.
    pub facts: &'a [(&'a str, &'a str)],
    /// Buttons; the first is the one to press.
    pub actions: &'a [Action<'a>],
    /// The status code.
    pub status: u16,
    /// The word for it in the record and the metrics.
    pub reason: &'a str,
    /// Which request, for whoever is asked for help.
    pub request_id: &'a str,
}

/// How a page looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Not allowed.
    Stop,
    /// Not now, or something is to be done first.
    Wait,
    /// Information.
    Plain,
}

impl fmt::Display for Tone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stop => "stop",
            Self::Wait => "wait",
            Self::Plain => "plain",
        })
    }
}

impl RefusalPage<'_> {
    /// As HTML.
    ///
    /// # Errors
    /// Only if memory cannot be had.
    pub fn render(&self) -> Result<String, askama::Error> {
        Template::render(self)
    }
}
