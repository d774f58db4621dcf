//! Header lists and frames of HTTP/2.

use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::Value;

use super::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, End, Frames, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE,
    block, frame,
};
use super::pulse::{Pulse, is_served};
use crate::harness::{Client, House, POLICIES, Plan, eventually};

/// Names and values.
type Fields<'a> = &'a [(&'a str, &'a str)];
/// Frames for a stream.
type Make = fn(u32) -> Vec<u8>;

/// A house with two people on two devices: one attacks, one works.
struct Two {
    house: House,
    mallory: Client,
    honest: Client,
    token: String,
}

impl Two {
    async fn meet(plan: Plan) -> Self {
        let house = plan.open().await;
        let (first, second) = (house.laptop("lap-1", "alice").await, house.laptop("lap-2", "bob").await);
        let token = house.idp.token("alice", Some(first.thumbprint()));
        let honest = second.client(&house).with_token(&house.idp.token("bob", Some(second.thumbprint())));
        let mallory = first.client(&house);
        is_served(&honest, &house.url("wiki", "/warm")).await;
        Self { house, mallory, honest, token }
    }

    async fn open(&self, settings: &[(u16, u32)]) -> Frames {
        Frames::open(&self.mallory, &self.house.url("wiki", "/"), settings).await
    }

    fn authority(&self) -> String {
        format!("wiki.localhost:{}", self.house.port())
    }

    /// The fields of a request.
    fn fields<'a>(method: &'a str, authority: &'a str, path: &'a str, bearer: &'a str) -> Vec<(&'a str, &'a str)> {
        vec![(":method", method), (":scheme", "https"), (":authority", authority), (":path", path), ("authorization", bearer)]
    }

    /// What becomes of a request with these further fields, body and trailers.
    async fn sends(&self, path: &str, more: &[(&str, &str)], body: &str, trailers: &[(&str, &str)]) -> End {
        let (authority, bearer) = (self.authority(), format!("Bearer {}", self.token));
        let fields = [&Self::fields("POST", &authority, path, &bearer)[..], more].concat();
        exchange(&mut self.open(&[]).await, &fields, body, trailers).await
    }

    async fn honest_is_served(&self) {
        is_served(&self.honest, &self.house.url("wiki", "/honest")).await;
    }

    /// How many connections were cut for this reason.
    async fn cut(&self, reason: &str) -> f64 {
        self.house.metrics().await.sum("sekisho_connections_cut_total", &[("reason", reason)])
    }
}

async fn exchange(frames: &mut Frames, fields: &[(&str, &str)], body: &str, trailers: &[(&str, &str)]) -> End {
    let stream = frames.number();
    let last = |is_last: bool| if is_last { END_STREAM } else { 0 };
    let body: Vec<u8> = body.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()).collect();
    let bodiless = body.is_empty() && trailers.is_empty();
    let mut sent = frame(HEADERS, END_HEADERS | last(bodiless), stream, &block(fields));
    if !body.is_empty() {
        sent.extend(frame(DATA, last(trailers.is_empty()), stream, &body));
    }
    if !trailers.is_empty() {
        sent.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(trailers)));
    }
    frames.send(&sent).await;
    frames.end_of(stream).await
}

/// Holds: 86.
#[tokio::test]
async fn a_header_that_would_be_two_in_http1_goes_nowhere() {
    let two = Two::meet(House::plan()).await;
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: wiki.localhost\r\n\r\n";
    let cases: &[(&str, Fields<'_>, &str)] = &[
        ("/crlf", &[("x-foo", "a\r\nx-forwarded-user: evil")], ""),
        ("/lf", &[("x-foo", "a\nx-forwarded-user: evil")], ""),
        ("/cr", &[("x-foo", "a\rb")], ""),
        ("/nul", &[("x-foo", "a\0b")], ""),
        ("/request", &[("x-foo", "a\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: wiki.localhost\r\n\r\n")], ""),
        ("/name-colon", &[("x-foo: a\r\nx-bar", "evil")], ""),
        ("/name-encoding", &[("transfer-encoding:chunked", "evil")], ""),
        ("/name-upper", &[("X-Foo", "evil")], ""),
        ("/name-space", &[("x foo", "evil")], ""),
        ("/name-empty", &[("", "evil")], ""),
        ("/name-control", &[("x\u{1}", "evil")], ""),
        ("/name-lf", &[("x\ny", "evil")], ""),
        ("/name-high", &[("x\u{ff}", "evil")], ""),
        ("/length-none", &[("content-length", "0")], smuggled),
        ("/length-less", &[("content-length", "3")], smuggled),
        ("/length-more", &[("content-length", "300")], smuggled),
        ("/length-twice", &[("content-length", "1"), ("content-length", "50")], smuggled),
        ("/length-word", &[("content-length", "+5")], "hello"),
        ("/chunked", &[("transfer-encoding", "chunked")], "0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n"),
        ("/path-twice", &[(":path", "/smuggled")], ""),
        ("/late-pseudo", &[("x-foo", "a"), (":authority", "gate.localhost")], ""),
    ];
    for (path, evil, body) in cases {
        let end = two.sends(path, evil, body, &[]).await;
        assert!(end.is_error(), "{path}: {end:?}");
        // The same without the evil.
        let twin = format!("/twin{path}");
        assert_eq!(two.sends(&twin, &[("x-foo", "a")], body, &[]).await, End::Answered(200), "{twin}");
    }
    // A path with a line in it.
    let (authority, bearer) = (two.authority(), format!("Bearer {}", two.token));
    for path in ["/a HTTP/1.1\r\nx-forwarded-user: evil\r\nx: ", "/a b", "/a\tb", "/a\0"] {
        let end = exchange(&mut two.open(&[]).await, &Two::fields("POST", &authority, path, &bearer), "", &[]).await;
        assert!(end.is_error(), "{path:?}: {end:?}");
    }
    let seen = two.house.wiki.seen();
    let twins = seen.iter().filter(|seen| seen.path().starts_with("/twin/")).count();
    assert_eq!((twins, seen.iter().filter(|seen| seen.body.is_empty() || !seen.broken).count()), (cases.len(), seen.len()));
    for seen in &seen {
        // What broke off may have begun; it never became whole, and never two.
        let whole = seen.path().starts_with("/twin/") || seen.path() == "/warm";
        assert!(whole || seen.broken, "{seen:?}");
        assert_ne!(seen.header("x-forwarded-user"), Some("evil"));
    }
}

/// Holds: 88.
#[tokio::test]
async fn fields_of_a_connection_have_no_place_in_http2() {
    let two = Two::meet(House::plan()).await;
    let fields = [
        ("connection", "x-forwarded-user"),
        ("connection", "close"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "close"),
        ("upgrade", "websocket"),
        ("te", "gzip"),
        ("te", "trailers, deflate"),
    ];
    for (number, field) in fields.iter().enumerate() {
        let path = format!("/in-head/{number}");
        let end = two.sends(&path, &[*field], "", &[]).await;
        assert!(end.is_error() && !two.house.wiki.has_seen(&path), "{field:?}: {end:?}");
        // In trailers, the head may be on its way already; they themselves never arrive.
        let path = format!("/in-trailers/{number}");
        let end = two.sends(&path, &[], "a", &[*field]).await;
        let arrived = two.house.wiki.seen().into_iter().find(|seen| seen.path() == path);
        assert!(arrived.is_none_or(|seen| seen.broken || seen.headers.get(field.0).is_none()), "{field:?}: {end:?}");
    }
    let end = two.sends("/bad-trailers", &[], "a", &[("X-Upper", "a")]).await;
    assert!(end.is_error(), "{end:?}");
    // Trailers are never passed on, so that it does not matter what they pretend to be.
    two.sends("/pseudo-trailers", &[], "a", &[(":path", "/smuggled")]).await;
    assert_eq!(two.sends("/te-trailers", &[("te", "trailers")], "", &[]).await, End::Answered(200));
    assert_eq!(two.sends("/trailers", &[], "a", &[("x-sum", "1")]).await, End::Answered(200));
    assert!(!two.house.wiki.has_seen("/smuggled"));
}

/// Rapid Reset: asked and taken back, over and over, on a path whose app never answers.
///
/// Holds: 90.
#[tokio::test]
async fn asking_and_taking_back_ends_the_connection() {
    let two = Two::meet(House::plan()).await;
    let pulse = Pulse::of(&two.house).await;
    let (authority, bearer) = (two.authority(), format!("Bearer {}", two.token));
    let fields = Two::fields("GET", &authority, "/never", &bearer);
    let reset = 8_u32.to_be_bytes();
    // Taken back at once, and taken back when the gate has begun.
    for (begun, most) in [(false, 200_000), (true, 2_000)] {
        let mut frames = two.open(&[]).await;
        let mut sent = 0;
        loop {
            let (mut asked, mut taken_back) = (Vec::new(), Vec::new());
            for _ in 0..20 {
                let stream = frames.number();
                asked.extend(frame(HEADERS, END_STREAM | END_HEADERS, stream, &block(&fields)));
                let taken_back = if begun { &mut taken_back } else { &mut asked };
                taken_back.extend(frame(RST_STREAM, 0, stream, &reset));
            }
            sent += 20;
            let mut goes_on = frames.send(&asked).await;
            if begun {
                goes_on = goes_on && frames.is_read().await && frames.send(&taken_back).await && frames.is_read().await;
            }
            if !goes_on {
                break;
            }
            assert!(sent < most, "it goes on for ever");
        }
        two.honest_is_served().await;
    }
    let metrics = two.house.metrics().await.text;
    let cuts: Vec<&str> = metrics.lines().filter(|line| line.starts_with("sekisho_connections_cut_total")).collect();
    assert!(two.cut("breaks_off").await >= 1.0, "what was begun is not counted: {cuts:?}");
    assert!(two.cut("breaks_off").await + two.cut("h2_flood").await >= 2.0, "nobody counted it");
    pulse.returns(&two.house).await;
    let begun = two.house.wiki.seen().iter().filter(|seen| seen.path() == "/never").count();
    assert!(begun <= 2_000, "the app had {begun}");
}

/// MadeYouReset: the client has the gate do the resetting.
///
/// Holds: 90.
#[tokio::test]
async fn having_the_gate_take_back_ends_the_connection_too() {
    let two = Two::meet(House::plan()).await;
    let pulse = Pulse::of(&two.house).await;
    let (authority, bearer) = (two.authority(), format!("Bearer {}", two.token));
    let fields = Two::fields("POST", &authority, "/never", &bearer);
    // What makes a server reset a stream: a window that is increased by nothing or by too much, data behind the end, a head in the
    // middle, a length that is not kept.
    let provocations: [(&str, Make); 4] = [
        ("window of zero", |stream| frame(WINDOW_UPDATE, 0, stream, &0_u32.to_be_bytes())),
        ("window too large", |stream| frame(WINDOW_UPDATE, 0, stream, &0x7fff_ffff_u32.to_be_bytes())),
        ("half a head", |stream| frame(HEADERS, END_HEADERS, stream, &block(&[("x-late", "1")]))),
        ("wrong trailers", |stream| frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(&[("connection", "close")]))),
    ];
    for (what, provocation) in provocations {
        let mut frames = two.open(&[]).await;
        let mut sent = 0;
        loop {
            let mut burst = Vec::new();
            for _ in 0..20 {
                let stream = frames.number();
                burst.extend(frame(HEADERS, END_HEADERS, stream, &block(&fields)));
                burst.extend(provocation(stream));
            }
            sent += 20;
            if !frames.send(&burst).await {
                break;
            }
            tokio::task::yield_now().await;
            assert!(sent < 100_000, "{what}: it goes on for ever");
        }
        two.honest_is_served().await;
    }
    pulse.returns(&two.house).await;
    assert!(
        two.cut("breaks_off").await + two.cut("h2_flood").await + two.cut("h2_malformed").await >= 4.0,
        "not all were counted"
    );
}

/// Holds: 92.
#[tokio::test]
async fn a_head_that_never_ends_is_not_kept() {
    let two = Two::meet(House::plan()).await;
    let pulse = Pulse::of(&two.house).await;
    let (authority, bearer) = (two.authority(), format!("Bearer {}", two.token));
    let head = block(&Two::fields("GET", &authority, "/endless", &bearer));
    let piece = block(&[("x-more", &"x".repeat(8_000))]);
    for (what, piece) in [("large", piece.as_slice()), ("small", b"\0\x01a\x01b".as_slice()), ("empty", b"".as_slice())] {
        let mut frames = two.open(&[]).await;
        let stream = frames.number();
        assert!(frames.send(&frame(HEADERS, END_STREAM, stream, &head)).await);
        let mut count = 0;
        while frames.send(&frame(CONTINUATION, 0, stream, piece)).await {
            count += 1;
            assert!(count < 50_000, "{what}: it goes on for ever");
        }
        pulse.is_calm(&two.house);
    }
    two.honest_is_served().await;
    assert!(!two.house.wiki.has_seen("/endless"));
    assert!(two.cut("h2_flood").await + two.cut("h2_malformed").await >= 3.0, "not all were counted");
    // In two pieces, and no more, it is a head like any other.
    let mut frames = two.open(&[]).await;
    let stream = frames.number();
    frames.send(&frame(HEADERS, END_STREAM, stream, &head[..10])).await;
    frames.send(&frame(CONTINUATION, END_HEADERS, stream, &head[10..])).await;
    assert_eq!(frames.end_of(stream).await, End::Answered(200));
    pulse.returns(&two.house).await;
}

/// A few bytes that unpack to very much.
///
/// Holds: 92, 156.
#[tokio::test]
async fn what_unpacks_to_very_much_is_not_unpacked() {
    let two = Two::meet(House::plan()).await;
    let pulse = Pulse::of(&two.house).await;
    let (authority, bearer) = (two.authority(), format!("Bearer {}", two.token));
    for (what, name, value) in [("headers", "x-bomb", "x".repeat(3_900)), ("cookies", "cookie", "c=d".to_owned())] {
        let mut ends = Vec::new();
        for _ in 0..4 {
            let mut frames = two.open(&[]).await;
            // The first field goes into the table; each further byte is that field again.
            let mut head = block(&Two::fields("GET", &authority, "/bomb", &bearer));
            let entry = block(&[(name, &value)]);
            head.push(0x40);
            head.extend_from_slice(&entry[1..]);
            head.extend(std::iter::repeat_n(0xbe, 12_000));
            let stream = frames.number();
            frames.send(&frame(HEADERS, END_STREAM | END_HEADERS, stream, &head)).await;
            ends.push(frames.end_of(stream).await);
        }
        let refused = |end: &End| matches!(end, End::Answered(431) | End::GoneAway(_) | End::Reset(_));
        assert!(ends.iter().all(refused), "{what}: {ends:?}");
        pulse.is_calm(&two.house);
    }
    // Within bounds, a table is what it is for.
    let mut frames = two.open(&[]).await;
    let mut head = block(&Two::fields("GET", &authority, "/packed", &bearer));
    head.push(0x40);
    head.extend_from_slice(&block(&[("x-again", "1")])[1..]);
    head.extend([0xbe; 10]);
    let stream = frames.number();
    frames.send(&frame(HEADERS, END_STREAM | END_HEADERS, stream, &head)).await;
    assert_eq!(frames.end_of(stream).await, End::Answered(200));
    assert_eq!(two.house.wiki.only("/packed").headers.get_all("x-again").iter().count(), 11);
    assert!(!two.house.wiki.has_seen("/bomb"));
    two.honest_is_served().await;
    pulse.returns(&two.house).await;
}

/// Holds: 94.
#[tokio::test]
async fn frames_that_say_nothing_end_the_connection() {
    let two = Two::meet(House::plan()).await;
    let pulse = Pulse::of(&two.house).await;
    let (authority, bearer) = (two.authority(), format!("Bearer {}", two.token));
    let empty_data = |stream| frame(DATA, 0, stream, b"");
    let small_data = |stream| frame(DATA, 0, stream, b"x");
    let padding = |stream| frame(DATA, 8, stream, &[&[200][..], &[0; 200]].concat());
    let floods: [(&str, Make); 8] = [
        ("empty data", empty_data),
        ("small data", small_data),
        ("padding", padding),
        ("settings", |_| frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0])),
        ("pings", |_| frame(PING, 0, 0, b"12345678")),
        ("pongs", |_| frame(PING, ACK, 0, b"12345678")),
        ("priorities", |stream| frame(PRIORITY, 0, stream + 2, &[0, 0, 0, 0, 1])),
        ("unknown", |stream| frame(0x4a, 0, stream, b"who knows")),
    ];
    for (what, flood) in floods {
        let mut frames = two.open(&[]).await;
        let stream = frames.number();
        // An app that does not read, and a request that is not over.
        let head = block(&Two::fields("POST", &authority, "/never", &bearer));
        assert!(frames.send(&frame(HEADERS, END_HEADERS, stream, &head)).await);
        let burst = flood(stream).repeat(500);
        let mut sent = 0;
        while frames.send(&burst).await {
            sent += 500;
            assert!(sent < 4_000_000, "{what}: it goes on for ever");
        }
        pulse.is_calm(&two.house);
    }
    two.honest_is_served().await;
    assert!(two.cut("h2_flood").await + two.cut("noise").await >= 8.0, "not all were counted");
    pulse.returns(&two.house).await;
}

/// Many answers are asked for, and the windows stay shut or nearly so.
///
/// Holds: 96.
#[tokio::test]
async fn answers_that_nobody_takes_are_not_kept() {
    let plan = House::plan().set("limits", "idle_timeout = \"1s\"");
    let two = Two::meet(plan).await;
    let pulse = Pulse::of(&two.house).await;
    let (authority, bearer) = (two.authority(), format!("Bearer {}", two.token));
    let fields = Two::fields("GET", &authority, "/flood", &bearer);
    let (mut alive, mut unread) = (Vec::new(), Vec::new());
    // No window at all, one byte, and one that is open on a connection that is not read.
    for window in [0, 1, 0x7fff_ffff] {
        let mut frames = two.open(&[(4, window)]).await;
        for _ in 0..50 {
            frames.ask(&fields).await;
        }
        // A client that is alive, and one that reads nothing at all.
        if window < 2 {
            alive.push(tokio::spawn(frames.only_answers_pings()));
        } else {
            unread.push(frames);
        }
    }
    two.house.wiki.reached(100).await;
    two.honest_is_served().await;
    pulse.is_calm(&two.house);
    eventually("all of them end", async || {
        let in_flight = two.house.metrics().await.sum("sekisho_requests_in_flight", &[]);
        (in_flight == 0.0).then_some(())
    })
    .await;
    for connection in alive {
        connection.await.unwrap();
    }
    drop(unread);
    assert!(two.cut("idle").await >= 2.0, "with nothing to do, the living end too");
    pulse.returns(&two.house).await;
}

/// The cases of the conformance data, where they lie beside the project.
///
/// Holds: 86, 88.
#[tokio::test]
async fn the_cases_beside_the_project_hold() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance/h2-headers/open.json");
    let Ok(text) = std::fs::read(&path) else {
        println!("skipped: {} is not there", path.display());
        return;
    };
    let policies = format!("{POLICIES}@id(\"admin\") forbid (principal, action, resource == App::\"admin\");");
    let two = Two::meet(House::plan().app("admin", "upstream = [\"{wiki}\"]").policies(&policies)).await;
    let cases: Value = serde_json::from_slice(&text).unwrap();
    let cases = cases["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 59);
    let ends: Vec<(&Value, End)> =
        futures_util::stream::iter(cases).map(async |case| (case, of_case(&two, case).await)).buffered(8).collect().await;
    let mut wrong = Vec::new();
    for (case, end) in ends {
        let id = case["id"].as_str().unwrap();
        let reached = two.house.wiki.seen().iter().filter(|seen| seen.path() == format!("/app/h2-{id}") && !seen.broken).count();
        let refused = reached == 0 && matches!(end, End::Answered(400..=431 | 501));
        let right = match case["expect"].as_str().unwrap() {
            "one" | "one-stripped" => reached == 1 && end == End::Answered(200),
            // A trailer that pretends to be a path is dropped with all trailers.
            "stream-error" if id == "tr-pseudo" => reached <= 1,
            "stream-error" => reached == 0 && end.is_error(),
            // RFC 9113 has a CONNECT with a path reset (section 8.5).
            "reject-4xx" if id == "method-connect" => reached == 0 && end.is_error(),
            "reject-4xx" => refused,
            "reject-4xx-or-stream-error" => refused || (reached == 0 && end.is_error()),
            "one-or-421" => (reached == 1 && end == End::Answered(200)) || refused,
            "either" => reached <= 1,
            other => panic!("{id} expects {other}"),
        };
        if !right {
            wrong.push(format!("{id}: {end:?}, {reached} at the app"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for seen in two.house.wiki.seen() {
        assert!(!seen.target.contains("SMUG") && !seen.target.contains("secret"), "{seen:?}");
        let evil = seen.headers.values().any(|value| value.as_bytes().windows(4).any(|word| word == b"EVIL"));
        assert!(!evil && seen.header("http2-settings").is_none(), "{seen:?}");
        assert_ne!(seen.header("x-forwarded-for"), Some("10.0.0.1"));
    }
}

/// Sends a case: its names are ours, and it comes from somebody who is known.
async fn of_case(two: &Two, case: &Value) -> End {
    let port = two.house.port();
    let ours = |text: &str| {
        let host = if text.contains("app.test:") { "wiki.localhost".to_owned() } else { format!("wiki.localhost:{port}") };
        text.replace("app.test.", &format!("wiki.localhost.:{port}"))
            .replace("APP.TEST", &format!("WIKI.LOCALHOST:{port}"))
            .replace("app.test", &host)
            .replace("admin.test", "admin.localhost")
            .replace("nope.test", &format!("nope.localhost:{port}"))
            .replace("x-auth-user", "x-forwarded-user")
            .replace("x_auth_user", "x_forwarded_user")
            .replace("x.auth.user", "x.forwarded.user")
    };
    let pairs = |fields: &Value| -> Vec<(String, String)> {
        let fields = fields.as_array().map(Vec::as_slice).unwrap_or_default();
        fields.iter().map(|field| (ours(field[0].as_str().unwrap()), ours(field[1].as_str().unwrap()))).collect()
    };
    let mut head = pairs(&case["headers"]);
    let pseudo = head.iter().take_while(|(name, _)| name.starts_with(':')).count();
    head.insert(pseudo, ("authorization".to_owned(), format!("Bearer {}", two.token)));
    let trailers = pairs(&case["trailers"]);
    let head: Vec<(&str, &str)> = head.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let trailers: Vec<(&str, &str)> = trailers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut frames = two.open(&[]).await;
    tokio::time::timeout(Duration::from_secs(20), exchange(&mut frames, &head, case["data"].as_str().unwrap(), &trailers))
        .await
        .expect("the case comes to an end")
}
