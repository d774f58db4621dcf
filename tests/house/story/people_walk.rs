//! `docs/people.md` is a walk through somebody's time here: each command of it is typed in, what it prints is what the page shows, and what
//! people meet meanwhile is what it says.

use tokio::process::Command;

use super::manual_walk::{commands, same};
use crate::harness::{Client, House, Laptop, allowed, refused, run, sekisho};

/// The house, and Ana, as soon as she has a device.
struct Walk {
    house: House,
    laptop: Option<Laptop>,
    ana: Option<Client>,
}

#[tokio::test]
async fn somebody_joins_changes_and_leaves_as_the_page_says() {
    let mut walk = Walk { house: House::open().await, laptop: None, ana: None };
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/people.md")).unwrap();
    let blocks = page.split("\n```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("console\n"));
    let mut typed = 0;
    for (command, shown) in blocks.flat_map(|block| commands(&format!("{block}\n"))) {
        walk.type_in(&command, &shown).await;
        typed += 1;
    }
    assert_eq!(typed, 7, "commands of the page");
}

impl Walk {
    async fn type_in(&mut self, line: &str, shown: &[String]) {
        let fingerprint = self.laptop.as_ref().map(|laptop| format!("\"{}\"", laptop.fingerprint())).unwrap_or_default();
        let typed = line.replace("\"7d2f 90aa …\"", &fingerprint);
        let programs = sekisho().canonicalize().unwrap().parent().unwrap().display().to_string();
        let mut command = Command::new("bash");
        command
            .args(["-c", &format!("PATH={programs}:$PATH; {typed} 2>&1")])
            .env("SEKISHO_ADMIN_SOCKET", self.house.path().join("run/admin.sock"))
            .env("HOME", self.house.path())
            .current_dir(self.house.path());
        let said = run(command, "").await;
        let came: Vec<String> = said.out.lines().map(str::to_owned).collect();
        assert!(same(&came, shown) && said.code == Some(0), "$ {typed}\n{}\n--- the page shows\n{}", said.out, shown.join("\n"));
        self.meanwhile(line, &said.out).await;
    }

    /// What people do and meet after a command.
    async fn meanwhile(&mut self, line: &str, out: &str) {
        let url = self.house.url("wiki", "/");
        match line.split(' ').skip(1).take(2).collect::<Vec<_>>()[..] {
            ["device", "invite"] => {
                let code = out.split_whitespace().find(|word| word.len() > 40 && word.contains('.') && word.contains('-'));
                let code = code.unwrap_or_else(|| panic!("no code: {out}"));
                let laptop = Laptop::with_code(&self.house, "ana-7k2q", code).await;
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
                refused(&self.ana().get(&url).await, 401);
                let page = self.house.idp.sign_in(self.ana(), &url, "ana").await;
                refused(&page, 403);
                assert!(page.text().contains("user_suspended"), "{}", page.shown());
            }
            ["device", "retire"] => {
                let refusal = self.ana().get(&url).await;
                refused(&refusal, 403);
                assert_eq!(refusal.json()["reason"], "device_retired");
            }
            ["user", "list"] => {}
            ref other => panic!("nobody knows what follows {other:?}"),
        }
    }

    fn ana(&self) -> &Client {
        self.ana.as_ref().expect("she has signed in")
    }
}
