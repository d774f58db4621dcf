//! The host that a request names, and the address that it comes from.

use super::headers::open;
use super::knock::{Fate, Road, over_http2};
use crate::harness::{House, Recorder};

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
