//! A connection of an app serves many people, and knows none of them.

use super::knock::Road;
use crate::harness::{House, Recorder, contains, ok};

/// Holds: 79, 85.
#[tokio::test]
async fn what_an_app_says_too_much_reaches_nobody() {
    let poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
    let notes = Recorder::answering(move |head| {
        let mut answer = ok(head);
        if contains(head, b"/spill") {
            answer.extend_from_slice(poison.as_bytes());
        } else if contains(head, b"/no-body") {
            answer = format!("HTTP/1.1 204 No Content\r\n\r\n{poison}").into_bytes();
        } else if contains(head, b"/unchanged") {
            answer = format!("HTTP/1.1 304 Not Modified\r\n\r\n{poison}").into_bytes();
        } else if contains(head, b"/both") {
            answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{poison}")
                .into_bytes();
        }
        answer
    })
    .await;
    let road = Road::planned(House::plan(), "", notes).await;
    for path in ["/spill", "/no-body", "/unchanged", "/both"] {
        for method in ["GET", "HEAD"] {
            let raw = road.ask(&road.alice, format!("{method} {path}"), "").await;
            assert!(!raw.text().contains("poison"), "{method} {path}: {}", raw.text());
            for _ in 0..4 {
                let raw = road.ask(&road.alice, "GET /next", "").await;
                assert!(raw.text().ends_with("\r\n\r\nok") && !raw.text().contains("poison"), "{method} {path}: {}", raw.text());
            }
            let heard = road.notes.take();
            let spilt = heard.connections[0];
            let next = heard
                .lines()
                .iter()
                .zip(&heard.connections)
                .filter(|(line, _)| line.contains("/next"))
                .any(|(_, on)| *on == spilt);
            assert!(!next, "{method} {path}: a connection with bytes left over was used again");
        }
    }
}

/// Holds: 85.
#[tokio::test]
async fn who_asks_is_asked_again_with_every_request() {
    let road = Road::open().await;
    let bob = road.house.laptop("lap-8", "bob").await;
    let token = road.house.idp.token("alice", Some(road.laptop.thumbprint()));
    let theirs = road.house.idp.token("bob", Some(bob.thumbprint()));
    let alice = |path: &str| road.head(&road.alice, format!("GET {path}"), "");
    let nobody = |path: &str| road.head(&road.visitor, format!("GET {path}"), "");
    let by =
        |token: &str, path: &str| road.head(&road.visitor, format!("GET {path}"), format!("Authorization: Bearer {token}\r\n"));
    let last = road.head(&road.visitor, "GET /8", "Connection: close\r\n");
    let all =
        [alice("/1"), nobody("/2"), by(&token, "/3"), nobody("/4"), by(&theirs, "/5"), alice("/6"), nobody("/open/7"), last];
    let raw = road.alice.client.raw(&road.url(), all.concat()).await;
    assert_eq!(raw.statuses(), [200, 401, 200, 401, 403, 200, 200, 401], "{}", raw.text());
    let heard = road.notes.take();
    assert_eq!(heard.lines(), ["GET /1 HTTP/1.1", "GET /3 HTTP/1.1", "GET /6 HTTP/1.1", "GET /open/7 HTTP/1.1"]);
    let public = String::from_utf8_lossy(&heard.heads[3]).into_owned();
    assert!(
        !public.contains("alice") && !public.contains("assertion"),
        "the app's connection is shared, and says nothing: {public}"
    );
}

/// Holds: 85.
#[tokio::test]
async fn nobody_signs_an_apps_connection_in() {
    let notes = Recorder::answering(|head| {
        if contains(head, b"/windows") {
            b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\nWWW-Authenticate: NTLM\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 2\r\n\r\nno".to_vec()
        } else {
            ok(head)
        }
    })
    .await;
    let road = Road::planned(House::plan(), "pass_authorization = true", notes).await;
    for scheme in [
        "NTLM TlRMTVNTUAABAAAA",
        "ntlm TlRMTVNTUAABAAAA",
        "Negotiate YIIB",
        "NEGOTIATE YIIB",
        "Negotiate\tYIIB",
        "Kerberos YIIB",
        "Basic YTpi, NTLM TlRM",
    ] {
        let heard = road
            .passes(
                &road.alice,
                road.head(&road.alice, "GET /closed", format!("Connection: close\r\nAuthorization: {scheme}\r\n")),
            )
            .await;
        assert!(!heard.has("\r\nauthorization:"), "{scheme}: {}", String::from_utf8_lossy(&heard.bytes));
    }
    let raw = road.ask(&road.alice, "GET /windows", "").await;
    let text = raw.text().to_ascii_lowercase();
    assert!(
        !text.contains("negotiate") && !text.contains("ntlm") && text.contains("www-authenticate: basic realm=\"x\""),
        "{text}"
    );
    let heard = road.notes.take();
    for _ in 0..4 {
        let next = road.passes(&road.alice, road.head(&road.alice, "GET /closed", "Connection: close\r\n")).await;
        assert_ne!(next.connections, heard.connections, "a connection that asks to be signed in is not used again");
    }
    let heard = road.passes(&road.alice, road.head(&road.alice, "GET /closed", "Authorization: Basic YTpi\r\n")).await;
    assert!(heard.has("\r\nauthorization: Basic YTpi\r\n"));
}
