//! Facts about people who are signed in: taken again from their provider, changed by it, taken back by it; and what an outage does.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use http::Method;
use sekisho::secret::Sealer;
use serde_json::{Value, json};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use super::cuts::Flow;
use crate::harness::{Client, House, Kind, Laptop, Plan, allowed, eventually, refused};

/// A house whose people are asked about every second.
pub(super) fn every_second(kind: Kind) -> Plan {
    House::plan().provider(kind).set("identity_provider", "refresh = \"1s\"")
}

async fn person(house: &House, laptop: &str, name: &str) -> (Laptop, Client) {
    let laptop = house.laptop(laptop, name).await;
    let client = house.signed_in(&laptop, name).await;
    (laptop, client)
}

async fn flow(house: &House, client: &Client, path: &str) -> Flow {
    let (_, reply) = client.begin(Method::GET, &house.url("wiki", path), &[], "").await;
    assert_eq!(reply.status(), 200);
    let mut flow = Flow(reply.into_body());
    flow.runs().await;
    flow
}

/// Waits for an event, and gives it.
async fn event(house: &House, kind: &str) -> Value {
    eventually(kind, async || house.record().lines().into_iter().find(|line| line["event"] == kind)).await
}

async fn sessions_of(house: &House, email: &str) -> Vec<Value> {
    let listed = house.json(&["session", "list"]).await;
    listed.as_array().unwrap().iter().filter(|session| session["email"] == email).cloned().collect()
}

pub(super) async fn refreshes(house: &House, outcome: &str) -> f64 {
    house.metrics().await.sum("sekisho_refreshes_total", &[("provider", "corp"), ("outcome", outcome)])
}

/// What the gate keeps with the only session, opened as whoever has taken the state folder would.
pub(super) async fn refresh_token(house: &House) -> String {
    let state = house.path().join("state");
    let options = SqliteConnectOptions::new().filename(state.join("sekisho.db")).read_only(true);
    let mut db = SqliteConnection::connect_with(&options).await.unwrap();
    let (id, kept): (String, Vec<u8>) = sqlx::query_as("SELECT id, kept FROM sessions").fetch_one(&mut db).await.unwrap();
    let sealer = Sealer::open_or_create(&state).unwrap();
    let kept: Value = serde_json::from_slice(sealer.open(&format!("session {id}"), &kept).unwrap().expose()).unwrap();
    kept["refresh_token"].as_str().unwrap_or_else(|| panic!("no refresh token: {kept}")).to_owned()
}

/// Shows a refresh token at the provider, as the gate would.
pub(super) async fn redeem(house: &House, token: &str) -> (u16, Value) {
    let secret = STANDARD.encode(format!("{}:{}", house.idp.client_id, house.idp.client_secret));
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("authorization", &format!("Basic {secret}") as &str),
        ("accept", "application/json"),
    ];
    let body = format!("grant_type=refresh_token&refresh_token={token}");
    let reply = house.stranger().send(Method::POST, &house.idp.at("/token"), &headers, body).await;
    (reply.status.as_u16(), reply.json())
}

#[tokio::test]
async fn many_tabs_on_all_cores_are_served_and_no_refresh_token_is_shown_twice() {
    let house = every_second(Kind::OidcProvider).open().await;
    let (_laptop, alice) = person(&house, "lap-7", "alice").await;
    let first = refresh_token(&house).await;
    let begun = Instant::now();
    let tabs = (0..16).map(|tab| {
        let (house, alice) = (&house, alice.clone());
        async move {
            // Each request on a connection of its own, which either core may take.
            while begun.elapsed() < Duration::from_millis(2_500) {
                allowed(&alice.get(&house.url("wiki", &format!("/tab/{tab}"))).await);
            }
        }
    });
    join_all(tabs).await;
    let said = house.idp.said();
    let granted = said.matches("granted refresh_token").count();
    assert!((2..10).contains(&granted) && !said.contains("refused refresh_token"), "{said}");
    assert_eq!(sessions_of(&house, "alice@corp.example").await.len(), 1, "it is one sign-in still");
    let kept = refresh_token(&house).await;
    assert_ne!(kept, first);
    // What is confirmed is no change: the record has the person's facts once for each of its files, and says nothing else.
    let lines = house.record().lines();
    assert!(!lines.iter().any(|line| line["event"] == "session_ended" || line["event"] == "facts_changed"), "{lines:#?}");

    // The twin: the provider has rotation, and one that is shown twice ends it all.
    assert_eq!(redeem(&house, &first).await.0, 400);
}

#[tokio::test]
async fn a_changed_group_takes_effect_and_cuts_what_it_allowed() {
    let house = every_second(Kind::OidcProvider).open().await;
    let (_laptop, alice) = person(&house, "lap-7", "alice").await;
    let (_other, bob) = person(&house, "lap-8", "bob").await;
    let admin = house.url("wiki", "/admin/a");
    allowed(&alice.get(&admin).await);
    let mut secrets = flow(&house, &alice, "/flood/admin/a").await;
    let mut gone = flow(&house, &alice, "/flood/a").await;
    let mut stays = flow(&house, &bob, "/flood/b").await;

    house.idp.tells_of("alice", json!({ "groups": ["contractors"] })).await;
    gone.breaks().await;
    secrets.breaks().await;
    refused(&alice.get(&admin).await, 403);
    refused(&alice.get(&house.url("wiki", "/b")).await, 403);
    stays.runs().await;
    let changed = event(&house, "facts_changed").await;
    assert_eq!((&changed["user"], &changed["by"]), (&"corp/alice".into(), &"provider:corp".into()), "{changed}");
    assert!(changed["why"].as_str().unwrap().ends_with("groups"), "{changed}");
    let access = house.record().only_access("/flood/a");
    let end = house.record().end_of(&access["request"]).await;
    assert_eq!((&end["ending"], &end["cause"]), (&"cut".into(), &"session_changed".into()), "{end}");
    assert!(refreshes(&house, "changed").await >= 1.0);
    assert!(!house.record().text().contains("session_ended"), "the session goes on");

    // And back.
    house.idp.tells_of("alice", json!({ "groups": ["staff", "admins"] })).await;
    eventually("access", async || (alice.get(&admin).await.status == 200).then_some(())).await;
    stays.runs().await;
}

#[tokio::test]
async fn an_outage_of_the_provider_is_served_through_for_a_while_then_closed_and_over_without_a_sign_in() {
    let plan = every_second(Kind::OidcProvider).set("", "max_fact_age = \"3s\"");
    let mut house = plan.open().await;
    let (_laptop, alice) = person(&house, "lap-7", "alice").await;
    let session = sessions_of(&house, "alice@corp.example").await[0]["id"].clone();
    let mut stream = flow(&house, &alice, "/flood/a").await;

    house.idp.stop().await;
    allowed(&alice.get(&house.url("wiki", "/during")).await);
    stream.runs().await;
    stream.breaks().await;
    let closed = alice.get(&house.url("wiki", "/closed")).await;
    refused(&closed, 503);
    assert_eq!((&closed.json()["reason"], closed.header("retry-after")), (&"facts_stale".into(), Some("2")));
    assert!(!house.wiki.has_seen("/closed"));
    // Signing in does not help, and nobody is sent there.
    let page = alice.click(&house.url("wiki", "/page")).await;
    refused(&page, 503);
    let access = house.record().only_access("/flood/a");
    let end = house.record().end_of(&access["request"]).await;
    assert_eq!((&end["ending"], &end["cause"]), (&"cut".into(), &"facts_stale".into()), "{end}");
    assert_eq!(event(&house, "provider_lost").await["detail"], "corp");
    let stale = eventually("the gauge", async || {
        let metrics = house.metrics().await;
        (metrics.sum("sekisho_sessions_stale", &[]) == 1.0).then_some(metrics)
    });
    let metrics = stale.await;
    assert_eq!(metrics.sum("sekisho_provider_reachable", &[("provider", "corp")]), 0.0);
    assert!(metrics.sum("sekisho_refreshes_total", &[("outcome", "unreachable")]) >= 1.0);

    house.idp.goes_on().await;
    eventually("access", async || (alice.get(&house.url("wiki", "/after")).await.status == 200).then_some(())).await;
    assert_eq!(sessions_of(&house, "alice@corp.example").await[0]["id"], session, "the same session");
    assert_eq!(event(&house, "provider_back").await["detail"], "corp");
    assert_eq!(house.metrics().await.sum("sekisho_provider_reachable", &[("provider", "corp")]), 1.0);
}

#[tokio::test]
async fn a_refresh_token_that_somebody_else_used_ends_the_session_and_says_so() {
    let house = every_second(Kind::OidcProvider).open().await;
    let (_laptop, alice) = person(&house, "lap-7", "alice").await;
    let mut stream = flow(&house, &alice, "/flood/a").await;
    // The thief may come too late for one that was used already; either way the provider notices that it is shown twice.
    let stolen = refresh_token(&house).await;
    redeem(&house, &stolen).await;
    stream.breaks().await;
    let refusal = alice.get(&house.url("wiki", "/b")).await;
    refused(&refusal, 401);
    assert_eq!(refusal.json()["reason"], "facts_refused", "{}", refusal.shown());
    let told = event(&house, "facts_refused").await;
    assert_eq!((&told["user"], &told["device"]), (&"corp/alice".into(), &"lap-7".into()), "{told}");
    assert_eq!(refreshes(&house, "refused").await, 1.0);
    assert!(sessions_of(&house, "alice@corp.example").await.is_empty());
    // The honest one signs in again: the next request is sent there.
    let page = house.idp.sign_in(&alice, &house.url("wiki", "/c"), "alice").await;
    allowed(&page);
}

#[tokio::test]
async fn without_refresh_tokens_people_go_round_through_the_provider() {
    let plan = every_second(Kind::Demo).set("identity_provider", "offline_access = false").set("", "max_fact_age = \"2s\"");
    let house = plan.open().await;
    let (_laptop, alice) = person(&house, "lap-7", "alice").await;
    let before = sessions_of(&house, "alice@corp.example").await;
    let refusal = eventually("the end of what is believed", async || {
        let reply = alice.get(&house.url("wiki", "/a")).await;
        (reply.status != 200).then_some(reply)
    });
    let refusal = refusal.await;
    refused(&refusal, 401);
    assert_eq!(refusal.json()["reason"], "facts_expired");
    // A person does not notice: the provider knows them, and asks nothing.
    let page = alice.browse(&house.url("wiki", "/deep?x=1")).await;
    allowed(&page);
    assert_eq!(page.url.as_str(), house.url("wiki", "/deep?x=1"));
    let after = sessions_of(&house, "alice@corp.example").await;
    assert_eq!(after.len(), 1, "the one before has ended: {after:?}");
    assert_ne!(before[0]["id"], after[0]["id"]);
    assert_eq!(refreshes(&house, "confirmed").await, 0.0);
}

#[tokio::test]
async fn a_provider_that_gives_no_id_token_with_a_refresh_is_asked_by_userinfo() {
    let house = every_second(Kind::Canaille).open().await;
    // It does not say that it verified her address, so no device becomes hers by it.
    let laptop = house.laptop("kiosk", "shared").await;
    let alice = house.signed_in(&laptop, "alice").await;
    eventually("a refresh", async || {
        allowed(&alice.get(&house.url("wiki", "/a")).await);
        (refreshes(&house, "confirmed").await >= 2.0).then_some(())
    })
    .await;
    assert_eq!(refreshes(&house, "failed").await, 0.0);
}

#[tokio::test]
async fn the_refresh_token_of_a_session_that_ends_is_given_back() {
    let house = House::plan().provider(Kind::OidcProvider).open().await;
    let (_laptop, alice) = person(&house, "lap-7", "alice").await;
    let token = refresh_token(&house).await;
    let given_back =
        async || house.metrics().await.sum("sekisho_tokens_given_back_total", &[("provider", "corp"), ("outcome", "taken")]);
    allowed(&alice.get(&house.url("wiki", "/a")).await);
    assert_eq!(given_back().await, 0.0);
    house.must(&["user", "suspend", "alice@corp.example", "--reason", "last day"]).await;
    eventually("a token that is given back", async || (given_back().await == 1.0).then_some(())).await;
    let (status, answer) = redeem(&house, &token).await;
    assert_eq!((status, &answer["error"]), (400, &"invalid_grant".into()), "{answer}");
    refused(&alice.get(&house.url("wiki", "/b")).await, 401);
}
