//! Nothing unrecorded, and nothing recorded that should not be.

use http::Method;

use crate::harness::{House, IDP_HOST, allowed, people, refused};

#[tokio::test]
async fn the_line_is_there_before_the_first_byte_is() {
    let house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;

    // The head is here, the body is not: the line has to be.
    let (_, reply) = alice.begin(Method::GET, &house.url("wiki", "/events"), &[], "").await;
    assert_eq!(reply.status(), 200);
    let line = house.record().only_access("/events");
    assert_eq!(line["status"], 200);
    drop(reply);

    // It broke off, and that is recorded too.
    let end = house.record().end_of(&line["request"]).await;
    assert_eq!(end["ending"], "client_gone");
}

#[tokio::test]
async fn what_may_change_something_is_recorded_before_the_app_sees_it() {
    let house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let (url, client) = (house.url("wiki", "/never/answered"), alice.clone());
    let asking = tokio::spawn(async move { client.send(Method::POST, &url, &[], "x").await });
    // One request was the sign-in's own page.
    house.wiki.reached(2).await;
    let lines = house.record().lines();
    let start = lines.iter().find(|line| line["line"] == "start" && line["path"] == "/never/answered");
    assert_eq!(start.expect("a start line")["user"], "corp/alice");
    asking.abort();
}

#[tokio::test]
async fn ends_say_how_much_left() {
    let house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;

    allowed(&alice.get(&house.url("wiki", "/bytes/100000")).await);
    let line = house.record().only_access("/bytes/100000");
    assert_eq!(line["length"], 100_000);
    let end = house.record().end_of(&line["request"]).await;
    assert_eq!((&end["sent"], &end["ending"]), (&100_000.into(), &"complete".into()));

    allowed(&alice.send(Method::POST, &house.url("wiki", "/upload"), &[], vec![b'x'; 50_000]).await);
    let line = house.record().only_access("/upload");
    assert_eq!(house.record().end_of(&line["request"]).await["received"], 50_000);
}

#[tokio::test]
async fn no_secret_is_ever_in_the_record_or_the_log() {
    let house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let token = house.idp.token("alice", Some(laptop.thumbprint()));
    allowed(&laptop.client(&house).with_token(&token).get(&house.url("wiki", "/t?api_key=QUERYSECRET")).await);
    allowed(&alice.get(&house.url("wiki", "/q?password=QUERYSECRET")).await);
    refused(&house.stranger().with_token(&token).get(&house.url("wiki", "/r?password=QUERYSECRET")).await, 403);

    let mut secrets = vec!["QUERYSECRET".to_owned(), token, house.idp.client_secret.clone()];
    for host in ["gate.localhost", "wiki.localhost", IDP_HOST] {
        secrets.extend(alice.jar.of(host).into_iter().map(|(_, value)| value));
    }
    secrets.extend(people().into_iter().map(|person| person.password));
    assert!(secrets.len() > 7, "there are cookies to look for");
    let texts = [house.record().text(), house.gate.said(), house.metrics().await.text];
    assert!(texts[0].lines().count() > 5, "there is a record to look in");
    for secret in secrets {
        for text in &texts {
            assert!(!text.contains(&secret), "{secret} is in: {text}");
        }
    }
}

#[tokio::test]
async fn a_lost_connection_to_the_app_is_recorded_as_such() {
    let house = House::plan().app("gone", "upstream = [\"http://127.0.0.1:1\"]").open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let page = alice.browse(&house.url("gone", "/a")).await;
    refused(&page, 502);
    assert!(page.header("content-type").unwrap().starts_with("text/html"), "a person gets a page");
    let line = house.record().access("/a").pop().unwrap();
    assert_eq!((&line["app"], &line["status"], &line["user"]), (&"gone".into(), &502.into(), &"corp/alice".into()));
}

#[tokio::test]
async fn what_was_answered_is_in_the_record_even_if_the_gate_is_killed() {
    let mut house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let (_, reply) = alice.begin(Method::GET, &house.url("wiki", "/events"), &[], "").await;
    house.gate.kill().await;
    drop(reply);
    assert_eq!(house.record().only_access("/events")["user"], "corp/alice");

    house.start_again().await;
    allowed(&alice.get(&house.url("wiki", "/again")).await);
    assert_eq!(house.record().only_access("/again")["user"], "corp/alice", "the record goes on behind what is there");
    assert_eq!(house.record().only_access("/events")["user"], "corp/alice");
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_done_until_it_can_be_again() {
    // No file of this gate may grow beyond 2 MiB: as on a disk that is full.
    let mut house = House::plan().limited("trap '' XFSZ; ulimit -S -f 2048").open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let mut connection = alice.connect(&house.url("wiki", "")).await;
    let long = "x".repeat(7000);
    let mut refusal = None;
    for number in 0..2000 {
        let Some(reply) = connection.get(&format!("/status/200/{long}/{number}/200")).await else {
            connection = alice.connect(&house.url("wiki", "")).await;
            continue;
        };
        if reply.status != 200 {
            refusal = Some(reply);
            break;
        }
    }
    let refusal = refusal.expect("the disk is full in the end");
    refused(&refusal, 503);
    // A line as long as this still has no room; and what may change something does not even reach the app.
    let seen = house.wiki.seen().len();
    let reply = connection.send(Method::POST, &format!("/status/200/{long}/{}/200", "y".repeat(500))).await;
    assert_eq!(reply.map(|reply| reply.status.as_u16()), Some(503));
    assert_eq!(house.wiki.seen().len(), seen, "what cannot be recorded does not reach the app");
    assert_eq!(house.metrics().await.sum("sekisho_record_writable", &[]), 0.0);

    let mut room = tokio::process::Command::new("prlimit");
    room.args(["--fsize=unlimited", "--pid", &house.gate.id().to_string()]);
    assert_eq!(crate::harness::run(room, "").await.code, Some(0));
    crate::harness::eventually("the gate is open again", async || {
        let mut again = alice.connect(&house.url("wiki", "")).await;
        again.get("/open").await.filter(|reply| reply.status == 200)
    })
    .await;
    let text = house.record().text();
    let torn = text.lines().filter(|line| serde_json::from_str::<serde_json::Value>(line).is_err()).count();
    assert_eq!(torn, 0, "no line is half a line");

    // What was refused is told when it can be: by the id that its page showed, as a refusal, with its end, and it is not lost.
    let shown = refusal.headers["x-request-id"].to_str().unwrap();
    let lines = crate::harness::eventually("every core writes again", async || {
        let lines = house.record().lines();
        let late = |field: &str, is: &str| lines.iter().any(|line| line["reason"] == "record_unavailable" && line[field] == is);
        (late("request", shown) && late("method", "POST")).then_some(lines)
    })
    .await;
    let late = lines.iter().filter(|line| line["reason"] == "record_unavailable");
    for line in late {
        assert_eq!((&line["decision"], &line["status"]), (&"deny".into(), &503.into()));
        assert_eq!(house.record().end_of(&line["request"]).await["ending"], "complete");
    }
    let gaps: Vec<_> = lines.iter().filter(|line| line["line"] == "gap").map(|line| line["lost"].clone()).collect();
    assert!(!gaps.is_empty() && gaps.iter().all(|lost| *lost == 0), "{gaps:?}");
    assert!(!house.gate.has_ended());
}
