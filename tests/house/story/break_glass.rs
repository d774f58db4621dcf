//! Break-glass: in when the provider is down, on one device, once, for a while, and for everybody to see.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Client, House, Laptop, Plan, Reply, allowed, eventually, refused};

const POLICIES: &str = r#"
@id("staff")
permit (principal in Group::"staff", action in Action::"use", resource);

@id("break-glass-administers")
permit (principal == User::"sekisho/break-glass", action in Action::"administer", resource == App::"sekisho");

@id("break-glass-watches")
permit (principal == User::"sekisho/break-glass", action == Action::"read", resource == App::"wiki");
"#;

fn plan() -> Plan {
    House::plan().policies(POLICIES).set("end", "[admin]\napi = true")
}

async fn begun(house: &House, device: &str, lasting: &str) -> Value {
    house.json(&["break-glass", "--device", device, "--reason", "the provider is down", "--for", lasting]).await
}

fn address(begun: &Value) -> &str {
    begun["address"].as_str().unwrap()
}

fn reason(reply: &Reply) -> String {
    reply.json()["reason"].as_str().unwrap_or_default().to_owned()
}

/// Opens the address as a browser does; nobody is sent to a provider.
async fn opened(client: &Client, address: &str) {
    let page = client.browse(address).await;
    allowed(&page);
    assert_eq!((page.url.host_str(), page.url.path()), (Some("gate.localhost"), "/"), "{}", page.shown());
}

async fn administers(house: &House, client: &Client) -> Reply {
    client.get(&house.url("gate", "/.sekisho/admin/v1/status")).await
}

#[tokio::test]
async fn it_opens_the_gate_while_the_provider_is_down_and_policies_say_what_for() {
    let mut house = plan().open().await;
    let (laptop, bobs) = (house.laptop("lap-7", "alice").await, house.laptop("bobs", "bob").await);
    house.idp.stop().await;
    let client = laptop.client(&house);
    let nowhere = client.click(&client.click(&house.url("wiki", "/")).await.location().unwrap()).await.location().unwrap();
    assert!(nowhere.starts_with(&house.idp.issuer), "to sign in is the only other way in, and nobody is there: {nowhere}");

    let said = house.must(&["break-glass", "--device", "lap-7", "--reason", "the provider is down", "--for", "20m"]).await;
    let shown = said.lines().map(str::trim).find(|line| line.starts_with("https://")).unwrap().to_owned();
    assert!(shown.starts_with(&house.url("gate", "/.sekisho/sign-in?break_glass=")), "{said}");
    let status = house.must(&["status"]).await;
    assert!(status.contains("BREAK-GLASS  on lap-7 until") && status.contains("not used yet"), "{status}");
    assert_eq!(house.metrics().await.sum("sekisho_break_glass_active", &[]), 1.0);
    eventually("a word in the log", async || house.gate.said().contains("a break-glass is under way").then_some(())).await;
    // One at a time.
    let second = house.command(&["break-glass", "--device", "bobs", "--reason", "me too"]).await;
    assert!(second.code == Some(3) && second.err.contains("under way already, on lap-7"), "{second:?}");
    let without = house.command(&["break-glass", "--device", "bobs"]).await;
    assert_eq!(without.code, Some(2), "a reason is needed: {without:?}");

    opened(&client, &shown).await;
    let who = client.get(&house.url("gate", "/.sekisho/whoami")).await.json();
    assert_eq!((&who["user"]["id"], &who["session"]["mfa"]), (&json!("sekisho/break-glass"), &json!(false)));
    let status = administers(&house, &client).await;
    allowed(&status);
    assert_eq!(status.json()["break_glass"]["device"], "lap-7");
    let headers = [("origin", house.url("gate", "")), ("content-type", "application/json".to_owned())];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let stop = client
        .send(Method::POST, &house.url("gate", "/.sekisho/admin/v1/devices/bobs/quarantine"), &headers, r#"{"why":"malware"}"#)
        .await;
    allowed(&stop);
    refused(&bobs.client(&house).get(&house.url("wiki", "/")).await, 403);
    // At an app it is what policies say, and no more; the app is told who it is.
    allowed(&client.browse(&house.url("wiki", "/")).await);
    let seen = house.wiki.seen().pop().unwrap();
    assert_eq!(seen.headers.get("x-forwarded-user").unwrap(), "sekisho/break-glass");
    let write = client.send(Method::POST, &house.url("wiki", "/x"), &[("origin", &house.url("wiki", ""))], "").await;
    refused(&write, 403);
    // It makes neither others like it nor itself longer.
    let further = client.send(Method::POST, &house.url("gate", "/.sekisho/admin/v1/break-glass"), &headers, "{}").await;
    assert_eq!(reason(&further), "admin_socket_only");

    let ended = house.must(&["break-glass", "--end", "--reason", "it is back"]).await;
    assert!(ended.contains("its session was ended"), "{ended}");
    refused(&administers(&house, &client).await, 401);
    assert_eq!(house.metrics().await.sum("sekisho_break_glass_active", &[]), 0.0);
    let lines = house.record().lines();
    let event = |name: &str| lines.iter().find(|line| line["event"] == name).cloned().unwrap_or_else(|| panic!("{name}"));
    let begun = event("break_glass_begun");
    assert_eq!((&begun["device"], &begun["why"]), (&json!("lap-7"), &json!("the provider is down")));
    assert!(begun["by"].as_str().unwrap().starts_with("uid:"), "{begun}");
    assert_eq!(event("break_glass_used")["by"], "user:sekisho/break-glass");
    assert_eq!(event("break_glass_ended")["why"], "it is back");
    let stopped = event("device_quarantined");
    assert_eq!((&stopped["by"], &stopped["why"]), (&json!("administrator:sekisho/break-glass (lap-7)"), &json!("malware")));
    let metrics = house.metrics().await;
    for name in ["begun", "used", "ended"] {
        assert_eq!(metrics.sum("sekisho_break_glass_total", &[("event", name)]), 1.0, "{name}");
    }
    let code = shown.split_once('=').unwrap().1;
    for text in [house.record().text(), house.gate.said()] {
        assert!(!text.contains(code), "the code is told to nobody");
    }
}

#[tokio::test]
async fn a_code_that_is_wrong_used_late_or_anothers_opens_nothing_and_nobody_is_told_which() {
    let house = plan().open().await;
    let (laptop, bobs) = (house.laptop("lap-7", "alice").await, house.laptop("bobs", "bob").await);
    let first = begun(&house, "lap-7", "1h").await;
    let opens_nothing = async |laptop: &Laptop, address: &str| {
        let reply = laptop.client(&house).get(address).await;
        refused(&reply, 403);
        let problem = reply.json();
        (problem["reason"].clone(), problem["detail"].clone(), problem["remedy"].clone())
    };
    let nobody = house.stranger().get(address(&first)).await;
    refused(&nobody, 403);
    assert_eq!(reason(&nobody), "device_missing");
    let anothers = opens_nothing(&bobs, address(&first)).await;
    assert_eq!(anothers.0, "sign_in_break_glass");
    let wrong = house.url("gate", "/.sekisho/sign-in?break_glass=00000-00000-00000-00000-00000");
    assert_eq!(opens_nothing(&laptop, &wrong).await, anothers);
    assert_eq!(opens_nothing(&laptop, &house.url("gate", "/.sekisho/sign-in?break_glass=x")).await, anothers);
    // To look whether it is there uses nothing up.
    let look = laptop.client(&house).send(Method::HEAD, address(&first), &[], "").await;
    refused(&look, 405);
    let client = laptop.client(&house);
    opened(&client, address(&first)).await;
    assert_eq!(opens_nothing(&laptop, address(&first)).await, anothers, "it was used");
    let copied = administers(&house, &bobs.client(&house).with_cookies(client.jar.copied())).await;
    refused(&copied, 403);
    assert_eq!(reason(&copied), "credential_replayed");
    house.must(&["break-glass", "--end"]).await;
    let second = begun(&house, "bobs", "1h").await;
    house.must(&["break-glass", "--end"]).await;
    assert_eq!(opens_nothing(&bobs, address(&second)).await, anothers, "it is over");

    // A device that goes on trying is not heard any more, not even with a good one; others are.
    let third = begun(&house, "bobs", "1h").await;
    for _ in 0..5 {
        let _refused = bobs.client(&house).get(&wrong).await;
    }
    let throttled = bobs.client(&house).get(address(&third)).await;
    refused(&throttled, 429);
    assert_eq!(reason(&throttled), "sign_in_break_glass_throttled");
    assert!(throttled.header("retry-after").is_some());
    let failed = house.record().lines().into_iter().filter(|line| line["event"] == "sign_in_failed").count();
    assert!(failed >= 5, "{failed}");
    let metrics = house.metrics().await;
    let count = |outcome| metrics.sum("sekisho_break_glass_codes_total", &[("outcome", outcome)]);
    assert!(count("used") == 1.0 && count("refused") >= 5.0 && count("throttled") >= 1.0, "{}", metrics.text);
}

#[tokio::test]
async fn its_session_ends_with_it_whatever_is_under_way() {
    // What stands in a session serves for a second here, and not longer: nobody vouches for this one.
    let plan = plan().set("", "max_fact_age = \"1s\"").set("identity_provider", "refresh = \"1s\"");
    let house = plan.open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let client = laptop.client(&house);
    let given = begun(&house, "lap-7", "8s").await;
    opened(&client, address(&given)).await;
    allowed(&client.browse(&house.url("wiki", "/")).await);

    let (_, mut answer) = client.begin(Method::GET, &house.url("wiki", "/events"), &[], "").await;
    assert_eq!(answer.status(), 200);
    let cut = tokio::time::timeout(Duration::from_secs(30), async {
        use http_body_util::BodyExt as _;
        while let Some(Ok(_event)) = answer.body_mut().frame().await {}
    });
    assert!(cut.await.is_ok(), "what is under way is cut at its end");
    let end = house.record().end_of(&house.record().only_access("/events")["request"]).await;
    assert_eq!((&end["ending"], &end["cause"]), (&json!("cut"), &json!("session_expired")), "and not before: {end}");
    refused(&client.get(&house.url("wiki", "/")).await, 401);
    let ended =
        eventually("its end", async || house.record().lines().into_iter().find(|line| line["event"] == "break_glass_ended"))
            .await;
    assert_eq!((&ended["by"], &ended["why"]), (&json!("system:break-glass"), &json!("its time is over")));
    assert_eq!(house.metrics().await.sum("sekisho_break_glass_active", &[]), 0.0);
}
