//! The record answers: as the manual shows, while it grows, and only for those who ask about what there is. `docs/record.md` is the
//! first story: its blocks on asking and verifying, in order, in a house where Ana read two customers' files.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use super::walk::{blocks, page, same, type_in, typed};
use crate::harness::{Client, House, POLICIES, allowed, eventually, refused, run, sekisho};

async fn house() -> (House, Client) {
    let vault = "@id(\"vault\") forbid (principal, action in Action::\"use\", resource)
        when { context.request.path_prefixes.contains(\"/vault\") };";
    let house = House::plan().policies(&format!("{POLICIES}{vault}")).set("audit", "checkpoint_every = \"1s\"").open().await;
    let laptop = house.laptop("ana-7k2q", "ana").await;
    let ana = house.signed_in(&laptop, "ana").await;
    (house, ana)
}

#[tokio::test]
async fn the_page_of_the_record_shows_what_asking_it_says() {
    let (house, ana) = house().await;
    for path in ["/customers/acme.csv", "/customers/beta.csv"] {
        allowed(&ana.get(&house.url("wiki", path)).await);
    }
    refused(&ana.get(&house.url("wiki", "/vault/keys")).await, 403);
    house.record().end_of(&house.record().only_access("/vault/keys")["request"]).await;
    // A checkpoint that saw it all.
    eventually("checkpoints", async || {
        let text = std::fs::read_to_string(house.path().join("audit/checkpoints.jsonl")).unwrap_or_default();
        (text.lines().count() > 1).then_some(())
    })
    .await;
    let page = page("record.md");
    let part = page.split_once("\n## Asking it\n").unwrap().1.split_once("\n## The incident report\n").unwrap().0;
    let blocks = blocks(part);
    assert_eq!(blocks.len(), 7);
    for (language, block) in blocks {
        assert_eq!(language, "console");
        for (line, shown) in typed(block) {
            let said = type_in(&house, house.path(), &line, "").await;
            let came: Vec<String> = said.out.lines().map(blurred).collect();
            let expected: Vec<String> = shown.iter().map(|line| blurred(line)).collect();
            assert!(same(&came, &expected), "$ {line}\n{}\n--- the page shows\n{}", said.out, shown.join("\n"));
        }
    }
}

/// Without what differs from run to run: numbers, and how wide columns are.
fn blurred(line: &str) -> String {
    let mut blurred = String::new();
    for letter in line.chars() {
        let letter = if letter.is_ascii_digit() { '9' } else { letter };
        if !(matches!(letter, ' ' | '9') && blurred.ends_with(letter)) {
            blurred.push(letter);
        }
    }
    // Which core it was, and how many lines: one or more.
    blurred.replace("lines in 9 files", "lines in 9 file").replace("lines in 9 file,", "lines in 9 files,")
}

#[tokio::test]
async fn who_asks_about_what_nobody_knows_is_told() {
    let (house, ana) = house().await;
    allowed(&ana.get(&house.url("wiki", "/a")).await);
    let session = house.record().only_access("/a")["session"].as_str().unwrap().to_owned();
    let mistyped = format!("{session}x");
    for (wrong, near) in [
        (["--device", "ana-7k2"], "did you mean `ana-7k2q`?"),
        (["--user", "ana@corp.exmaple"], "did you mean `ana@corp.example`?"),
        (["--user", "corp/anna"], "did you mean `corp/ana`?"),
        (["--session", &mistyped], &session),
        (["--app", "wikki"], "did you mean `wiki`?"),
        (["--reason", "forbiden"], "no reason `forbiden`"),
        (["--policy", "vualt"], "no policy `vualt`"),
        (["--request", "7"], "an id has 32 digits"),
    ] {
        let said = house.command(&["audit", "query", "--config", "sekisho.toml", wrong[0], wrong[1]]).await;
        assert!(said.code == Some(3) && said.out.is_empty() && said.err.contains(near), "{wrong:?}: {said:?}");
    }
    for wrong in ["soon", "2026-13-01"] {
        let said = house.command(&["audit", "query", "--config", "sekisho.toml", "--since", wrong]).await;
        assert!(said.code == Some(2) && said.err.contains("yesterday 14:30"), "{said:?}");
    }
    // The twins: what is known, and has nothing of the kind, is an answer.
    let said = house.command(&["audit", "query", "--config", "sekisho.toml", "--device", "ana-7k2q", "--path", "/none"]).await;
    assert!(said.code == Some(0) && said.out.is_empty() && said.err.contains("nothing of all that was asked for"), "{said:?}");
    house.laptop("lap-new", "ana").await;
    let said = house.command(&["audit", "query", "--config", "sekisho.toml", "--device", "lap-new", "--method", "get"]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
}

#[tokio::test]
async fn the_record_is_followed_while_it_grows() {
    let (house, ana) = house().await;
    allowed(&ana.get(&house.url("wiki", "/before")).await);
    let mut command = Command::new(sekisho());
    command
        .args(["audit", "follow", "--config", "sekisho.toml", "--device", "ana-7k2q", "--app", "wiki", "--json"])
        .current_dir(house.path())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let mut follow = command.spawn().unwrap();
    let mut lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    // It has begun when it tells of something that came after.
    let mut asked = 0;
    let first: Value = loop {
        asked += 1;
        allowed(&ana.get(&house.url("wiki", &format!("/n{asked}"))).await);
        let wait = tokio::time::timeout(std::time::Duration::from_millis(500), lines.next_line()).await;
        if let Ok(line) = wait {
            break serde_json::from_str(&line.unwrap().unwrap()).unwrap();
        }
        assert!(asked < 100, "it tells of nothing");
    };
    assert!(first["path"].as_str().unwrap().starts_with("/n"), "{first}");
    refused(&ana.get(&house.url("wiki", "/vault/x")).await, 403);
    refused(&house.stranger().get(&house.url("wiki", "/stranger")).await, 403);
    loop {
        let line: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
        assert_eq!(line["device"], "ana-7k2q", "{line}");
        if line["path"] == "/vault/x" && line["ending"] == "complete" {
            assert_eq!((line["decision"].as_str(), line["exact"].as_bool()), (Some("deny"), Some(true)));
            break;
        }
    }
    let id = follow.id().unwrap().to_string();
    let mut interrupt = Command::new("kill");
    interrupt.args(["-INT", &id]);
    run(interrupt, "").await;
    assert_eq!(follow.wait().await.unwrap().code(), Some(0), "an interrupted one ends well");
}
