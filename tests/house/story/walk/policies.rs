//! `docs/policies.md` is a walk: every block of it, in order, in a house whose people use its apps meanwhile.
//!
//! A block that begins with `// FILE` or `# FILE` is written to that file.

use super::{Shown, page, same, type_in, typed};
use crate::harness::{Client, House, Laptop, allowed, refused};

enum Block {
    File { name: String, text: String },
    Commands(Vec<Shown>),
}

/// The house, and those who live in it.
struct Walk {
    house: House,
    ana: Laptop,
    bob: Laptop,
    /// Bob's and Ana's sessions, from the first day that the policies let them in.
    sessions: Option<(Client, Client)>,
    /// The id of the request of which the page asks why it was denied.
    denied: Option<String>,
}

#[tokio::test]
async fn the_page_of_policies_can_be_walked_from_its_first_block_to_its_last() {
    let mut walk = Walk::begin().await;
    for block in blocks(&page("policies.md")) {
        match block {
            Block::File { name, text } => walk.write(&name, &text),
            Block::Commands(commands) => {
                for (command, shown) in commands {
                    walk.type_in(&command, &shown).await;
                }
            }
        }
    }
    // Where it ends, the change is live: tickets are open to staff, and payroll to nobody else than before.
    let (ana, bob) = walk.sessions.as_ref().unwrap();
    allowed(&bob.browse(&walk.house.url("tickets", "/")).await);
    refused(&bob.browse(&walk.house.url("payroll", "/")).await, 403);
    allowed(&ana.browse(&walk.house.url("payroll", "/")).await);
}

impl Walk {
    async fn begin() -> Self {
        let upstream = "upstream = [\"{wiki}\"]";
        let house = House::plan()
            .app("tickets", &format!("{upstream}\ntags = [\"internal\"]"))
            .app("payroll", &format!("{upstream}\ntags = [\"confidential\"]"))
            .policies("@id(\"nobody-yet\") forbid (principal, action, resource);\n")
            .open()
            .await;
        let (ana, bob) = (managed(&house, "ana-7k2q", "ana").await, managed(&house, "bob-x3f9", "bob").await);
        Self { house, ana, bob, sessions: None, denied: None }
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.house.path().join(name);
        if name == "sekisho.toml" {
            // The page shows one section of it.
            let whole = std::fs::read_to_string(&path).unwrap();
            let (before, rest) = whole.split_once("[policies]\n").unwrap();
            let (_, after) = rest.split_once("[audit]\n").unwrap();
            return std::fs::write(path, format!("{before}{text}\n[audit]\n{after}")).unwrap();
        }
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        if name.starts_with("policies/") {
            let _gone_already = std::fs::remove_file(self.house.path().join("policies/house.cedar"));
        }
    }

    async fn type_in(&mut self, line: &str, shown: &[String]) {
        let typed = line.replace(ON_THE_PAGE, self.denied.as_deref().unwrap_or(ON_THE_PAGE));
        let said = type_in(&self.house, self.house.path(), &typed, "").await;
        let came: Vec<String> = said.out.lines().map(|line| self.as_on_the_page(line)).collect();
        let expected: Vec<String> = shown.iter().map(|line| blurred(line)).collect();
        assert!(same(&came, &expected), "$ {typed}\n{}\n--- the page shows\n{}", came.join("\n"), expected.join("\n"));
        // What fails says so, and in what it exits with too.
        let complains = said.out.lines().any(|line| line.starts_with("sekisho:"));
        assert_eq!(said.code == Some(0), !complains, "$ {typed}\n{said:?}");
        if typed == "sekisho reload" && said.code == Some(0) {
            self.day().await;
        }
    }

    /// The hosts and ports of this house, and the request that the page speaks of.
    fn as_on_the_page(&self, line: &str) -> String {
        let line =
            line.replace(&format!(".localhost:{}", self.house.port()), ".corp.example").replace(".localhost", ".corp.example");
        let line = line.replace(self.denied.as_deref().unwrap_or(ON_THE_PAGE), ON_THE_PAGE);
        blurred(&line)
    }

    /// What people do after each change: Ana looks at her slips, Bob reads the wiki and tries the tickets and, out of curiosity, payroll.
    async fn day(&mut self) {
        let url = |app| self.house.url(app, "/");
        if self.sessions.is_none() {
            let bob = self.house.signed_in(&self.bob, "bob").await;
            let ana = self.ana.client(&self.house);
            allowed(&self.house.idp.sign_in_with(&ana, &url("payroll"), "ana", true).await);
            self.sessions = Some((ana, bob));
        }
        let (ana, bob) = self.sessions.as_ref().unwrap();
        allowed(&ana.browse(&url("payroll")).await);
        allowed(&bob.browse(&url("wiki")).await);
        // Only the last of the days.
        let _tickets = bob.browse(&url("tickets")).await;
        let no = bob.browse(&url("payroll")).await;
        refused(&no, 403);
        self.denied.get_or_insert(no.headers["x-request-id"].to_str().unwrap().to_owned());
    }
}

/// A laptop that the company administers.
async fn managed(house: &House, id: &str, owner: &str) -> Laptop {
    let owner = format!("{owner}@corp.example");
    let invitation = house.json(&["device", "invite", "--id", id, "--owner", &owner, "--managed"]).await;
    let laptop = Laptop::with_code(house, id, invitation["code"].as_str().unwrap()).await;
    laptop.approve(house).await;
    laptop
}

/// Every block of the page. One that nobody can run does not belong there.
fn blocks(page: &str) -> Vec<Block> {
    let blocks = super::blocks(page).into_iter().map(|(language, text)| match language {
        "console" => Block::Commands(typed(text)),
        "cedar" | "toml" => {
            let first = text.lines().next().unwrap();
            let name = first.strip_prefix("// ").or_else(|| first.strip_prefix("# "));
            let name = name.unwrap_or_else(|| panic!("a block without the name of its file: {text}"));
            Block::File { name: name.to_owned(), text: format!("{text}\n") }
        }
        other => panic!("a block of `{other}`, which nobody runs: {text}"),
    });
    blocks.collect()
}

/// Without what differs from run to run: times of day, and hashes.
fn blurred(line: &str) -> String {
    let words = line.split_inclusive(|letter: char| !letter.is_ascii_alphanumeric() && !matches!(letter, '-' | ':' | '.'));
    let blur = |word: &str| {
        let bare = word.trim_end_matches(|letter: char| !letter.is_ascii_alphanumeric());
        let digits = |text: &str| text.bytes().filter(u8::is_ascii_digit).count();
        let time = bare.len() >= 19 && bare.contains('T') && digits(bare) >= 14;
        let hash = bare.len() >= 32 && bare.bytes().all(|byte| byte.is_ascii_hexdigit()) && bare != ON_THE_PAGE;
        let with = |name: &str| format!("{name}{}", word.strip_prefix(bare).unwrap_or_default());
        if time {
            with("TIME")
        } else if hash {
            with("HASH")
        } else {
            word.to_owned()
        }
    };
    words.map(blur).collect()
}

/// The id of Bob's request, as the page has it.
const ON_THE_PAGE: &str = "f21d5dbc9a29ae935a92d17f7921509e";

#[test]
fn times_and_hashes_are_not_compared() {
    assert_eq!(blurred("  at 2026-11-22T18:01:09.123Z: 2 policies"), blurred("  at 2025-01-01T00:00:00Z: 2 policies"));
    assert_ne!(blurred("  at 2026-11-22T18:01:09.123Z: 2 policies"), blurred("  at 2026-11-22T18:01:09.123Z: 3 policies"));
}
