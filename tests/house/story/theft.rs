//! Stolen credentials: of no use on another device, noticed, counted.

use serde_json::Value;

use crate::harness::{House, POLICIES, allowed, eventually, refused};

#[tokio::test]
async fn a_stolen_cookie_is_of_no_use_on_another_device() {
    let house = House::open().await;
    let alices = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&alices, "alice").await;
    let thief = house.laptop("lap-13", "carol").await.client(&house).with_cookies(alice.jar.copied());

    let answer = thief.get(&house.url("wiki", "/stolen")).await;
    refused(&answer, 403);
    assert!(!house.wiki.has_seen("/stolen"));
    let line = house.record().only_access("/stolen");
    assert_eq!((&line["reason"], &line["device"]), (&"credential_replayed".into(), &"lap-13".into()));
    let victim = (&line["stolen_user"], &line["stolen_from"]);
    assert_eq!(victim, (&"corp/alice".into(), &"lap-7".into()), "the record says whose it was");
    assert!(house.metrics().await.sum("sekisho_requests_total", &[("reason", "credential_replayed")]) >= 1.0, "theft is counted");

    // The session that was copied is over, everywhere, and the record says so.
    let ended = event(&house, "session_ended").await;
    assert_eq!((&ended["user"], &ended["device"]), (&"corp/alice".into(), &"lap-7".into()));
    assert_eq!((&ended["by"], &ended["why"]), (&"system:theft".into(), &"shown by device lap-13".into()));
    let noticed = event(&house, "credential_replayed").await;
    assert_eq!((&noticed["device"], &noticed["user"]), (&"lap-13".into(), &"corp/alice".into()));
    assert_eq!((&noticed["session"], &noticed["request"]), (&ended["session"], &line["request"]));
    refused(&alice.get(&house.url("wiki", "/own")).await, 401);
    allowed(&house.signed_in(&alices, "alice").await.get(&house.url("wiki", "/again")).await);
    assert!(house.metrics().await.sum("sekisho_stolen_credentials_total", &[("kind", "session")]) >= 1.0);
}

#[tokio::test]
async fn a_cookie_without_a_device_ends_nothing_and_neither_does_a_guess() {
    let house = House::open().await;
    let alices = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&alices, "alice").await;
    let thief = house.stranger().with_cookies(alice.jar.copied());
    refused(&thief.get(&house.url("wiki", "/stolen")).await, 403);
    assert_eq!(house.record().only_access("/stolen")["reason"], "device_missing");
    let cookie = "A".repeat(43);
    let guesser = house.laptop("lap-13", "carol").await.client(&house).with_header("cookie", format!("__Host-sekisho={cookie}"));
    refused(&guesser.get(&house.url("wiki", "/guessed")).await, 401);
    // Whatever would have been done about it is done by now: a later signal has arrived.
    let others = house.laptop("lap-14", "alice").await;
    let other = house.signed_in(&others, "alice").await;
    refused(&alices.client(&house).with_cookies(other.jar.copied()).get(&house.url("wiki", "/other")).await, 403);
    assert_eq!(event(&house, "session_ended").await["device"], "lap-14");
    allowed(&alice.get(&house.url("wiki", "/own")).await);
}

#[tokio::test]
async fn a_house_may_let_a_stolen_session_go_on() {
    let house = House::plan().set("sign_in", "end_stolen_sessions = false").open().await;
    let alices = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&alices, "alice").await;
    let thief = house.laptop("lap-13", "carol").await.client(&house).with_cookies(alice.jar.copied());
    refused(&thief.get(&house.url("wiki", "/stolen")).await, 403);
    event(&house, "credential_replayed").await;
    allowed(&alice.get(&house.url("wiki", "/own")).await);
}

#[tokio::test]
async fn one_key_in_two_networks_is_a_signal() {
    let house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let (mut here, mut there) = (
        alice.connect_from("127.0.0.1", &house.url("wiki", "")).await,
        alice.connect_from("127.0.9.1", &house.url("wiki", "")).await,
    );
    let told = eventually("the signal", async || {
        allowed(&here.get("/here").await.unwrap());
        allowed(&there.get("/there").await.unwrap());
        house.record().lines().into_iter().find(|line| line["event"] == "two_networks")
    })
    .await;
    assert_eq!(told["device"], "lap-7");
    let detail = told["detail"].as_str().unwrap();
    assert!(detail.contains("127.0.0.0/24") && detail.contains("127.0.9.0/24"), "{detail}");
    assert!(house.metrics().await.sum("sekisho_two_networks_total", &[]) >= 1.0);
}

#[tokio::test]
async fn a_device_that_tries_doors_is_noticed() {
    let vault = "@id(\"vault\") forbid (principal, action in Action::\"use\", resource)
        when { context.request.path_prefixes.contains(\"/vault\") };";
    let house = House::plan().policies(&format!("{POLICIES}{vault}")).open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let mut connection = alice.connect(&house.url("wiki", "")).await;
    for door in 0..49 {
        refused(&connection.get(&format!("/vault/{door}")).await.unwrap(), 403);
    }
    assert!(!house.record().lines().iter().any(|line| line["event"] == "denial_burst"));
    refused(&connection.get("/vault/last").await.unwrap(), 403);
    assert_eq!(event(&house, "denial_burst").await["device"], "lap-7");
    let metrics = house.metrics().await;
    assert!(metrics.sum("sekisho_denial_bursts_total", &[]) >= 1.0 && metrics.sum("sekisho_denial_burst_devices", &[]) >= 1.0);
    allowed(&connection.get("/a").await.unwrap());
}

/// Waits for the event of that kind.
async fn event(house: &House, kind: &str) -> Value {
    eventually(kind, async || house.record().lines().into_iter().find(|line| line["event"] == kind)).await
}

#[tokio::test]
async fn a_bound_token_works_with_its_certificate_only() {
    let house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let other = house.laptop("lap-13", "carol").await;
    // The device becomes Alice's when she signs in on it; the token alone does not make it hers.
    house.signed_in(&laptop, "alice").await;
    let token = house.idp.token("alice", Some(laptop.thumbprint()));

    allowed(&laptop.client(&house).with_token(&token).get(&house.url("wiki", "/api")).await);
    let line = house.record().only_access("/api");
    assert_eq!((&line["user"], &line["binding"]), (&"corp/alice".into(), &"certificate".into()));
    assert_eq!(house.wiki.only("/api").header("authorization"), None, "the token stays with us");

    let answer = other.client(&house).with_token(&token).get(&house.url("wiki", "/stolen")).await;
    refused(&answer, 403);
    let line = house.record().only_access("/stolen");
    assert_eq!((&line["reason"], &line["stolen_user"]), (&"credential_replayed".into(), &"corp/alice".into()));
    assert_eq!(line["stolen_from"], "lap-7", "its certificate was seen there");
    // What was shown elsewhere is not taken any more, not even from its owner; a new one is.
    eventually("the token is stopped", async || {
        // A request that is under way just then is cut.
        let mut connection = laptop.client(&house).with_token(&token).connect(&house.url("wiki", "/")).await;
        let reply = connection.get("/api").await?;
        (reply.status == 401).then_some(reply)
    })
    .await;
    let refusal = house.record().lines().into_iter().find(|line| line["reason"] == "token_stopped");
    assert!(refusal.is_some());
    let new = house.idp.token("alice", Some(laptop.thumbprint()));
    allowed(&laptop.client(&house).with_token(&new).get(&house.url("wiki", "/new")).await);
    assert_eq!(event(&house, "credential_replayed").await["session"], line["stolen_session"]);
    refused(&house.stranger().with_token(&token).get(&house.url("wiki", "/stolen")).await, 403);
    assert!(!house.wiki.has_seen("/stolen"));
}

#[tokio::test]
async fn a_token_that_anybody_could_show_is_a_fact_for_policy() {
    let mut house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    house.signed_in(&laptop, "alice").await;
    let program = laptop.client(&house).with_token(&house.idp.token("alice", None));

    refused(&program.get(&house.url("wiki", "/unbound")).await, 403);
    assert_eq!(house.record().only_access("/unbound")["binding"], "none");
    assert!(!house.wiki.has_seen("/unbound"));

    house.set_policies("@id(\"anybody\")\npermit (principal, action in Action::\"use\", resource);\n");
    house.must(&["reload"]).await;
    allowed(&program.get(&house.url("wiki", "/unbound")).await);
}

#[tokio::test]
async fn tokens_that_are_not_right_are_refused() {
    let house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    house.signed_in(&laptop, "alice").await;
    let good = house.idp.token("alice", Some(laptop.thumbprint()));
    let (head, rest) = good.split_once('.').unwrap();
    let (claims, signature) = rest.split_once('.').unwrap();
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0";
    for (what, token) in [
        ("no signature", format!("{head}.{claims}.")),
        ("no algorithm", format!("{none}.{claims}.")),
        ("another signature", format!("{head}.{claims}.{}", signature.chars().rev().collect::<String>())),
        ("nonsense", "abc".to_owned()),
    ] {
        let answer = laptop.client(&house).with_token(&token).get(&house.url("wiki", "/api")).await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.text());
    }
    assert!(!house.wiki.has_seen("/api"));
}

#[tokio::test]
async fn known_keys_serve_while_the_provider_is_down() {
    let mut house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    house.signed_in(&laptop, "alice").await;
    let program = laptop.client(&house).with_token(&house.idp.token("alice", Some(laptop.thumbprint())));
    allowed(&program.get(&house.url("wiki", "/before")).await);
    house.idp.stop().await;
    allowed(&program.get(&house.url("wiki", "/after")).await);
}

#[tokio::test]
async fn a_provider_that_changes_its_keys_costs_nobody_a_request() {
    let mut house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    house.signed_in(&laptop, "alice").await;
    let before = laptop.client(&house).with_token(&house.idp.token("alice", Some(laptop.thumbprint())));
    allowed(&before.get(&house.url("wiki", "/before")).await);

    // Started again, the demo provider has another key.
    house.idp.stop().await;
    let (path, roots) = (house.path().to_owned(), house.roots());
    house.idp.start(&path, &roots).await;
    let after = laptop.client(&house).with_token(&house.idp.token("alice", Some(laptop.thumbprint())));
    allowed(&after.get(&house.url("wiki", "/after")).await);
    // The old key is not the provider's any more.
    refused(&before.get(&house.url("wiki", "/old")).await, 401);
}

#[tokio::test]
async fn a_cookie_of_one_app_opens_no_other() {
    let house = House::plan().app("files", "upstream = [\"{wiki}\"]").open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let (_, cookie) = alice.jar.of("wiki.localhost").into_iter().find(|(name, _)| name == "__Host-sekisho").unwrap();
    let carried = laptop.client(&house).with_header("cookie", format!("__Host-sekisho={cookie}"));
    allowed(&carried.get(&house.url("wiki", "/a")).await);
    refused(&carried.get(&house.url("files", "/b")).await, 401);
    assert_eq!(house.record().only_access("/b")["reason"], "other_host");
}
