//! Npm `oidc-provider`: the one that can do everything, and can be stopped, changed and started again without forgetting.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use tokio::process::Command;

use super::super::client::{Client, NAVIGATION};
use super::super::form::Form;
use super::super::program::{Program, tool};
use super::{Idp, Kind, Running, people_as_json};

impl Idp {
    pub(super) async fn start_oidc_provider(&mut self, chain: &Path, key: &Path, root: &CertificateDer<'static>) {
        let common = json!({ "client_secret": self.client_secret, "redirect_uris": [self.back[0]], "post_logout_redirect_uris": [self.back[1]] });
        let with = |more: Value| {
            let mut client = common.clone();
            client.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            client
        };
        let settings = json!({
            "issuer": self.issuer, "below": self.below, "keys": self.folder.join("idp-keys"), "port": self.port.number, "chain": chain, "key": key, "people": people_as_json(),
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

    /// It listens again, and knows all that it knew. Only npm `oidc-provider`, after [`Idp::stop`].
    pub(crate) async fn goes_on(&mut self) {
        self.toggle("open").await;
    }

    pub(super) async fn toggle(&mut self, told: &str) {
        assert_eq!(self.kind, Kind::OidcProvider, "only npm oidc-provider stops and goes on");
        let Running::Beside(program) = &mut self.running else { panic!("it does not run") };
        self.toggled += 1;
        program.signal("USR2").await;
        program.says(&format!("{told} {}", self.toggled)).await;
    }

    /// Stops it, and starts it again with the keys of these names: it signs with the first, and publishes all. Beyond its keys it
    /// forgets nothing, as with a database of its own.
    pub(crate) async fn upgrade(&mut self, keys: &[&str]) {
        self.stop().await;
        std::fs::write(self.folder.join("idp-keys"), json!(keys).to_string()).unwrap();
        self.goes_on().await;
    }

    /// It takes connections from now on and answers nothing, until [`Idp::wakes`].
    pub(crate) async fn hangs(&self) {
        self.signal("STOP").await;
    }

    /// It goes on where it was.
    pub(crate) async fn wakes(&self) {
        self.signal("CONT").await;
    }

    async fn signal(&self, signal: &str) {
        let Running::Beside(program) = &self.running else { panic!("it does not run beside") };
        program.signal(signal).await;
    }

    /// From now on it says something else about a person. Only npm `oidc-provider`.
    pub(crate) async fn tells_of(&self, person: &str, claims: Value) {
        let mut told = json!({ "sub": person });
        told.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        let client = Client::new(&self.roots, None);
        let kind = ("content-type", "application/json");
        let reply = client.send(Method::POST, &self.at("/people"), &[kind], told.to_string()).await;
        assert_eq!(reply.status, 204, "{}", reply.shown());
    }

    /// Signs out at the provider itself, whoever is signed in there with this client. Only npm `oidc-provider` has a page for it.
    pub(crate) async fn sign_out(&self, client: &Client) {
        let page = client.click(&self.at("/session/end")).await;
        let mut form = Form::find(page.text()).unwrap_or_else(|| panic!("no form: {}", page.shown()));
        form.fields.insert("logout".to_owned(), "yes".to_owned());
        let to = page.url.join(&form.action).unwrap();
        let mut headers = NAVIGATION.to_vec();
        headers.push(("content-type", "application/x-www-form-urlencoded"));
        let left = client.send(Method::POST, to.as_str(), &headers, form.encoded()).await;
        assert!(left.status.is_redirection() || left.status.is_success(), "{}", left.shown());
    }
}
