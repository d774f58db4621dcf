//! The last day of somebody, by one command; and a provider that hangs.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::fresh::every_second;
use crate::harness::{House, Kind, allowed, eventually, refused};

#[tokio::test]
async fn one_command_ends_all_that_somebody_has_and_nothing_of_others() {
    let house = House::open().await;
    let (laptop, bobs) = (house.laptop("ana-7k2q", "ana").await, house.laptop("bob-x3f9", "bob").await);
    let (ana, bob) = (house.signed_in(&laptop, "ana").await, house.signed_in(&bobs, "bob").await);
    house.must(&["device", "invite", "--shared", "--owner", "ana@corp.example", "--id", "kiosk"]).await;
    let invite = async |owner: &str| house.json(&["device", "invite", "--owner", owner]).await["id"].as_str().unwrap().to_owned();
    let (by_address, by_name, for_bob) =
        (invite("ana@corp.example").await, invite("corp/ana").await, invite("bob@corp.example").await);
    let shown = house.json(&["user", "show", "corp/ana"]).await;
    assert_eq!((&shown["email"], &shown["suspended"]), (&Value::from("ana@corp.example"), &Value::from(false)), "{shown}");
    assert!(shown["last_sign_in"].is_i64() && shown["sessions"][0]["confirmed_at"].is_i64(), "{shown}");
    let names = |list: &Value, name: &str| {
        let names = list.as_array().unwrap().iter().map(|one| one[name].as_str().unwrap().to_owned());
        names.collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(names(&shown["devices"], "id"), ["ana-7k2q".to_owned()].into());
    assert!(names(&shown["invitations"], "id").is_superset(&[by_address.clone(), by_name.clone()].into()), "{shown}");
    // Somebody who was never here is misspelt.
    let nobody = house.command(&["user", "show", "corp/anna"]).await;
    assert!(nobody.code == Some(3) && nobody.err.contains("did you mean `corp/ana`"), "{nobody:?}");

    let said = house.must(&["user", "suspend", "ana@corp.example", "--retire-devices", "--reason", "last day"]).await;
    assert!(said.starts_with("corp/ana is suspended; session s-"), "{said}");
    for line in [
        "device ana-7k2q was retired".to_owned(),
        format!("invitation {by_address} was withdrawn"),
        format!("invitation {by_name} was withdrawn"),
    ] {
        assert!(said.lines().any(|told| told == line), "{line}: {said}");
    }
    let refusal = ana.get(&house.url("wiki", "/a")).await;
    refused(&refusal, 403);
    assert_eq!(refusal.json()["reason"], "device_retired");
    let open = house.json(&["device", "invitations", "list"]).await;
    assert_eq!(names(&open, "id"), [for_bob.clone()].into(), "what is his stays");
    allowed(&bob.get(&house.url("wiki", "/b")).await);

    // Again is no error, and does nothing; without the option it is one.
    house.must(&["user", "suspend", "ana@corp.example", "--retire-devices"]).await;
    assert_eq!(house.command(&["user", "suspend", "ana@corp.example"]).await.code, Some(3));
    house.must(&["device", "invitations", "withdraw", &for_bob, "--reason", "sent to the wrong person"]).await;
    let twice = house.command(&["device", "invitations", "withdraw", &for_bob]).await;
    assert!(twice.code == Some(3) && twice.err.contains(&format!("no invitation `{for_bob}` is open")), "{twice:?}");
}

#[tokio::test]
async fn a_provider_that_hangs_holds_nobody_for_long() {
    let house = every_second(Kind::OidcProvider).set("", "max_fact_age = \"3s\"").open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    // It takes connections and says nothing, which is worse than one that is down.
    house.idp.hangs().await;
    let begun = Instant::now();
    let refusal = eventually("the end of what is believed", async || {
        let asked = Instant::now();
        let reply = alice.get(&house.url("wiki", "/a")).await;
        assert!(asked.elapsed() < Duration::from_secs(10), "held for {:?}", asked.elapsed());
        (reply.status != 200).then_some(reply)
    });
    let refusal = refusal.await;
    refused(&refusal, 503);
    assert_eq!(refusal.json()["reason"], "facts_stale");
    assert!(begun.elapsed() >= Duration::from_secs(1), "while facts are young enough, they serve");
    house.idp.wakes().await;
    eventually("access", async || (alice.get(&house.url("wiki", "/b")).await.status == 200).then_some(())).await;
}
