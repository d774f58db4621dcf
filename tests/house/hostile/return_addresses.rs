//! Where signing in and out leads a browser in the end.

use std::collections::BTreeSet;

use http::Method;
use url::{Url, form_urlencoded};

use crate::harness::{House, NAVIGATION, Reply};

/// Ways to write an address that browsers, servers and their parsers have read in different ways, for a page on `evil.test`.
fn return_addresses(own: &str) -> BTreeSet<String> {
    let own_host = own.strip_prefix("https://").unwrap();
    let bare_host = own_host.split(':').next().unwrap();
    let slashes = [
        "/", "//", "///", "////", "\\", "\\\\", "/\\", "\\/", "/\\/", "//\\", "\\/\\/", "/./", "/.//", "/..//", "/%2f", "/%5c",
        "%2f%2f", "%5c%5c",
    ];
    let gaps =
        ["", "\t", "\n", "\r\n", " ", "\u{b}", "\0", "%00", "%09", "%0a", "%0d%0a", "\u{a0}", "\u{200b}", "\u{3000}", "\u{ff0f}"];
    let hosts = ["evil.test", "evil%E3%80%82test", "evil\u{3002}test", "127.0.0.1", "0x7f000001", "[::1]", "2130706433"];
    let schemes = [
        "https:",
        "http:",
        "HTTPS:",
        "javascript:",
        "JaVaScRiPt:",
        "java\tscript:",
        "data:text/html,",
        "vbscript:",
        "ftp:",
        "file:",
        "blob:https:",
        "view-source:https:",
        "ws:",
        "https",
        "//https:",
        "\u{1}javascript:",
    ];
    let mut all = BTreeSet::new();
    for slash in slashes {
        for gap in gaps {
            all.insert(format!("{gap}{slash}{}", hosts[0]));
            all.insert(format!("/{gap}{slash}{}", hosts[0]));
            all.insert(format!("{slash}{gap}{}/", hosts[0]));
        }
        for host in hosts {
            all.insert(format!("{slash}{host}/"));
        }
        for scheme in schemes {
            all.insert(format!("{scheme}{slash}{}/", hosts[0]));
        }
    }
    for scheme in schemes {
        all.insert(format!("{scheme}{}", hosts[0]));
        all.insert(format!("{scheme}alert(1)//{own}/"));
    }
    for (before, after) in [
        ("", "@"),
        ("", ":@"),
        ("", "."),
        ("", "%2e"),
        ("evil.test/", ""),
        ("evil.test?", ""),
        ("evil.test#", ""),
        ("evil.test\\", ""),
        ("evil.test%23@", ""),
        ("a:b@", "@"),
        ("x@", ":1@"),
    ] {
        for host in [own_host, bare_host] {
            all.insert(format!("https://{before}{host}{after}evil.test/"));
            all.insert(format!("https://{before}{host}{after}evil.test"));
        }
    }
    for tail in [
        "//evil.test/",
        "/\\evil.test/",
        "\\evil.test",
        "/.sekisho/sign-in?to=https://evil.test/",
        "/.sekisho",
        "/.sekisho/../..//evil.test",
        "/%0d%0aSet-Cookie:%20x=1",
        "/\r\nSet-Cookie: x=1",
        "/\u{2028}",
        "/<script>",
        "/\"onload=",
        "?x",
        "#evil",
        ".evil.test/",
        "@evil.test/",
        ":443@evil.test/",
        ":1/",
        "evil.test/",
        "%00.evil.test/",
        "%2eevil.test/",
        ";.evil.test/",
    ] {
        all.insert(format!("{own}{tail}"));
        all.insert(format!("https://{bare_host}{tail}"));
        all.insert(format!("http://{own_host}{tail}"));
    }
    all
}

/// Where a browser would go that gets this `Location`.
#[track_caller]
fn leads_home(house: &House, reply: &Reply, what: &str) {
    let location = reply.header("location").unwrap_or_else(|| panic!("{what:?}: {}", reply.shown()));
    assert!(location.bytes().all(|byte| byte.is_ascii_graphic()) && !location.contains('\\'), "{what:?}: {location:?}");
    let url = Url::parse(location).unwrap_or_else(|error| panic!("{what:?}: {location:?}: {error}"));
    let home = ["gate.localhost", "wiki.localhost"].iter().any(|host| url.host_str() == Some(host));
    assert!(home && url.scheme() == "https" && url.port() == Some(house.port()), "{what:?} leads to {location:?}");
    assert!(url.username().is_empty() && url.password().is_none() && !url.path().starts_with("//"), "{what:?}: {location:?}");
    assert!(
        reply.headers.get("x").is_none() && !reply.headers.get_all("set-cookie").iter().any(|cookie| cookie == "x=1"),
        "{what:?}"
    );
}

/// Holds: 98.
#[tokio::test]
async fn a_return_address_leads_to_our_own_hosts_or_nowhere() {
    let house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let payloads = return_addresses(&house.url("wiki", ""));
    assert!(payloads.len() > 500, "{}", payloads.len());

    // Whoever is signed in at the gate is led on at once.
    let mut signed_in = alice.connect(&house.url("gate", "")).await;
    let query = |to: &str| form_urlencoded::Serializer::new(String::new()).append_pair("to", to).finish();
    for to in &payloads {
        let Some(reply) = signed_in.get(&format!("/.sekisho/sign-in?{}", query(to))).await else {
            panic!("{to:?} closed the connection")
        };
        leads_home(&house, &reply, to);
    }
    // Written by hand, as an attacker may: what is allowed in a request line goes into the query as it is.
    for to in payloads.iter().filter(|to| to.bytes().all(|byte| byte.is_ascii_graphic() && !b"#\\\"<>".contains(&byte))) {
        match signed_in.get(&format!("/.sekisho/sign-in?to={to}")).await {
            Some(reply) if reply.status == 302 => leads_home(&house, &reply, to),
            Some(reply) => assert_eq!(reply.status, 400, "{to:?}: {}", reply.shown()),
            None => signed_in = alice.connect(&house.url("gate", "")).await,
        }
    }
    // An honest one is kept to the letter.
    for page in ["/", "/a/b?c=d&e=%2f%20x", "/a:b@c", "/deep/link?to=https://evil.test/"] {
        let to = house.url("wiki", page);
        let reply = signed_in.get(&format!("/.sekisho/sign-in?{}", query(&to))).await.unwrap();
        assert_eq!(reply.header("location"), Some(to.as_str()));
    }

    // The page that a person asked for before they were sent to sign in.
    for target in [
        "//evil.test/",
        "/\\evil.test/",
        "/%5cevil.test/",
        "/%2f%2fevil.test/",
        "/.//evil.test",
        "/..//evil.test/",
        "/a/%0d%0ax:y",
    ] {
        let client = laptop.client(&house);
        let mut request = client.connect(&house.url("wiki", "")).await;
        let url = Url::parse(&house.url("wiki", "/")).unwrap();
        let headers: Vec<_> = NAVIGATION.to_vec();
        let mut asked = client.request(Method::GET, &url, &headers, bytes::Bytes::new());
        let Ok(uri) = target.parse::<http::Uri>() else { continue };
        *asked.uri_mut() = uri;
        let Some(reply) = request.send_as_is(asked).await else { continue };
        if reply.status == 302 {
            leads_home(&house, &reply, target);
            let to = Url::parse(&reply.location().unwrap()).unwrap();
            let to = to.query_pairs().find(|(name, _)| name == "to").unwrap().1.into_owned();
            let end = alice.click(&house.url("gate", &format!("/.sekisho/sign-in?{}", query(&to)))).await;
            leads_home(&house, &end, target);
        } else {
            assert_eq!(reply.status, 400, "{target}: {}", reply.shown());
        }
    }

    // Signing out leads to the provider, and from there to the gate: nothing that a request says is in it.
    let origin = house.url("wiki", "");
    let at = format!(
        "{origin}/.sekisho/sign-out?rd=https://evil.test/&to=https://evil.test/&post_logout_redirect_uri=https://evil.test/"
    );
    let out = alice.send(Method::POST, &at, &[("origin", origin.as_str())], "").await;
    let to = Url::parse(&out.location().unwrap_or_else(|| panic!("{}", out.shown()))).unwrap();
    assert!(to.as_str().starts_with(&house.idp.issuer) && !to.as_str().contains("evil"), "{to}");
    let back = to.query_pairs().find(|(name, _)| name == "post_logout_redirect_uri").unwrap().1.into_owned();
    assert_eq!(back, house.url("gate", "/.sekisho/sign-out"));
}
