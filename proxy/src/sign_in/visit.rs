//! What comes in from a browser, and what goes back to it.

use std::fmt;

use bytes::Bytes;
use http::{Method, StatusCode};

use super::form::{Field, FormId};
use super::step_up::Way;
use crate::clock::Timestamp;
use crate::config::Host;
use crate::identify_device::KnownDevice;
use crate::identify_user::cookie::Cookie;

/// A request for one of the addresses that signing in and out use, `/.sekisho/…`.
///
/// Shown without cookies, queries and bodies: sessions, codes and states are in them.
#[derive(Clone)]
pub struct Visit {
    /// Which of them.
    pub endpoint: Endpoint,
    /// Of [`Endpoint::Callback`] at the sign-in host: whose own callback it is, by the path; `None` for the one that providers share.
    pub callback_of: Option<String>,
    /// The method.
    pub method: Method,
    /// The host: the sign-in host or an app's.
    pub host: Host,
    /// The query, without `?`, as it came.
    pub query: Option<String>,
    /// The `Cookie` headers, joined by `; `.
    pub cookies: Option<String>,
    /// `Origin`.
    pub origin: Option<String>,
    /// `Sec-Fetch-Site`.
    pub fetch_site: Option<String>,
    /// The body of a form.
    pub body: Bytes,
    /// The device that proved itself on the connection.
    pub device: Option<KnownDevice>,
    /// When the request came.
    pub now: Timestamp,
}

/// The addresses that signing in and out use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `/.sekisho/sign-in`.
    SignIn,
    /// `/.sekisho/callback`: at the sign-in host from the provider, at an app's host with a hand-over code.
    Callback,
    /// `/.sekisho/sign-out`.
    SignOut,
    /// `/.sekisho/send-again`, at an app's host.
    SendAgain,
}

/// What the browser gets. Sent with `Cache-Control: no-store` and `Referrer-Policy: no-referrer`; the page that asks
/// before signing out with `same-origin`, so that its form names where it comes from.
/// Shown without cookies, and without the query of where it leads: codes and states are in them.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    /// 302 or 303 with a location, 200 with a page.
    pub status: StatusCode,
    /// `Location`: always absolute.
    pub location: Option<String>,
    /// Values of `Set-Cookie`.
    pub set_cookies: Vec<String>,
    /// The page to show.
    pub page: Option<PageKind>,
}

/// A page of ours, as plain data. Everything in it still has to be escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageKind {
    /// With whom to sign in.
    Chooser {
        /// In the order of the configuration.
        providers: Vec<Choice>,
    },
    /// A button that posts to `/.sekisho/sign-out`.
    ConfirmSignOut,
    /// Nobody is signed in here (any more).
    SignedOut,
    /// A form that was kept, to look at before it is sent.
    SendAgain {
        /// The app's host.
        host: Host,
        /// Where it goes.
        path: String,
        /// The same with the query.
        target: String,
        /// Bytes of it.
        bytes: u64,
        /// What is in it, without values.
        fields: Vec<Field>,
        /// Sends it, posted to `target` as [`FormId::FIELD`]; posted to this page, it is thrown away.
        form: FormId,
    },
}

/// A provider to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Its configured name.
    pub name: String,
    /// Where choosing it leads, on the same host.
    pub location: String,
}

impl fmt::Debug for Visit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Visit");
        shown.field("endpoint", &self.endpoint).field("method", &self.method).field("host", &self.host);
        shown.field("device", &self.device).field("now", &self.now).finish_non_exhaustive()
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let location = self.location.as_deref().map(|location| location.split('?').next().unwrap_or_default());
        let mut shown = f.debug_struct("Reply");
        shown.field("status", &self.status).field("location", &location).field("page", &self.page).finish_non_exhaustive()
    }
}

impl Reply {
    /// Leads on, with GET.
    pub(super) fn redirect(location: String) -> Self {
        Self { status: StatusCode::FOUND, location: Some(location), set_cookies: Vec::new(), page: None }
    }

    /// The same, and the browser is told to forget its session cookie here, `if_so`.
    #[must_use]
    pub fn forgetting(self, if_so: bool) -> Self {
        self.with_cookie(if_so.then(|| Cookie::Session.clear()))
    }

    /// Leads to a fresher or stronger sign-in.
    pub fn to_sign_in(way: &Way) -> Self {
        Self::redirect(way.location.clone()).with_cookie(way.set_cookies.iter().cloned())
    }

    pub(super) fn page(page: PageKind) -> Self {
        Self { status: StatusCode::OK, location: None, set_cookies: Vec::new(), page: Some(page) }
    }

    pub(super) fn with_cookie(mut self, cookie: impl IntoIterator<Item = String>) -> Self {
        self.set_cookies.extend(cookie);
        self
    }
}

impl Endpoint {
    /// Its path.
    pub fn path(self) -> &'static str {
        match self {
            Self::SignIn => "/.sekisho/sign-in",
            Self::Callback => "/.sekisho/callback",
            Self::SignOut => "/.sekisho/sign-out",
            Self::SendAgain => "/.sekisho/send-again",
        }
    }

    /// Whose own callback `path` is.
    pub fn callback_of(path: &str) -> Option<String> {
        path.strip_prefix(Self::Callback.path())?.strip_prefix('/').map(str::to_owned)
    }
}
