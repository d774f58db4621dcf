//! `docs/devices.md` on renewal, copied certificates and intercepted invitations: what it has typed in prints what it shows.

use std::path::PathBuf;

use tokio::process::Command;

use super::manual_walk::{commands, same};
use crate::harness::{House, run, sekisho};

#[tokio::test]
async fn the_page_of_devices_shows_what_renewing_says() {
    let house = House::open().await;
    let gate = house.url("gate", "");
    let with_code = async |id: &str, folder: &str| {
        let invitation = house.json(&["device", "invite", "--id", id, "--owner", "ana@corp.example", "--managed"]).await;
        let code = invitation["code"].as_str().unwrap();
        let out = house.path().join(folder).display().to_string();
        let said = house.command_with(&["enroll", "--gate", &gate, "--out", &out, "--json"], code).await;
        (code.to_owned(), serde_json::from_str::<serde_json::Value>(&said.out).unwrap())
    };
    let (_, enrolled) = with_code("ana-7k2q", ".sekisho").await;
    let fingerprint = enrolled["key_fingerprint"].as_str().unwrap();
    house.must(&["device", "approve", "ana-7k2q", "--fingerprint", fingerprint]).await;
    // Somebody was quicker than Ana.
    let (intercepted, _) = with_code("ana-x3f9", "thief").await;
    house.write("code.txt", &intercepted);

    let page = std::fs::read_to_string(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/devices.md"))).unwrap();
    let part = page.split_once("\n## Renewal\n").unwrap().1.split_once("\n## An authority that you have already\n").unwrap().0;
    let blocks: Vec<&str> = part.split("\n```").skip(1).step_by(2).collect();
    assert_eq!(blocks.len(), 4);
    for block in blocks {
        for (typed, shown) in commands(block.strip_prefix("console\n").unwrap()) {
            let programs = sekisho().canonicalize().unwrap().parent().unwrap().display().to_string();
            let line = typed.replace("https://gate.corp.example", &gate);
            let mut command = Command::new("bash");
            command.args(["-c", &format!("PATH={programs}:$PATH; {line} 2>&1")]);
            command.env("SEKISHO_ADMIN_SOCKET", house.path().join("run/admin.sock")).env("HOME", house.path());
            let said = run(
                {
                    command.current_dir(house.path());
                    command
                },
                "",
            )
            .await;
            let came: Vec<String> = said.out.lines().map(str::to_owned).collect();
            assert!(same(&came, &shown), "$ {line}\n{}\n--- the page shows\n{}", said.out, shown.join("\n"));
        }
    }
}
