//! Stolen credentials: of no use on another device, noticed, counted.

use crate::harness::{House, allowed, refused};

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

    allowed(&alice.get(&house.url("wiki", "/own")).await);
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
    assert_eq!(house.record().only_access("/stolen")["reason"], "credential_replayed");
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
