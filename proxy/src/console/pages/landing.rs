//! The gate's own front page: who you are, and what stands behind it.

use askama::Template;

use super::action::{Action, Target};

/// Shown at the sign-in host.
#[derive(Debug, Template)]
#[template(path = "landing.html")]
pub struct LandingPage<'a> {
    /// The gate's host.
    pub host: &'a str,
    /// Who is signed in.
    pub person: Option<Person<'a>>,
    /// The device that this browser has proved.
    pub device: Option<DeviceLine<'a>>,
    /// The session.
    pub session: Option<SessionLine<'a>>,
    /// The apps; empty if the reader may not know them.
    pub apps: &'a [AppLink<'a>],
    /// Buttons, such as sign in or out.
    pub actions: &'a [Action<'a>],
}

/// Who is signed in.
#[derive(Clone, Debug)]
pub struct Person<'a> {
    /// How to address them.
    pub name: &'a str,
    /// `provider/subject`.
    pub id: &'a str,
    /// The verified address.
    pub email: Option<&'a str>,
    /// What the provider says.
    pub groups: &'a [&'a str],
}

/// A device in one line.
#[derive(Clone, Debug)]
pub struct DeviceLine<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its status.
    pub status: &'a str,
    /// Whose it is.
    pub owner: Option<&'a str>,
}

/// A session in one line.
#[derive(Clone, Debug)]
pub struct SessionLine<'a> {
    /// Its public id.
    pub id: &'a str,
    /// When the person signed in.
    pub since: &'a str,
    /// When it ends at the latest.
    pub until: &'a str,
}

/// An app to open.
#[derive(Clone, Debug)]
pub struct AppLink<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its host.
    pub host: &'a str,
    /// Its address.
    pub target: Target<'a>,
}

impl LandingPage<'_> {
    /// As HTML.
    ///
    /// # Errors
    /// Only if memory cannot be had.
    pub fn render(&self) -> Result<String, askama::Error> {
        Template::render(self)
    }
}
