//! A real Chromium, with or without a device's certificate.

use std::path::PathBuf;

use serde_json::{Value, json};
use tokio::process::Command;

use super::gate::{House, run};
use super::laptop::Laptop;
use super::program::tool;

/// A browser's home and profile. Every [`Browser::does`] starts it anew, with what it remembers.
pub(crate) struct Browser {
    home: PathBuf,
}

impl Browser {
    /// On a device, if there is one: its key is installed as its user would do it.
    pub(crate) async fn on(house: &House, laptop: Option<&Laptop>) -> Self {
        let home = house.path().join(format!("browser-{}", laptop.map_or("unknown", |laptop| &laptop.id)));
        let database = home.join(".pki/nssdb");
        std::fs::create_dir_all(&database).unwrap();
        std::fs::create_dir_all(home.join("profile/Default")).unwrap();
        let store = format!("sql:{}", database.display());
        let root = house.path().join("root.pem").display().to_string();
        must("certutil", &["-N", "--empty-password", "-d", &store]).await;
        must("certutil", &["-A", "-n", "house", "-t", "C,,", "-i", &root, "-d", &store]).await;
        if let Some(laptop) = laptop {
            let said = laptop.installs(&home, &[]).await;
            assert_eq!(said.code, Some(0), "{said:?}");
        }
        // What an administrator sets by policy: show the certificate without asking.
        let choice = json!({ "setting": { "filters": [{}] } });
        let preferences = json!({ "profile": { "content_settings": { "exceptions": {
            "auto_select_certificate": { "https://[*.]localhost,*": choice }
        } } } });
        std::fs::write(home.join("profile/Default/Preferences"), preferences.to_string()).unwrap();
        Self { home }
    }

    /// Does all of it, and gives what each step gave.
    pub(crate) async fn does(&self, steps: &[Value]) -> Vec<Value> {
        let task = json!({ "home": self.home, "profile": self.home.join("profile"), "steps": steps });
        let mut command = Command::new(tool("bin/node"));
        command
            .args(["--preserve-symlinks", "--preserve-symlinks-main"])
            .arg(tool("node/scripts/browser.mjs"))
            .arg(task.to_string());
        let said = run(command, "").await;
        assert_eq!(said.code, Some(0), "the browser: {}", said.err);
        serde_json::from_str(&said.out).unwrap()
    }
}

async fn must(program: &str, arguments: &[&str]) {
    let mut command = Command::new(program);
    command.args(arguments);
    let said = run(command, "").await;
    assert_eq!(said.code, Some(0), "{program} {arguments:?}: {said:?}");
}
