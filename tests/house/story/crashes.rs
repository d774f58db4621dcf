//! The gate is killed again and again while it works: what was answered is in the record, and its chains go on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tokio::sync::Notify;

use crate::harness::{Client, House, allowed};

#[tokio::test]
async fn no_answer_is_unrecorded_and_chains_go_on_when_the_gate_is_killed() {
    killed_again_and_again(3).await;
}

#[tokio::test]
#[ignore = "takes minutes: as above, many more times"]
async fn no_answer_is_unrecorded_and_chains_go_on_when_the_gate_is_killed_for_long() {
    killed_again_and_again(60).await;
}

async fn killed_again_and_again(times: usize) {
    // Small files, so that it is also killed while it goes on in the next.
    let mut house = House::plan().set("audit", "rotate_size = \"64KiB\"").open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = Arc::new(house.signed_in(&laptop, "alice").await);
    let mut answered = BTreeSet::new();
    for round in 0..times {
        let (heard, enough) = (Arc::new(Mutex::new(BTreeSet::new())), Arc::new(Notify::new()));
        let until = 120 + round * 37 % 200;
        let clients: Vec<_> = (0..8)
            .map(|client| {
                let (alice, heard, enough) = (Arc::clone(&alice), Arc::clone(&heard), Arc::clone(&enough));
                let (host, name) = (house.url("wiki", ""), format!("{round}-{client}"));
                tokio::spawn(async move { ask_until_it_dies(&alice, &host, &name, &heard, until, &enough).await })
            })
            .collect();
        enough.notified().await;
        house.gate.kill().await;
        for client in clients {
            client.await.unwrap();
        }
        answered.append(&mut heard.lock().unwrap());
        house.start_again().await;
    }
    allowed(&alice.get(&house.url("wiki", "/at-last")).await);
    house.restart().await;

    let text = house.record().text();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let recorded: BTreeSet<_> =
        lines.iter().filter(|line| line["line"] == "access").filter_map(|line| line["path"].as_str()).collect();
    assert!(answered.len() >= times * 100, "{}", answered.len());
    let missing: Vec<_> = answered.iter().filter(|path| !recorded.contains(path.as_str())).collect();
    assert!(missing.is_empty(), "answered and not recorded: {missing:?}");
    let opened = lines.iter().filter(|line| line["line"] == "open" && line["core"] == "0").count();
    assert!(opened > times + 2, "{opened} files: none was begun because one was full");
    for (chain, mut lines) in chains(&text) {
        lines.sort_by_key(|(seq, _)| *seq);
        verify(&chain, &lines);
    }
}

/// Asks on one connection after another, until there is no gate any more. Notes each path of which it saw the answer's head.
async fn ask_until_it_dies(
    alice: &Client,
    host: &str,
    name: &str,
    heard: &Mutex<BTreeSet<String>>,
    until: usize,
    enough: &Notify,
) {
    let mut connection = alice.connect(host).await;
    for number in 0.. {
        let path = format!("/crash/{name}/{number}");
        if !connection.is_answered(&path).await {
            return;
        }
        let mut heard = heard.lock().unwrap();
        heard.insert(path);
        if heard.len() == until {
            enough.notify_one();
        }
    }
}

/// The lines of each chain, with their numbers. Every file begins with a line that names its chain.
fn chains(text: &str) -> BTreeMap<String, Vec<(u64, String)>> {
    let mut chains: BTreeMap<String, Vec<(u64, String)>> = BTreeMap::new();
    let mut chain = String::new();
    for line in text.lines() {
        let value: Value = serde_json::from_str(line).unwrap();
        let Some(seq) = value["seq"].as_u64() else { continue };
        if value["line"] == "open" {
            value["core"].as_str().unwrap().clone_into(&mut chain);
        }
        chains.entry(chain.clone()).or_default().push((seq, line.to_owned()));
    }
    chains
}

/// As the manual says that it is done.
fn verify(chain: &str, lines: &[(u64, String)]) {
    let mut previous = vec![0; 32];
    for (expected, (seq, line)) in (1..).zip(lines) {
        assert_eq!(*seq, expected, "chain {chain}: {line}");
        let (hashed, end) = line.rsplit_once(r#","chain":""#).unwrap();
        let hash = digest(&SHA256, &[&previous, hashed.as_bytes()].concat()).as_ref().to_vec();
        assert_eq!(end, format!("{}\"}}", URL_SAFE_NO_PAD.encode(&hash)), "chain {chain}, line {seq}");
        previous = hash;
    }
}
