//! Cookies, and the sessions behind them.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use url::Url;

use crate::harness::{Client, House, NAVIGATION, Reply, allowed, eventually, refused};

pub(super) const SESSION: &str = "__Host-sekisho";

/// The session cookie of this client at `host`.
fn cookie(client: &Client, host: &str) -> Option<String> {
    client.jar.of(host).into_iter().find(|(name, _)| name == SESSION).map(|(_, value)| value)
}

/// The browser is told to forget its session cookie.
fn clears(reply: &Reply) -> bool {
    let cookies = reply.headers.get_all("set-cookie");
    cookies
        .iter()
        .any(|line| line.to_str().unwrap().starts_with("__Host-sekisho=; ") && line.to_str().unwrap().ends_with("Max-Age=0"))
}

/// Holds: 132.
#[tokio::test]
async fn a_cookie_from_before_the_sign_in_opens_nothing_after_it() {
    let house = House::open().await;
    let laptop = house.laptop("kiosk", "shared").await;
    // A value of the attacker's choice, planted at both hosts before somebody signs in.
    let planted = "A".repeat(43);
    let victim = laptop.client(&house);
    let mut plant = http::HeaderMap::new();
    plant.insert("set-cookie", format!("{SESSION}={planted}; Path=/; Secure").parse().unwrap());
    for host in ["wiki.localhost", "gate.localhost"] {
        victim.jar.take(host, &plant);
    }
    let reply = victim.click(&house.url("wiki", "/")).await;
    assert!(reply.status == 302 && clears(&reply), "{:?}", reply.headers);
    for host in ["wiki.localhost", "gate.localhost"] {
        victim.jar.take(host, &plant);
    }
    allowed(&house.idp.sign_in(&victim, &house.url("wiki", "/"), "alice").await);
    for host in ["wiki.localhost", "gate.localhost"] {
        assert!(cookie(&victim, host).is_some_and(|now| now != planted), "{host}");
    }
    let attacker = laptop.client(&house).with_header("cookie", format!("{SESSION}={planted}"));
    for app in ["wiki", "gate"] {
        let whoami = attacker.get(&house.url(app, "/.sekisho/whoami")).await.json();
        assert_eq!(whoami["user"], json!(null), "{app}: {whoami}");
    }
    refused(&attacker.get(&house.url("wiki", "/fixed")).await, 401);

    // A session that is there before another sign-in in the same browser is over after it.
    let before = victim.jar.copied();
    house.must(&["session", "end", "--user", "alice@corp.example"]).await;
    allowed(&house.idp.sign_in(&victim, &house.url("wiki", "/again"), "bob").await);
    for (host, _) in [("wiki.localhost", 0), ("gate.localhost", 0)] {
        assert_ne!(cookie(&laptop.client(&house).with_cookies(before.clone()), host), cookie(&victim, host));
    }
    refused(&laptop.client(&house).with_cookies(before).get(&house.url("wiki", "/before")).await, 401);
    allowed(&victim.get(&house.url("wiki", "/after")).await);
    assert!(!house.wiki.has_seen("/fixed") && !house.wiki.has_seen("/before"));
}

/// Holds: 134, 135.
#[tokio::test]
async fn a_session_cookie_is_one_value_of_one_form_or_nothing() {
    let house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let good = cookie(&alice, "wiki.localhost").unwrap();
    let flipped = if good.starts_with('A') { good.replacen('A', "B", 1) } else { format!("A{}", good.split_at(1).1) };
    let with = |value: &str| laptop.client(&house).with_header("cookie", value.to_owned());

    // Nobody is known, and what we cannot have made is to be forgotten.
    let (half, rest) = good.split_at(20);
    for value in [
        format!("{SESSION}="),
        format!("{SESSION}={half}"),
        format!("{SESSION}={good}A"),
        format!("{SESSION}={good}="),
        format!("{SESSION}={flipped}"),
        format!("{SESSION}={}", good.chars().rev().collect::<String>()),
        format!("{SESSION}=\"{good}\""),
        format!("{SESSION}=\"a; {SESSION}={good}\""),
        format!("{SESSION}=%{}", good.split_at(1).1),
        format!("{SESSION}={}", "é".repeat(21)),
        format!("{SESSION}={half}; {SESSION}={rest}"),
        format!("{SESSION}={good}; {SESSION}={good}"),
        format!("{SESSION}=x; {SESSION}={good}"),
        format!("{SESSION}={good}; {SESSION}="),
        format!("{SESSION}={}", "A".repeat(4000)),
        format!("{SESSION}={}", "A".repeat(43)),
        format!("{SESSION}=eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9."),
    ] {
        let reply = with(&value).get(&house.url("wiki", "/malformed")).await;
        refused(&reply, 401);
        assert!(clears(&reply), "{value}: {:?}", reply.headers);
        let page = with(&value).send(Method::GET, &house.url("wiki", "/malformed"), NAVIGATION, "").await;
        assert!(page.status == 302 && clears(&page), "{value}: {}", page.shown());
        let to = page.location().unwrap();
        assert!(to.starts_with(&house.url("gate", "/.sekisho/sign-in?")), "{to}");
    }
    // Not our cookie, whatever it looks like: pieces, counts of pieces, other names.
    for value in [
        format!("{SESSION}.0={half}; {SESSION}.1={rest}"),
        format!("{SESSION}_0={half}; {SESSION}_1={rest}; {SESSION}_chunks=2"),
        format!("{SESSION}_chunks=99999999"),
        format!("{SESSION}-chunks=99999999; {SESSION}.chunks=-1"),
        format!("__host-sekisho={good}"),
        format!("sekisho={good}; __Secure-sekisho={good}; _Host-sekisho={good}"),
        format!(" {SESSION} ={good}"),
        format!("\"{SESSION}={good}\""),
        format!("{SESSION}:{good}, {SESSION}"),
        format!("{SESSION}-attempt={good}"),
        "=".to_owned(),
        ";;;,,,".to_owned(),
    ] {
        refused(&with(&value).get(&house.url("wiki", "/malformed")).await, 401);
    }
    assert!(!house.wiki.has_seen("/malformed"));

    // NUL and line ends never get as far.
    for raw in [
        format!("{SESSION}=\0{good}"),
        format!("{SESSION}={good}\0"),
        format!("{SESSION}={half}\r{rest}"),
        format!("{SESSION}={half}\n{rest}"),
    ] {
        let url = Url::parse(&house.url("wiki", "/raw")).unwrap();
        let mut stream = laptop.client(&house).tls_to(&url).await;
        let head = format!("GET /raw HTTP/1.1\r\nHost: wiki.localhost:{}\r\nCookie: {raw}\r\n\r\n", house.port());
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut said = Vec::new();
        let _closed_at_once = stream.read_to_end(&mut said).await;
        assert!(said.starts_with(b"HTTP/1.1 400 "), "{raw:?}: {}", String::from_utf8_lossy(&said));
    }
    assert!(!house.wiki.has_seen("/raw"));

    // Many, large, and in quotes: bounded, and what is somebody's own session stays it. The app gets the rest.
    let crowd: String = (0..500).map(|number| format!("c{number}=v; ")).collect();
    for (value, path) in [(format!("{crowd}{SESSION}={good}"), "/crowd"), (format!("x=\"a; {SESSION}={good}; y=b\""), "/quoted")]
    {
        allowed(&with(&value).get(&house.url("wiki", path)).await);
        let seen = house.wiki.only(path);
        let reached = seen.header("cookie").unwrap();
        assert!(!reached.contains(SESSION) && !reached.contains(&good), "{reached}");
    }
    let large = with(&format!("x={}; {SESSION}={good}", "y".repeat(64 * 1024))).get(&house.url("wiki", "/large")).await;
    assert_eq!(large.status, 431, "{}", large.shown());
    assert!(!house.wiki.has_seen("/large"));
    allowed(&alice.get(&house.url("wiki", "/mine")).await);
}

/// Holds: 137.
#[tokio::test]
async fn what_has_ended_stays_ended_whatever_is_kept_of_it() {
    let mut house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let kept = laptop.client(&house).with_cookies(alice.jar.copied());
    allowed(&kept.get(&house.url("wiki", "/before")).await);

    // Signed out: the cookies that somebody kept are worth nothing, on any host.
    let origin = house.url("wiki", "");
    let out = alice.send(Method::POST, &house.url("wiki", "/.sekisho/sign-out"), &[("origin", origin.as_str())], "").await;
    assert!(out.status.is_redirection() && clears(&out), "{}", out.shown());
    let reply = kept.get(&house.url("wiki", "/after")).await;
    refused(&reply, 401);
    assert!(clears(&reply));
    let whoami = kept.get(&house.url("gate", "/.sekisho/whoami")).await.json();
    assert_eq!((&whoami["user"], &whoami["session"]), (&json!(null), &json!(null)), "{whoami}");
    assert_eq!(house.json(&["session", "list"]).await.as_array().map(Vec::len), Some(0));
    house.restart().await;
    refused(&kept.get(&house.url("wiki", "/after")).await, 401);

    // Unused for too long.
    let alice = house.signed_in(&laptop, "alice").await;
    let kept = laptop.client(&house).with_cookies(alice.jar.copied());
    allowed(&kept.get(&house.url("wiki", "/used")).await);
    house.set("sign_in", "idle_timeout = \"1s\"");
    house.must(&["reload"]).await;
    tokio::time::sleep(Duration::from_millis(1300)).await;
    refused(&kept.get(&house.url("wiki", "/idle")).await, 401);
    assert_eq!(house.record().only_access("/idle")["reason"], "session_idle");
}

/// A stolen cookie ends the session that it is of, and gives nothing away.
#[tokio::test]
async fn who_signs_somebody_out_without_their_device_learns_nothing_of_them() {
    let house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let (origin, there) = (house.url("wiki", ""), house.url("wiki", "/.sekisho/sign-out"));
    let session = house.json(&["session", "list"]).await[0]["id"].clone();
    let thief = house.stranger().with_cookies(alice.jar.copied());
    let out = thief.send(Method::POST, &there, &[("origin", origin.as_str())], "").await;
    assert!(!out.location().unwrap_or_default().contains("id_token_hint"), "{}", out.shown());
    refused(&alice.get(&house.url("wiki", "/after")).await, 401);
    let line = house.record().only_access("/.sekisho/sign-out");
    assert_eq!((&line["user"], &line["session"], &line["device"]), (&json!("corp/alice"), &session, &json!(null)), "{line}");
    let ended = house.record().lines().into_iter().find(|line| line["event"] == "signed_out" || line["event"] == "session_ended");
    assert_eq!(ended.unwrap()["by"], "system:sign_out");
    // The twin, on her own device.
    let alice = house.signed_in(&laptop, "alice").await;
    let out = alice.send(Method::POST, &there, &[("origin", origin.as_str())], "").await;
    assert!(out.location().unwrap().contains("id_token_hint"), "{}", out.shown());
}

/// Holds: 137.
#[tokio::test]
async fn a_session_ends_however_much_it_is_used() {
    let house = House::plan().set("sign_in", "session_lifetime = \"4s\"").open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let kept = laptop.client(&house).with_cookies(alice.jar.copied());
    let mut using = kept.connect(&house.url("wiki", "")).await;
    let over = eventually("the end of the session", async || {
        let reply = using.get("/used").await.unwrap();
        (reply.status != StatusCode::OK).then_some(reply)
    })
    .await;
    refused(&over, 401);
    let reason = house.record().access("/used").pop().unwrap()["reason"].as_str().unwrap().to_owned();
    assert!(["session_expired", "session_ended", "unknown_session"].contains(&reason.as_str()), "{reason}");
    refused(&kept.get(&house.url("wiki", "/after")).await, 401);
}

/// Holds: 139.
#[tokio::test]
async fn nothing_of_ours_is_kept_by_caches_and_nothing_of_a_person_by_shared_ones() {
    let house = House::plan().wiki("public = [\"/cached/public\", \"/open\"]").open().await;
    let laptop = house.laptop("lap-7", "bob").await;
    let stranger = house.stranger();
    let fresh = laptop.client(&house);
    let bob = house.signed_in(&laptop, "bob").await;
    let own = |reply: &Reply, what: &str| {
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{what}: {}", reply.shown());
    };
    for (client, who) in [(&stranger, "a stranger"), (&fresh, "a device"), (&bob, "a person")] {
        for host in ["wiki", "gate"] {
            for name in [
                "sign-in",
                "callback",
                "callback?code=a&state=b",
                "callback?error=x&state=b",
                "sign-out",
                "send-again",
                "send-again?form=x",
                "whoami",
                "enroll",
                "backchannel-logout",
                "nothing",
                "whoami/x.css",
                "sign-in.css",
            ] {
                let url = house.url(host, &format!("/.sekisho/{name}"));
                own(&client.get(&url).await, &format!("{who} at {url}"));
                own(&client.click(&url).await, &format!("{who} clicks on {url}"));
            }
        }
        own(&client.click(&house.url("gate", "/")).await, who);
        for path in ["/a;b", "/admin/x.css"] {
            let url = house.url("wiki", path);
            own(&client.click(&url).await, &format!("{who} at {url}"));
        }
    }
    own(&fresh.click(&house.url("wiki", "/account/x.css")).await, "sent to sign in");
    own(&fresh.get(&house.url("wiki", "/account/x.css")).await, "401");
    own(&bob.send(Method::from_bytes(b"PROPFIND").unwrap(), &house.url("wiki", "/"), &[], "").await, "501");

    // What the app says is for everybody was given to one person.
    let reply = bob.get(&house.url("wiki", "/cached/account/x.css")).await;
    allowed(&reply);
    assert_eq!((reply.header("cache-control"), reply.header("cdn-cache-control")), (Some("private, max-age=600"), None));
    assert_eq!(bob.get(&house.url("wiki", "/account/x.css")).await.header("cache-control"), Some("private"));
    // What the configuration makes public is as the app says.
    let reply = stranger.get(&house.url("wiki", "/cached/public")).await;
    allowed(&reply);
    assert_eq!(reply.header("cache-control"), Some("public, max-age=600, s-maxage=600"));
    // And nothing is kept here: the app is asked each time.
    for _ in 0..2 {
        allowed(&stranger.get(&house.url("wiki", "/open")).await);
    }
    assert_eq!(house.wiki.seen().iter().filter(|seen| seen.path() == "/open").count(), 2);
}
