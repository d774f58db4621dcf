//! Signing in and out, with the demo provider and with three real ones.

use serde_json::Value;

use crate::harness::{Client, House, Kind, allowed, eventually, plain, refused};

/// The whole way with a provider: deep link, single sign-on, identity, sign-out.
async fn the_whole_way(kind: Kind) {
    let house = House::plan().provider(kind).app("files", "upstream = [\"{wiki}\"]").open().await;
    let laptop = house.laptop("kiosk", "shared").await;
    let client = laptop.client(&house);

    // A link from a mail, opened by somebody who is not signed in, leads where it was meant to.
    let deep = house.url("wiki", "/reports/7?tab=a%20b&x=1");
    let page = house.idp.sign_in(&client, &deep, "alice").await;
    allowed(&page);
    assert_eq!(page.url.as_str(), deep);
    let seen = house.wiki.only("/reports/7");
    // Canaille does not say that it verified the address, so we do not say it either.
    let email = (kind != Kind::Canaille).then_some("alice@corp.example");
    assert_eq!(seen.header("x-forwarded-email"), email);
    assert_eq!(seen.header("x-forwarded-groups"), Some("admins,staff"));
    assert_eq!(seen.header("cookie"), None, "our cookies stay with us");

    // Another app: no second sign-in, another cookie.
    allowed(&client.browse(&house.url("files", "/a")).await);
    let cookie = |host: &str| client.jar.of(host).into_iter().find(|(name, _)| name == "__Host-sekisho").map(|(_, value)| value);
    assert_ne!(cookie("wiki.localhost"), cookie("files.localhost"));
    let whoami = client.get(&house.url("wiki", "/.sekisho/whoami")).await.json();
    // Who glewlwyd takes them for is random.
    let named = if kind == Kind::Glewlwyd { "alice@corp.example" } else { "corp/alice" };
    assert!(whoami.to_string().contains(named), "{whoami}");

    sign_out(&house, &client, "wiki").await;
    refused(&client.get(&house.url("wiki", "/b")).await, 401);
    refused(&client.get(&house.url("files", "/b")).await, 401);
}

/// Presses the button on the sign-out page of an app.
async fn sign_out(house: &House, client: &Client, app: &str) {
    let at = house.url(app, "/.sekisho/sign-out");
    let page = client.click(&at).await;
    assert_eq!(page.status, 200, "{}", page.text());
    let origin = house.url(app, "");
    let headers =
        [("origin", origin.as_str()), ("sec-fetch-site", "same-origin"), ("content-type", "application/x-www-form-urlencoded")];
    let reply = client.send(http::Method::POST, &at, &headers, "").await;
    assert!(reply.status.is_success() || reply.status.is_redirection(), "{}", reply.text());
}

#[tokio::test]
async fn with_the_demo_provider() {
    the_whole_way(Kind::Demo).await;
}

#[tokio::test]
async fn with_oidc_provider() {
    the_whole_way(Kind::OidcProvider).await;
}

#[tokio::test]
async fn with_canaille() {
    the_whole_way(Kind::Canaille).await;
}

#[tokio::test]
async fn with_glewlwyd() {
    the_whole_way(Kind::Glewlwyd).await;
}

#[tokio::test]
async fn signing_out_is_asked_for_by_our_own_page_only() {
    let house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let at = house.url("wiki", "/.sekisho/sign-out");
    for headers in [vec![], vec![("origin", "https://evil.example")], vec![("sec-fetch-site", "cross-site")]] {
        let reply = alice.send(http::Method::POST, &at, &headers, "").await;
        assert!(reply.status.is_client_error(), "{headers:?}: {}", reply.status);
    }
    allowed(&alice.get(&house.url("wiki", "/a")).await);
    sign_out(&house, &alice, "wiki").await;
    refused(&alice.get(&house.url("wiki", "/b")).await, 401);
}

#[tokio::test]
async fn sessions_survive_a_restart() {
    let mut house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    house.restart().await;
    allowed(&alice.get(&house.url("wiki", "/a")).await);

    // And what was ended before one stays ended after it.
    house.must(&["session", "end", "--user", "alice@corp.example"]).await;
    house.restart().await;
    refused(&alice.get(&house.url("wiki", "/b")).await, 401);
}

#[tokio::test]
async fn a_suspended_user_is_refused_everywhere() {
    let house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let token = house.idp.token("alice", Some(laptop.thumbprint()));
    let program = laptop.client(&house).with_token(&token);
    allowed(&program.get(&house.url("wiki", "/a")).await);

    house.must(&["user", "suspend", "corp/alice"]).await;
    for client in [&alice, &program] {
        let status = client.get(&house.url("wiki", "/b")).await.status.as_u16();
        assert!(matches!(status, 401 | 403), "{status}");
    }
    assert!(!house.wiki.has_seen("/b"));
    // Signing in again tells them why it is of no use, and the record who tried.
    let page = house.idp.sign_in(&laptop.client(&house), &house.url("wiki", "/b"), "alice").await;
    refused(&page, 403);
    assert!(page.text().contains("suspended"), "{}", page.shown());
    let lines = house.record().lines();
    let tried: Vec<_> = lines.iter().filter(|line| line["reason"] == "user_suspended").map(|line| &line["user"]).collect();
    assert_eq!(tried, [&Value::from("corp/alice"), &Value::from("corp/alice")], "with a token, and signing in");
    let failed =
        eventually("the event", async || house.record().lines().into_iter().find(|line| line["event"] == "sign_in_failed")).await;
    assert_eq!(failed["user"], "corp/alice");
    house.must(&["user", "resume", "corp/alice"]).await;
    allowed(&program.get(&house.url("wiki", "/c")).await);
}

#[tokio::test]
async fn a_provider_that_is_down_at_start_is_waited_for() {
    let mut house = House::plan().provider_down().open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let client = laptop.client(&house);
    let page = client.browse(&house.url("wiki", "/a")).await;
    refused(&page, 503);

    let (path, roots) = (house.path().to_owned(), house.roots());
    house.idp.start(&path, &roots).await;
    crate::harness::eventually("signing in works again", async || {
        let page = house.idp.sign_in(&client, &house.url("wiki", "/a"), "alice").await;
        (page.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn who_comes_without_the_groups_claim_is_not_signed_in() {
    let house = House::plan().provider(Kind::OidcProvider).open().await;
    let laptop = house.laptop("kiosk", "shared").await;
    let client = laptop.client(&house);
    let page = house.idp.sign_in(&client, &house.url("wiki", "/a"), "dora").await;
    assert!(page.status.is_client_error() || page.status.is_server_error(), "{}", page.status);
    assert!(client.jar.of("wiki.localhost").iter().all(|(name, _)| name != "__Host-sekisho"));
    assert!(!house.wiki.has_seen("/a"));
    let sessions = house.json(&["session", "list"]).await;
    assert_eq!(sessions, serde_json::json!([]));
}

#[tokio::test]
async fn return_addresses_lead_to_the_house_only() {
    let house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let client = laptop.client(&house);
    let page = client.click(&house.url("wiki", "/a")).await;
    let at_gate = page.location().unwrap();
    for evil in [
        "https://evil.example/",
        "//evil.example/",
        "https://wiki.localhost.evil.example/",
        "javascript:alert(1)",
        "/\\evil.example",
    ] {
        let mut url = url::Url::parse(&at_gate).unwrap();
        let names: Vec<String> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
        let fields: Vec<(String, String)> = names.into_iter().map(|name| (name, evil.to_owned())).collect();
        url.query_pairs_mut().clear().extend_pairs(fields);
        let page = house.idp.sign_in(&client, url.as_str(), "alice").await;
        assert!(page.url.host_str().is_some_and(|host| host.ends_with(".localhost")), "{evil} led to {}", page.url);
    }
}

#[tokio::test]
async fn with_several_providers_the_person_chooses() {
    let other = "[[identity_provider]]\nname = \"partner\"\nissuer = \"https://login.partner.example\"\nclient_id = \"x\"\n\
                 client_secret_file = \"oidc-secret\"\n";
    let house = House::plan().set("end", other).open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let client = laptop.client(&house);
    let deep = house.url("wiki", "/reports/7");
    let page = client.browse(&deep).await;
    assert_eq!((page.status.as_u16(), page.url.host_str()), (200, Some("gate.localhost")));
    let links: Vec<String> = page.text().split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).map(plain).collect();
    let choice = links.iter().find(|link| link.contains("corp")).unwrap_or_else(|| panic!("no choice in {links:?}"));
    assert!(links.iter().any(|link| link.contains("partner")));
    let page = house.idp.sign_in(&client, page.url.join(choice).unwrap().as_str(), "alice").await;
    allowed(&page);
    assert_eq!(page.url.as_str(), deep);
}
