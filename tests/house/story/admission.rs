//! A known device and a known user, allowed by policy: and what is missing if not.

use serde_json::Value;

use crate::harness::{Authority, Client, House, Laptop, NAVIGATION, Reply, allowed, refused};

/// A refusal for a program: RFC 9457, with the reason that is recorded too.
#[track_caller]
fn reason(house: &House, reply: &Reply, path: &str) -> String {
    assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{}", reply.text());
    let problem = reply.json();
    assert_eq!(problem["status"], reply.status.as_u16());
    let line = house.record().access(path).pop().expect("a refusal is recorded");
    assert_eq!(line["decision"], "deny");
    assert_eq!(line["reason"], problem["reason"], "the record and the answer name the same reason");
    assert_eq!(line["request"], problem["instance"], "the answer names the request as the record does");
    assert_eq!(line["status"], reply.status.as_u16());
    problem["reason"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn staff_on_their_own_devices_are_let_in() {
    let house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;

    allowed(&alice.get(&house.url("wiki", "/reports?year=2026")).await);

    let seen = house.wiki.only("/reports");
    assert_eq!(seen.target, "/reports?year=2026");
    let line = house.record().only_access("/reports");
    assert_eq!(line["decision"], "allow");
    assert_eq!((&line["user"], &line["device"], &line["app"]), (&"corp/alice".into(), &"lap-7".into(), &"wiki".into()));
    assert_eq!(line["policies"], serde_json::json!(["staff-on-their-own-devices"]));
    assert_eq!(line["binding"], "session");
    assert_eq!(seen.header("x-request-id"), line["request"].as_str(), "the app and the record name the request alike");
}

#[tokio::test]
async fn without_a_device_nobody_gets_in() {
    let house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let stranger = house.stranger();

    let page = stranger.click(&house.url("wiki", "/a")).await;
    refused(&page, 403);
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    assert_eq!(page.header("connection"), Some("close"), "so that the browser can choose another certificate");

    let answer = stranger.get(&house.url("wiki", "/b")).await;
    refused(&answer, 403);
    reason(&house, &answer, "/b");

    // Alice's cookies make no difference.
    refused(&stranger.with_cookies(alice.jar.copied()).get(&house.url("wiki", "/c")).await, 403);
    for path in ["/a", "/b", "/c"] {
        assert!(!house.wiki.has_seen(path), "{path}");
    }
}

#[tokio::test]
async fn a_new_device_waits_for_approval() {
    let house = House::open().await;
    let laptop = house.pending_laptop("lap-8", "alice").await;
    let client = laptop.client(&house);

    let page = client.click(&house.url("wiki", "/a")).await;
    refused(&page, 403);
    let answer = client.get(&house.url("wiki", "/b")).await;
    refused(&answer, 403);
    assert_eq!(reason(&house, &answer, "/b"), "device_pending");

    laptop.approve(&house).await;
    let alice = house.signed_in(&laptop, "alice").await;
    allowed(&alice.get(&house.url("wiki", "/c")).await);
}

#[tokio::test]
async fn a_quarantined_device_is_refused_until_it_is_released() {
    let house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let url = house.url("wiki", "/a");
    allowed(&alice.get(&url).await);

    house.must(&["device", "quarantine", "lap-7", "--reason", "malware found"]).await;
    let answer = alice.get(&url).await;
    refused(&answer, 403);
    assert_eq!(reason(&house, &answer, "/a"), "device_quarantined");

    house.must(&["device", "release", "lap-7"]).await;
    house.must(&["device", "retire", "lap-7"]).await;
    refused(&alice.get(&url).await, 403);
}

#[tokio::test]
async fn a_certificate_of_somebody_else_gets_a_page_not_an_alert() {
    let house = House::open().await;
    let foreign = Authority::new("Somebody else").device("urn:sekisho:device:lap-7", 1, 30);
    let client = Client::new(&house.roots(), Some(&foreign));

    refused(&client.click(&house.url("wiki", "/a")).await, 403);
    let answer = client.get(&house.url("wiki", "/b")).await;
    refused(&answer, 403);
    let line = house.record().only_access("/b");
    assert_eq!(line["device"], Value::Null, "what was claimed is not believed");
    assert_ne!(line["certificate"], Value::Null, "what was shown is recorded");
}

#[tokio::test]
async fn who_is_not_signed_in_is_sent_to_sign_in_if_a_person_and_told_if_a_program() {
    let house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let client = laptop.client(&house);

    let page = client.click(&house.url("wiki", "/reports?year=2026")).await;
    assert!(page.status.is_redirection(), "{}", page.status);
    assert!(page.location().unwrap().starts_with(&house.url("gate", "/.sekisho/")), "{:?}", page.location());

    let as_program: &[&[(&str, &str)]] = &[
        &[],
        &[("accept", "application/json")],
        &[("accept", "text/html"), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")],
        &[("accept", "text/html"), ("x-requested-with", "XMLHttpRequest")],
    ];
    for headers in as_program {
        let answer = client.send(http::Method::GET, &house.url("wiki", "/api"), headers, "").await;
        refused(&answer, 401);
        assert!(answer.header("www-authenticate").is_some(), "{headers:?}");
        assert_eq!(answer.location(), None);
    }
    // A form that is posted cannot be led away and back without losing what was written.
    refused(&client.send(http::Method::POST, &house.url("wiki", "/form"), NAVIGATION, "a=1").await, 401);
    assert!(house.wiki.seen().is_empty());
}

#[tokio::test]
async fn the_wrong_group_is_refused_and_told_why() {
    let house = House::open().await;
    let laptop = house.laptop("lap-9", "carol").await;
    let carol = laptop.client(&house);

    let page = house.idp.sign_in(&carol, &house.url("wiki", "/"), "carol").await;
    refused(&page, 403);
    let answer = carol.get(&house.url("wiki", "/a")).await;
    refused(&answer, 403);
    reason(&house, &answer, "/a");
    assert_eq!(house.record().only_access("/a")["user"], "corp/carol");
    assert!(house.wiki.seen().is_empty());
}

#[tokio::test]
async fn somebody_elses_device_is_refused() {
    let house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let bob = laptop.client(&house);
    refused(&house.idp.sign_in(&bob, &house.url("wiki", "/"), "bob").await, 403);

    let shared = house.laptop("kiosk", "shared").await;
    let bob = house.signed_in(&shared, "bob").await;
    allowed(&bob.get(&house.url("wiki", "/a")).await);
}

#[tokio::test]
async fn a_forbid_names_itself_in_the_record() {
    let house = House::open().await;
    let laptop = house.laptop("lap-5", "bob").await;
    let bob = house.signed_in(&laptop, "bob").await;

    for path in ["/admin", "/admin/users", "/%61dmin/users"] {
        refused(&bob.get(&house.url("wiki", path)).await, 403);
    }
    for line in house.record().lines().iter().filter(|line| line["path"].as_str().is_some_and(|path| path.starts_with("/admin")))
    {
        assert_eq!(line["policies"], serde_json::json!(["administration-is-for-admins"]), "{line}");
    }
    allowed(&bob.get(&house.url("wiki", "/administrator")).await);
    assert!(!house.wiki.seen().iter().any(|seen| seen.path().starts_with("/admin/")));

    let laptop = house.laptop("lap-7", "alice").await;
    allowed(&house.signed_in(&laptop, "alice").await.get(&house.url("wiki", "/admin/users")).await);
}

#[tokio::test]
async fn public_paths_need_nobody_and_say_nobody() {
    let house = House::plan().wiki("public = [\"/healthz\", \"/hooks/**\"]").open().await;
    let stranger = house.stranger();
    for path in ["/healthz", "/hooks/git/push"] {
        allowed(&stranger.get(&house.url("wiki", path)).await);
        let seen = house.wiki.only(path);
        assert_eq!((seen.header("x-forwarded-user"), seen.header("sekisho-assertion")), (None, None));
    }
    for path in ["/healthz2", "/healthz/", "/hooksx", "/hooks/../a"] {
        let status = stranger.get(&house.url("wiki", path)).await.status.as_u16();
        assert!(matches!(status, 400 | 403), "{path}: {status}");
    }
    assert_eq!(house.wiki.seen().len(), 2);
}

#[tokio::test]
async fn with_approval_by_code_the_code_is_enough_once() {
    let house = House::plan().set("device_authority", "approval = \"code\"").open().await;
    let laptop = house.pending_laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    allowed(&alice.get(&house.url("wiki", "/a")).await);

    let invitation = house.json(&["device", "invite", "--owner", "alice@corp.example", "--id", "lap-8"]).await;
    let code = invitation["code"].as_str().unwrap();
    Laptop::with_code(&house, "lap-8", code).await;
    let (gate, out) = (house.url("gate", ""), house.path().join("thief").display().to_string());
    let again = house.command_with(&["enroll", "--gate", &gate, "--out", &out], &format!("{code}\n")).await;
    assert_eq!(again.code, Some(3), "{again:?}");
}

#[tokio::test]
async fn the_starter_policies_are_safe_and_useful() {
    let policies = concat!(
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/policies/starter.cedar")),
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/policies/guards.cedar")),
    );
    let house = House::plan().policies(policies).app("share", "upstream = [\"{wiki}\"]\ntags = [\"internal\"]").open().await;
    let alices = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&alices, "alice").await;
    allowed(&alice.browse(&house.url("share", "/admin/")).await);

    // Another's device, an unbound token, a contractor elsewhere, a contractor who writes, one of the staff at the administration.
    let bob = alices.client(&house);
    refused(&house.idp.sign_in(&bob, &house.url("wiki", "/"), "bob").await, 403);
    let program = alices.client(&house).with_token(&house.idp.token("alice", None));
    refused(&program.get(&house.url("wiki", "/unbound")).await, 403);
    let carols = house.laptop("lap-9", "carol").await;
    let carol = carols.client(&house);
    allowed(&house.idp.sign_in(&carol, &house.url("share", "/plans"), "carol").await);
    refused(&carol.browse(&house.url("wiki", "/plans")).await, 403);
    refused(&carol.send(http::Method::POST, &house.url("share", "/plans"), &[], "x").await, 403);
    let bobs = house.laptop("lap-5", "bob").await;
    let bob = house.signed_in(&bobs, "bob").await;
    refused(&bob.browse(&house.url("share", "/admin/")).await, 403);
}
