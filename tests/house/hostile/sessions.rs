//! Cookies, and the sessions behind them.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode, Version};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use url::{Url, form_urlencoded};

use crate::harness::{ACCESS_TOKEN, Browser, CONFIDENTIAL, Client, House, Kind, Liar, NAVIGATION, Reply, allowed, eventually, refused};

const SESSION: &str = "__Host-sekisho";

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

/// What browsers say of where a request comes from, and whether it may change something then.
fn origins(house: &House) -> Vec<(Vec<(&'static str, String)>, bool)> {
    let own = house.url("wiki", "");
    let origin = |text: &str| ("origin", text.to_owned());
    let site = |text: &str| ("sec-fetch-site", text.to_owned());
    let evil = "https://evil.test";
    vec![
        (vec![], true),
        (vec![origin(&own)], true),
        (vec![origin(&own), site("same-origin")], true),
        (vec![site("same-origin")], true),
        (vec![site("none")], true),
        (vec![origin("null"), site("same-origin")], true),
        (vec![origin("https://portal.test")], true),
        (vec![origin("https://portal.test"), site("cross-site")], true),
        (vec![origin(evil)], false),
        (vec![origin(evil), site("cross-site")], false),
        (vec![origin(evil), site("same-origin")], false),
        (vec![origin(evil), site("none")], false),
        (vec![origin("null")], false),
        (vec![origin("null"), site("cross-site")], false),
        (vec![origin("null"), site("none")], false),
        (vec![site("cross-site")], false),
        (vec![site("same-site")], false),
        (vec![site("elsewhere")], false),
        (vec![origin(&own), site("cross-site")], false),
        (vec![origin(&house.url("files", "")), site("same-site")], false),
        (vec![origin("https://wiki.localhost"), site("same-site")], false),
        (vec![origin(&own.replace("https:", "http:"))], false),
        (vec![origin(&format!("{own}.evil.test"))], false),
        (vec![origin(&own.to_ascii_uppercase())], false),
        (vec![origin("https://portal.test.evil.test")], false),
        (vec![origin("")], false),
    ]
}

fn borrowed<'a>(headers: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    headers.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// A house with an app that lists an origin, one that takes what comes from anywhere, and one of the same site.
async fn apps(provider: Kind) -> House {
    let wiki = "methods = [\"PROPFIND\"]\npublic = [\"/hooks/**\"]\nallowed_origins = [\"https://portal.test\"]";
    let files = "upstream = [\"{wiki}\"]\ncross_site = \"allow\"";
    House::plan()
        .provider(provider)
        .wiki(wiki)
        .app("files", files)
        .app("evil.wiki", "upstream = [\"{wiki}\"]")
        .app("evil", "upstream = [\"{wiki}\"]")
        .open()
        .await
}

/// Holds: 140.
#[tokio::test]
async fn a_page_of_another_site_changes_nothing_with_a_persons_cookie() {
    let house = apps(Kind::Demo).await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    allowed(&alice.browse(&house.url("files", "/")).await);
    let form = ("content-type", "application/x-www-form-urlencoded");
    let (mut here, mut refusals) = (0, 0);
    for (headers, welcome) in origins(&house) {
        let said = [vec![form], borrowed(&headers)].concat();
        for method in ["POST", "PUT", "PATCH", "DELETE", "PROPFIND"] {
            if method != "POST" && here % 3 != 0 {
                continue;
            }
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let path = format!("/{here}/{method}");
            let reply = alice.send(method, &house.url("wiki", &path), &said, "a=1").await;
            assert_eq!(house.wiki.has_seen(&path), welcome, "{headers:?}: {}", reply.shown());
            if welcome {
                allowed(&reply);
            } else {
                refused(&reply, 403);
                assert_eq!(house.record().only_access(&path)["reason"], "cross_site");
                refusals += 1;
            }
        }
        here += 1;
        // What only reads may come from anywhere: links lead to the app.
        if !welcome {
            for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
                allowed(&alice.send(method, &house.url("wiki", "/read"), &borrowed(&headers), "").await);
            }
            allowed(&alice.send(Method::POST, &house.url("files", "/post"), &said, "a=1").await);
            allowed(&laptop.client(&house).send(Method::POST, &house.url("wiki", "/hooks/a"), &said, "a=1").await);
        }
    }
    let counted = house.metrics().await.sum("sekisho_requests_total", &[("reason", "cross_site"), ("app", "wiki")]);
    assert_eq!(counted, f64::from(refusals));

    // Over HTTP/2 likewise. A token is no cookie: no browser sends it by itself; beside a cookie it changes nothing.
    let evil = [("origin", "https://evil.test"), ("sec-fetch-site", "cross-site")];
    refused(&alice.clone().over_http2().send(Method::POST, &house.url("wiki", "/h2"), &evil, "a=1").await, 403);
    let token = house.idp.token("alice", Some(laptop.thumbprint()));
    allowed(&laptop.client(&house).with_token(&token).send(Method::POST, &house.url("wiki", "/token"), &evil, "a=1").await);
    refused(&alice.clone().with_token(&token).send(Method::POST, &house.url("wiki", "/h2"), &evil, "a=1").await, 403);
    assert!(!house.wiki.has_seen("/h2"));
}

/// Holds: 140.
#[tokio::test]
async fn a_page_of_another_site_opens_no_web_socket() {
    let house = apps(Kind::Demo).await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    allowed(&alice.browse(&house.url("files", "/")).await);
    let upgrade = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let url = Url::parse(&house.url("wiki", "/")).unwrap();
    let stream = alice.clone().over_http2().tls_to(&url).await;
    let (mut http2, connection) = h2::client::Builder::new().handshake::<_, Bytes>(stream).await.unwrap();
    tokio::spawn(connection);
    eventually("the gate offers extended CONNECT", async || {
        http2 = http2.clone().ready().await.unwrap();
        http2.is_extended_connect_protocol_enabled().then_some(())
    })
    .await;
    for (number, (headers, welcome)) in origins(&house).into_iter().enumerate() {
        let said = [upgrade.to_vec(), borrowed(&headers)].concat();
        let path = format!("/ws/{number}");
        let (_, reply) = alice.begin(Method::GET, &house.url("wiki", &path), &said, "").await;
        assert_eq!(reply.status().as_u16(), if welcome { 101 } else { 403 }, "{headers:?}");
        let over_http2 = format!("/ws/{number}/h2");
        let request =
            http::Request::builder().method(Method::CONNECT).uri(house.url("wiki", &over_http2)).version(Version::HTTP_2);
        let request =
            request.header("sec-websocket-version", "13").header("cookie", alice.jar.header("wiki.localhost", "/").unwrap());
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
        let mut request = request.body(()).unwrap();
        request.extensions_mut().insert(h2::ext::Protocol::from("websocket"));
        let (reply, _tunnel) = http2.send_request(request, false).unwrap();
        assert_eq!(reply.await.unwrap().status().as_u16(), if welcome { 200 } else { 403 }, "{headers:?} over HTTP/2");
        assert_eq!((house.wiki.has_seen(&path), house.wiki.has_seen(&over_http2)), (welcome, welcome), "{headers:?}");
        if !welcome {
            assert_eq!(house.record().only_access(&path)["reason"], "foreign_origin");
            let (_, reply) = alice.begin(Method::GET, &house.url("files", "/ws"), &said, "").await;
            assert_eq!(reply.status(), 101, "{headers:?} where the app takes it");
        }
    }
}

/// Holds: 140.
#[tokio::test]
async fn a_real_browser_sends_nothing_on_behalf_of_another_page() {
    let house = apps(Kind::OidcProvider).await;
    let laptop = house.laptop("lap-7", "bob").await;
    let browser = Browser::on(&house, Some(&laptop)).await;
    let wiki = house.url("wiki", "");
    let form = |path: &str| {
        json!([
            "script",
            format!(
                "document.body.innerHTML = `<form method=post action='{wiki}{path}'><button id=x name=a value=1>x</button></form>`; 0"
            )
        ])
    };
    let fetch = |path: &str| {
        json!([
            "script",
            format!(
                "fetch('{wiki}{path}', {{ method: 'POST', mode: 'no-cors', credentials: 'include', body: 'a=1' }}).then(() => 'sent')"
            )
        ])
    };
    let socket = |path: &str| {
        let address = format!("{}{path}", wiki.replace("https:", "wss:"));
        json!([
            "script",
            format!(
                "new Promise(done => {{ const s = new WebSocket('{address}'); s.onopen = () => {{ done('open'); s.close(); }}; s.onerror = () => done('refused'); }})"
            )
        ])
    };
    let mut steps = vec![
        json!(["goto", house.url("wiki", "/")]),
        json!(["fill", "input[name=login]", "bob"]),
        json!(["fill", "input[name=password]", "bob-demo"]),
        json!(["click", "button"]),
    ];
    // From the app's own page; from one of another host of the same site; from another site's.
    for (number, app) in ["wiki", "evil.wiki", "evil"].iter().enumerate() {
        steps.push(json!(["goto", house.url(app, "/page")]));
        steps.extend([
            fetch(&format!("/fetch/{number}")),
            socket(&format!("/ws/{number}")),
            form(&format!("/form/{number}")),
            json!(["click", "#x"]),
        ]);
    }
    let given = browser.does(&steps).await;
    let of = |number: usize| &given[4 + 5 * number..9 + 5 * number];
    for (number, (socket, form)) in [("open", 200), ("refused", 403), ("refused", 401)].into_iter().enumerate() {
        let [page, _, opened, _, posted] = of(number) else { panic!("{given:?}") };
        assert_eq!(
            (&page["status"], opened, &posted["status"]),
            (&json!(200), &json!(socket), &json!(form)),
            "{number}: {given:?}"
        );
        for path in ["fetch", "ws", "form"] {
            assert_eq!(house.wiki.has_seen(&format!("/{path}/{number}")), number == 0, "{path} {number}");
        }
    }
    for path in ["/fetch/1", "/form/1"] {
        assert_eq!(house.record().only_access(path)["reason"], "cross_site", "{path}: with the cookie");
    }
}

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
    let requests: Vec<_> = house.record().lines().iter().filter_map(|line| line["request"].as_str().map(str::to_owned)).collect();
    let access = house.record().lines().iter().filter(|line| line["line"] == "access").count();
    let different: BTreeSet<_> = requests.iter().map(|id| id.split_at(12).0.to_owned()).collect();
    assert!(access >= 250 && different.len() == requests.iter().collect::<BTreeSet<_>>().len() && different.len() >= access);
}
