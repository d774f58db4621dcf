//! Host and path name one app, or one of our own addresses.

use std::sync::Arc;

use foldhash::HashMap;
use http::Method;

use super::own::OwnPath;
use super::page;
use super::routed::Routed;
use super::standing::Standing;
use crate::config::{App, Config, Host, PublicPath};
use crate::read::{Clean, Kind};
use crate::tls::SecureConnection;

/// Finds the one app for a request. One for each configuration.
#[derive(Debug)]
pub struct Router {
    gate: Host,
    apps: HashMap<Host, Arc<App>>,
    /// What browsers put behind a host in an origin: nothing, or the port with a colon.
    port_suffix: String,
}

/// Whom a request is for.
#[derive(Debug)]
pub enum RouteOutcome {
    /// An app.
    App(Routed),
    /// Us.
    Own(OwnRequest),
}

/// A request for one of our own addresses.
#[derive(Debug)]
pub struct OwnRequest {
    /// The request, unchanged.
    pub request: Box<Clean>,
    /// Which address.
    pub path: OwnPath,
    /// The app on whose host it is; `None` at the sign-in host.
    pub app: Option<Arc<App>>,
}

/// A request that is for nobody here, with the reason. It comes back so that its answer can suit it.
#[derive(Debug, thiserror::Error)]
#[error("{refusal}")]
pub struct Unrouted {
    /// Why.
    pub refusal: RouteRefusal,
    /// The request, unchanged.
    pub request: Box<Clean>,
    /// The app, where the host names one.
    pub app: Option<Arc<App>>,
}

/// Why a request is for nobody here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteRefusal {
    /// The certificate that this connection showed does not cover the host: 421. Asked before anything else, so that the
    /// answer says nothing about hosts of other certificates.
    #[error("this connection is not for this host")]
    Misdirected,
    /// No app has this host: 404.
    #[error("no such app")]
    UnknownHost,
    /// A method that the app does not list: 501.
    #[error("the app does not take this method")]
    Method,
    /// A WebSocket that a page of another site asks for: 403. Browsers send cookies and certificates with it whoever's page it
    /// is, and no preflight comes before it (RFC 6455, section 10.2).
    #[error("the page that asks for this WebSocket belongs to another site")]
    ForeignOrigin,
    /// Something that would change things, sent by a page of another site with the person's own cookie: 403.
    #[error("a page of another site sent this, with your sign-in")]
    CrossSite,
}

impl RouteRefusal {
    /// The label in metrics and the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Misdirected => "misdirected",
            Self::UnknownHost => "unknown_host",
            Self::Method => "method_not_taken",
            Self::ForeignOrigin => "foreign_origin",
            Self::CrossSite => "cross_site",
        }
    }
}

/// Where a request that is under way belongs now.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The app.
    pub app: Arc<App>,
    /// Its path is one of the app's public paths.
    pub public: bool,
}

/// What a host and path say, before the request is moved.
enum Place {
    App { app: Arc<App>, public: bool },
    Own { path: OwnPath, app: Option<Arc<App>> },
}

impl Router {
    /// With the apps of `config`.
    pub fn new(config: &Config) -> Self {
        Self {
            gate: config.sign_in.host.clone(),
            apps: config.apps.iter().map(|app| (app.host.clone(), Arc::clone(app))).collect(),
            port_suffix: match config.listen.public_port {
                443 => String::new(),
                port => format!(":{port}"),
            },
        }
    }

    /// Whom `request`, which came on `connection`, is for.
    ///
    /// # Errors
    /// [`Unrouted`] if it is for nobody.
    pub fn route(&self, request: Box<Clean>, connection: &SecureConnection) -> Result<RouteOutcome, Box<Unrouted>> {
        match self.place(&request.host, &request.path, &request.method, request.kind, connection) {
            Ok(Place::App { app, public }) => Ok(RouteOutcome::App(Routed { request, app, public })),
            Ok(Place::Own { path, app }) => Ok(RouteOutcome::Own(OwnRequest { request, path, app })),
            Err(refusal) => {
                let app = if refusal == RouteRefusal::Misdirected { None } else { self.apps.get(&request.host).cloned() };
                Err(Box::new(Unrouted { refusal, request, app }))
            }
        }
    }

    /// The same for a request that is under way, which may have come before this configuration.
    ///
    /// # Errors
    /// [`RouteRefusal`] if it would be for nobody, or for us, by now.
    pub fn again(&self, standing: &Standing, connection: &SecureConnection) -> Result<Placed, RouteRefusal> {
        let Standing { host, path, method, kind, origin } = standing;
        match self.place(host, path, method, *kind, connection)? {
            Place::App { app, .. }
                if origin.as_ref().is_some_and(|origin| !page::is_own_or_listed(&app, &self.port_suffix, origin)) =>
            {
                Err(RouteRefusal::ForeignOrigin)
            }
            Place::App { app, public } => Ok(Placed { app, public }),
            Place::Own { .. } => Err(RouteRefusal::UnknownHost),
        }
    }

    /// Judges whether a request comes from a page that may send it: every WebSocket, and what may change something if its sender is
    /// known by what browsers send along by themselves (`by_cookie`). To be asked of each request, as soon as its sender is known, so
    /// that the record says who it was.
    ///
    /// # Errors
    /// [`RouteRefusal::ForeignOrigin`] of a WebSocket, else [`RouteRefusal::CrossSite`].
    pub fn check_page(&self, routed: &Routed, by_cookie: bool) -> Result<(), RouteRefusal> {
        let request = &routed.request;
        let refusal = match request.kind {
            Kind::WebSocket => RouteRefusal::ForeignOrigin,
            _ if !by_cookie || matches!(request.method, Method::GET | Method::HEAD | Method::OPTIONS) => return Ok(()),
            Kind::Plain | Kind::Preflight => RouteRefusal::CrossSite,
        };
        if page::is_welcome(&routed.app, &self.port_suffix, &request.headers) { Ok(()) } else { Err(refusal) }
    }

    fn place(
        &self,
        host: &Host,
        path: &str,
        method: &Method,
        kind: Kind,
        connection: &SecureConnection,
    ) -> Result<Place, RouteRefusal> {
        if !connection.is_for(host) {
            return Err(RouteRefusal::Misdirected);
        }
        if *host == self.gate {
            takes(method, kind, None)?;
            let path = match OwnPath::reserved(path, true) {
                Some(path) => path,
                None if path == "/" => OwnPath::Home,
                None => OwnPath::Unknown,
            };
            return Ok(Place::Own { path, app: None });
        }
        let app = self.apps.get(host).ok_or(RouteRefusal::UnknownHost)?;
        let app = Arc::clone(app);
        if let Some(path) = OwnPath::reserved(path, false) {
            takes(method, kind, None)?;
            return Ok(Place::Own { path, app: Some(app) });
        }
        takes(method, kind, Some(&app))?;
        let public = app.public.iter().any(|public| matches(public, path));
        Ok(Place::App { app, public })
    }
}

fn takes(method: &Method, kind: Kind, app: Option<&App>) -> Result<(), RouteRefusal> {
    let usual = USUAL.contains(method);
    let listed = app.is_some_and(|app| app.methods.contains(method.as_str()));
    // A WebSocket is an app's business; there is none at our own addresses.
    let tunnel = kind == Kind::WebSocket && app.is_none();
    if (usual || listed) && !tunnel { Ok(()) } else { Err(RouteRefusal::Method) }
}

/// Whole paths and whole segments only, on the canonical path.
fn matches(public: &PublicPath, path: &str) -> bool {
    match public {
        PublicPath::Exact(exact) => path == exact,
        PublicPath::Below(below) => {
            path.strip_prefix(below.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || below.ends_with('/'))
        }
    }
}

const USUAL: [Method; 7] = [Method::GET, Method::HEAD, Method::OPTIONS, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

#[cfg(test)]
pub(super) mod tests;
