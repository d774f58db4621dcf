//! Identity providers: the demo one in this process, and two real ones of different origin.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sekisho_examples::idp::{Client as Registered, Mint, Person, Provider, Settings, demo_people};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use url::Url;

use super::authority::{Authority, Identity};
use super::client::{Client, NAVIGATION, Reply};
use super::form::Form;
use super::port::ReservedPort;
use super::program::{Program, tool};

/// Which provider a house has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Ours from `examples/`: quick, for stories that are about something else.
    Demo,
    /// npm `oidc-provider`.
    OidcProvider,
    /// PyPI `canaille`.
    Canaille,
}

/// A provider that knows the demo people, and Dora, who is in no group that it would name.
pub(crate) struct Idp {
    pub(crate) issuer: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    kind: Kind,
    port: ReservedPort,
    back: [String; 3],
    identity: Identity,
    roots: Vec<CertificateDer<'static>>,
    running: Running,
    /// How often it was stopped and went on.
    toggled: usize,
}

enum Running {
    Nothing,
    Demo { provider: Arc<Provider>, stop: oneshot::Sender<()>, ended: JoinHandle<()> },
    Beside(Box<Program>),
}

/// Alice (staff, admins), Bob (staff), Carol (contractors), Dora (no groups at all), Ana (staff, hr).
pub(crate) fn people() -> Vec<Person> {
    let more = |id: &str, name: &str, groups: &[&str]| Person {
        id: id.to_owned(),
        name: name.to_owned(),
        email: format!("{id}@corp.example"),
        groups: groups.iter().map(|&group| group.to_owned()).collect(),
        password: format!("{id}-demo"),
    };
    let mut people = demo_people();
    people.extend([more("dora", "Dora Dahl", &[]), more("ana", "Ana Abel", &["staff", "hr"])]);
    people
}

impl Idp {
    /// A provider whose port is known, but which does not run yet. `gate` is the origin of the sign-in host.
    pub(crate) fn new(kind: Kind, authority: &Authority, gate: &str) -> Self {
        let port = ReservedPort::new();
        Self {
            issuer: format!("https://{HOST}:{}", port.number),
            client_id: "sekisho".to_owned(),
            client_secret: "a-secret-that-must-never-be-recorded".to_owned(),
            kind,
            port,
            back: [
                format!("{gate}/.sekisho/callback"),
                format!("{gate}/.sekisho/sign-out"),
                format!("{gate}/.sekisho/backchannel-logout"),
            ],
            identity: authority.server([HOST]),
            roots: vec![authority.der()],
            running: Running::Nothing,
            toggled: 0,
        }
    }

    /// Starts it, and waits until it answers.
    pub(crate) async fn start(&mut self, folder: &Path, roots: &[CertificateDer<'static>]) {
        let chain = folder.join("idp.pem");
        let key = folder.join("idp.key");
        std::fs::write(&chain, &self.identity.chain).unwrap();
        std::fs::write(&key, &self.identity.key).unwrap();
        let client = Client::new(roots, None);
        match self.kind {
            Kind::Demo => self.start_demo().await,
            Kind::OidcProvider => self.start_oidc_provider(&chain, &key, &roots[0]).await,
            Kind::Canaille => self.start_canaille(&chain, &key, &client).await,
        }
    }

    /// Stops it: from now on nobody listens at its address. Npm `oidc-provider` forgets nothing meanwhile: see [`Idp::goes_on`].
    pub(crate) async fn stop(&mut self) {
        if let Running::Beside(_) = &self.running {
            return self.toggle("closed").await;
        }
        if let Running::Demo { stop, ended, .. } = std::mem::replace(&mut self.running, Running::Nothing) {
            let _it_stopped_already = stop.send(());
            ended.await.unwrap();
        }
    }

    /// It listens again, and knows all that it knew. Only npm `oidc-provider`, after [`Idp::stop`].
    pub(crate) async fn goes_on(&mut self) {
        self.toggle("open").await;
    }

    async fn toggle(&mut self, told: &str) {
        assert_eq!(self.kind, Kind::OidcProvider, "only npm oidc-provider stops and goes on");
        let Running::Beside(program) = &mut self.running else { panic!("it does not run") };
        self.toggled += 1;
        program.signal("USR2").await;
        program.says(&format!("{told} {}", self.toggled)).await;
    }

    /// What a provider beside this process has said.
    pub(crate) fn said(&self) -> String {
        let Running::Beside(program) = &self.running else { panic!("it does not run beside") };
        program.said()
    }

    /// From now on it says something else about a person. Only npm `oidc-provider`.
    pub(crate) async fn tells_of(&self, person: &str, claims: Value) {
        let mut told = json!({ "sub": person });
        told.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        let client = Client::new(&self.roots, None);
        let kind = ("content-type", "application/json");
        let reply = client.send(Method::POST, &format!("{}/people", self.issuer), &[kind], told.to_string()).await;
        assert_eq!(reply.status, 204, "{}", reply.shown());
    }

    /// An access token as an API client would hold it; only the demo provider mints them.
    pub(crate) fn token(&self, person: &str, certificate: Option<[u8; 32]>) -> String {
        let Running::Demo { provider, .. } = &self.running else { panic!("only the demo provider mints tokens") };
        let mint = Mint { person, audience: &self.client_id, lifetime: Duration::from_secs(300), certificate };
        provider.mint(&mint).unwrap()
    }

    /// Starts at an app's address and signs in as `person` on the provider's page. Gives the page on which it ends.
    pub(crate) async fn sign_in(&self, client: &Client, start: &str, person: &str) -> Reply {
        self.sign_in_with(client, start, person, false).await
    }

    /// As [`Idp::sign_in`]; the provider says that it was so many seconds ago. Only npm `oidc-provider` does.
    pub(crate) async fn sign_in_long_ago(&self, client: &Client, start: &str, person: &str, seconds: u64) -> Reply {
        self.sign_in_as(client, start, person, false, seconds).await
    }

    /// As [`Idp::sign_in`], with a second factor where `twice`.
    pub(crate) async fn sign_in_with(&self, client: &Client, start: &str, person: &str, twice: bool) -> Reply {
        self.sign_in_as(client, start, person, twice, 0).await
    }

    async fn sign_in_as(&self, client: &Client, start: &str, person: &str, twice: bool, ago: u64) -> Reply {
        let person = people().into_iter().find(|known| known.id == person).unwrap();
        let mut reply = client.click(start).await;
        for _ in 0..30 {
            if let Some(to) = reply.location() {
                reply = client.click(&to).await;
                continue;
            }
            let form = Form::find(std::str::from_utf8(&reply.body).unwrap_or_default());
            match form.filter(|_| reply.url.host_str() == Some(HOST) && reply.status.is_success()) {
                None => return reply,
                Some(form) => reply = fill_in(client, &reply.url, form, &person, twice, ago).await,
            }
        }
        panic!("signing in does not end; the last page was {}: {}", reply.url, String::from_utf8_lossy(&reply.body));
    }

    /// Signs out at the provider itself, whoever is signed in there with this client. Only npm `oidc-provider` has a page for it.
    pub(crate) async fn sign_out(&self, client: &Client) {
        let page = client.click(&format!("{}/session/end", self.issuer)).await;
        let mut form = Form::find(page.text()).unwrap_or_else(|| panic!("no form: {}", page.shown()));
        form.fields.insert("logout".to_owned(), "yes".to_owned());
        let to = page.url.join(&form.action).unwrap();
        let mut headers = NAVIGATION.to_vec();
        headers.push(("content-type", "application/x-www-form-urlencoded"));
        let left = client.send(Method::POST, to.as_str(), &headers, form.encoded()).await;
        assert!(left.status.is_redirection() || left.status.is_success(), "{}", left.shown());
    }

    async fn start_demo(&mut self) {
        let chain = CertificateDer::pem_slice_iter(self.identity.chain.as_bytes()).map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_slice(self.identity.key.as_bytes()).unwrap();
        let tls = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
        let client = Registered {
            id: self.client_id.clone(),
            secret: self.client_secret.clone(),
            redirect_uris: vec![self.back[0].clone()],
            post_logout_redirect_uris: vec![self.back[1].clone()],
        };
        let settings = Settings { issuer: self.issuer.clone(), clients: vec![client], people: people(), tls: Arc::new(tls) };
        let provider = Provider::new(settings).unwrap();
        let listener = TcpListener::bind(("127.0.0.1", self.port.number)).await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = Arc::clone(&provider).serve(listener, async move { drop(stopped.await) });
        let ended = tokio::spawn(async move { serving.await.unwrap() });
        self.running = Running::Demo { provider, stop, ended };
    }

    async fn start_oidc_provider(&mut self, chain: &Path, key: &Path, root: &CertificateDer<'static>) {
        let common = json!({ "client_secret": self.client_secret, "redirect_uris": [self.back[0]], "post_logout_redirect_uris": [self.back[1]] });
        let with = |more: Value| {
            let mut client = common.clone();
            client.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            client
        };
        let settings = json!({
            "issuer": self.issuer, "port": self.port.number, "chain": chain, "key": key, "people": people_as_json(),
            "root": STANDARD.encode(root),
            "clients": [
                with(json!({
                    "client_id": self.client_id, "backchannel_logout_uri": self.back[2], "backchannel_logout_session_required": true,
                })),
                with(json!({ "client_id": "robot", "tls_client_certificate_bound_access_tokens": true })),
                with(json!({ "client_id": "loose-robot" })),
            ],
        });
        let mut command = Command::new(tool("bin/node"));
        command
            .args(["--preserve-symlinks", "--preserve-symlinks-main"])
            .arg(tool("node/scripts/provider.mjs"))
            .arg(settings.to_string());
        let mut program = Program::start("oidc-provider", command);
        program.says("ready").await;
        self.running = Running::Beside(Box::new(program));
    }

    async fn start_canaille(&mut self, chain: &Path, key: &Path, client: &Client) {
        let settings = json!({
            "port": self.port.number, "host": HOST, "chain": chain, "key": key, "people": people_as_json(),
        });
        let mut command = Command::new(tool("python/bin/python"));
        command
            .arg("-W")
            .arg("ignore")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/canaille/provider.py"))
            .arg(settings.to_string());
        let mut program = Program::start("canaille", command);
        program.says("Running on").await;
        // RFC 7591; clients that were made in other ways get tokens for nobody.
        let asked = json!({
            "client_name": "sekisho", "redirect_uris": [self.back[0]], "post_logout_redirect_uris": [self.back[1]],
            "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
            "scope": "openid profile email groups", "token_endpoint_auth_method": "client_secret_basic",
            "id_token_signed_response_alg": "ES256",
        });
        let reply = client
            .send(
                Method::POST,
                &format!("{}/oauth/register", self.issuer),
                &[("content-type", "application/json")],
                asked.to_string(),
            )
            .await;
        let registered = reply.json();
        let text = |name: &str| registered[name].as_str().unwrap_or_else(|| panic!("no {name}: {registered}")).to_owned();
        (self.client_id, self.client_secret) = (text("client_id"), text("client_secret"));
        self.running = Running::Beside(Box::new(program));
    }
}

async fn fill_in(client: &Client, page: &Url, mut form: Form, person: &Person, twice: bool, ago: u64) -> Reply {
    for name in ["login", "username"] {
        form.fill(name, &person.id);
    }
    form.fill("password", &person.password);
    form.fill("answer", "accept");
    form.fill("ago", &ago.to_string());
    if twice {
        form.fields.insert("second_factor".to_owned(), "yes".to_owned());
    }
    let to = page.join(&form.action).unwrap();
    let origin = page.origin().ascii_serialization();
    let mut headers = NAVIGATION.to_vec();
    headers.extend([("content-type", "application/x-www-form-urlencoded"), ("origin", &origin), ("referer", page.as_str())]);
    client.send(Method::POST, to.as_str(), &headers, form.encoded()).await
}

fn people_as_json() -> Vec<Value> {
    let person = |person: &Person| {
        let mut claims = json!({ "sub": person.id, "name": person.name, "email": person.email, "password": person.password });
        if !person.groups.is_empty() {
            claims["groups"] = json!(person.groups);
        }
        claims
    };
    people().iter().map(person).collect()
}

/// The providers' host.
pub(crate) const HOST: &str = "login.localhost";
