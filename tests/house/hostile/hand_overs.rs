//! From the sign-in host to an app, and from one app to another.

use url::Url;

use crate::harness::{Client, House, allowed, refused};

/// Holds: 101, 129.
#[tokio::test]
async fn a_hand_over_code_is_for_one_browser_at_one_app() {
    let house = House::plan().app("files", "upstream = [\"{wiki}\"]").open().await;
    let laptop = house.laptop("kiosk", "shared").await;
    let attacker = laptop.client(&house);
    // Up to the step before the last: the code that opens the session at the app.
    let hand_over = async |browser: &Client| {
        let mut reply = browser.click(&house.url("wiki", "/a")).await;
        while let Some(to) = reply.location() {
            if to.contains("localhost") && to.starts_with(&house.url("wiki", "/.sekisho/callback?code=")) {
                return to;
            }
            reply = browser.click(&to).await;
        }
        panic!("{}", reply.shown());
    };
    house.idp.sign_in(&attacker, &house.url("gate", "/.sekisho/sign-in"), "alice").await;
    let link = hand_over(&attacker).await;

    let victim = laptop.client(&house);
    victim.click(&house.url("wiki", "/")).await;
    let other = house.laptop("lap-2", "shared").await;
    let elsewhere = other.client(&house).with_cookies(attacker.jar.copied());
    let other_app = link.replace("wiki.localhost", "files.localhost");
    attacker.click(&house.url("files", "/")).await;
    for (who, client, link) in [
        ("another browser", &victim, &link),
        ("one without a cookie", &laptop.client(&house), &link),
        ("another device", &elsewhere, &link),
        ("another app", &attacker, &other_app),
    ] {
        let reply = client.click(link).await;
        refused(&reply, 400);
        let app = Url::parse(link).unwrap().host_str().unwrap().to_owned();
        assert!(!client.jar.of(&app).iter().any(|(name, _)| name == "__Host-sekisho"), "{who}");
    }
    assert_eq!(house.record().access(CALLBACK).last().unwrap()["reason"], "sign_in_hand_over");
    let reply = attacker.click(&link).await;
    assert_eq!(reply.location().as_deref(), Some(house.url("wiki", "/a").as_str()), "{}", reply.shown());
    allowed(&attacker.get(&house.url("wiki", "/a")).await);
    refused(&attacker.click(&link).await, 400);
}

/// Holds: 129.
#[tokio::test]
async fn a_session_at_one_app_is_decided_on_anew_at_another() {
    let policies =
        "@id(\"wiki-only\") permit (principal in Group::\"staff\", action in Action::\"use\", resource == App::\"wiki\");\n";
    let house = House::plan().app("files", "upstream = [\"{wiki}\"]").policies(policies).open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let cookie =
        |host: &str, name: &str| alice.jar.of(host).into_iter().find(|(known, _)| known == name).map(|(_, value)| value).unwrap();
    // A cookie is for the host that it was given to.
    for (host, name) in
        [("wiki.localhost", "__Host-sekisho"), ("gate.localhost", "__Host-sekisho"), ("wiki.localhost", "__Host-sekisho-attempt")]
    {
        let carried = laptop.client(&house).with_header("cookie", format!("__Host-sekisho={}", cookie(host, name)));
        refused(&carried.get(&house.url("files", "/carried")).await, 401);
        if host != "wiki.localhost" {
            refused(&carried.get(&house.url("wiki", "/carried")).await, 401);
        }
    }
    // Signed in at the one, they are known at the other, and may not.
    let reply = alice.browse(&house.url("files", "/denied")).await;
    refused(&reply, 403);
    let line = house.record().access("/denied").pop().unwrap();
    assert_eq!((&line["app"], &line["reason"]), (&"files".into(), &"policy_no_permit".into()), "{line}");
    assert!(!house.wiki.has_seen("/carried") && !house.wiki.has_seen("/denied"));
    allowed(&alice.get(&house.url("wiki", "/mine")).await);
}

const CALLBACK: &str = "/.sekisho/callback";
