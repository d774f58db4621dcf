//! PyPI `canaille`: an independent one, in Python.

use std::path::Path;

use http::Method;
use serde_json::json;
use tokio::process::Command;

use super::super::client::Client;
use super::super::program::{Program, tool};
use super::{HOST, Idp, Running, people_as_json};

impl Idp {
    pub(super) async fn start_canaille(&mut self, chain: &Path, key: &Path, client: &Client) {
        let settings = json!({
            "port": self.port.number, "host": HOST, "chain": chain, "key": key, "people": people_as_json(),
            "ago": self.folder.join(AGO), "by_hand": { "id": BY_HAND, "secret": SECRET, "redirect_uri": self.back[0] },
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

    /// Whoever signs in from now on did so this many seconds ago, as far as it knows. Only canaille.
    pub(crate) fn dates_back(&self, seconds: u64) {
        std::fs::write(self.folder.join(AGO), seconds.to_string()).unwrap();
    }

    /// The secret of [`BY_HAND`].
    pub(crate) fn by_hand_secret(&self) -> &str {
        SECRET
    }
}

/// A client of canaille's that was made without saying whom its tokens are for.
pub(crate) const BY_HAND: &str = "made-by-hand";
const SECRET: &str = "the-secret-of-the-client-made-by-hand";
/// In the house's folder.
const AGO: &str = "canaille-ago";
