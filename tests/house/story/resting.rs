//! Connections between requests: what they took up is given back, and nothing else changes.

use std::time::Duration;

use crate::harness::{House, allowed, eventually, refused};

/// Until every connection that is there rests.
async fn rest(house: &House) {
    eventually("the connections rest", async || {
        let metrics = house.metrics().await;
        let (open, resting) = (metrics.sum("sekisho_connections", &[]), metrics.sum("sekisho_connections_resting", &[]));
        (resting >= 1.0 && resting == open).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_rests_goes_on_as_before_and_is_judged_as_before() {
    let house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let mut connection = alice.connect(&house.url("wiki", "")).await;
    for path in ["/a", "/b"] {
        allowed(&connection.get(path).await.unwrap());
        rest(&house).await;
    }
    house.must(&["device", "quarantine", "lap-7", "--reason", "malware"]).await;
    refused(&connection.get("/c").await.expect("the connection is still open"), 403);
    assert_eq!(house.record().only_access("/c")["reason"], "device_quarantined");
}

#[tokio::test]
async fn a_connection_that_rests_ends_when_it_is_idle_for_too_long() {
    let house = House::plan().set("limits", "idle_timeout = \"2s\"").open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let mut connection = alice.connect(&house.url("wiki", "")).await;
    allowed(&connection.get("/a").await.unwrap());
    rest(&house).await;
    eventually("nobody is left", async || {
        let metrics = house.metrics().await;
        (metrics.sum("sekisho_connections", &[]) == 0.0 && metrics.sum("sekisho_connections_resting", &[]) == 0.0).then_some(())
    })
    .await;
    assert!(connection.get("/b").await.is_none(), "it is closed");
}

#[tokio::test]
async fn connections_that_rest_do_not_keep_the_gate_from_stopping() {
    let mut house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let mut connection = alice.connect(&house.url("wiki", "")).await;
    allowed(&connection.get("/a").await.unwrap());
    rest(&house).await;
    house.gate.signal("TERM").await;
    let ended = tokio::time::timeout(Duration::from_secs(20), house.gate.ended()).await;
    assert_eq!(ended.expect("it waits for nobody"), Some(0));
    assert!(connection.get("/b").await.is_none(), "it is closed");
}
