//! Debian's `glewlwyd`: one in C, whose issuer has a path, whose `sub` is random, and whose sign-in page is a script over its API.

use std::path::Path;

use http::Method;
use rcgen::KeyPair;
use sekisho_examples::idp::Person;
use serde_json::{Value, json};
use tokio::process::Command;
use url::Url;

use super::super::client::{Client, Reply};
use super::super::gate::run;
use super::super::program::Program;
use super::{HOST, Idp, Running, people};

/// Its administrator, at work.
pub(super) struct Desk {
    client: Client,
    api: String,
    /// What it signs with.
    key: KeyPair,
}

impl Desk {
    /// Tells it something; gives what it answers.
    async fn tell(&self, method: Method, path: &str, what: &Value) -> Value {
        tell(&self.client, method, &format!("{}{path}", self.api), what).await
    }

    /// Its OpenID part, with `groups` from this property of its users.
    fn openid(&self, issuer: &str, groups: &str) -> Value {
        let claim =
            |name: &str, property: &str| json!({ "name": name, "user-property": property, "type": "string", "mandatory": true });
        let verified = json!({
            "name": "email_verified", "user-property": "verified", "type": "boolean", "boolean-value-true": "yes",
            "boolean-value-false": "no", "mandatory": true,
        });
        json!({
            "module": "oidc", "name": "oidc", "display_name": "OpenID Connect", "parameters": {
                "iss": issuer, "jwt-type": "rsa", "jwt-key-size": "256",
                "key": self.key.serialize_pem(), "cert": self.key.public_key_pem(),
                "access-token-duration": 300, "refresh-token-duration": 86400, "code-duration": 60,
                "refresh-token-rolling": true, "refresh-token-one-use": "always",
                "allow-non-oidc": false, "subject-type": "public", "allowed-scope": ["openid"], "scope": [],
                "auth-type-code-enabled": true, "auth-type-refresh-enabled": true,
                "pkce-allowed": true, "pkce-required": true,
                "name-claim": "mandatory", "email-claim": "mandatory", "scope-claim": "no",
                "claims": [claim("groups", groups), verified],
                "introspection-revocation-allowed": true,
                "session-management-allowed": true, "session-cookie-name": "GLEWLWYD2_OIDC_SID", "session-cookie-expiration": 86400,
                "back-channel-logout-allowed": false, "front-channel-logout-allowed": false,
            },
        })
    }
}

impl Idp {
    /// With a database of its own, filled by its own SQL, and everything else told to its API as an administrator does.
    pub(super) async fn start_glewlwyd(&mut self, chain: &Path, key: &Path, client: &Client) {
        let folder = self.folder.join("glewlwyd");
        std::fs::create_dir(&folder).unwrap();
        fill(&folder.join("db")).await;
        let config = folder.join("glewlwyd.conf");
        std::fs::write(&config, self.config(&folder, chain, key)).unwrap();
        let mut command = Command::new("glewlwyd");
        command.arg(format!("--config-file={}", config.display())).current_dir(&folder);
        let mut program = Program::start("glewlwyd", command);
        program.says("Glewlwyd started").await;
        self.running = Running::Beside(Box::new(program));

        let api = format!("https://{HOST}:{}/api", self.port.number);
        let desk = Desk { client: client.clone(), api, key: KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap() };
        desk.tell(Method::POST, "/auth/", &json!({ "username": "admin", "password": "password" })).await;
        let mut users = desk.tell(Method::GET, "/mod/user/database", &Value::Null).await;
        for (property, several) in [("groups", true), ("team", false), ("verified", false)] {
            users["parameters"]["data-format"][property] = json!({ "multiple": several, "read": true, "write": true });
        }
        desk.tell(Method::PUT, "/mod/user/database", &users).await;
        desk.tell(Method::PUT, "/mod/user/database/reset/", &Value::Null).await;
        desk.tell(Method::POST, "/mod/plugin/", &desk.openid(&self.issuer, "groups")).await;
        for person in people() {
            desk.tell(Method::POST, "/user/", &user(&person)).await;
        }
        let registered = json!({
            "client_id": self.client_id, "name": self.client_id, "client_secret": self.client_secret, "confidential": true,
            "enabled": true, "redirect_uri": [self.back[0]], "post_logout_redirect_uri": self.back[1],
            "authorization_type": ["code", "refresh_token"], "scope": [], "token_endpoint_auth_method": ["client_secret_basic"],
        });
        desk.tell(Method::POST, "/client/", &registered).await;
        self.desk = Some(desk);
    }

    /// From now on it takes `groups` from this property of its users: `groups`, a list, or `team`, one text. Only glewlwyd.
    pub(crate) async fn takes_groups_from(&self, property: &str) {
        let desk = self.desk.as_ref().expect("only glewlwyd");
        desk.tell(Method::PUT, "/mod/plugin/oidc", &desk.openid(&self.issuer, property)).await;
        desk.tell(Method::PUT, "/mod/plugin/oidc/reset/", &Value::Null).await;
    }

    /// What the script of glewlwyd's sign-in page does: signs in, consents, and says where to go on. `None` on any other page.
    pub(super) async fn signed_in_by_script(&self, client: &Client, page: &Url, person: &Person) -> Option<String> {
        let desk = self.desk.as_ref().filter(|_| page.host_str() == Some(HOST) && page.path() == "/login.html")?;
        let password = json!({ "username": person.id, "password": person.password });
        tell(client, Method::POST, &format!("{}/auth/", desk.api), &password).await;
        let grant = format!("{}/auth/grant/{}", desk.api, self.client_id);
        tell(client, Method::PUT, &grant, &json!({ "scope": "openid" })).await;
        let (_, back) = page.query_pairs().find(|(name, _)| name == "callback_url").expect("an address to go on to");
        Some(format!("{back}&g_continue"))
    }

    /// As the package's own, which listens on all addresses, with everything below the house.
    fn config(&self, folder: &Path, chain: &Path, key: &Path) -> String {
        let (port, folder) = (self.port.number, folder.display());
        let modules =
            ["user", "client", "plugin"].map(|kind| format!("{kind}_module_path=\"/usr/lib/glewlwyd/{kind}\"\n")).concat();
        format!(
            "port={port}\nbind_address=\"127.0.0.1\"\nexternal_url=\"https://{HOST}:{port}\"\nlogin_url=\"login.html\"\n\
             api_prefix=\"api\"\nstatic_files_path=\"/usr/share/glewlwyd/webapp\"\n\
             log_mode=\"console\"\nlog_level=\"INFO\"\ncookie_secure=true\ncookie_domain=\"{HOST}\"\nsession_expiration=86400\n\
             session_key=\"GLEWLWYD2_SESSION_ID\"\nadmin_scope=\"g_admin\"\nprofile_scope=\"g_profile\"\n{modules}\
             user_auth_scheme_module_path=\"/usr/lib/glewlwyd/scheme\"\nhash_algorithm=\"SHA512\"\n\
             use_secure_connection=true\nsecure_connection_key_file=\"{}\"\nsecure_connection_pem_file=\"{}\"\n\
             database =\n{{\n  type = \"sqlite3\"\n  path = \"{folder}/db\"\n}};\n",
            key.display(),
            chain.display(),
        )
    }
}

/// Makes the database. It is of no use after the test, so that nothing waits for the disk.
async fn fill(database: &Path) {
    let sql = std::fs::read_to_string(INSTALL).unwrap_or_else(|error| panic!("{INSTALL}: {error}: run `tests/install` first"));
    let mut command = Command::new("sqlite3");
    command.arg("-bail").arg(database);
    let said = run(command, &format!("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;\nBEGIN;\n{sql}\nCOMMIT;\n")).await;
    assert_eq!(said.code, Some(0), "{said:?}");
}

async fn tell(client: &Client, method: Method, url: &str, what: &Value) -> Value {
    let body = if what.is_null() { String::new() } else { what.to_string() };
    let reply: Reply = client.send(method, url, &[("content-type", "application/json")], body).await;
    assert_eq!(reply.status, 200, "{what}: {}", reply.shown());
    if reply.body.is_empty() { Value::Null } else { reply.json() }
}

fn user(person: &Person) -> Value {
    let mut user = json!({
        "username": person.id, "name": person.name, "email": person.email, "password": person.password, "scope": ["openid"],
        "enabled": true, "verified": "yes",
    });
    if let Some(first) = person.groups.first() {
        user["groups"] = json!(person.groups);
        user["team"] = json!(first);
    }
    user
}

/// The package's own SQL.
const INSTALL: &str = "/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3";
