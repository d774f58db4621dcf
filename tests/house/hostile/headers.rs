//! What a client says of itself in headers.

use http::Method;

use super::knock::{Fate, Road, over_http2, side_by_side};
use crate::harness::{House, Recorder, allowed};

/// Every way on which something reaches an app, as a method with its target, and the lines that make it.
const WAYS: [(&str, &str, &str); 6] = [
    ("signed in", "GET /closed", "Connection: close\r\n"),
    ("with a body", "POST /closed", "Connection: close\r\nContent-Length: 0\r\n"),
    ("public", "GET /open/x", "Connection: close\r\n"),
    ("a WebSocket", "GET /closed/ws", HANDSHAKE),
    ("a public WebSocket", "GET /open/ws", HANDSHAKE),
    (
        "a preflight",
        "OPTIONS /closed",
        "Connection: close\r\nOrigin: https://elsewhere.example\r\nAccess-Control-Request-Method: PUT\r\n",
    ),
];

const HANDSHAKE: &str = "Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";

/// Names that apps have been known to believe.
const BELIEVED: [&str; 56] = [
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-Forwarded-Groups",
    "X-Forwarded-Preferred-Username",
    "X-Forwarded-Access-Token",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Prefix",
    "X-Forwarded-Client-Cert",
    "Sekisho-Assertion",
    "Sekisho-Anything",
    "X-Sekisho-Debug",
    "X-Request-Id",
    "Traceparent",
    "Forwarded",
    "X-Auth-User",
    "X-Auth-Groups",
    "X-Auth-Request-User",
    "X-Auth-Request-Email",
    "X-Authentik-Username",
    "X-Authelia-User",
    "X-Webauth-User",
    "Remote-User",
    "Remote-Groups",
    "X-Remote-User",
    "X-User",
    "X-User-Id",
    "X-Email",
    "X-Groups",
    "X-Role",
    "X-Roles",
    "X-Device-Id",
    "X-Pomerium-Jwt-Assertion",
    "Cf-Access-Jwt-Assertion",
    "X-Goog-Iap-Jwt-Assertion",
    "X-Goog-Authenticated-User-Email",
    "X-Amzn-Oidc-Data",
    "X-Ms-Client-Principal",
    "Tailscale-User-Login",
    "Client-Cert",
    "Client-Cert-Chain",
    "X-Client-Cert",
    "X-Ssl-Client-Verify",
    "Ssl-Client-Cert",
    "X-Real-Ip",
    "True-Client-Ip",
    "Cf-Connecting-Ip",
    "X-Original-Url",
    "X-Rewrite-Url",
    "X-Http-Method-Override",
    "X-Middleware-Subrequest",
    "X-Envoy-Internal",
    "X-Skipper-Proxy",
    "Proxy",
    "PROXY",
];

pub(super) async fn open() -> Road {
    Road::planned(House::plan(), "cors_preflight = \"forward\"", Recorder::open().await).await
}

impl Road {
    /// Sends these lines on every way; none of their values reaches the app, and what else is there does.
    async fn strips(&self, lines: &[String]) {
        for chunk in lines.chunks(60) {
            let evil = format!("X-Csrf-Token: fine\r\n{}", chunk.concat());
            for (way, first, more) in WAYS {
                let heard = self.passes(&self.alice, self.head(&self.alice, first, format!("{more}{evil}"))).await;
                let told = String::from_utf8_lossy(&heard.bytes).into_owned();
                assert!(!heard.has("EVIL"), "{way}: {told}");
                assert!(heard.has("\r\nx-csrf-token: fine\r\n"), "{way}: {told}");
                assert!(heard.has("\r\nx-forwarded-for: 127.0.0.1\r\n"), "{way}: {told}");
                let nobody = first.contains("/open/") || way == "a preflight";
                assert_eq!(
                    heard.has("\r\nx-forwarded-user: corp/alice\r\n"),
                    !nobody || way == "a preflight" && heard.has("assertion"),
                    "{way}: {told}"
                );
                assert_eq!(heard.has("x-forwarded-user"), heard.has("sekisho-assertion"), "{way}: {told}");
            }
        }
    }
}

/// Holds: 34, 44, 57, 59.
#[tokio::test]
async fn what_apps_believe_comes_from_us_alone() {
    let road = open().await;
    let lines: Vec<String> = BELIEVED.iter().map(|name| format!("{name}: EVIL\r\n")).collect();
    road.strips(&lines).await;
    // By token, and over HTTP/2.
    let token = road.house.idp.token("alice", Some(road.laptop.thumbprint()));
    let bearer = format!("Authorization: Bearer {token}\r\n{}", lines.concat());
    let heard = road.passes(&road.visitor, road.head(&road.visitor, "GET /closed", bearer)).await;
    assert!(!heard.has("EVIL") && !heard.has(&token) && heard.has("\r\nx-forwarded-user: corp/alice\r\n"));
    let lower: Vec<String> = BELIEVED.iter().map(|name| name.to_ascii_lowercase()).collect();
    let fields: Vec<(&str, &str)> = lower.iter().map(|name| (name.as_str(), "EVIL")).collect();
    let http2 = road.alice.client.clone().over_http2();
    for path in ["/closed", "/open/x"] {
        allowed(&http2.send(Method::GET, &road.house.url("notes", path), &fields, "").await);
        assert!(!road.notes.take().has("EVIL"), "{path}");
    }
    // A WebSocket of HTTP/2: this app does not open one, and has heard who asks.
    let (host, cookie) = (road.host(), road.alice.line.trim().strip_prefix("Cookie: ").unwrap().to_owned());
    let mut connect = vec![(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":authority", &*host)];
    connect.extend([(":path", "/closed/ws"), ("sec-websocket-version", "13"), ("cookie", &*cookie)]);
    connect.extend(&fields);
    assert_eq!(over_http2(&road.alice.client, &road.url(), &connect, None).await, Fate::Refused);
    let heard = road.notes.take();
    assert!(!heard.has("EVIL") && heard.has("\r\nx-forwarded-user: corp/alice\r\n"), "{}", String::from_utf8_lossy(&heard.bytes));
    // Nobody's word makes anybody somebody, and the app does not even hear it.
    let asked = BELIEVED.iter().map(|name| road.ask(&road.visitor, "GET /closed", format!("{name}: corp/alice\r\n")));
    for raw in side_by_side(asked).await {
        assert_eq!((raw.statuses(), raw.reason().as_deref()), (vec![401], Some("no_credential")), "{}", raw.text());
    }
    road.silent("believed names");
}

/// Holds: 45.
#[tokio::test]
async fn no_other_spelling_passes_for_a_reserved_name() {
    let road = open().await;
    let mut lines = Vec::new();
    for name in [
        "X-Forwarded-User",
        "X-Forwarded-Groups",
        "X-Forwarded-Proto",
        "Sekisho-Assertion",
        "X-Request-Id",
        "X-Auth-User",
        "Remote-User",
        "Ssl-Client-Cert",
        "X-Real-Ip",
    ] {
        for other in ['_', '.', '!', '~', '|', '\''] {
            lines.push(format!("{}: EVIL\r\n", name.replace('-', &other.to_string())));
            lines.push(format!("{}: EVIL\r\n", name.replacen('-', &other.to_string(), 1)));
            lines.push(format!("{}{other}: EVIL\r\n", name));
        }
        lines.push(format!("{}: EVIL\r\n", name.to_ascii_uppercase().replace('-', "_")));
        lines.push(format!("{}: EVIL\r\n{}: EVIL\r\n", name, name.to_ascii_lowercase()));
    }
    for name in
        ["Authorization_", "Cook_ie", "_Cookie", "Ho_st", "Host_", "Transfer_Encoding", "Content_Length", "Transfer.Encoding"]
    {
        lines.push(format!("{name}: EVIL\r\n"));
    }
    road.strips(&lines).await;
    // White space makes no name at all.
    for (line, reason) in [
        ("X Forwarded User: EVIL\r\n", "space_before_colon"),
        ("X-Forwarded-User : EVIL\r\n", "space_before_colon"),
        (" X-Forwarded-User: EVIL\r\n", "obsolete_fold"),
        ("X-Forwarded-User\t: EVIL\r\n", "space_before_colon"),
        ("X-Forwarded-User\x0b: EVIL\r\n", "header_name"),
    ] {
        road.refuses(&road.alice, road.head(&road.alice, "GET /closed", line), 400, reason).await;
    }
}

/// Holds: 47.
#[tokio::test]
async fn the_connection_header_takes_nothing_of_ours_off() {
    let road = open().await;
    for named in [
        "close, X-Forwarded-User",
        "keep-alive, x-forwarded-user",
        "X-Forwarded-For",
        "x-forwarded-host, x-forwarded-proto",
        "X-Forwarded-Groups",
        "Sekisho-Assertion",
        "X-Request-Id",
        "X-Real-Ip",
        "traceparent",
        "Authorization",
        "Cookie",
        "Host",
        "Content-Length",
        "Content-Type",
        "Transfer-Encoding",
        "Origin",
        "Sec-Fetch-Site",
        "X_Forwarded_User",
        "*",
        "\tX-Forwarded-User\t",
        "close\r\nConnection: x-forwarded-user",
    ] {
        let head = road.head(&road.alice, "GET /closed", format!("Connection: {named}\r\n"));
        road.refuses(&road.alice, head, 400, "connection_names").await;
    }
    for named in ["a b", "\"x\"", "a;b", "x-forwarded-user@"] {
        let head = road.head(&road.alice, "GET /closed", format!("Connection: {named}\r\n"));
        road.refuses(&road.alice, head, 400, "connection").await;
    }
    // Theirs go, ours stay.
    for lines in [
        "Connection: X-Theirs, close\r\nX-Theirs: 1\r\n",
        "Connection: ,, x-theirs ,\r\nX-Theirs: 1\r\nKeep-Alive: EVIL\r\nProxy-Connection: x-forwarded-user\r\nTE: gzip, EVIL\r\nTrailer: EVIL\r\n",
    ] {
        let heard = road.passes(&road.alice, road.head(&road.alice, "GET /closed", lines)).await;
        let told = String::from_utf8_lossy(&heard.bytes).into_owned();
        for name in [
            "x-forwarded-user: corp/alice",
            "x-forwarded-for: 127.0.0.1",
            "x-forwarded-proto: https",
            "host: notes",
            "x-request-id",
            "sekisho-assertion",
        ] {
            assert!(heard.has(&format!("\r\n{name}")), "{told}");
        }
        for name in ["x-theirs", "EVIL", "keep-alive", "proxy-connection", "\r\ntrailer", "\r\nte:"] {
            assert!(!heard.has(name), "{name}: {told}");
        }
    }
}

/// Holds: 54.
#[tokio::test]
async fn several_values_reach_the_app_as_they_came_and_no_policy_reads_them() {
    let mut road = open().await;
    let heard = road
        .passes(&road.alice, road.head(&road.alice, "GET /closed", "X-Tag: user\r\nAccept: a\r\nX-Tag: admin\r\nX-Tag: a,b\r\n"))
        .await;
    assert!(heard.has("\r\nx-tag: user\r\nx-tag: admin\r\nx-tag: a,b\r\n"), "{}", String::from_utf8_lossy(&heard.bytes));
    // What has one value has one.
    for line in [
        "Origin: https://a.example\r\n",
        "Content-Type: text/plain\r\n",
        "Range: bytes=0-1\r\n",
        "Sec-Fetch-Site: none\r\n",
        "Referer: https://a.example/\r\n",
    ] {
        let name = line.split(':').next().unwrap();
        road.refuses(&road.alice, road.head(&road.alice, "GET /closed", format!("{line}{name}: b\r\n")), 400, "header_twice")
            .await;
    }
    road.house
        .set_policies("@id(\"h\") forbid (principal, action, resource) when { context.request.headers.contains(\"admin\") };");
    let said = road.house.command(&["reload"]).await;
    assert!(said.code == Some(1) && format!("{said:?}").contains("headers"), "{said:?}");
}

/// Holds: 59.
#[tokio::test]
async fn nothing_that_a_client_names_steers_the_gate() {
    let road = open().await;
    for line in [
        "X-Request-Id: ../../EVIL",
        "X-Correlation-Id: EVIL",
        "Traceparent: 00-EVIL",
        "X-Sekisho-Skip: policy",
        "Sekisho-User: corp/alice",
        "X-Debug: 1",
        "X-Retry: 1",
        "X-Tenant: admin",
        "X-Bypass: true",
    ] {
        let raw = road.ask(&road.visitor, "GET /closed", format!("{line}\r\n")).await;
        assert_eq!((raw.statuses(), raw.reason().as_deref()), (vec![401], Some("no_credential")), "{line}");
        assert!(!raw.text().contains("EVIL"), "{line}: {}", raw.text());
    }
    let heard = road
        .passes(
            &road.alice,
            road.head(
                &road.alice,
                "POST /closed",
                "X-HTTP-Method-Override: DELETE\r\nX-Method-Override: DELETE\r\nX-Request-Id: EVIL\r\nContent-Length: 0\r\n",
            ),
        )
        .await;
    let told = String::from_utf8_lossy(&heard.bytes).into_owned();
    assert!(!told.contains("DELETE") && !told.contains("EVIL"), "{told}");
    let id = told.lines().find_map(|line| line.strip_prefix("x-request-id: ")).unwrap();
    assert!(id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_hexdigit()), "{id}");
    assert_eq!(road.house.record().access("/closed").last().unwrap()["request"], id);
}
