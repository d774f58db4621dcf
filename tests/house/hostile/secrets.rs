//! What nobody may see, and nobody can guess.

use std::collections::BTreeSet;

use http::Method;
use serde_json::json;
use url::{Url, form_urlencoded};

use super::sessions::SESSION;
use crate::harness::{ACCESS_TOKEN, CONFIDENTIAL, Client, House, Liar, Reply, allowed, refused};

/// Follows redirects, and gathers what must not be seen of them.
async fn walk(client: &Client, start: &str, secrets: &mut BTreeSet<String>) -> Reply {
    let mut reply = client.click(start).await;
    loop {
        for line in reply.headers.get_all("set-cookie") {
            let value = line.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap().1;
            secrets.insert(value.to_owned());
        }
        let Some(to) = reply.location() else { return reply };
        let url = Url::parse(&to).unwrap();
        let fields = url.query_pairs().into_owned().filter(|(name, _)| ["code", "state", "nonce"].contains(&name.as_str()));
        secrets.extend(fields.map(|(_, value)| value));
        if !url.path().starts_with("/.sekisho/") && url.host_str() != Some("wiki.localhost") {
            return reply;
        }
        reply = client.click(&to).await;
    }
}

/// Holds: 141.
#[tokio::test]
async fn secrets_are_in_no_log_no_record_and_on_no_page() {
    let mut house = House::plan().limited("export SEKISHO_LOG=trace").open().await;
    let liar = Liar::open("honest", &json!({})).await;
    house.set("end", &liar.section(CONFIDENTIAL));
    house.must(&["reload"]).await;
    let laptop = house.laptop("kiosk", "shared").await;
    let client = laptop.client(&house);
    let mut secrets = BTreeSet::new();
    let mut pages = Vec::new();

    // A whole sign-in, with a code that the provider takes and one that it does not.
    walk(&client, &house.url("wiki", "/mine"), &mut secrets).await;
    let to = form_urlencoded::Serializer::new(String::new()).append_pair("to", &house.url("wiki", "/mine")).finish();
    let begin = house.url("gate", &format!("/.sekisho/sign-in?provider=honest&{to}"));
    let location = walk(&client, &begin, &mut secrets).await.location().unwrap();
    let asked = liar.brought(&location);
    let wrong = house.url("gate", &format!("/.sekisho/callback/honest?code=a-code-that-is-not-taken&state={}", asked.state));
    secrets.insert("a-code-that-is-not-taken".to_owned());
    let reply = walk(&client, &wrong, &mut secrets).await;
    refused(&reply, 403);
    pages.push(reply);
    let location = walk(&client, &begin, &mut secrets).await.location().unwrap();
    let back = liar.back(&location);
    let code = Url::parse(&back).unwrap().query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    secrets.insert(code);
    let end = walk(&client, &back, &mut secrets).await;
    assert_eq!((end.status.as_u16(), end.url.as_str()), (200, house.url("wiki", "/mine").as_str()), "{}", end.shown());
    pages.push(walk(&client, &back, &mut secrets).await);

    // Tokens: one that is taken, one that is not, and what is not a token.
    let token = house.idp.token("alice", Some(laptop.thumbprint()));
    allowed(&laptop.client(&house).with_token(&token).get(&house.url("wiki", "/api")).await);
    let forged = format!("{}AAAA", token.rsplit_once('.').unwrap().0.to_owned() + ".AAAA");
    for (value, status) in [
        (format!("Bearer {forged}"), 401),
        (format!("Bearer {token} {token}"), 401),
        ("Basic dXNlcjpwYXNzd29yZC1vZi1hbGljZQ==".to_owned(), 401),
    ] {
        let reply = laptop.client(&house).with_header("authorization", value.clone()).get(&house.url("wiki", "/api")).await;
        refused(&reply, status);
        secrets.insert(value.rsplit(' ').next().unwrap().to_owned());
        pages.push(reply);
    }
    let stale = "stale-cookie-value-0123456789abcdefghijklmn";
    secrets.insert(stale.to_owned());
    pages.push(laptop.client(&house).with_header("cookie", format!("{SESSION}={stale}")).get(&house.url("wiki", "/stale")).await);
    pages.push(client.click(&house.url("wiki", "/admin/x?password=hunter2-in-the-query")).await);
    pages.push(client.get(&house.url("wiki", "/.sekisho/whoami")).await);
    secrets.insert("hunter2-in-the-query".to_owned());

    // What a client says of itself is one line, escaped, and no more.
    let odd = "Mozilla \u{202e}\"}{\\\"level\\\":\\\"forged\\\" \u{85}\u{2028}";
    allowed(&client.send(Method::GET, &house.url("wiki", "/odd/%e2%80%ae%22x"), &[("user-agent", odd)], "").await);
    house.must(&["session", "list"]).await;

    secrets.extend(token.rsplit('.').take(2).map(str::to_owned));
    {
        let heard = liar.heard();
        secrets.extend(heard.exchanges.iter().flat_map(|form| [form["code_verifier"].clone(), form["code"].clone()]));
        secrets.extend(heard.given.iter().flat_map(|token| token.rsplit('.').take(2)).map(str::to_owned));
    }
    secrets.insert(ACCESS_TOKEN.to_owned());
    secrets.insert(house.idp.client_secret.clone());
    let basic =
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("sekisho:{}", house.idp.client_secret));
    secrets.insert(basic);
    secrets.extend(laptop.identity.key.lines().filter(|line| line.len() > 40).map(str::to_owned));
    secrets.retain(|secret| secret.len() > 5);
    assert!(secrets.len() > 20, "{secrets:?}");

    let (log, record) = (house.gate.said(), house.record().text());
    assert!(log.contains("TRACE") && log.contains("DEBUG"), "the log is at its most talkative");
    let state = everything_in(&house.path().join("state"));
    for secret in &secrets {
        let found = |text: &str| text.lines().find(|line| line.contains(secret.as_str())).map(str::to_owned);
        assert_eq!(found(&log), None, "{secret:?} is in the log");
        assert_eq!(found(&record), None, "{secret:?} is in the record");
        for page in &pages {
            assert_eq!(found(page.text()), None, "{secret:?} is on a page");
        }
        let resting = state.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!resting, "{secret:?} rests on the disk as it is");
    }
    for line in record.lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line:?}");
    }
    let line = house
        .record()
        .lines()
        .into_iter()
        .find(|line| line["path"].as_str().is_some_and(|path| path.starts_with("/odd/")))
        .unwrap();
    assert!(line["path"].as_str().unwrap().is_ascii(), "{line}");
    for raw in ['\u{1b}', '\r', '\u{202e}', '\u{85}', '\u{2028}'] {
        assert!(!log.contains(raw) && !record.contains(raw), "{raw:?} as it came");
    }
}

/// The bytes of all files below a folder.
fn everything_in(folder: &std::path::Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(everything_in(&path));
        } else {
            all.extend(std::fs::read(&path).unwrap_or_default());
        }
    }
    all
}

/// Holds: 143.
#[tokio::test]
async fn no_two_of_all_that_is_random_are_alike() {
    let house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let mut asking = laptop.client(&house).connect(&house.url("gate", "")).await;
    let mut seen = BTreeSet::new();
    for _ in 0..250 {
        let reply = asking.get("/.sekisho/sign-in").await.unwrap();
        let to = Url::parse(&reply.location().unwrap()).unwrap();
        let mut values: Vec<String> = to
            .query_pairs()
            .filter(|(name, _)| ["state", "nonce", "code_challenge"].contains(&&**name))
            .map(|(_, value)| value.into_owned())
            .collect();
        let cookie = reply.headers.get_all("set-cookie").iter().next().unwrap().to_str().unwrap();
        values.push(cookie.split(';').next().unwrap().split_once('=').unwrap().1.to_owned());
        assert_eq!(values.len(), 4, "{to}");
        for value in values {
            assert_eq!(value.len(), 43, "256 bits: {value}");
            // Not only different: no two begin or end alike, as counters and clocks would.
            assert!(seen.insert(value.split_at(12).0.to_owned()) && seen.insert(value.split_at(31).1.to_owned()), "{value}");
        }
    }
    assert_eq!(seen.len(), 2000);
    let lines = house.record().lines();
    let requests: BTreeSet<&str> = lines.iter().filter_map(|line| line["request"].as_str()).collect();
    let access = lines.iter().filter(|line| line["line"] == "access").count();
    let ends: BTreeSet<&str> = requests.iter().flat_map(|id| [id.split_at(12).0, id.split_at(20).1]).collect();
    assert!(access >= 250 && requests.len() >= access && ends.len() == 2 * requests.len(), "{requests:?}");
}
