//! What is known of the state of devices: pushed by whoever watches over them, asked for by policies, and gone when it is too old.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use super::cuts::Flow;
use crate::harness::{Client, House, Laptop, Plan, Reply, allowed, eventually, refused};

/// Staff see the first page on their own devices, and the rest if their disks are encrypted.
const ENCRYPTED: &str = "@id(\"first-page\")\npermit (principal in Group::\"staff\", action in Action::\"use\", resource)\n\
    when { context.device.owner == principal && context.request.path == \"/\" };\n\
    @id(\"encrypted\")\npermit (principal in Group::\"staff\", action in Action::\"use\", resource)\n\
    when { context.device.owner == principal && context.device.posture.disk_encrypted };\n";

/// A house that listens to one source, of which these are further lines.
fn listening(source: &str, lines: &str) -> Plan {
    let section = format!("[[posture_source]]\nname = \"{source}\"\ntoken_file = \"{source}-token\"\n{lines}");
    House::plan().policies(ENCRYPTED).private_file(&format!("{source}-token"), &token(source)).set("end", &section)
}

fn token(source: &str) -> String {
    format!("the-token-of-{source}-0123456789abcdef")
}

async fn push(house: &House, source: &str, body: &(impl ToString + ?Sized)) -> Reply {
    push_with(house, &format!("Bearer {}", token(source)), body.to_string()).await
}

async fn push_with(house: &House, authorization: &str, body: String) -> Reply {
    let headers = [("authorization", authorization), ("content-type", "application/json")];
    house.stranger().send(Method::POST, &house.url("gate", "/.sekisho/posture"), &headers, body).await
}

/// Says one thing of the device, and is told that it was taken.
async fn say(house: &House, source: &str, device: &str, encrypted: bool) -> Value {
    let reply =
        push(house, source, &json!({ "devices": [{ "device": device, "facts": { "disk_encrypted": encrypted } }] })).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["refused"], 0, "{}", reply.text());
    reply.json()["devices"][0]["result"].clone()
}

async fn alice(house: &House) -> (Laptop, Client) {
    let laptop = house.laptop("lap-7", "alice").await;
    let client = house.signed_in(&laptop, "alice").await;
    (laptop, client)
}

async fn flow(house: &House, client: &Client, path: &str) -> Flow {
    let (_, reply) = client.begin(Method::GET, &house.url("wiki", path), &[], "").await;
    assert_eq!(reply.status(), 200);
    let mut flow = Flow(reply.into_body());
    flow.runs().await;
    flow
}

async fn events(house: &House) -> Vec<Value> {
    house.record().lines().into_iter().filter(|line| line["event"] == "device_changed").collect()
}

async fn end_of(house: &House, path: &str) -> Value {
    let access = eventually("an access line", async || house.record().access(path).pop()).await;
    house.record().end_of(&access["request"]).await
}

#[tokio::test]
async fn what_a_source_says_opens_the_door_and_closes_it_on_whoever_is_in_the_middle() {
    let mut house = listening("mdm", "").open().await;
    let (_laptop, alice) = alice(&house).await;
    let wiki = house.url("wiki", "/a");
    let denied = alice.get(&wiki).await;
    refused(&denied, 403);
    assert!(denied.text().contains("disk"), "the page says what would change it: {}", denied.text());
    let told = house.record().only_access("/a");
    assert!(told.to_string().contains("disk_encrypted"), "and the record, to operators: {told}");

    assert_eq!(say(&house, "mdm", "lap-7", true).await, "changed");
    allowed(&alice.get(&wiki).await);
    let mut stream = flow(&house, &alice, "/flood/a").await;
    let known = events(&house).await.len();
    assert_eq!(say(&house, "mdm", "lap-7", true).await, "confirmed");
    stream.runs().await;
    assert_eq!(events(&house).await.len(), known, "what is only confirmed is no event");

    // A gate that stops lets what is under way end.
    drop(stream);
    house.restart().await;
    allowed(&alice.get(&house.url("wiki", "/b")).await);
    let mut stream = flow(&house, &alice, "/flood/b").await;
    assert_eq!(say(&house, "mdm", "lap-7", false).await, "changed");
    stream.breaks().await;
    let end = end_of(&house, "/flood/b").await;
    assert_eq!((&end["ending"], &end["cause"]), (&json!("cut"), &json!("device_changed")), "{end}");
    refused(&alice.get(&house.url("wiki", "/b")).await, 403);
    let event = eventually("the event", async || events(&house).await.pop()).await;
    assert_eq!((&event["by"], &event["device"]), (&json!("source:mdm"), &json!("lap-7")), "{event}");
    assert_eq!(event["why"], "disk_encrypted=false", "{event}");

    // What an operator says does not make a bad flag good; what a source takes back does not count.
    house.must(&["device", "set", "lap-7", "disk_encrypted=true", "--reason", "looked at it"]).await;
    refused(&alice.get(&house.url("wiki", "/c")).await, 403);
    let back = json!({ "devices": [{ "device": "lap-7", "facts": { "disk_encrypted": null } }] });
    assert_eq!(push(&house, "mdm", &back).await.json()["changed"], 1);
    allowed(&alice.get(&house.url("wiki", "/c")).await);
    let shown = house.must(&["device", "show", "lap-7"]).await;
    assert!(shown.contains("disk_encrypted  true   operator"), "{shown}");
    assert_eq!(house.metrics().await.sum("sekisho_posture_reports_total", &[("source", "mdm"), ("outcome", "changed")]), 2.0);
}

#[tokio::test]
async fn what_is_not_confirmed_in_time_is_gone_by_itself() {
    let house = listening("mdm", "max_age = \"2s\"").open().await;
    let (_laptop, alice) = alice(&house).await;
    say(&house, "mdm", "lap-7", true).await;
    let mut stream = flow(&house, &alice, "/flood/a").await;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(3_000) {
        // Said again and again, it counts for longer than it would.
        say(&house, "mdm", "lap-7", true).await;
        stream.runs().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    allowed(&alice.get(&house.url("wiki", "/a")).await);
    stream.breaks().await;
    refused(&alice.get(&house.url("wiki", "/a")).await, 403);
    let ended = async || events(&house).await.into_iter().find(|event| event["detail"] == "facts expired");
    let event = eventually("the event", ended).await;
    assert_eq!((&event["by"], &event["why"]), (&json!("system:posture"), &json!("disk_encrypted of mdm")), "{event}");
    let shown = house.must(&["device", "show", "lap-7"]).await;
    assert!(shown.contains("no: expired"), "{shown}");
    assert_eq!(house.metrics().await.sum("sekisho_posture_facts_expired_total", &[("source", "mdm")]), 1.0);
}

#[tokio::test]
async fn what_cannot_be_taken_is_refused_with_words() {
    let mut house = listening("mdm", "").open().await;
    let (_laptop, alice) = alice(&house).await;
    let entry = |device: &str, fact: &str, value: Value| json!({ "device": device, "facts": { (fact): value } });
    let all = json!({ "devices": [
        entry("lap7", "disk_encrypted", json!(true)),
        entry("lap-7", "disk_encryptd", json!(true)),
        entry("lap-7", "disk_encrypted", json!("true")),
        entry("lap-7", "managed", json!(true)),
        { "device": "lap-7", "at": "2100-01-01T00:00:00Z", "facts": { "disk_encrypted": true } },
        { "device": "lap-7", "at": "2001-01-01T00:00:00Z", "facts": { "disk_encrypted": true } },
        { "device": "lap-7", "facts": { "disk_encrypted": true, "firewall": 1 } },
    ] });
    let answer = push(&house, "mdm", &all).await.json();
    let told: Vec<&str> = answer["devices"].as_array().unwrap().iter().map(|one| one["result"].as_str().unwrap()).collect();
    assert_eq!(told, ["unknown_device", "unknown_fact", "wrong_type", "not_allowed", "in_the_future", "too_old", "wrong_type"]);
    for (place, words) in [(0, "did you mean `lap-7`?"), (1, "did you mean `disk_encrypted`?"), (3, "see its `may_set`")] {
        assert!(answer["devices"][place]["detail"].as_str().unwrap().contains(words), "{answer}");
    }
    refused(&alice.get(&house.url("wiki", "/a")).await, 403);

    let good = json!({ "devices": [entry("lap-7", "disk_encrypted", json!(true))] }).to_string();
    for (body, status, reason) in [
        ("{\"devices\":[{}]}".to_owned(), 400, "posture_malformed"),
        (format!("{{\"devices\":[],\"devices\":{good}}}"), 400, "posture_malformed"),
        (" ".repeat(1024 * 1024 + 1), 413, "body_too_large"),
    ] {
        let reply = push(&house, "mdm", &body).await;
        assert_eq!((reply.status.as_u16(), &reply.json()["reason"]), (status, &json!(reason)), "{}", reply.text());
    }
    let url = house.url("gate", "/.sekisho/posture");
    let right = format!("Bearer {}", token("mdm"));
    refused(&house.stranger().send(Method::GET, &url, &[("authorization", &right)], "").await, 405);
    let elsewhere = house.url("wiki", "/.sekisho/posture");
    refused(&house.stranger().send(Method::POST, &elsewhere, &[("authorization", &right)], good.clone()).await, 404);

    // Wrong tokens, often; whoever has the right one is heard all the same.
    let mut statuses = Vec::new();
    for attempt in 0..12 {
        let reply = push_with(&house, &format!("Bearer {}{attempt}", token("mdm")), good.clone()).await;
        assert!(reply.header("www-authenticate").is_some() || reply.header("retry-after").is_some(), "{}", reply.text());
        statuses.push(reply.status.as_u16());
    }
    assert_eq!(statuses.first(), Some(&401));
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
    refused(&alice.get(&house.url("wiki", "/a")).await, 403);
    assert_eq!(push(&house, "mdm", &good).await.status, 200);
    allowed(&alice.get(&house.url("wiki", "/a")).await);

    // A source that is not configured any more is nobody, and what it said does not count.
    house.change("[[posture_source]]\nname = \"mdm\"\ntoken_file = \"mdm-token\"\n", "");
    house.must(&["reload"]).await;
    refused(&push(&house, "mdm", &good).await, 404);
    let closed = async || (alice.get(&house.url("wiki", "/a")).await.status == 403).then_some(());
    eventually("the end of its word", closed).await;
}

#[tokio::test]
async fn a_thousand_devices_fit_into_one_push_and_osquery_names_them_its_own_way() {
    let facts = "format = \"osquery\"\ndevices = \"alias\"\n[[posture_source.fact]]\nquery = \"disk\"\ncolumn = \"encrypted\"\n\
        fact = \"disk_encrypted\"";
    let house = listening("fleet", facts).open().await;
    let (_laptop, alice) = alice(&house).await;
    house.must(&["device", "set", "lap-7", "--alias", "fleet=C02XL0AAJGH5"]).await;
    let line = |host: &str, encrypted: &str| {
        let now = sekisho::clock::Clock::system().now().as_secs().to_string();
        json!({ "name": "disk", "hostIdentifier": host, "unixTime": now, "action": "snapshot", "snapshot": [{ "encrypted": encrypted }] })
            .to_string()
    };
    let lines: Vec<String> =
        (0..999).map(|number| line(&format!("other-{number}"), "0")).chain([line("C02XL0AAJGH5", "1")]).collect();
    let begun = Instant::now();
    let reply = push(&house, "fleet", &lines.join("\n")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let answer = reply.json();
    assert_eq!((&answer["changed"], &answer["refused"]), (&json!(1), &json!(999)), "{answer}");
    allowed(&alice.get(&house.url("wiki", "/a")).await);
    push(&house, "fleet", &line("C02XL0AAJGH5", "0")).await;
    refused(&alice.get(&house.url("wiki", "/a")).await, 403);
}
