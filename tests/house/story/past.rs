//! What was decided can be asked long after, and what would be decided by other policies too: from the record alone.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::{House, POLICIES, allowed, refused};

const NOBODY: &str = "@id(\"nobody\")\nforbid (principal, action, resource);\n";

/// Alice asked for `/a`, then the policies changed, then she asked for `/b`.
async fn two_requests() -> (House, Value, Value) {
    let mut house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    allowed(&alice.get(&house.url("wiki", "/a")).await);
    house.set_policies(NOBODY);
    house.must(&["reload"]).await;
    refused(&alice.get(&house.url("wiki", "/b")).await, 403);
    refused(&house.stranger().get(&house.url("wiki", "/c")).await, 403);
    let record = house.record();
    let (a, b) = (record.only_access("/a"), record.only_access("/b"));
    (house, a, b)
}

/// A copy of the record, as an auditor takes it away.
fn copy(house: &House, name: &str) -> PathBuf {
    let to = house.path().join(name);
    copy_folder(&house.path().join("audit"), &to);
    to
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &to);
        } else {
            std::fs::copy(&path, &to).unwrap();
        }
    }
}

/// Changes a text wherever it stands in the files of a folder; how often it did.
fn edit(folder: &Path, from: &str, to: &str) -> usize {
    let mut edited = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            let text = std::fs::read_to_string(&path).unwrap();
            edited += text.matches(from).count();
            std::fs::write(&path, text.replace(from, to)).unwrap();
        }
    }
    edited
}

#[tokio::test]
async fn a_past_request_is_explained_with_the_policies_and_facts_of_its_moment() {
    let (house, a, b) = two_requests().await;
    let id = |line: &Value| line["request"].as_str().unwrap().to_owned();
    assert_ne!(a["policy_set"], b["policy_set"]);

    let past = house.json(&["policy", "explain", "--config", "sekisho.toml", "--request", &id(&a)]).await;
    assert_eq!((&past["recorded"]["decision"], &past["reproduced"]["decision"]), (&json!("allow"), &json!("allow")));
    assert_eq!(past["reproduced"]["policies"], a["policies"]);
    assert_eq!((&past["differences"], &past["question"]["request"]["path"]), (&json!([]), &json!("/a")));
    assert_eq!(past["question"]["who"]["device"]["id"], "lap-7");

    // Elsewhere, with nothing but a copy of the folder.
    let copied = copy(&house, "copied");
    let copied = copied.to_str().unwrap();
    let said = house.must(&["policy", "explain", "--audit", copied, "--request", &id(&b)]).await;
    assert!(said.contains("made again  deny by nobody"), "{said}");

    let unknown = house.command(&["policy", "explain", "--audit", copied, "--request", &"0".repeat(32)]).await;
    assert_eq!(unknown.code, Some(3), "{unknown:?}");
    let stranger = house.record().only_access("/c");
    let before = house.command(&["policy", "explain", "--audit", copied, "--request", &id(&stranger)]).await;
    assert!(before.code == Some(3) && before.err.contains("device_missing"), "{before:?}");
}

#[tokio::test]
async fn a_record_that_was_edited_is_noticed() {
    let (house, a, _) = two_requests().await;
    let id = a["request"].as_str().unwrap();
    let ask =
        async |folder: &Path| house.command(&["policy", "explain", "--audit", folder.to_str().unwrap(), "--request", id]).await;
    let whole = copy(&house, "whole");
    assert_eq!(ask(&whole).await.code, Some(0));

    let answer = copy(&house, "answer");
    assert!(edit(&answer, r#""decision":"allow""#, r#""decision":"deny""#) > 0);
    let said = ask(&answer).await;
    assert!(said.code == Some(1) && said.err.contains("recorded: deny, made again: allow"), "{said:?}");

    let person = copy(&house, "person");
    assert!(edit(&person, r#""user":"corp/alice""#, r#""user":"corp/bob""#) > 0);
    let said = ask(&person).await;
    assert!(said.code == Some(1) && said.err.contains("corp/bob"), "{said:?}");

    let facts = copy(&house, "facts");
    assert!(edit(&facts, r#""id":"corp/alice""#, r#""id":"corp/elsie""#) > 0);
    let said = ask(&facts).await;
    assert!(said.code == Some(3) && said.err.contains("changed after they were written"), "{said:?}");

    let set = copy(&house, "set");
    let kept = set.join("sets").join(format!("{}.txt", a["policy_set"].as_str().unwrap()));
    let text = std::fs::read_to_string(&kept).unwrap();
    std::fs::write(&kept, text.replace("permit", "forbid")).unwrap();
    let said = ask(&set).await;
    assert!(said.code == Some(1) && said.err.contains("another hash"), "{said:?}");
    std::fs::remove_file(&kept).unwrap();
    assert_eq!(ask(&set).await.code, Some(3));
}

#[tokio::test]
async fn a_replay_tells_who_would_lose_what() {
    let (house, a, b) = two_requests().await;
    let asked = house.record().lines();
    let allowed = |line: &&Value| line["decision"] == "allow" && line["policy_set"].is_string();
    let allowed = asked.iter().filter(allowed).count();

    // `policies` is what is live now, and forbids everything.
    let found = house.json(&["policy", "replay", "--config", "sekisho.toml", "--since", "1h", "policies"]).await;
    assert_eq!((&found["loss"], &found["gain"], &found["same"]), (&json!(allowed), &json!(0), &json!(1)), "{found:#}");
    assert_eq!(found["answered_before_policy"]["device_missing"], 1);
    let changes = found["changes"].as_array().unwrap();
    assert!(changes.iter().all(|change| change["user"] == "corp/alice" && change["new"] == json!(["nobody"])), "{changes:#?}");
    let examples: Vec<&Value> = changes.iter().flat_map(|change| change["examples"].as_array().unwrap()).collect();
    assert!(examples.iter().any(|example| example["request"] == a["request"]), "{examples:#?}");
    assert!(!examples.iter().any(|example| example["request"] == b["request"]));

    // And the other way round, on a copy.
    std::fs::create_dir(house.path().join("open")).unwrap();
    house.write("open/open.cedar", POLICIES);
    let copied = copy(&house, "copied");
    let replay = ["policy", "replay", "--audit", copied.to_str().unwrap(), "open"];
    let said = house.command(&replay).await;
    assert!(said.code == Some(0) && said.out.contains("1 request would be allowed"), "{said:?}");
    assert!(said.out.contains(b["request"].as_str().unwrap()), "{said:?}");
    assert_eq!(house.command(&[&replay[..], &["--fail-on", "gain"]].concat()).await.code, Some(1));
    assert_eq!(house.command(&[&replay[..], &["--fail-on", "loss"]].concat()).await.code, Some(0));
}

#[tokio::test]
async fn a_set_that_cannot_be_kept_does_not_go_live() {
    let mut house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let sets = house.path().join("audit/sets");
    std::fs::rename(&sets, house.path().join("sets.away")).unwrap();
    std::fs::write(&sets, "in the way").unwrap();
    house.set_policies(NOBODY);
    let said = house.command(&["reload"]).await;
    assert!(said.code == Some(1) && format!("{}{}", said.out, said.err).contains("audit.dir"), "{said:?}");
    allowed(&alice.get(&house.url("wiki", "/a")).await);
}
