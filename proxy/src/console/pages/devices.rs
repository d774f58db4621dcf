//! What is a person's own: their devices, sessions and invitations.

use askama::Template;

/// Shown at `/.sekisho/devices`.
#[derive(Debug, Template)]
#[template(path = "devices.html")]
pub struct DevicesPage<'a> {
    /// The gate's host.
    pub host: &'a str,
    /// Their devices.
    pub devices: &'a [OwnDeviceLine<'a>],
    /// Their open invitations.
    pub invitations: &'a [OwnInvitationLine<'a>],
    /// Their sessions.
    pub sessions: &'a [OwnSessionLine<'a>],
    /// Whether they may invite a device for themselves.
    pub self_service: bool,
    /// Against forms that other sites, or other sessions, send.
    pub token: &'a str,
}

/// A device of theirs.
#[derive(Clone, Debug)]
pub struct OwnDeviceLine<'a> {
    /// Its id.
    pub id: &'a str,
    /// What they call it; empty: nothing.
    pub label: &'a str,
    /// Its status.
    pub status: &'a str,
    /// What it runs.
    pub platform: &'a str,
    /// Where its key is, in words.
    pub key: &'a str,
    /// Since when it is here.
    pub enrolled: &'a str,
    /// It is the one that shows the page.
    pub this: bool,
}

/// An open invitation of theirs.
#[derive(Clone, Debug)]
pub struct OwnInvitationLine<'a> {
    /// Its public name.
    pub id: &'a str,
    /// Until when its code can be used.
    pub until: &'a str,
}

/// A session of theirs.
#[derive(Clone, Debug)]
pub struct OwnSessionLine<'a> {
    /// Its public id.
    pub id: &'a str,
    /// The device, by its name or id.
    pub device: &'a str,
    /// When it began.
    pub since: &'a str,
    /// When it was last used.
    pub used: &'a str,
    /// When it ends at the latest.
    pub until: &'a str,
    /// It is the one that shows the page.
    pub this: bool,
}

/// Shown once, to whoever invited a device for themselves.
#[derive(Debug, Template)]
#[template(path = "invited.html")]
pub struct InvitedPage<'a> {
    /// The gate's host.
    pub host: &'a str,
    /// The code.
    pub code: &'a str,
    /// What to type on the device.
    pub command: &'a str,
    /// Until when.
    pub until: &'a str,
    /// An administrator has to let the device in.
    pub approval: bool,
}

/// Asks whether somebody means it.
#[derive(Debug, Template)]
#[template(path = "sure.html")]
pub struct SurePage<'a> {
    /// The gate's host.
    pub host: &'a str,
    /// The question.
    pub title: &'a str,
    /// What it would mean.
    pub what: &'a str,
    /// What the button says.
    pub label: &'a str,
    /// Names and values that it sends.
    pub fields: &'a [(&'a str, &'a str)],
}

/// Where the forms of these pages go.
const ADDRESS: &str = "/.sekisho/devices";

impl DevicesPage<'_> {
    /// As HTML.
    ///
    /// # Errors
    /// Only if memory cannot be had.
    pub fn render(&self) -> Result<String, askama::Error> {
        Template::render(self)
    }
}

impl InvitedPage<'_> {
    /// As HTML.
    ///
    /// # Errors
    /// Only if memory cannot be had.
    pub fn render(&self) -> Result<String, askama::Error> {
        Template::render(self)
    }
}

impl SurePage<'_> {
    /// As HTML.
    ///
    /// # Errors
    /// Only if memory cannot be had.
    pub fn render(&self) -> Result<String, askama::Error> {
        Template::render(self)
    }
}
