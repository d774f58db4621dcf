//! What forwarding needs of the configuration, built once per load and shared by all cores.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use http::HeaderValue;
use rustls_pki_types::ServerName;
use tokio::time::Instant;

use super::assertion::{AssertionKeys, Issuer};
use super::connect::Route;
use super::error::ForwardError;
use super::exchange::BodyPace;
use super::metrics::{AppMetrics, ForwardMetrics};
use super::standing::Standing;
use super::trust::{SystemRoots, Trust};
use crate::clock::Clock;
use crate::config::{App, Config, Host, Upstream, UpstreamScheme};

/// The apps, how to reach them, how they are doing, and the key that signs assertions.
#[derive(Debug)]
pub struct ForwardShared {
    targets: HashMap<Arc<str>, Arc<Target>>,
    pub(super) issuer: Issuer,
    pub(super) clock: Clock,
    pub(super) default_max_body: u64,
    pub(super) body_pace: BodyPace,
}

/// An app as a target.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) app: Arc<App>,
    /// `Host` and `X-Forwarded-Host`: the app's public host, with the port that browsers see unless it is 443.
    pub(super) authority: HeaderValue,
    pub(super) endpoints: Vec<Arc<Endpoint>>,
    pub(super) metrics: AppMetrics,
}

/// One upstream of an app.
#[derive(Debug)]
pub(super) struct Endpoint {
    /// For the app's usual exchanges.
    pub(super) usual: Route,
    /// For WebSockets: HTTP/1.1.
    pub(super) http1: Route,
    pub(super) standing: Arc<Standing>,
}

/// What of the configuration counts here.
#[derive(Debug)]
pub(super) struct Settings<'a> {
    pub(super) apps: &'a [Arc<App>],
    pub(super) state: &'a Path,
    pub(super) sign_in_host: &'a Host,
    pub(super) public_port: u16,
    /// Where the gate listens.
    pub(super) ours: Arc<[SocketAddr]>,
    pub(super) max_body: u64,
    pub(super) body_pace: BodyPace,
}

impl ForwardShared {
    /// Builds it from a checked configuration. What `previous` knows of upstreams that stay is kept.
    ///
    /// # Errors
    /// Every problem in words: certificates of apps that are not usable, a signing key that cannot be read or made.
    pub fn build(
        config: &Config,
        clock: Clock,
        metrics: &ForwardMetrics,
        previous: Option<&Self>,
    ) -> Result<Arc<Self>, Vec<String>> {
        let settings = Settings {
            apps: &config.apps,
            state: &config.state,
            sign_in_host: &config.sign_in.host,
            public_port: config.listen.public_port,
            ours: [Some(config.listen.https), config.listen.http, config.listen.metrics].into_iter().flatten().collect(),
            max_body: config.limits.body,
            body_pace: BodyPace {
                rate: config.limits.body_rate,
                grace: config.limits.idle_timeout,
                whole: config.limits.body_timeout,
            },
        };
        Self::from_settings(&settings, clock, metrics, previous)
    }

    pub(super) fn from_settings(
        settings: &Settings<'_>,
        clock: Clock,
        metrics: &ForwardMetrics,
        previous: Option<&Self>,
    ) -> Result<Arc<Self>, Vec<String>> {
        let mut problems = Vec::new();
        let mut system = SystemRoots::default();
        let mut targets = HashMap::with_capacity(settings.apps.len());
        for app in settings.apps {
            match Target::build(app, settings, metrics, previous, &mut system) {
                Ok(target) => {
                    targets.insert(Arc::clone(&app.name), Arc::new(target));
                }
                Err(problem) => problems.push(problem),
            }
        }
        let keys = match previous {
            // A reload does not touch the keys: they are read at start.
            Some(previous) => Ok(Arc::clone(&previous.issuer.keys)),
            None => AssertionKeys::open(settings.state).map(Arc::new),
        };
        match keys {
            Ok(keys) if problems.is_empty() => {
                let issuer = Issuer { name: issuer_name(settings), keys };
                Ok(Arc::new(Self { targets, issuer, clock, default_max_body: settings.max_body, body_pace: settings.body_pace }))
            }
            Ok(_) => Err(problems),
            Err(problem) => {
                problems.push(problem.to_string());
                Err(problems)
            }
        }
    }

    /// The keys that verify `Sekisho-Assertion`, as a JWK Set (RFC 7517): served at `/.sekisho/jwks.json`.
    pub fn jwks_json(&self) -> &str {
        self.issuer.keys.jwks_json()
    }

    /// The `iss` of assertions: the origin of the sign-in host.
    pub fn issuer(&self) -> &str {
        &self.issuer.name
    }

    pub(super) fn target(&self, app: &str) -> Option<&Arc<Target>> {
        self.targets.get(app)
    }

    pub(super) fn targets(&self) -> impl Iterator<Item = &Arc<Target>> {
        self.targets.values()
    }

    fn standing_of(&self, app: &App, upstream: &Upstream) -> Option<Arc<Standing>> {
        let target = self.target(&app.name)?;
        // A check that is no longer configured must not leave its last verdict behind.
        let same_check = target.app.health.is_some() == app.health.is_some();
        let endpoint = target.endpoints.iter().find(|endpoint| endpoint.usual.upstream == *upstream)?;
        same_check.then(|| Arc::clone(&endpoint.standing))
    }
}

impl Target {
    fn build(
        app: &Arc<App>,
        settings: &Settings<'_>,
        metrics: &ForwardMetrics,
        previous: Option<&ForwardShared>,
        system: &mut SystemRoots,
    ) -> Result<Self, String> {
        let text = match settings.public_port {
            443 => app.host.as_str().to_owned(),
            port => format!("{}:{port}", app.host),
        };
        let authority =
            HeaderValue::try_from(text).map_err(|_invalid| format!("app `{}`: host is not a header value", app.name))?;
        let needs_tls = app.upstreams.iter().any(|upstream| upstream.scheme == UpstreamScheme::Https);
        let trust = if needs_tls { Some(Trust::build(app, system)?) } else { None };
        let mut endpoints = Vec::with_capacity(app.upstreams.len());
        for upstream in &app.upstreams {
            let standing = previous.and_then(|previous| previous.standing_of(app, upstream));
            endpoints.push(Arc::new(Endpoint::build(app, upstream, trust.as_ref(), standing, &settings.ours)?));
        }
        let metrics = metrics.of(&app.name);
        metrics.upstreams.set(i64::try_from(endpoints.len()).unwrap_or(i64::MAX));
        metrics
            .unhealthy
            .set(endpoints.iter().filter(|endpoint| endpoint.standing.is_down()).count().try_into().unwrap_or(i64::MAX));
        Ok(Self { app: Arc::clone(app), authority, endpoints, metrics })
    }
}

impl Target {
    /// A failed exchange counts against its upstream if it was the upstream's fault.
    pub(super) fn blame(&self, endpoint: &Endpoint, error: ForwardError) {
        if error.blames_upstream() && endpoint.standing.failed(Instant::now()) {
            self.metrics.ejections.inc();
            let upstream = &endpoint.usual.upstream;
            tracing::warn!(app = %self.app.name, host = %upstream.host, port = upstream.port, %error, "an upstream is set aside");
        }
    }

    pub(super) fn count_unhealthy(&self) {
        let down = self.endpoints.iter().filter(|endpoint| endpoint.standing.is_down()).count();
        self.metrics.unhealthy.set(i64::try_from(down).unwrap_or(i64::MAX));
    }
}

impl Endpoint {
    fn build(
        app: &App,
        upstream: &Upstream,
        trust: Option<&Trust>,
        standing: Option<Arc<Standing>>,
        ours: &Arc<[SocketAddr]>,
    ) -> Result<Self, String> {
        let (usual, http1) = match (upstream.scheme, trust) {
            (UpstreamScheme::Http, _) => (None, None),
            (UpstreamScheme::Https, Some(trust)) => {
                let name = ServerName::try_from(upstream.host.to_string())
                    .map_err(|_invalid| format!("app `{}`: `{}` cannot be the name in a certificate", app.name, upstream.host))?;
                (Some((Arc::clone(&trust.usual), name.clone())), Some((Arc::clone(&trust.http1), name)))
            }
            // Never fall back to plaintext.
            (UpstreamScheme::Https, None) => return Err(format!("app `{}`: no TLS settings for an https upstream", app.name)),
        };
        Ok(Self {
            usual: Route { upstream: upstream.clone(), tls: usual, ours: Arc::clone(ours) },
            http1: Route { upstream: upstream.clone(), tls: http1, ours: Arc::clone(ours) },
            standing: standing.unwrap_or_else(|| Arc::new(Standing::new())),
        })
    }
}

fn issuer_name(settings: &Settings<'_>) -> String {
    match settings.public_port {
        443 => format!("https://{}", settings.sign_in_host),
        port => format!("https://{}:{port}", settings.sign_in_host),
    }
}
