//! A gate with two apps, a provider, and browsers on devices.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Handle;
use url::Url;

use super::liar::Liar;
use crate::clock::{Clock, Timestamp};
use crate::config::{Config, Host, IdentityProvider};
use crate::identify_device::KnownDevice;
use crate::identify_user::keys::{KeyMetrics, Providers};
use crate::identify_user::testing;
use crate::inventory::{LiveSession, Owner, Platform, samples};
use crate::secret::Sealer;
use crate::sign_in::{Endpoint, Reply, SignIn, SignInMetrics, SignInRefusal, Visit};
use crate::store::{Actor, NewDevice, Registrar};

pub(super) const NOW: Timestamp = Timestamp(1_790_000_000_000);
pub(super) const GATE: &str = "gate.example";
pub(super) const WIKI: &str = "wiki.example";

/// The gate.
pub(super) struct House {
    pub(super) liar: Arc<Liar>,
    pub(super) issuer: String,
    pub(super) sign_in: Arc<SignIn>,
    pub(super) registrar: Registrar,
    pub(super) registry: prometheus::Registry,
    pub(super) clock: Clock,
    _folder: TempDir,
}

/// A browser: its cookies, and the device that it runs on.
#[derive(Clone)]
pub(super) struct Browser {
    pub(super) device: Option<KnownDevice>,
    pub(super) cookies: HashMap<String, HashMap<String, String>>,
}

impl House {
    pub(super) async fn open() -> Self {
        Self::with(Value::Null).await
    }

    /// With a provider that says other things about itself from the start.
    pub(super) async fn with(metadata: Value) -> Self {
        let (liar, issuer) = Liar::start(NOW).await;
        liar.lies().metadata = metadata;
        let settings = testing::settings("corp", &issuer);
        Self::of(liar, issuer, vec![Arc::new(settings)]).await
    }

    pub(super) async fn of(liar: Arc<Liar>, issuer: String, providers: Vec<Arc<IdentityProvider>>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(NOW);
        let mut config = config(folder.path());
        config.identity_providers = providers;
        let state = folder.path().join("state");
        std::fs::create_dir(&state).unwrap();
        mode(&state, 0o700);
        let sealer = Arc::new(Sealer::open_or_create(&state).unwrap());
        let registrar = Registrar::open(&state, sealer, clock.clone()).await.unwrap();
        let registry = prometheus::Registry::new();
        let keys = KeyMetrics::register(&registry).unwrap();
        let providers = Providers::start(&config.identity_providers, Handle::current(), clock.clone(), keys).unwrap();
        let metrics = SignInMetrics::register(&registry).unwrap();
        let sign_in = Arc::new(SignIn::new(Arc::new(config), Arc::new(providers), registrar.clone(), metrics));
        let house = Self { liar, issuer, sign_in, registrar, registry, clock, _folder: folder };
        for name in ["lap-1", "lap-2"] {
            house.enter(name).await;
        }
        house
    }

    async fn enter(&self, name: &str) {
        let device = NewDevice {
            id: name.parse().unwrap(),
            authority: "house".into(),
            owner: Some(Owner::User(samples::user("ana"))),
            shared: false,
            managed: true,
            platform: Platform::Linux,
            keys: vec![samples::key(name)],
        };
        self.registrar.add_device(device, &Actor::Operator { uid: 0, name: None }, "test").await.unwrap();
    }

    /// A browser that has been nowhere.
    pub(super) fn browser(&self, device: &str) -> Browser {
        Browser { device: Some(testing::device(device)), cookies: HashMap::new() }
    }

    /// From a wiki page to the provider; gives the provider's address with its query.
    pub(super) async fn to_provider(&self, browser: &mut Browser, page: &str) -> String {
        let reply = browser.challenge(self, WIKI, page);
        let reply = browser.follow(self, &reply).await.unwrap();
        reply.location.unwrap()
    }

    /// The whole way from a wiki page back to it; gives where it ended.
    pub(super) async fn whole_way(&self, browser: &mut Browser, page: &str) -> Result<String, SignInRefusal> {
        let provider = self.to_provider(browser, page).await;
        let reply = browser.get(self, GATE, Endpoint::Callback, &self.liar.sign_in(&provider)).await?;
        let reply = browser.follow(self, &reply).await?;
        Ok(reply.location.unwrap())
    }

    /// The session that the browser has on `host`.
    pub(super) fn session(&self, browser: &Browser, host: &str) -> Option<Arc<LiveSession>> {
        let token = browser.cookies.get(host)?.get("__Host-sekisho")?;
        let inventory = self.registrar.inventory();
        let (live, given_to) = inventory.session_by_token(&crate::secret::Digest::of(token.as_bytes()))?;
        assert_eq!(given_to.as_str(), host);
        Some(live)
    }

    /// How many attempts ended so.
    pub(super) fn counted(&self, outcome: &str) -> u64 {
        let families = self.registry.gather();
        let family = families.iter().filter(|family| matches!(family.name(), "sekisho_sign_ins_total" | "sekisho_step_up_total"));
        let metrics = family.flat_map(|family| family.get_metric());
        let of = metrics.filter(|metric| metric.get_label().iter().any(|label| label.value() == outcome));
        of.map(|metric| metric.get_counter().get_value() as u64).sum()
    }
}

impl Browser {
    /// An app sends it to sign in.
    pub(super) fn challenge(&mut self, house: &House, host: &str, page: &str) -> Reply {
        let reply = house.sign_in.challenge(&host.parse().unwrap(), page, self.cookie_header(host).as_deref()).unwrap();
        self.keep(host, &reply);
        reply
    }

    /// Goes where `reply` leads, which has to be one of our own addresses.
    pub(super) async fn follow(&mut self, house: &House, reply: &Reply) -> Result<Reply, SignInRefusal> {
        let url = Url::parse(reply.location.as_ref().unwrap()).unwrap();
        assert_eq!((url.scheme(), url.port()), ("https", Some(8443)));
        let known = [Endpoint::SignIn, Endpoint::Callback, Endpoint::SignOut, Endpoint::SendAgain];
        let endpoint = known.into_iter().find(|known| known.path() == url.path());
        self.get(house, url.host_str().unwrap(), endpoint.unwrap(), url.query().unwrap_or_default()).await
    }

    pub(super) async fn get(
        &mut self,
        house: &House,
        host: &str,
        endpoint: Endpoint,
        query: &str,
    ) -> Result<Reply, SignInRefusal> {
        let visit = self.visit(house, host, endpoint, query);
        self.send(house, visit).await
    }

    /// Presses a button on a page of `origin`.
    pub(super) async fn post(
        &mut self,
        house: &House,
        host: &str,
        origin: Option<&str>,
        site: Option<&str>,
    ) -> Result<Reply, SignInRefusal> {
        let mut visit = self.visit(house, host, Endpoint::SignOut, "");
        visit.method = Method::POST;
        visit.origin = origin.map(str::to_owned);
        visit.fetch_site = site.map(str::to_owned);
        self.send(house, visit).await
    }

    pub(super) fn visit(&self, house: &House, host: &str, endpoint: Endpoint, query: &str) -> Visit {
        Visit {
            endpoint,
            callback_of: None,
            method: Method::GET,
            host: host.parse::<Host>().unwrap(),
            query: Some(query.to_owned()),
            cookies: self.cookie_header(host),
            origin: None,
            fetch_site: None,
            body: Bytes::new(),
            device: self.device.clone(),
            now: house.clock.now(),
        }
    }

    pub(super) async fn send(&mut self, house: &House, visit: Visit) -> Result<Reply, SignInRefusal> {
        let host = visit.host.clone();
        let reply = house.sign_in.visit(visit).await?;
        self.keep(host.as_str(), &reply);
        Ok(reply)
    }

    pub(super) fn cookie_header(&self, host: &str) -> Option<String> {
        let jar = self.cookies.get(host)?;
        Some(jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; "))
    }

    pub(super) fn keep(&mut self, host: &str, reply: &Reply) {
        let jar = self.cookies.entry(host.to_owned()).or_default();
        for cookie in &reply.set_cookies {
            assert!(cookie.contains("; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age="), "{cookie}");
            let (name, rest) = cookie.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            if cookie.ends_with("Max-Age=0") {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

fn config(folder: &Path) -> Config {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["gate.example", "wiki.example", "files.example"].map(str::to_owned)).unwrap();
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2027, 1, 1);
    std::fs::write(folder.join("tls.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(folder.join("tls.key"), key.serialize_pem()).unwrap();
    std::fs::write(folder.join("jwks.json"), testing::jwks(&[&testing::Signer::es256("k")])).unwrap();
    std::fs::create_dir(folder.join("policies")).unwrap();
    mode(&folder.join("tls.key"), 0o600);
    let text = r#"
        state = "state"
        [listen]
        https = "127.0.0.1:8443"
        admin = "admin.sock"
        [sign_in]
        host = "gate.example"
        [[server_certificate]]
        chain = "tls.pem"
        key = "tls.key"
        [[identity_provider]]
        name = "corp"
        issuer = "https://idp.example"
        jwks_file = "jwks.json"
        audience = "sekisho"
        [[device_authority]]
        name = "house"
        builtin = true
        [[app]]
        name = "wiki"
        host = "wiki.example"
        upstream = ["http://127.0.0.1:1"]
        [[app]]
        name = "files"
        host = "files.example"
        upstream = ["http://127.0.0.1:1"]
        [policies]
        dir = "policies"
        [audit]
        dir = "audit"
    "#;
    let config = Config::parse(text, folder, [], NOW).unwrap();
    assert_eq!(config.sign_in.session_lifetime, Duration::from_secs(12 * 3600));
    config
}

fn mode(path: &Path, bits: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(bits)).unwrap();
}
