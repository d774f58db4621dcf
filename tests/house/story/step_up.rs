//! Signing in again because a policy needs it: fresher, or stronger; and a form that was being sent meanwhile.

use std::path::Path;

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Browser, Client, House, Kind, NAVIGATION, Plan, Reply, allowed, plain, refused};

const POLICIES: &str = r#"
@id("staff")
permit (principal in Group::"staff", action in Action::"use", resource);

@id("pay-only-fresh")
forbid (principal, action in Action::"use", resource)
when { context.request.path_prefixes.contains("/pay") }
unless { context.session.auth_age_s < 900 };

@id("vault-only-with-two-factors")
forbid (principal, action in Action::"use", resource)
when { context.request.path_prefixes.contains("/vault") }
unless { context.session.mfa };

@id("closed")
forbid (principal, action in Action::"use", resource)
when { context.request.path_prefixes.contains("/closed") };
"#;

const TWO_FACTORS: &str = "https://refeds.org/profile/mfa";
const LONG: u64 = 3600;

/// A real provider, and alice at the wiki, signed in an hour ago.
async fn stale() -> (House, Client) {
    stale_at(house(Kind::OidcProvider, true).await).await
}

async fn stale_at(house: House) -> (House, Client) {
    let laptop = house.laptop("kiosk", "shared").await;
    let client = laptop.client(&house);
    allowed(&house.idp.sign_in_long_ago(&client, &house.url("wiki", "/"), "alice", LONG).await);
    (house, client)
}

async fn house(kind: Kind, words: bool) -> House {
    plan(kind, words).open().await
}

fn plan(kind: Kind, words: bool) -> Plan {
    let plan = House::plan().provider(kind).policies(POLICIES);
    let words = if words { format!("mfa_acr_values = [\"{TWO_FACTORS}\"]") } else { String::new() };
    plan.app("files", "upstream = [\"{wiki}\"]").set("identity_provider", &words)
}

#[tokio::test]
async fn a_stale_session_is_asked_for_a_fresh_sign_in_and_comes_back_to_the_page() {
    let (house, alice) = stale().await;
    let page = house.url("wiki", "/pay/salaries?month=7");

    let sent = alice.click(&page).await;
    refused(&sent, 302);
    let line = house.record().only_access("/pay/salaries");
    assert_eq!((&line["decision"], &line["reason"]), (&json!("deny"), &json!("step_up")));
    assert_eq!((&line["step_up"], &line["policies"]), (&json!({"max_age": 899}), &json!(["pay-only-fresh"])));
    let at_provider = alice.click(&sent.location().unwrap()).await.location().unwrap();
    assert!(at_provider.starts_with(&house.idp.issuer) && at_provider.contains("max_age=839"), "{at_provider}");

    let back = house.idp.sign_in(&alice, &page, "alice").await;
    allowed(&back);
    assert_eq!(back.url.as_str(), page);
    allowed(&alice.click(&page).await);
    // Every host knows the new session; what a sign-in cannot change is refused as ever.
    allowed(&alice.browse(&house.url("files", "/pay")).await);
    let closed = alice.click(&house.url("wiki", "/closed")).await;
    refused(&closed, 403);
    assert_eq!(house.record().only_access("/closed")["reason"], "policy_forbidden");
    let metrics = house.metrics().await;
    let count = |outcome| metrics.sum("sekisho_step_up_total", &[("app", "wiki"), ("outcome", outcome)]);
    assert_eq!((count("asked"), count("succeeded"), count("failed")), (2.0, 1.0, 0.0));
}

#[tokio::test]
async fn a_provider_that_says_that_it_was_long_ago_is_not_believed_and_not_asked_in_circles() {
    let (house, alice) = stale().await;
    let page = house.url("wiki", "/pay");
    // As one that ignores `max_age` would.
    let failed = house.idp.sign_in_long_ago(&alice, &page, "alice", LONG).await;
    refused(&failed, 403);
    assert!(failed.text().contains("step_up_failed"), "{}", failed.text());
    let again = alice.click(&page).await;
    refused(&again, 403);
    assert!(again.text().contains("step_up_failed"), "{}", again.text());
    assert!(!house.wiki.has_seen("/pay"));
    allowed(&alice.click(&house.url("wiki", "/other")).await);
}

#[tokio::test]
async fn a_second_factor_is_asked_for_where_the_provider_has_words_for_it() {
    let (house, alice) = stale().await;
    let page = house.url("wiki", "/vault/1");
    let back = house.idp.sign_in_with(&alice, &page, "alice", true).await;
    allowed(&back);
    assert_eq!(back.url.as_str(), page);
    assert_eq!(house.record().access("/vault/1")[0]["step_up"], json!({"acr_values": [TWO_FACTORS]}));

    let house = crate::story::step_up::house(Kind::Demo, false).await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let page = alice.click(&house.url("wiki", "/vault/1")).await;
    refused(&page, 403);
    assert!(page.text().contains("step_up_unavailable"), "{}", page.text());
}

/// The parameters of a challenge (RFC 9110, section 11.2), read by a parser that is not ours to choose: quoted strings only.
fn parameters(challenge: &str) -> std::collections::BTreeMap<String, String> {
    let rest = challenge.strip_prefix("Bearer ").unwrap();
    let mut parameters = std::collections::BTreeMap::new();
    let mut rest = rest;
    while let Some((name, quoted)) = rest.split_once("=\"") {
        let (value, more) = quoted.split_once('"').unwrap();
        assert!(parameters.insert(name.trim_start_matches([',', ' ']).to_owned(), value.to_owned()).is_none());
        rest = more;
    }
    assert_eq!(rest, "");
    parameters
}

#[tokio::test]
async fn programs_are_told_what_is_missing() {
    let house = house(Kind::Demo, true).await;
    let laptop = house.laptop("lap-7", "alice").await;
    let token = house.idp.token("alice", Some(laptop.thumbprint()));
    let program = laptop.client(&house).with_token(&token);
    allowed(&program.get(&house.url("wiki", "/pay")).await);
    for reply in [program.get(&house.url("wiki", "/vault")).await, program.click(&house.url("wiki", "/vault")).await] {
        refused(&reply, 401);
        let challenge = parameters(reply.headers["www-authenticate"].to_str().unwrap());
        assert_eq!(challenge["error"], "insufficient_user_authentication");
        assert_eq!(challenge["acr_values"], TWO_FACTORS);
        assert!(!challenge.contains_key("max_age") && !challenge["error_description"].is_empty());
    }
    let problem = program.get(&house.url("wiki", "/vault")).await.json();
    assert_eq!((&problem["reason"], &problem["acr_values"]), (&json!("step_up"), &json!(TWO_FACTORS)));
    assert_eq!(problem.get("sign_in"), None, "a program signs in nowhere");
    refused(&program.get(&house.url("wiki", "/closed")).await, 403);
}

#[tokio::test]
async fn a_script_in_a_page_gets_the_address_to_open() {
    let (house, alice) = stale().await;
    let page = house.url("wiki", "/app?view=1");
    let headers = [("accept", "*/*"), ("sec-fetch-mode", "cors"), ("sec-fetch-site", "same-origin"), ("referer", &page)];
    let reply = alice.send(Method::POST, &house.url("wiki", "/pay/api"), &headers, "{}").await;
    refused(&reply, 401);
    let challenge = parameters(reply.headers["www-authenticate"].to_str().unwrap());
    assert_eq!((challenge["max_age"].as_str(), challenge.get("acr_values")), ("899", None));
    let problem = reply.json();
    assert_eq!((&problem["reason"], &problem["max_age"]), (&json!("step_up"), &json!(899)));
    let back = house.idp.sign_in(&alice, problem["sign_in"].as_str().unwrap(), "alice").await;
    allowed(&back);
    assert_eq!(back.url.as_str(), page, "back to the page of the script");
    allowed(&alice.send(Method::POST, &house.url("wiki", "/pay/api"), &headers, "{}").await);
}

const FORM: &str = "application/x-www-form-urlencoded";

/// Posts a form as a browser does, from a page of this origin.
async fn post(house: &House, client: &Client, path: &str, kind: &str, body: Vec<u8>, origin: &str) -> Reply {
    let site = if origin == house.url("wiki", "") { "same-origin" } else { "same-site" };
    let mut headers: Vec<_> = NAVIGATION.iter().copied().filter(|(name, _)| *name != "sec-fetch-site").collect();
    headers.extend([("sec-fetch-site", site), ("origin", origin), ("content-type", kind)]);
    client.send(Method::POST, &house.url("wiki", path), &headers, body).await
}

async fn post_own(house: &House, client: &Client, path: &str, kind: &str, body: impl Into<Vec<u8>>) -> Reply {
    post(house, client, path, kind, body.into(), &house.url("wiki", "")).await
}

/// The button that leads to signing in again.
fn button(page: &Reply) -> String {
    let text = page.text();
    let link = text.split("href=\"").nth(1).unwrap_or_else(|| panic!("no link: {text}")).split('"').next().unwrap();
    plain(link)
}

/// The hidden field of the page that asks whether to send.
fn field(page: &Reply) -> String {
    assert_eq!((page.status.as_u16(), page.url.path()), (200, "/.sekisho/send-again"), "{}", page.shown());
    let text = page.text();
    let (_, rest) = text.split_once("name=\"sekisho-kept-form\" value=\"").unwrap();
    format!("sekisho-kept-form={}", rest.split('"').next().unwrap())
}

#[tokio::test]
async fn a_form_is_kept_over_the_sign_in_and_sent_byte_for_byte_and_once() {
    let bytes: Vec<u8> = b"--B\r\nContent-Disposition: form-data; name=\"plan\"; filename=\"p\"\r\n\r\n"
        .iter()
        .copied()
        .chain((0..=255).cycle().take(60_000))
        .chain(*b"\r\n--B--\r\n")
        .collect();
    for (kind, body) in [(FORM, b"to=7&note=a+b%0d%0a&password=hunter2".to_vec()), ("multipart/form-data; boundary=B", bytes)] {
        let (house, alice) = stale().await;
        let target = "/pay/send?to=7&x=%20";
        let page = post_own(&house, &alice, target, kind, body.clone()).await;
        refused(&page, 401);
        assert!(page.text().contains("is kept"), "{}", page.text());
        let asks = house.idp.sign_in(&alice, &button(&page), "alice").await;
        let again = field(&asks);
        assert!(!asks.text().contains("hunter2"), "values are not shown");
        assert!(!house.wiki.has_seen("/pay/send"), "nothing is sent without a click");

        allowed(&post_own(&house, &alice, target, FORM, again.clone()).await);
        let seen = house.wiki.only("/pay/send");
        assert_eq!((seen.target.as_str(), seen.header("content-type")), (target, Some(kind)));
        assert!(seen.body == body, "byte for byte");
        assert_eq!(seen.header("content-length"), Some(body.len().to_string().as_str()));

        let twice = post_own(&house, &alice, target, FORM, again).await;
        refused(&twice, 410);
        house.wiki.only("/pay/send");
        refused(&alice.click(asks.url.as_str()).await, 410);
        let record = house.record().text();
        assert!(!record.contains("hunter2") && !record.contains("sekisho-kept-form"), "nothing of it is in the record");
        let metrics = house.metrics().await;
        let count = |outcome| metrics.sum("sekisho_step_up_total", &[("outcome", outcome)]);
        assert_eq!((count("form_kept"), count("form_sent")), (1.0, 1.0));
    }
}

#[tokio::test]
async fn a_form_of_another_site_or_of_65_kib_or_of_another_kind_is_not_kept_and_the_page_says_so() {
    // An app that takes forms of other sites: elsewhere they get no further than to the gate.
    let (house, alice) = stale_at(plan(Kind::OidcProvider, true).wiki("cross_site = \"allow\"").open().await).await;
    for (path, kind, body, origin, words) in [
        ("/pay/a", FORM, "a=b".to_owned(), "https://files.localhost", "another site"),
        ("/pay/b", FORM, "a=b".to_owned(), "null", "another site"),
        ("/pay/c", FORM, format!("a={}", "b".repeat(65 * 1024)), "", "too large"),
        ("/pay/d", "text/plain", "a=b".to_owned(), "", "could not be kept"),
    ] {
        let own = house.url("wiki", "");
        let origin = if origin.is_empty() { &own } else { origin };
        let page = post(&house, &alice, path, kind, body.into_bytes(), origin).await;
        refused(&page, 401);
        assert!(page.text().contains("was not sent") && page.text().contains(words), "{path}: {}", page.text());
        assert!(!house.wiki.has_seen(path));
    }
    let metrics = house.metrics().await;
    assert_eq!(metrics.sum("sekisho_step_up_total", &[("outcome", "form_not_kept")]), 4.0);
    // 64 KiB are kept.
    let page = post_own(&house, &alice, "/pay/e", FORM, format!("a={}", "b".repeat(64 * 1024 - 2))).await;
    let back = house.idp.sign_in(&alice, &button(&page), "alice").await;
    field(&back);
}

#[tokio::test]
async fn somebody_else_who_signs_in_does_not_get_the_form() {
    let (house, alice) = stale().await;
    let page = post_own(&house, &alice, "/pay/send", FORM, "to=7").await;
    let bob = house.idp.sign_in(&alice, &button(&page), "bob").await;
    let whoami = alice.get(&house.url("wiki", "/.sekisho/whoami")).await.json();
    assert_eq!(whoami["user"]["id"], "corp/bob", "{whoami}");
    assert_ne!(bob.url.path(), "/.sekisho/send-again");
    assert!(house.wiki.seen().iter().all(|seen| seen.method == Method::GET), "{:?}", house.wiki.seen());
    let metrics = house.metrics().await;
    assert_eq!(metrics.sum("sekisho_step_up_total", &[("outcome", "other_user")]), 1.0);
    assert_eq!(house.json(&["session", "list"]).await.as_array().map(Vec::len), Some(1), "alice's session ended");
}

#[tokio::test]
async fn a_kept_form_is_sent_by_its_own_browser_to_its_own_address_from_our_own_page() {
    let (house, alice) = stale().await;
    let page = post_own(&house, &alice, "/pay/send", FORM, "to=7").await;
    let again = field(&house.idp.sign_in(&alice, &button(&page), "alice").await);

    let foreign = post(&house, &alice, "/pay/send", FORM, again.clone().into_bytes(), "https://files.localhost").await;
    refused(&foreign, 403);
    refused(&post_own(&house, &alice, "/pay/other", FORM, again.clone()).await, 410);
    // The same person in another browser on the same device.
    let other = alice.clone().with_cookies(Default::default());
    allowed(&house.idp.sign_in(&other, &house.url("wiki", "/"), "alice").await);
    refused(&post_own(&house, &other, "/pay/send", FORM, again.clone()).await, 410);
    assert!(!house.wiki.has_seen("/pay/send") && !house.wiki.has_seen("/pay/other"));
    // A form of the app that is as long and looks like it.
    let like = again.replace("kept", "Kept");
    allowed(&post_own(&house, &alice, "/free", FORM, like.clone()).await);
    assert_eq!(house.wiki.only("/free").body, like);
    allowed(&post_own(&house, &alice, "/pay/send", FORM, again).await);
    assert_eq!(house.wiki.only("/pay/send").body, "to=7");
}

/// Where to look at what the browser showed.
fn shot(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    std::fs::create_dir_all(&folder).unwrap();
    json!(["shot", folder.join(name)])
}

const WRITE: &str = "document.body.innerHTML = `<form method=post action='/pay/send?to=7'>
    <input name=title value='a b'><input name=note value='ä & ö'><input type=password name=secret value=hunter2>
    <button id=go>Send</button></form>`; null";

#[tokio::test]
async fn a_person_at_a_browser_sends_a_form_signs_in_again_and_sends_it() {
    let house = house(Kind::OidcProvider, true).await;
    let laptop = house.laptop("lap-5", "alice").await;
    let browser = Browser::on(&house, Some(&laptop)).await;
    let sign_in = |ago: &str| {
        let fill = |name: &str, text: &str| json!(["fill", format!("input[name={name}]"), text]);
        [fill("login", "alice"), fill("password", "alice-demo"), fill("ago", ago), json!(["click", "button"])]
    };
    let mut steps = vec![json!(["goto", house.url("wiki", "/form")])];
    steps.extend(sign_in("3600"));
    steps.extend([json!(["script", WRITE]), json!(["click", "#go"]), shot("step-up.png"), json!(["click", "a.button"])]);
    steps.extend(sign_in("0"));
    steps.extend([shot("send-again.png"), json!(["click", "form button"]), json!(["goto", house.url("wiki", "/pay/done")])]);
    let given = browser.does(&steps).await;

    assert_eq!(given[4]["url"], house.url("wiki", "/form"), "{}", given[4]);
    assert_eq!(given[6]["status"], 401, "{}", given[6]);
    assert!(given[6]["text"].as_str().unwrap().contains("is kept for a few minutes"), "{}", given[6]);
    assert!(given[8]["url"].as_str().unwrap().starts_with(&house.idp.issuer), "{}", given[8]);
    let asks = &given[12];
    assert!(asks["url"].as_str().unwrap().starts_with(&house.url("wiki", "/.sekisho/send-again?form=")), "{asks}");
    let text = asks["text"].as_str().unwrap();
    assert!(text.contains("/pay/send") && text.contains("secret") && !text.contains("hunter2"), "{text}");
    assert_eq!((&given[14]["status"], &given[14]["url"]), (&json!(200), &json!(house.url("wiki", "/pay/send?to=7"))));
    let seen = house.wiki.only("/pay/send");
    assert_eq!(seen.body, "title=a+b&note=%E4+%26+%F6&secret=hunter2", "in the charset of its page");
    assert_eq!(seen.header("origin"), Some(house.url("wiki", "").as_str()), "apps that look at it see their own");
    assert!(!seen.header("referer").unwrap_or_default().contains("form="), "{seen:?}");
    assert_eq!(given[15]["status"], 200);
}
