//! What is refused is told of in the record: by whom, and what it seems to have been.

use http::Method;
use serde_json::Value;

use crate::harness::{Client, House, allowed, eventually, refused};

/// Sends a head, which is refused.
async fn raw(client: &Client, house: &House, head: &str, reason: &str) {
    let raw = client.raw(&house.url("wiki", "/"), head).await;
    assert_eq!(raw.reason().as_deref(), Some(reason), "{head:?}: {}", raw.text());
}

/// Waits for the only line with that reason, and shows what it tells.
async fn told(house: &House, reason: &str) -> [String; 4] {
    let of = |line: &Value| line["line"] == "access" && line["reason"] == reason;
    let line = eventually(reason, async || house.record().lines().into_iter().find(|line| of(line))).await;
    ["device", "method", "host", "path"].map(|field| line[field].as_str().unwrap_or("nobody").to_owned())
}

#[tokio::test]
async fn what_nobody_understands_is_told_of_its_device() {
    let house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let device = laptop.client(&house);
    let wiki = format!("Host: wiki.localhost:{}\r\n", house.port());
    let head = |first: &str, lines: &str| format!("{first} HTTP/1.1\r\n{wiki}{lines}\r\n");
    // The framing guard, before anything is read; the reader; of HTTP/2, where there is no guard; and what is for nobody.
    let lengths = "Content-Length: 1\r\nContent-Length: 2\r\n";
    raw(&device, &house, &head("POST /framing?token=SECRET", lengths), "content_length_twice").await;
    raw(&device, &house, &head("GET /a/../reader?token=SECRET", ""), "path_dot_segment").await;
    let twice = [("authorization", "Bearer SECRET"), ("authorization", "Bearer SECRET")];
    let over_http2 = device.clone().over_http2();
    refused(&over_http2.send(Method::PUT, &house.url("wiki", "/http2"), &twice, "").await, 400);
    raw(&device, &house, "GET /nobody HTTP/1.1\r\nHost: nobody.localhost\r\n\r\n", "misdirected").await;
    let nobody = format!("GET /\u{1b}[2J HTTP/1.1\r\nHost: nobody.localhost:{}\r\n\r\n", house.port());
    raw(&device, &house, &nobody, "target").await;
    for (reason, method, host, path) in [
        ("content_length_twice", "POST", "wiki.localhost", "/framing"),
        ("path_dot_segment", "GET", "wiki.localhost", "/a/../reader"),
        ("authorization_twice", "PUT", "wiki.localhost", "/http2"),
        ("misdirected", "GET", "nobody.localhost", "/nobody"),
        ("target", "GET", "nobody.localhost", "/%1B[2J"),
    ] {
        assert_eq!(told(&house, reason).await, ["lap-7", method, host, path], "{reason}");
    }
    // A stranger is nobody, whatever is asked.
    raw(&house.stranger(), &house, &head("GET /stranger", "Transfer-Encoding: x\r\n"), "transfer_encoding").await;
    assert_eq!(told(&house, "transfer_encoding").await, ["nobody", "GET", "wiki.localhost", "/stranger"]);
    assert!(!house.record().text().contains("SECRET"), "queries and headers are in no line");
    // Whoever looks at the device finds it.
    let report = house.must(&["audit", "report", "--device", "lap-7", "--since", "1h"]).await;
    assert!(report.contains("content_length_twice") && report.contains("/framing"), "{report}");
    assert!(!report.contains("transfer_encoding"), "{report}");
}

#[tokio::test]
async fn a_device_that_sends_nonsense_tries_doors() {
    let house = House::open().await;
    let (here, there) = (house.laptop("lap-7", "alice").await, house.laptop("lap-8", "bob").await);
    let (here, there, stranger) = (here.client(&house), there.client(&house), house.stranger());
    let nonsense = format!("GET /a//b HTTP/1.1\r\nHost: wiki.localhost:{}\r\n\r\n", house.port());
    for _ in 0..50 {
        raw(&stranger, &house, &nonsense, "path_empty_segment").await;
        raw(&here, &house, &nonsense, "path_empty_segment").await;
    }
    raw(&there, &house, &nonsense, "path_empty_segment").await;
    let bursts = || house.record().lines().into_iter().filter(|line| line["event"] == "denial_burst").collect::<Vec<_>>();
    let told = eventually("the signal", async || Some(bursts()).filter(|bursts| !bursts.is_empty())).await;
    assert_eq!(told.iter().map(|line| &line["device"]).collect::<Vec<_>>(), ["lap-7"]);
}

/// Policy says yes to an upload, and the gate refuses it as too large: that is a refusal, of which the app had a part.
#[tokio::test]
async fn what_is_too_large_is_a_refusal() {
    let house = House::plan().set("limits", "body = \"100KiB\"").open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let url = |path: &str| house.url("wiki", path);
    allowed(&alice.send(Method::POST, &url("/fits"), &[], vec![b'x'; 100 << 10]).await);
    refused(&alice.send(Method::POST, &url("/declared"), &[], vec![b'x'; (100 << 10) + 1]).await, 413);
    let cookie = alice.jar.header("wiki.localhost", "/").unwrap();
    let head = format!("POST /grown HTTP/1.1\r\nHost: wiki.localhost:{}\r\nCookie: {cookie}\r\n", house.port());
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    raw(&alice, &house, &format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunk}{chunk}0\r\n\r\n"), "body_too_large").await;
    let mut received = Vec::new();
    for (path, decision, status) in [("/fits", "allow", 200), ("/declared", "deny", 413), ("/grown", "deny", 413)] {
        let line = house.record().only_access(path);
        assert_eq!((line["decision"].as_str(), line["status"].as_u64()), (Some(decision), Some(status)), "{line}");
        assert!(line["user"].is_string() && line["policies"].is_array(), "{line}");
        received.push(house.record().end_of(&line["request"]).await["received"].as_u64().unwrap());
    }
    assert_eq!((received[0], received[1]), (100 << 10, 0));
    let denied = house.must(&["audit", "query", "--decision", "deny", "--reason", "body_too_large"]).await;
    assert!(denied.contains("/declared") && denied.contains("/grown") && denied.contains("deny: body_too_large"), "{denied}");
    let report = house.must(&["audit", "report", "--device", "lap-7", "--since", "1h", "--format", "json"]).await;
    let report: Value = serde_json::from_str(&report).unwrap();
    let refusals = report["denied"].as_array().unwrap();
    let row = refusals.iter().find(|row| row["reason"] == "body_too_large").unwrap();
    assert_eq!((&row["times"], &row["policies"]), (&2.into(), &Value::Array(Vec::new())), "{row}");
    assert_eq!(report["total"]["received"].as_u64(), Some(received.iter().sum()), "what the app had of it counts");
}
