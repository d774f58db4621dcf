//! `docs/devices.md`: the first laptop, its renewal, a copy of its certificate, an intercepted code, the next laptop, and one that is lost.

use std::path::PathBuf;

use super::{commands, page, shows, type_in};
use crate::harness::{Client, House, Laptop, allowed, refused};

/// The house, and what lies on the table of whoever types.
struct Walk {
    house: House,
    /// Whose `~` it is.
    home: PathBuf,
    /// The code that was printed last.
    code: String,
    /// What was enrolled last.
    laptop: Option<Laptop>,
    /// Bob, on the laptop that he has, and on the next.
    old: Client,
    new: Option<Client>,
}

#[tokio::test]
async fn laptops_come_change_and_get_lost_as_the_page_says() {
    let mut walk = Walk::begin().await;
    let page = page("devices.md");
    let mut typed = 0;
    for chapter in page.split("\n## ") {
        if chapter.starts_with("A new laptop\n") {
            walk.home = walk.house.path().join("next");
            std::fs::create_dir(&walk.home).unwrap();
        }
        for (line, shown) in commands(chapter) {
            walk.type_in(&line, &shown).await;
            typed += 1;
        }
    }
    assert_eq!(typed, 23, "commands of the page");
}

impl Walk {
    async fn begin() -> Self {
        let house = House::open().await;
        // Somebody is quicker than Ana with the code of her tablet.
        let invitation = house.json(&["device", "invite", "--id", "ana-x3f9", "--owner", "ana@corp.example"]).await;
        let intercepted = invitation["code"].as_str().unwrap().to_owned();
        Laptop::with_code(&house, "ana-x3f9", &intercepted).await;
        house.write("code.txt", &intercepted);
        let laptop = house.laptop("bob-x3f9", "bob").await;
        let old = house.signed_in(&laptop, "bob").await;
        let home = house.path().to_owned();
        Self { house, home, code: String::new(), laptop: None, old, new: None }
    }

    async fn type_in(&mut self, line: &str, shown: &[String]) {
        let gate = self.house.url("gate", "");
        let fingerprint = self.laptop.as_ref().map(Laptop::fingerprint).unwrap_or_default();
        let typed = line.replace("https://gate.corp.example", &gate).replace("7d2f 90aa …", fingerprint);
        let shown: Vec<String> = shown.iter().map(|line| line.replace("https://gate.corp.example", &gate)).collect();
        let said = type_in(&self.house, &self.home, &typed, &self.code).await;
        shows(&typed, &said, &shown);
        if line.starts_with("sekisho device invite") {
            self.code = super::code(&said.out);
        } else if line.starts_with("sekisho enroll") && said.out.starts_with("Enrolled as") {
            self.laptop = Some(Laptop::found("the last", &self.home.join(".sekisho"), &said.out));
        }
        self.meanwhile(line).await;
    }

    /// What Bob meets after a command.
    async fn meanwhile(&mut self, line: &str) {
        let url = self.house.url("wiki", "/");
        let reason = async |client: &Client| client.get(&url).await.json()["reason"].as_str().map(str::to_owned);
        let mut words = line.split(' ').skip(1);
        let (Some(what), Some(done), Some(device)) = (words.next(), words.next(), words.next()) else { return };
        match (what, done, device) {
            ("device", "approve", "bob-m4p1") => {
                let laptop = self.laptop.as_ref().unwrap();
                refused(&laptop.client(&self.house).get(&url).await, 401);
                self.new = Some(self.house.signed_in(laptop, "bob").await);
                allowed(&self.old.get(&url).await);
            }
            ("device", "retire", "bob-x3f9") => {
                assert_eq!(reason(&self.old).await.as_deref(), Some("device_retired"));
                allowed(&self.on_the_next().get(&url).await);
            }
            ("device", "quarantine", "bob-m4p1") => {
                assert_eq!(reason(self.on_the_next()).await.as_deref(), Some("device_quarantined"));
            }
            // He goes on where he was.
            ("device", "release", "bob-m4p1") => allowed(&self.on_the_next().get(&url).await),
            ("device", "retire", "bob-m4p1") => {
                assert_eq!(reason(self.on_the_next()).await.as_deref(), Some("device_retired"));
            }
            _ => {}
        }
    }

    fn on_the_next(&self) -> &Client {
        self.new.as_ref().expect("he has signed in on it")
    }
}
