//! Identity providers: the demo one in this process, and three real ones of different origin.

mod canaille;
mod demo;
mod glewlwyd;
mod node;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use rustls::pki_types::CertificateDer;
use sekisho_examples::idp::{Mint, Person, Provider, demo_people};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use url::Url;

use super::authority::{Authority, Identity};
use super::client::{Client, NAVIGATION, Reply};
use super::form::Form;
use super::port::ReservedPort;
use super::program::Program;
use glewlwyd::Desk;

pub(crate) use canaille::BY_HAND;

/// Which provider a house has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Ours from `examples/`: quick, for stories that are about something else.
    Demo,
    /// npm `oidc-provider`.
    OidcProvider,
    /// PyPI `canaille`.
    Canaille,
    /// Debian `glewlwyd`.
    Glewlwyd,
}

/// A provider that knows the demo people, and Dora, who is in no group that it would name.
pub(crate) struct Idp {
    pub(crate) issuer: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    kind: Kind,
    /// Below which path of its host everything of it is: empty, or with a slash in front.
    below: &'static str,
    port: ReservedPort,
    back: [String; 3],
    identity: Identity,
    roots: Vec<CertificateDer<'static>>,
    running: Running,
    /// How often it was stopped and went on.
    toggled: usize,
    /// Its folder, once it runs.
    folder: PathBuf,
    /// Where glewlwyd is told things.
    desk: Option<Desk>,
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
    /// A provider whose port is known, but which does not run yet. `gate` is the origin of the sign-in host. What the issuer has after
    /// its host is `path`; only npm `oidc-provider` has a choice.
    pub(crate) fn new(kind: Kind, path: &'static str, authority: &Authority, gate: &str) -> Self {
        let port = ReservedPort::new();
        let path = if kind == Kind::Glewlwyd { "/api/oidc" } else { path };
        Self {
            issuer: format!("https://{HOST}:{}{path}", port.number),
            client_id: "sekisho".to_owned(),
            client_secret: "a-secret-that-must-never-be-recorded".to_owned(),
            kind,
            below: path.trim_end_matches('/'),
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
            folder: PathBuf::new(),
            desk: None,
        }
    }

    /// Starts it, and waits until it answers.
    pub(crate) async fn start(&mut self, folder: &Path, roots: &[CertificateDer<'static>]) {
        let chain = folder.join("idp.pem");
        let key = folder.join("idp.key");
        std::fs::write(&chain, &self.identity.chain).unwrap();
        std::fs::write(&key, &self.identity.key).unwrap();
        folder.clone_into(&mut self.folder);
        let client = Client::new(roots, None);
        match self.kind {
            Kind::Demo => self.start_demo().await,
            Kind::OidcProvider => self.start_oidc_provider(&chain, &key, &roots[0]).await,
            Kind::Canaille => self.start_canaille(&chain, &key, &client).await,
            Kind::Glewlwyd => self.start_glewlwyd(&chain, &key, &client).await,
        }
    }

    /// An address of it.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("https://{HOST}:{}{}{path}", self.port.number, self.below)
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

    /// What a provider beside this process has said.
    pub(crate) fn said(&self) -> String {
        let Running::Beside(program) = &self.running else { panic!("it does not run beside") };
        program.said()
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
            if let Some(to) = self.signed_in_by_script(client, &reply.url, &person).await {
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
