//! How a device becomes known.

use askama::Template;

/// Explains `sekisho enroll`. Shown without a device.
#[derive(Debug, Template)]
#[template(path = "enrol.html")]
pub struct EnrolPage<'a> {
    /// The host that was asked.
    pub host: &'a str,
    /// The device that this browser has proved already.
    pub device: Option<&'a str>,
    /// The command to run, such as `sekisho enroll --gate https://gate.corp.example`.
    pub command: &'a str,
    /// Whether an administrator has to confirm the key.
    pub approval: bool,
}

impl EnrolPage<'_> {
    /// As HTML.
    ///
    /// # Errors
    /// Only if memory cannot be had.
    pub fn render(&self) -> Result<String, askama::Error> {
        Template::render(self)
    }
}
