//! Pages of other sites, in the browser of somebody who is signed in.

use bytes::Bytes;
use http::{Method, Version};
use serde_json::json;
use url::Url;

use crate::harness::{Browser, House, Kind, allowed, eventually, refused};

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

/// The record says who was made to send it, and by which page.
#[track_caller]
fn is_foreign(house: &House, path: &str, reason: &str, headers: &[(&'static str, String)]) {
    let line = house.record().only_access(path);
    let origin = headers.iter().find(|(name, _)| *name == "origin").map(|(_, origin)| origin.as_str());
    assert_eq!((&line["reason"], line["origin"].as_str()), (&json!(reason), origin), "{line}");
    assert_eq!((&line["device"], &line["binding"]), (&json!("lap-7"), &json!("session")), "{line}");
    assert!(line["user"].is_string() && line["session"].is_string(), "{line}");
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
                is_foreign(&house, &path, "cross_site", &headers);
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
            is_foreign(&house, &path, "foreign_origin", &headers);
            is_foreign(&house, &over_http2, "foreign_origin", &headers);
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
