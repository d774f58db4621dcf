//! A form that was kept, before it is sent.

use askama::Template;

use super::action::Target;

/// Shown once the person has signed in again.
#[derive(Debug, Template)]
#[template(path = "send_again.html")]
pub struct SendAgainPage<'a> {
    /// The app's host.
    pub host: &'a str,
    /// Where the form goes, without the query.
    pub path: &'a str,
    /// Where it goes.
    pub target: Target<'a>,
    /// Bytes of it.
    pub bytes: u64,
    /// What is in it: names, and what may be told of each.
    pub fields: &'a [(&'a str, &'a str)],
    /// Name of the one field that sends it.
    pub name: &'a str,
    /// Its value.
    pub value: &'a str,
    /// Where the same field throws it away.
    pub discard: Target<'a>,
}

impl SendAgainPage<'_> {
    /// As HTML.
    ///
    /// # Errors
    /// Only if memory cannot be had.
    pub fn render(&self) -> Result<String, askama::Error> {
        Template::render(self)
    }
}
