//! Before and after a session.

use askama::Template;

use super::action::{Action, Target};

/// Where to sign in, if there are several providers.
#[derive(Debug, Template)]
#[template(path = "chooser.html")]
pub struct ChooserPage<'a> {
    /// The gate's host.
    pub host: &'a str,
    /// The app's host that the reader is on the way to.
    pub destination: Option<&'a str>,
    /// The providers.
    pub choices: &'a [ProviderChoice<'a>],
}

/// A provider to choose.
#[derive(Clone, Debug)]
pub struct ProviderChoice<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its issuer, which tells two apart.
    pub issuer: &'a str,
    /// Begins the sign-in there.
    pub target: Target<'a>,
}

/// After signing out.
#[derive(Debug, Template)]
#[template(path = "signed_out.html")]
pub struct SignedOutPage<'a> {
    /// The gate's host.
    pub host: &'a str,
    /// The provider that was not told, if any: the session there goes on.
    pub still_at: Option<&'a str>,
    /// Begins a new session.
    pub sign_in: Action<'a>,
    /// Ends the session at the provider.
    pub provider_sign_out: Option<Action<'a>>,
}

impl ChooserPage<'_> {
    /// As HTML.
    ///
    /// # Errors
    /// Only if memory cannot be had.
    pub fn render(&self) -> Result<String, askama::Error> {
        Template::render(self)
    }
}

impl SignedOutPage<'_> {
    /// As HTML.
    ///
    /// # Errors
    /// Only if memory cannot be had.
    pub fn render(&self) -> Result<String, askama::Error> {
        Template::render(self)
    }
}
