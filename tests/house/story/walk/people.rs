//! `docs/people.md`: somebody's time here, and what an outage of the provider is for those who work meanwhile.

use super::{commands, page, shows, type_in};
use crate::harness::{Client, House, Kind, Laptop, allowed, eventually, refused};

/// The house, and Ana, as soon as she has a device.
struct Walk {
    house: House,
    laptop: Option<Laptop>,
    ana: Option<Client>,
    /// Works here all the time.
    bob: Client,
}

#[tokio::test]
async fn somebody_joins_changes_and_leaves_as_the_page_says() {
    let plan = House::plan().provider(Kind::OidcProvider).set("identity_provider", "refresh = \"1s\"");
    let house = plan.set("", AS_ON_THE_PAGE).open().await;
    let laptop = house.laptop("bob-x3f9", "bob").await;
    let bob = house.signed_in(&laptop, "bob").await;
    let mut walk = Walk { house, laptop: None, ana: None, bob };
    let commands = commands(&page("people.md"));
    assert_eq!(commands.len(), 9, "commands of the page");
    for (command, shown) in commands {
        walk.before(&command).await;
        walk.type_in(&command, &shown).await;
    }
}

impl Walk {
    /// What has happened before somebody types that.
    async fn before(&mut self, line: &str) {
        match line.split(' ').next() {
            Some("curl") => {
                self.house.idp.stop().await;
                eventually("word of it", async || self.house.record().text().contains("provider_lost").then_some(())).await;
                allowed(&self.bob.get(&self.house.url("wiki", "/during")).await);
            }
            Some("sekisho") if line.ends_with("reload") => {
                // A long outage, in short.
                self.house.change(AS_ON_THE_PAGE, "max_fact_age = \"2s\"");
                self.house.must(&["reload"]).await;
                let url = self.house.url("wiki", "/");
                let closed = async || {
                    let reply = self.bob.get(&url).await;
                    (reply.status == 503).then_some(reply)
                };
                assert_eq!(eventually("facts that are too old", closed).await.json()["reason"], "facts_stale");
                self.house.change("max_fact_age = \"2s\"", AS_ON_THE_PAGE);
            }
            _ => {}
        }
    }

    async fn type_in(&mut self, line: &str, shown: &[String]) {
        let fingerprint = self.laptop.as_ref().map(|laptop| format!("\"{}\"", laptop.fingerprint())).unwrap_or_default();
        let metrics = format!("127.0.0.1:{}", self.house.metrics_port());
        let typed = line.replace("\"7d2f 90aa …\"", &fingerprint).replace("127.0.0.1:9464", &metrics);
        let said = type_in(&self.house, self.house.path(), &typed, "").await;
        shows(&typed, &said, shown);
        assert_eq!(said.code, Some(0), "$ {typed}\n{said:?}");
        self.meanwhile(line, &said.out).await;
    }

    /// What people do and meet after a command.
    async fn meanwhile(&mut self, line: &str, out: &str) {
        let url = self.house.url("wiki", "/");
        match line.split(' ').skip(1).take(2).collect::<Vec<_>>()[..] {
            ["device", "invite"] => {
                let laptop = Laptop::with_code(&self.house, "ana-7k2q", &super::code(out)).await;
                refused(&laptop.client(&self.house).get(&url).await, 403);
                self.laptop = Some(laptop);
            }
            ["device", "approve"] => {
                let laptop = self.laptop.as_ref().unwrap();
                refused(&laptop.client(&self.house).get(&url).await, 401);
                self.ana = Some(self.house.signed_in(laptop, "ana").await);
            }
            ["session", "list"] => allowed(&self.ana().get(&url).await),
            ["session", "end"] => {
                refused(&self.ana().get(&url).await, 401);
                allowed(&self.house.idp.sign_in(self.ana(), &url, "ana").await);
            }
            ["user", "suspend"] => {
                let refusal = self.ana().get(&url).await;
                refused(&refusal, 403);
                assert_eq!(refusal.json()["reason"], "device_retired");
            }
            ["user", "show" | "list"] | ["-s", _] => {}
            // He goes on, without a sign-in, and would not without the change.
            ["reload"] => allowed(&self.bob.get(&url).await),
            ref other => panic!("nobody knows what follows {other:?}"),
        }
        if !line.starts_with("curl") {
            allowed(&self.bob.get(&url).await);
        }
    }

    fn ana(&self) -> &Client {
        self.ana.as_ref().expect("she has signed in")
    }
}

const AS_ON_THE_PAGE: &str = "max_fact_age = \"8h\"";
