//! What a request asks for: paths, queries, hosts in the request line.

use super::knock::{Fate, Road, over_http2, side_by_side};
use crate::harness::{House, NAVIGATION, Recorder};

/// Holds: 1, 19.
#[tokio::test]
async fn only_a_path_makes_a_request_public() {
    let road = Road::open().await;
    let closed = [
        "/closed?x=/open/a",
        "/closed?/open/",
        "/closed?x=/../open/",
        "/closed/open/a",
        "/admin?x=/exact",
        "/exactly",
        "/exact/",
        "/openly",
        "/Open/a",
    ];
    road.refuses_targets(&road.visitor, &closed, 401, "no_credential").await;
    for line in [
        "User-Agent: GoogleHC/1.0\r\n",
        "User-Agent: kube-probe/1.29\r\nX-Health-Check: 1\r\n",
        "User-Agent: ELB-HealthChecker/2.0\r\n",
    ] {
        let head = road.head(&road.visitor, "GET /closed", line);
        road.refuses(&road.visitor, head, 401, "no_credential").await;
    }
    for target in ["/open/a?x=/closed", "/open", "/exact?y", "/exact"] {
        road.passes_target(&road.visitor, target).await;
    }
    road.passes_target(&road.alice, "/closed?x=/open/a").await;
}

/// Holds: 2.
#[tokio::test]
async fn nothing_is_cut_at_a_number_sign() {
    let road = Road::open().await;
    let raw = [
        "/closed#/open/x",
        "/open/#/../closed",
        "/open/x#",
        "/#",
        "/closed?#/open",
        "/open/x?a=b#c",
        "https://notes.localhost/#",
    ];
    for who in [&road.visitor, &road.alice] {
        road.refuses_targets(who, &raw, 400, "fragment").await;
    }
    road.refuses_targets(&road.visitor, &["/closed%23/open/x", "/open%23/x", "/exact%23"], 401, "no_credential").await;
    road.refuses_targets(&road.visitor, &["/closed%23/../open/x"], 400, "path_dot_segment").await;
    road.passes_target(&road.visitor, "/open/secret%23/endpoint").await;
    road.passes_target(&road.visitor, "/open/x?a=%23b").await;
}

/// Holds: 4.
#[tokio::test]
async fn a_dot_segment_never_passes() {
    let road = Road::open().await;
    let dots = [
        "/open/../admin/x",
        "/open/%2e%2e/admin/x",
        "/open/%2E%2E/admin/x",
        "/open/.%2E/admin",
        "/open/%2e./admin",
        "/open/./../admin",
        "/open/./x",
        "/open/%2e/x",
        "/open/a/b/../../../admin",
        "/open/..",
        "/open/.",
        "/..",
        "/../admin",
        "/%2e%2e",
        "/open/x/..%2e/../admin",
        "/open/...",
        "/open/..%20/admin",
        "https://notes.localhost/open/../admin",
    ];
    for who in [&road.visitor, &road.alice] {
        road.refuses_targets(who, &dots, 400, "path_dot_segment").await;
    }
    road.refuses_targets(&road.alice, &["/open/..%2fadmin", "/open%2f..%2fadmin", "/open/x%2Fy"], 400, "path_encoded_slash")
        .await;
    road.refuses_targets(&road.alice, &["/open/..\\admin", "/open/..%5cadmin", "/open\\x"], 400, "path_backslash").await;
    for target in ["/open/.hidden", "/open/a..b", "/open/a.", "/open/x?/../admin"] {
        road.passes_target(&road.visitor, target).await;
    }
}

/// Holds: 6.
#[tokio::test]
async fn slashes_are_never_merged_and_name_no_host() {
    let road = Road::open().await;
    let host = format!("//{}/admin", road.host());
    let doubled = ["//admin/secret", "///admin", "//", "/open//x", "/open//", "//evil.example/admin", "//open/x", &host];
    for who in [&road.visitor, &road.alice] {
        road.refuses_targets(who, &doubled, 400, "path_empty_segment").await;
        road.refuses_targets(who, &["/open/./..//admin"], 400, "path_dot_segment").await;
    }
    for target in ["/open/x/", "/open/", "/open/x?//y"] {
        road.passes_target(&road.visitor, target).await;
    }
}

/// Holds: 8.
#[tokio::test]
async fn path_parameters_hide_no_segment() {
    let road = Road::open().await;
    let parameters = [
        "/open/..;/admin",
        "/open/..;x=1/admin",
        "/admin;x",
        "/admin;/x",
        "/.;/admin",
        "/open;/x",
        "/admin/x;y=.css",
        "/;@evil.example",
        "/;",
        // A server before the app may decode these, and does not encode them again.
        "/admin%3Bx",
        "/admin%3b/x",
        "/open%3Bx",
        "/exact%3B",
        "/open/a%3Bb",
        "/open/..%3b/admin",
        "/open/.%3Bx/admin",
        "/open/%2e%2e%3b/x",
    ];
    for who in [&road.visitor, &road.alice] {
        road.refuses_targets(who, &parameters, 400, "path_parameter").await;
    }
    // In a query it is for the app to read.
    road.passes_target(&road.visitor, "/open/a,b=c?c;d%3Be").await;
}

/// Holds: 9.
#[tokio::test]
async fn nothing_decodes_twice() {
    let road = Road::open().await;
    let nested = [
        "/open/%252e%252e/admin",
        "/%2561dmin",
        "/open/%25%32%65%25%32%65/admin",
        "/open/..%252fadmin",
        "/open/%2500",
        "/open/%25252e",
    ];
    for who in [&road.visitor, &road.alice] {
        road.refuses_targets(who, &nested, 400, "path_double_encoding").await;
    }
    road.refuses_targets(&road.alice, &["/open/%%32%65%%32%65/admin"], 400, "path_broken_triplet").await;
    road.passes_target(&road.visitor, "/open/100%25").await;
    // One spelling for the decision and for the app.
    let heard = road.passes(&road.visitor, road.head(&road.visitor, "GET /%6fpen/%7ex%c3%bc", "")).await;
    assert_eq!(heard.lines(), ["GET /open/~x%C3%BC HTTP/1.1"]);
}

/// Holds: 11.
#[tokio::test]
async fn a_target_is_made_of_what_it_may_be_made_of() {
    let road = Road::open().await;
    let encoded = [
        (&["/open/adm%00in", "/open/%0d%0aX:y", "/open/%1f", "/open/%7f", "/open/%0A"][..], "path_control"),
        (
            &["/%c0%af", "/open/%c0%ae%c0%ae/admin", "/open/%ff", "/open/%ed%a0%80", "/open/%f8%88%80%80%80", "/open/%c3"],
            "path_not_text",
        ),
        (&["/open/%zz", "/open/%", "/open/%2", "/open/%2g", "/open/%u002e", "/open/%-1"], "path_broken_triplet"),
    ];
    for (targets, reason) in encoded {
        for who in [&road.visitor, &road.alice] {
            road.refuses_targets(who, targets, 400, reason).await;
        }
    }
    // Every byte that has no place in a path, as it is.
    let bytes: Vec<u8> = (0..=0x20).chain(0x7f..=0xff).chain(*b"<>`").collect();
    let raw = bytes.into_iter().map(|byte| {
        let road = &road;
        async move {
            let head = road.head(&road.alice, [b"GET /open/a", &[byte][..], b"b"].concat(), "");
            let raw = road.alice.client.raw(&road.url(), head).await;
            assert_eq!(raw.statuses(), [400], "{byte:#x}: {}", raw.text());
        }
    });
    side_by_side(raw).await;
    let query = [0, 9, 0x0b, 0x1f, 0x7f, 0x80, 0xff, b'<', b'"'].into_iter().map(|byte| {
        let road = &road;
        async move {
            let head = road.head(&road.alice, [b"GET /open?a", &[byte][..], b"b"].concat(), "");
            assert_eq!(road.alice.client.raw(&road.url(), head).await.statuses(), [400], "{byte:#x}");
        }
    });
    side_by_side(query).await;
    road.silent("raw bytes");
    road.passes_target(&road.visitor, "/open/a-._~!$&'()*+,=:@%20%C3%BC?%00%zz=[]|^`{}'").await;
}

/// Holds: 13.
#[tokio::test]
async fn a_host_is_compared_whole() {
    let evil = ["notes.localhost.evil.example", "xnotes.localhost", "notesxlocalhost", "a.notes.localhost", "localhost"];
    let plan = evil.iter().fold(House::plan(), |plan, host| plan.certified_for(host));
    let road = Road::planned(plan, "", Recorder::open().await).await;
    let ask = async |host: &str, target: &str| {
        let head = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{}\r\n", road.alice.line);
        let raw = road.alice.client.raw(&road.url(), &head).await;
        (raw.statuses(), raw.reason().unwrap_or_default())
    };
    for host in evil {
        assert_eq!(ask(host, "/open/x").await, (vec![404], "unknown_host".to_owned()), "{host}");
        assert_eq!(ask(host, "/notes.localhost/open/x").await.0, [404], "{host}");
    }
    // What the certificate does not cover is not even said to be unknown.
    for host in ["notes-localhost", "notes.localhost2", "127.0.0.1", "[::1]", "wiki"] {
        assert_eq!(ask(host, "/open/x").await, (vec![421], "misdirected".to_owned()), "{host}");
    }
    for host in ["*.localhost", "notes%2elocalhost", "notes_localhost", ".notes.localhost", "notes..localhost"] {
        assert_eq!(ask(host, "/open/x").await.0, [400], "{host}");
    }
    road.silent("other hosts");
    for host in ["notes.localhost", "NOTES.localhost", "notes.localhost.", &road.host()] {
        assert_eq!(ask(host, "/open/x").await.0, [200], "{host}");
        assert!(road.notes.take().has(&format!("\r\nhost: {}\r\n", road.host())), "the app hears one name");
    }
}

/// Holds: 2, 15.
#[tokio::test]
async fn a_path_of_http2_begins_with_a_slash() {
    let road = Road::open().await;
    let cookie = road.alice.line.trim().strip_prefix("Cookie: ").unwrap().to_owned();
    let host = road.host();
    let fate = async |method: &str, path: &str| {
        let fields = [(":method", method), (":scheme", "https"), (":authority", &host), (":path", path), ("cookie", &cookie)];
        over_http2(&road.alice.client, &road.url(), &fields, None).await
    };
    for path in ["admin/x", "open/x", "*", "", "open", "?x", "https://notes.localhost/open/x", "@evil.example/", "\\open"] {
        assert_ne!(fate("GET", path).await, Fate::Served, "{path}");
    }
    for path in ["*", "x"] {
        assert_ne!(fate("OPTIONS", path).await, Fate::Served, "{path}");
    }
    road.refuses(&road.alice, road.head(&road.alice, "OPTIONS *", ""), 501, "server_wide").await;
    road.refuses(&road.alice, road.head(&road.alice, "GET *", ""), 400, "target").await;
    for path in ["/open/../admin", "/open//x", "/open/%2e%2e", "/a;b", "/open\\x", "/a%00", "/a\tb", "/a b"] {
        assert_ne!(fate("GET", path).await, Fate::Served, "{path}");
    }
    road.silent("paths of HTTP/2");
    // The library cuts at `#` before anybody reads: what is decided on is what the app gets, and nothing knows of more.
    assert_eq!(fate("GET", "/open#/../closed").await, Fate::Served);
    assert_eq!(road.notes.take().lines(), ["GET /open HTTP/1.1"]);
    let nobody = [(":method", "GET"), (":scheme", "https"), (":authority", &*host), (":path", "/closed#/open/x")];
    assert_eq!(over_http2(&road.visitor.client, &road.url(), &nobody, None).await, Fate::Refused);
    road.silent("a fragment in HTTP/2");
    assert_eq!(fate("GET", "/open/x").await, Fate::Served);
    assert_eq!(road.notes.take().lines(), ["GET /open/x HTTP/1.1"]);
}

/// Holds: 16.
#[tokio::test]
async fn a_target_and_its_host_header_name_the_same_host() {
    let road = Road::open().await;
    let host = road.host();
    let port = road.house.port();
    let cases = [
        ("http://wiki.localhost/x".to_owned(), "scheme"),
        (format!("https://wiki.localhost:{port}/x"), "hosts_differ"),
        (format!("https://notes.localhost:{}/x", port ^ 1), "port"),
        ("https://notes.localhost:0443/x".to_owned(), "host"),
        (format!("https://user@{host}/x"), "target"),
        (format!("https://user:word@{host}/x"), "target"),
        (format!("https://wiki.localhost\\@{host}/x"), "target"),
        (format!("ftp://{host}/x"), "target"),
        (format!("http://{host}/x"), "scheme"),
        (format!("gopher://{host}/x"), "target"),
        ("https:///x".to_owned(), "target"),
        ("https:/x".to_owned(), "target"),
        ("https:x".to_owned(), "target"),
        (host.clone(), "target"),
        ("x".to_owned(), "target"),
        (format!("https://{host}//x"), "path_empty_segment"),
        (format!("https://{host}/open/../x"), "path_dot_segment"),
    ];
    for (target, reason) in cases {
        let head = road.head(&road.alice, format!("GET {target}"), "");
        road.refuses(&road.alice, head, 400, reason).await;
    }
    for target in [format!("https://{host}/open/x"), format!("HTTPS://NOTES.localhost:{port}/open/x")] {
        let heard = road.passes(&road.alice, road.head(&road.alice, format!("GET {target}"), "")).await;
        assert_eq!(heard.lines(), ["GET /open/x HTTP/1.1"]);
        assert!(heard.has(&format!("\r\nhost: {host}\r\n")));
    }
}

/// Holds: 18.
#[tokio::test]
async fn no_policy_reads_a_query_and_the_app_gets_it_as_it_is() {
    let road = Road::open().await;
    let many = format!("/admin?{}", "a&".repeat(3000));
    for target in
        ["/admin?admin=0;admin=1", "/admin?a=%zz&role=user&role=admin", "/admin?", "/admin??=?", "/admin?a=%00%0d%0a", &many]
    {
        road.passes_target(&road.alice, target).await;
        road.refuses_targets(&road.visitor, &[target], 401, "no_credential").await;
    }
    road.refuses_targets(&road.alice, &[&format!("/admin?{}", "a&".repeat(40_000))], 414, "target_too_long").await;
    // There is no such fact.
    let mut house = road.house;
    house.set_policies("@id(\"q\") permit (principal, action, resource) when { context.request.query == \"admin=1\" };");
    let said = house.command(&["reload"]).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(format!("{said:?}").contains("query"), "{said:?}");
}

/// Holds: 21.
#[tokio::test]
async fn a_preflight_takes_nobody_along() {
    let lies = "Origin: https://elsewhere.example\r\nX-Forwarded-User: EVIL\r\nX_Forwarded_User: EVIL\r\nSekisho-Assertion: EVIL\r\n\
        X-Forwarded-For: 6.6.6.6\r\nX-Request-Id: EVIL\r\nAuthorization: Bearer EVIL\r\n";
    let asks = format!("{lies}Access-Control-Request-Method: PUT\r\n");
    for (mode, status) in [("answer", 204), ("refuse", 401), ("forward", 200)] {
        let settings = format!("cors_preflight = \"{mode}\"\npass_authorization = true");
        let road = Road::planned(House::plan(), &settings, Recorder::open().await).await;
        // Who is signed in: nothing of that goes along either.
        let cookies = road.alice.line.replace("\r\n", "; theirs=EVIL\r\n");
        let raw = road.ask(&road.visitor, "OPTIONS /closed", format!("{asks}{cookies}Content-Length: 0\r\n")).await;
        let heard = road.notes.take();
        let known = mode == "refuse";
        assert_eq!(raw.statuses(), [if known { 200 } else { status }], "{mode}: {}", raw.text());
        assert_eq!(heard.heads.len(), usize::from(mode != "answer"), "{mode}");
        assert!(!raw.text().contains("elsewhere"), "{mode}: {}", raw.text());
        if !known {
            for evil in ["EVIL", "6.6.6.6", "cookie", "authorization", "x-forwarded-user", "sekisho-assertion"] {
                assert!(
                    !heard.has(&format!("\r\n{evil}")) && !heard.has("EVIL"),
                    "{mode}: {}",
                    String::from_utf8_lossy(&heard.bytes)
                );
            }
        }
        // Nobody.
        let raw = road.ask(&road.visitor, "OPTIONS /closed", &asks).await;
        assert_eq!(raw.statuses(), [status], "{mode}: {}", raw.text());
        let heard = road.notes.take();
        assert_eq!(heard.heads.len(), usize::from(mode == "forward"), "{mode}");
        assert!(!heard.has("EVIL") && !heard.has("6.6.6.6"), "{mode}: {}", String::from_utf8_lossy(&heard.bytes));
        let body =
            [road.head(&road.visitor, "OPTIONS /closed", format!("{asks}Content-Length: 4\r\n")), b"EVIL".to_vec()].concat();
        let raw = road.visitor.client.raw(&road.url(), body).await;
        assert_eq!(raw.statuses(), [401], "{mode} with a body: {}", raw.text());
        // What is no preflight is asked who it is.
        for (method, lines) in [("OPTIONS", lies), ("GET", asks.as_str()), ("OPTIONS", "Access-Control-Request-Method: PUT\r\n")]
        {
            let raw = road.ask(&road.visitor, format!("{method} /closed"), lines).await;
            assert_eq!(raw.statuses(), [401], "{mode} {method}: {}", raw.text());
        }
        road.silent(mode);
    }
}

/// Holds: 22.
#[tokio::test]
async fn what_cannot_be_read_is_refused_recorded_and_told_in_our_words() {
    let road = Road::open().await;
    let host = road.host();
    let line = |first: &str| format!("{first}\r\nHost: {host}\r\n\r\n");
    // What the framing guard refuses has no path in the record: nothing of such a request is believed.
    let unreadable = [
        (line("GET /a b HTTP/1.1"), 400, "version"),
        (line("GET /a#b HTTP/1.1"), 400, "fragment"),
        (line("G@T / HTTP/1.1"), 400, "method_malformed"),
        (line("GET / HTTP/1.2"), 505, "version_unsupported"),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400, "host_missing"),
        (line("GET /%zz HTTP/1.1"), 400, "path_broken_triplet"),
        (format!("GET / HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer\r\n\r\n"), 401, "malformed_authorization"),
        (format!("GET / HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer a.b.c\r\n\r\n"), 401, ""),
        (format!("GET / HTTP/1.1\r\nHost: {host}\r\nCookie: __Host-sekisho=%00\r\n\r\n"), 401, ""),
        (format!("GET / HTTP/1.1\r\nHost: {host}\r\nContent-Length: x\r\n\r\n"), 400, "content_length"),
    ];
    for (bytes, status, reason) in &unreadable {
        let before = road.house.record().lines().len();
        let raw = road.visitor.client.raw(&road.url(), bytes).await;
        assert_eq!(raw.statuses(), [*status], "{bytes:?}: {}", raw.text());
        let told = raw.reason().expect("a reason in our words");
        assert!(reason.is_empty() || told == *reason, "{bytes:?}: {told}");
        assert!(raw.text().contains("\r\ncontent-type: application/problem+json\r\n"), "{}", raw.text());
        assert!(raw.text().contains("no-store"), "{}", raw.text());
        let lines = road.house.record().lines();
        let fresh: Vec<_> = lines[before.min(lines.len())..].iter().filter(|line| line["line"] == "access").collect();
        assert!(
            lines.iter().any(|line| line["line"] == "access" && line["reason"] == told.as_str() && line["status"] == *status),
            "{bytes:?} is not in the record: {fresh:?}"
        );
    }
    let refused = road.house.metrics().await.sum("sekisho_requests_total", &[]);
    assert!(refused >= 10.0, "{refused}");
    road.silent("what cannot be read");
    road.passes_target(&road.alice, "/a").await;
}

/// Holds: 49.
#[tokio::test]
async fn no_header_says_where_a_person_is_sent() {
    let road = Road::open().await;
    for (name, value) in [
        ("X-Forwarded-Prefix", "//evil.example"),
        ("X-Forwarded-Prefix", "/open"),
        ("X-Forwarded-Path", "/open/x"),
        ("X-Forwarded-Uri", "/open/x"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Proto", "javascript"),
        ("X-Forwarded-Port", "6666666"),
        ("X-Forwarded-Server", "evil.example"),
        ("X-Original-URL", "/open/x"),
        ("X-Rewrite-URL", "/open/x"),
        ("X-Original-Uri", "/open/x"),
        ("X_Forwarded_Prefix", "//evil.example"),
        ("Forwarded", "host=evil.example;proto=http"),
    ] {
        let navigation: String = NAVIGATION.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let raw = road.ask(&road.visitor, "GET /closed", format!("{navigation}{name}: {value}\r\n")).await;
        let text = raw.text();
        let to = text.lines().find_map(|line| line.strip_prefix("location: ")).unwrap_or_else(|| panic!("{name}: {text}"));
        assert!(to.starts_with(&road.house.url("gate", "/.sekisho/sign-in")), "{name}: {to}");
        assert!(!text.contains("evil.example") && !to.contains("javascript") && !to.contains("6666666"), "{name}: {text}");
        road.silent(name);
        let heard = road.passes(&road.visitor, road.head(&road.visitor, "GET /open/x", format!("{name}: {value}\r\n"))).await;
        assert!(
            !heard.has("evil.example") && !heard.has("prefix") && !heard.has("6666666") && !heard.has("javascript"),
            "{name}"
        );
        assert!(heard.has(&format!("\r\nx-forwarded-host: {}\r\n", road.host())), "ours is there");
    }
}
