//! What a client says of itself in headers.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use serde_json::{Value, json};

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

async fn open() -> Road {
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

/// Holds: 44.
#[tokio::test]
async fn who_is_in_no_group_is_in_none_whatever_it_says() {
    let policies = "@id(\"all\") permit (principal, action, resource);";
    let road = Road::planned(House::plan().policies(policies), "", Recorder::open().await).await;
    let key = Key::new();
    let road = with_partner(road, &key).await;
    let token = key.sign(&road, &json!({ "groups": [] }));
    let lines = "X-Forwarded-Groups: admins\r\nX-Forwarded-Email: evil@corp.example\r\nX_Forwarded_Groups: admins\r\n";
    let head = road.head(&road.visitor, "GET /closed", format!("Authorization: Bearer {token}\r\n{lines}"));
    let heard = road.passes(&road.visitor, head).await;
    assert!(heard.has("\r\nx-forwarded-user: partner/guest\r\n"));
    assert!(!heard.has("admins") && !heard.has("forwarded-groups") && !heard.has("forwarded_groups") && !heard.has("email"));
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

/// Holds: 50.
#[tokio::test]
async fn an_address_is_what_the_socket_says() {
    let policies =
        "@id(\"here\") permit (principal, action, resource) when { context.request.source_ip.isInRange(ip(\"127.0.0.0/8\")) };
        @id(\"nowhere\") forbid (principal, action, resource) when { context.request.source_ip.isInRange(ip(\"10.0.0.0/8\")) };";
    let mut road = Road::planned(House::plan().policies(policies), "", Recorder::open().await).await;
    let many = vec!["1.2.3.4"; 1000].join(", ");
    let lies = [
        "X-Forwarded-For: 10.0.0.1".to_owned(),
        "X-Forwarded-For: 10.0.0.1, 127.0.0.1, ::1".to_owned(),
        "X-Forwarded-For: ::ffff:10.0.0.1".to_owned(),
        "X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: 10.0.0.2".to_owned(),
        "X-Forwarded-For: unknown, _hidden, \"[::1]\"".to_owned(),
        "X_Forwarded_For: 10.0.0.1".to_owned(),
        "Forwarded: for=10.0.0.1;proto=http;by=10.0.0.2".to_owned(),
        "Client-Ip: 10.0.0.1\r\nTrue-Client-Ip: 10.0.0.1\r\nX-Real-Ip: 10.0.0.1\r\nCf-Connecting-Ip: 10.0.0.1\r\nX-Cluster-Client-Ip: 10.0.0.1".to_owned(),
        format!("X-Forwarded-For: {many}"),
    ];
    for lie in &lies {
        let heard =
            road.passes(&road.alice, road.head(&road.alice, "GET /closed", format!("Connection: close\r\n{lie}\r\n"))).await;
        assert!(heard.has("\r\nx-forwarded-for: 127.0.0.1\r\n"), "{lie}");
        for evil in ["10.0.0.", "1.2.3.4", "_hidden", "::ffff"] {
            assert!(!heard.has(evil), "{lie}: {}", String::from_utf8_lossy(&heard.bytes));
        }
    }
    // The same address in its other spelling.
    let config = std::fs::read_to_string(road.house.config()).unwrap();
    std::fs::write(road.house.config(), config.replace("https = \"127.0.0.1:", "https = \"[::]:")).unwrap();
    road.house.restart().await;
    let heard = road.passes(&road.alice, road.head(&road.alice, "GET /mapped", "Connection: close\r\n")).await;
    assert!(heard.has("\r\nx-forwarded-for: 127.0.0.1\r\n"), "{}", String::from_utf8_lossy(&heard.bytes));
    let line = road.house.record().only_access("/mapped");
    assert!(line.to_string().contains("127.0.0.1") && !line.to_string().contains("ffff:"), "{line}");
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

/// Holds: 56.
#[tokio::test]
async fn one_credential_and_one_reading_of_it() {
    let road = open().await;
    let token = road.house.idp.token("alice", Some(road.laptop.thumbprint()));
    let ask = async |lines: String| {
        let raw = road.ask(&road.visitor, "GET /closed", lines).await;
        (raw.statuses(), raw.reason().unwrap_or_default())
    };
    let twice = (vec![400], "authorization_twice".to_owned());
    assert_eq!(ask(format!("Authorization: Bearer {token}\r\nAuthorization: Bearer {token}\r\n")).await, twice);
    assert_eq!(ask(format!("Authorization: Basic YTpi\r\nAuthorization: Bearer {token}\r\n")).await, twice);
    assert_eq!(ask(format!("Authorization: \r\nAuthorization: Bearer {token}\r\n")).await, twice);
    for value in [
        format!("Basic {token}"),
        format!("Bearer {token}, Bearer {token}"),
        format!("Bearer {token} x"),
        format!("Bearer\t{token}"),
        format!("Bearer{token}"),
        format!("Bearer \"{token}\""),
        format!("Bearer token={token}"),
        format!("Token {token}"),
        format!("DPoP {token}"),
        format!("Negotiate {token}"),
        token.clone(),
        "Bearer".to_owned(),
        "Bearer =".to_owned(),
    ] {
        assert_eq!(ask(format!("Authorization: {value}\r\n")).await.0, [401], "{value}");
        road.silent(&value);
    }
    // Where our cookie is, the token is not asked, whichever of them is right.
    for session in ["A".repeat(43), "x".to_owned(), String::new(), format!("{}; __Host-sekisho=x", "A".repeat(43))] {
        let lines = format!("Cookie: __Host-sekisho={session}\r\nAuthorization: Bearer {token}\r\n");
        assert_eq!(ask(lines).await.0, [401], "{session}");
    }
    assert_eq!(ask(format!("{}Cookie: a=b\r\n", road.alice.line)).await, (vec![400], "cookie_twice".to_owned()));
    road.silent("wrong credentials");
    let heard = road.passes(&road.alice, road.head(&road.alice, "GET /closed", "Authorization: Bearer wrong\r\n")).await;
    assert!(heard.has("corp/alice") && !heard.has("authorization"));
    // As many spaces as they like (RFC 9110, section 11.4).
    for scheme in ["Bearer", "bearer", "BEARER", "Bearer "] {
        let heard = road
            .passes(&road.visitor, road.head(&road.visitor, "GET /closed", format!("Authorization: {scheme} {token}\r\n")))
            .await;
        assert!(heard.has("corp/alice") && !heard.has(&token), "{scheme}");
    }
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

/// Holds: 60.
#[tokio::test]
async fn an_assertion_is_for_one_app_and_opens_nothing_here() {
    let road = Road::planned(House::plan().app("files", "upstream = [\"{wiki}\"]"), "", Recorder::open().await).await;
    let heard = road.passes(&road.alice, road.head(&road.alice, "GET /closed", "")).await;
    let told = String::from_utf8_lossy(&heard.bytes).into_owned();
    let assertion = told.lines().find_map(|line| line.strip_prefix("sekisho-assertion: ")).unwrap().to_owned();
    let keys: jsonwebtoken::jwk::JwkSet =
        serde_json::from_value(road.house.stranger().get(&road.house.url("files", "/.sekisho/jwks.json")).await.json()).unwrap();
    let header = jsonwebtoken::decode_header(&assertion).unwrap();
    let key = jsonwebtoken::DecodingKey::from_jwk(keys.find(header.kid.as_deref().unwrap()).unwrap()).unwrap();
    let open = |audience: &str| {
        let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
        rules.set_audience(&[audience]);
        rules.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        jsonwebtoken::decode::<Value>(&assertion, &key, &rules).map(|token| token.claims)
    };
    let claims = open("notes").unwrap();
    let life = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert!((1..=300).contains(&life), "{claims}");
    for other in ["files", "wiki", "note", "notes2"] {
        assert!(open(other).is_err(), "{other}");
    }
    // Neither is it a credential at the gate, nor does any of the gate's own pages take somebody's word.
    for line in [
        format!("Authorization: Bearer {assertion}\r\n"),
        format!("Sekisho-Assertion: {assertion}\r\n"),
        format!("Cookie: __Host-sekisho={assertion}\r\n"),
    ] {
        let raw = road.ask(&road.visitor, "GET /closed", &line).await;
        assert_eq!(raw.statuses(), [401], "{line}: {}", raw.text());
        for own in ["GET /.sekisho/whoami?user=corp/alice&session=x", "GET /.sekisho/whoami?sekisho-assertion=x"] {
            let raw = road.ask(&road.visitor, own, &line).await;
            assert!(!raw.text().contains("alice@corp.example") && !raw.text().contains("corp/alice"), "{own}: {}", raw.text());
        }
    }
    road.silent("assertions");
}

/// Holds: 61.
#[tokio::test]
async fn one_host_with_one_reading() {
    let road = open().await;
    let (host, port) = (road.host(), road.house.port());
    let wiki = format!("wiki.localhost:{port}");
    let cases = [
        (format!("Host: {host}\r\nHost: {host}\r\n"), "host_twice"),
        (format!("Host: {host}\r\nHost: {wiki}\r\n"), "host_twice"),
        (format!("Host: {host}\r\nhost: {wiki}\r\n"), "host_twice"),
        (format!("Host: {host}, {wiki}\r\n"), "host"),
        (format!("Host: evil@{host}\r\n"), "host"),
        (format!("Host: {host}/admin\r\n"), "host"),
        (format!("Host: {host} {wiki}\r\n"), "host"),
        (format!("Host: {host}#x\r\n"), "host"),
        (format!("Host: {host}?x\r\n"), "host"),
        (format!("Host: {host}\\@{wiki}\r\n"), "host"),
        ("Host: notes%2elocalhost\r\n".to_owned(), "host"),
        ("Host: notes.localhost:99999\r\n".to_owned(), "host"),
        ("Host: notes.localhost:80a\r\n".to_owned(), "host"),
        (format!("Host: {host}:{port}\r\n"), "host"),
        (format!("Host: notes.localhost:0{port}\r\n"), "host"),
        ("Host: notes.localhost:\r\n".to_owned(), "host"),
        (format!("Host: notes.localhost:{}\r\n", port ^ 1), "port"),
        ("Host: notes.localhost..\r\n".to_owned(), "host"),
        ("Host: [::1\r\n".to_owned(), "host"),
        ("Host: \r\n".to_owned(), "host"),
        (String::new(), "host_missing"),
        (format!("X-Host: {host}\r\n"), "host_missing"),
        (format!("Host_: {host}\r\n"), "host_missing"),
    ];
    for (lines, reason) in &cases {
        for version in ["1.1", "1.0"] {
            let bytes = format!("GET /open/x HTTP/{version}\r\n{lines}{}\r\n", road.alice.line);
            road.refuses(&road.alice, bytes, 400, reason).await;
        }
    }
    road.refuses(&road.alice, format!("GET /open/x HTTP/1.1\r\nHost: {host}\0.evil.example\r\n\r\n"), 400, "header_value").await;
    // Over HTTP/2 both may be there, if they agree.
    let fate = async |fields: &[(&str, &str)]| {
        let all = [&[(":method", "GET"), (":scheme", "https"), (":path", "/open/x")][..], fields].concat();
        over_http2(&road.alice.client, &road.url(), &all, None).await
    };
    for fields in [
        &[(":authority", &*host), ("host", &*wiki)][..],
        &[(":authority", &host), ("host", &host), ("host", &wiki)],
        &[(":authority", &host), ("host", &host), ("host", &host)],
        &[(":authority", &host), (":authority", &wiki)],
        &[(":authority", "evil@notes.localhost")],
        &[(":authority", "notes.localhost/admin")],
        &[(":authority", "notes.localhost, wiki.localhost")],
        &[(":authority", "")],
        &[(":authority", &host), ("host", "")],
        &[],
    ] {
        assert_ne!(fate(fields).await, Fate::Served, "{fields:?}");
    }
    road.silent("hosts");
    for fields in [&[(":authority", &*host)][..], &[(":authority", &host), ("host", &host)], &[("host", &host)]] {
        assert_eq!(fate(fields).await, Fate::Served, "{fields:?}");
        assert!(road.notes.take().has(&format!("\r\nhost: {host}\r\n")), "{fields:?}");
    }
}

/// Holds: 62.
#[tokio::test]
async fn a_claim_of_another_shape_is_no_membership() {
    let policies = "@id(\"wiki\") permit (principal in Group::\"staff\", action, resource);
        @id(\"house\") permit (principal, action, resource == App::\"notes\") when { principal has email && principal.email like \"*@company.example\" };
        @id(\"admins\") permit (principal in Group::\"admin\", action, resource == App::\"notes\");";
    let key = Key::new();
    let road = with_partner(Road::planned(House::plan().policies(policies), "", Recorder::open().await).await, &key).await;
    let ask = async |claims: Value| {
        let token = key.sign(&road, &claims);
        road.ask(&road.visitor, "GET /closed", format!("Authorization: Bearer {token}\r\n")).await.statuses()
    };
    for email in [
        json!("attacker@evil.example@company.example"),
        json!("attacker@evil.example,a@company.example"),
        json!("\"a@b\"@company.example"),
        json!("a b@company.example"),
        json!("a\r\n@company.example"),
        json!("@company.example"),
        json!("a@company.example.evil.example"),
        json!("a@xcompany.example"),
        json!("a@company.example\u{0}"),
        json!(["a@company.example"]),
        json!({ "a": "a@company.example" }),
        json!(""),
        json!(null),
        json!(1),
    ] {
        assert_ne!(ask(json!({ "groups": [], "email": email, "email_verified": true })).await, [200], "{email}");
    }
    for verified in [json!(false), json!("true"), json!(1), json!(null), json!([true])] {
        assert_ne!(
            ask(json!({ "groups": [], "email": "a@company.example", "email_verified": verified })).await,
            [200],
            "{verified}"
        );
    }
    assert_ne!(ask(json!({ "groups": [], "email": "a@company.example" })).await, [200]);
    for groups in [
        json!("admin"),
        json!(""),
        json!([""]),
        json!([["admin"]]),
        json!([{ "name": "admin" }]),
        json!([1, "admin"]),
        json!([null, "admin"]),
        json!({ "admin": true }),
        json!(null),
        json!(true),
        json!(["Admin"]),
        json!(["admin "]),
        json!(["admin,x"]),
        json!(["administrators"]),
    ] {
        assert_ne!(ask(json!({ "groups": groups })).await, [200], "{groups}");
    }
    assert_ne!(ask(json!({})).await, [200], "no groups at all");
    road.silent("claims");
    assert_eq!(ask(json!({ "groups": [], "email": "a@Company.Example", "email_verified": true })).await, [200]);
    assert_eq!(ask(json!({ "groups": ["admin"] })).await, [200]);
}

/// Holds: 63.
#[tokio::test]
async fn what_a_provider_says_is_one_value_of_one_header() {
    let key = Key::new();
    let plan = House::plan().policies("@id(\"all\") permit (principal, action, resource);");
    let road = with_partner(Road::planned(plan, "", Recorder::open().await).await, &key).await;
    let ask = async |claims: Value| {
        let token = key.sign(&road, &claims);
        let raw = road.ask(&road.visitor, "GET /closed", format!("Authorization: Bearer {token}\r\n")).await;
        (raw.statuses(), road.notes.take())
    };
    for evil in ["a\r\nX-Role: admin", "a\rX-Role: admin", "a\nX-Role: admin", "a\0b", "a\u{85}b", "a\u{7f}b", "\t"] {
        for claims in [json!({ "groups": ["staff", evil] }), json!({ "groups": [], "sub": evil })] {
            let (statuses, heard) = ask(claims).await;
            assert!(statuses[0] >= 400 && heard.heads.is_empty(), "{evil:?}: {statuses:?}");
        }
        let (_, heard) =
            ask(json!({ "groups": [], "name": evil, "email": format!("{evil}@a.example"), "email_verified": true })).await;
        assert!(
            !heard.has("\r\nx-role") && !heard.has("x-forwarded-email"),
            "{evil:?}: {}",
            String::from_utf8_lossy(&heard.bytes)
        );
    }
    let (statuses, heard) = ask(json!({ "groups": ["a,b", "x|y", "50%", "staff;admin", "zoë \u{1f600}"]})).await;
    assert_eq!(statuses, [200]);
    let told = String::from_utf8_lossy(&heard.bytes).into_owned();
    let value = |name: &str| told.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap().to_owned();
    assert_eq!(value("x-forwarded-user"), "partner/guest");
    assert_eq!(value("x-forwarded-groups"), "50%25,a%2Cb,staff;admin,x|y,zo%C3%AB %F0%9F%98%80");
    let assertion = value("sekisho-assertion");
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(assertion.split('.').nth(1).unwrap()).unwrap()).unwrap();
    assert_eq!(claims["groups"], json!(["50%", "a,b", "staff;admin", "x|y", "zoë \u{1f600}"]));
}

/// The signing key of a provider that says what a test wants.
struct Key {
    pair: EcdsaKeyPair,
    private: Vec<u8>,
}

impl Key {
    fn new() -> Self {
        let private =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &aws_lc_rs::rand::SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, private.as_ref()).unwrap();
        Self { pair, private: private.as_ref().to_vec() }
    }

    fn jwks(&self) -> String {
        let point = self.pair.public_key().as_ref();
        let coordinate = |from: usize| URL_SAFE_NO_PAD.encode(&point[from..from + 32]);
        json!({ "keys": [{ "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "p", "x": coordinate(1), "y": coordinate(33) }] })
            .to_string()
    }

    /// A good token of `guest` on this road's laptop, but for `claims`.
    fn sign(&self, road: &Road, claims: &Value) -> String {
        let now = time::OffsetDateTime::now_utc().unix_timestamp();
        let mut all = json!({
            "iss": "https://partner.example", "aud": "sekisho", "sub": "guest", "iat": now, "nbf": now, "exp": now + 300,
            "auth_time": now, "jti": format!("{:?}", std::time::Instant::now()),
            "cnf": { "x5t#S256": URL_SAFE_NO_PAD.encode(road.laptop.thumbprint()) },
        });
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256);
        header.kid = Some("p".to_owned());
        header.typ = Some("at+jwt".to_owned());
        jsonwebtoken::encode(&header, &all, &jsonwebtoken::EncodingKey::from_ec_der(&self.private)).unwrap()
    }
}

/// The same road, with a second provider whose tokens `key` signs.
async fn with_partner(mut road: Road, key: &Key) -> Road {
    road.house.write("partner.json", &key.jwks());
    let section = "[[identity_provider]]\nname = \"partner\"\nissuer = \"https://partner.example\"\naudience = \"sekisho\"\n\
         jwks_file = \"partner.json\"\ngroups_claim = \"groups\"\n";
    road.house.set("end", section);
    road.house.must(&["reload"]).await;
    road
}
