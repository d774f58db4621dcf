//! A real browser with a real certificate, through a real provider, at a real app.

use std::future::pending;
use std::path::Path;

use sekisho_examples::share;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::{Browser, House, Kind};

/// A house with the information-sharing app and a provider that is not ours.
async fn with_the_share() -> House {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = format!("upstream = [\"http://{}\"]", listener.local_addr().unwrap());
    tokio::spawn(share::serve(listener, share::Settings::default(), pending()));
    House::plan().provider(Kind::OidcProvider).app("share", &upstream).open().await
}

/// Signing in at the provider's page as `person`.
fn sign_in(person: &str) -> [Value; 3] {
    [
        json!(["fill", "input[name=login]", person]),
        json!(["fill", "input[name=password]", format!("{person}-demo")]),
        json!(["click", "button"]),
    ]
}

#[tokio::test]
async fn signing_out_ends_it_everywhere() {
    let house = with_the_share().await;
    let laptop = house.laptop("lap-6", "alice").await;
    let browser = Browser::on(&house, Some(&laptop)).await;
    let front = house.url("share", "/");

    let mut steps = vec![json!(["goto", front])];
    steps.extend(sign_in("alice"));
    steps.push(json!(["goto", house.url("share", "/.sekisho/sign-out")]));
    // Over the gate's form, the provider's question, and back to the sign-in host: redirects that browsers may stop.
    steps.extend([json!(["click", "form button"]), json!(["click", "button[name=logout]"]), shot("signed-out.png")]);
    steps.push(json!(["goto", front]));
    let given = browser.does(&steps).await;
    assert_eq!(given[3]["url"], front, "{}", given[3]);
    assert!(given[5]["url"].as_str().unwrap().starts_with(&house.idp.issuer), "{}", given[5]);
    let out = &given[6];
    assert!(out["url"].as_str().unwrap().starts_with(&house.url("gate", "/.sekisho/sign-out")), "{out}");
    assert!(out["text"].as_str().unwrap().contains("You are signed out"), "{out}");
    assert!(given[8]["url"].as_str().unwrap().starts_with(&house.idp.issuer), "signed in no more: {}", given[8]);
}

/// Where to look at what the browser showed.
fn shot(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    std::fs::create_dir_all(&folder).unwrap();
    json!(["shot", folder.join(name)])
}

#[tokio::test]
async fn an_employee_signs_in_once_and_then_does_not_notice_the_gate() {
    let house = with_the_share().await;
    let laptop = house.laptop("lap-5", "bob").await;
    let browser = Browser::on(&house, Some(&laptop)).await;
    let front = house.url("share", "/");

    let mut steps = vec![json!(["goto", house.url("share", "/files/plans/")])];
    steps.extend(sign_in("bob"));
    steps.extend([shot("app.png"), json!(["goto", house.url("wiki", "/hello")])]);
    steps.push(json!(["script", SOCKET]));
    steps.extend([json!(["goto", house.url("share", "/admin/")]), shot("refused-by-policy.png")]);
    let given = browser.does(&steps).await;

    assert!(given[0]["url"].as_str().unwrap().starts_with(&house.idp.issuer), "{}", given[0]);
    let landed = &given[3];
    assert_eq!(landed["url"], house.url("share", "/files/plans/"), "the deep link is kept");
    assert!(landed["text"].as_str().unwrap().contains("report-001.pdf"), "{landed}");
    assert_eq!(given[5]["status"], 200, "no second sign-in: {}", given[5]);
    assert_eq!(given[6], "echo: good morning", "a WebSocket from the page");
    let refused = &given[7];
    assert_eq!(refused["status"], 403, "{refused}");
    assert_eq!(house.record().access("/admin/").pop().unwrap()["policies"], json!(["administration-is-for-admins"]));

    // The browser is started again: still signed in.
    let given = browser.does(&[json!(["goto", front])]).await;
    assert_eq!((&given[0]["status"], &given[0]["url"]), (&json!(200), &json!(front)));
}

#[tokio::test]
async fn without_a_device_the_page_says_what_to_do() {
    let house = with_the_share().await;
    let browser = Browser::on(&house, None).await;
    let given = browser.does(&[json!(["goto", house.url("share", "/")]), shot("no-device.png")]).await;
    assert_eq!(given[0]["status"], 403);
    let text = given[0]["text"].as_str().unwrap().to_lowercase();
    assert!(text.contains("device") && text.contains("enrol"), "{text}");

    let waiting = house.pending_laptop("lap-8", "alice").await;
    let browser = Browser::on(&house, Some(&waiting)).await;
    let given = browser.does(&[json!(["goto", house.url("share", "/")]), shot("pending.png")]).await;
    assert_eq!(given[0]["status"], 403);
    assert!(given[0]["text"].as_str().unwrap().contains("lap-8"), "{}", given[0]);
}

const SOCKET: &str = "new Promise((done, failed) => {
    const socket = new WebSocket(`wss://${location.host}/ws`);
    socket.onopen = () => socket.send('good morning');
    socket.onmessage = (event) => { done(`echo: ${event.data}`); socket.close(); };
    socket.onerror = () => failed(new Error('no socket'));
})";
