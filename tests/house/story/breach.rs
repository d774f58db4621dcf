//! The breach that the gate is made for, replayed: stolen credentials first, then malware on a laptop that has every right to be here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{SinkExt as _, StreamExt as _};
use http::Method;
use http_body_util::BodyExt as _;
use sekisho_examples::{chat, share};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use url::Url;

use crate::harness::{Client, House, Laptop, NAVIGATION, allowed, eventually, refused, run, sekisho};

/// Staff on their own devices; and nobody takes more than a few megabytes an hour of what is confidential.
const POLICIES: &str = r#"
@id("staff-on-own-device")
permit (principal in Group::"staff", action in Action::"use", resource)
when { context.device.owner == principal && context.session.binding != "none" };

@id("no-bulk-export")
forbid (principal, action in Action::"use", resource in Tag::"confidential")
when { context.usage.bytes_1h > 3000000 };
"#;

/// What a client received of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Taken {
    app: &'static str,
    path: String,
    bytes: u64,
    whole: bool,
}

/// `docs/incident.md`, whose commands are those of this story.
struct Page(String);

impl Page {
    fn read() -> Self {
        Self(std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/incident.md")).unwrap())
    }

    /// Types every command of a chapter.
    async fn run(&self, house: &House, chapter: &str) {
        let (_, text) = self.0.split_once(chapter).unwrap();
        let text = text.split("\n## ").next().unwrap();
        let blocks: Vec<_> = text.split("\n```sh\n").skip(1).map(|rest| rest.split("\n```").next().unwrap()).collect();
        assert!(!blocks.is_empty(), "{chapter} has commands");
        for line in blocks.iter().flat_map(|block| block.lines()) {
            let line = line.replace("ana-7k2q", "lap-alice").replace("ana@corp.example", "alice@corp.example");
            let line = line.replace("sekisho ", &format!("{} ", sekisho().display()));
            let mut command = tokio::process::Command::new("bash");
            command.args(["-ceu", &line]).current_dir(house.path());
            let said = run(command, "").await;
            assert_eq!(said.code, Some(0), "{line}: {said:?}");
        }
    }
}

/// The information-sharing tool, its archive, and a chat, as in the examples.
async fn open() -> House {
    let (share_at, archive_at, chat_at) = (listener().await, listener().await, listener().await);
    let upstream = |listener: &TcpListener, tag: &str| {
        format!("upstream = [\"http://{}\"]\ntags = [\"internal\"{tag}]", listener.local_addr().unwrap())
    };
    let plan = House::plan()
        .app("share", &upstream(&share_at, ", \"confidential\""))
        .app("archive", &upstream(&archive_at, ""))
        .app("chat", &upstream(&chat_at, ""))
        .policies(POLICIES);
    tokio::spawn(share::serve(share_at, share::Settings::default(), std::future::pending()));
    tokio::spawn(share::serve(archive_at, share::Settings::default(), std::future::pending()));
    tokio::spawn(chat::serve(chat_at, chat::Settings::default(), std::future::pending()));
    plan.open().await
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// Downloads until the end, whichever it is. `progress` is told what came.
async fn take(house: &House, client: &Client, app: &'static str, path: &str, progress: &AtomicU64) -> Taken {
    let (_, reply) = client.begin(Method::GET, &house.url(app, path), &[], "").await;
    assert_eq!(reply.status(), 200, "{app}{path}");
    drain(reply.into_body(), app, path, progress, None).await
}

/// With `pause`, it takes no more after half a megabyte until it is told to go on.
async fn drain(
    mut body: hyper::body::Incoming,
    app: &'static str,
    path: &str,
    progress: &AtomicU64,
    mut pause: Option<Arc<Notify>>,
) -> Taken {
    let mut bytes = 0;
    let whole = loop {
        match body.frame().await {
            Some(Ok(frame)) => {
                bytes += frame.data_ref().map_or(0, bytes::Bytes::len) as u64;
                progress.store(bytes, Ordering::Relaxed);
                if bytes > HALF_A_MEGABYTE
                    && let Some(pause) = pause.take()
                {
                    pause.notified().await;
                }
            }
            Some(Err(_cut)) => break false,
            None => break true,
        }
    };
    Taken { app, path: path.to_owned(), bytes, whole }
}

type Socket = WebSocketStream<tokio_rustls::client::TlsStream<tokio::net::TcpStream>>;

async fn join_chat(house: &House, client: &Client) -> Socket {
    let url = house.url("chat", "/ws");
    let mut request = url.replace("https:", "wss:").into_client_request().unwrap();
    request.headers_mut().insert("cookie", client.jar.header("chat.localhost", "/").unwrap().parse().unwrap());
    request.headers_mut().insert("origin", house.url("chat", "").parse().unwrap());
    let stream = client.tls_to(&Url::parse(&url).unwrap()).await;
    tokio_tungstenite::client_async(request, stream).await.unwrap().0
}

/// Opens all three apps as a browser does: one sign-in, then each app's own cookie.
async fn visits(house: &House, client: &Client, person: &str) {
    allowed(&house.idp.sign_in(client, &house.url("share", "/"), person).await);
    for app in ["archive", "chat"] {
        allowed(&client.browse(&house.url(app, "/")).await);
    }
}

#[tokio::test]
async fn the_breach_replayed() {
    let house = open().await;
    let laptop = house.laptop("lap-alice", "alice").await;
    let alice = laptop.client(&house);
    visits(&house, &alice, "alice").await;

    what_is_stolen_is_of_no_use(&house, &laptop, &alice).await;

    // The next day the laptop itself is infected. Alice signs in again, as her session was ended when it was shown elsewhere.
    let malware = laptop.client(&house);
    visits(&house, &malware, "alice").await;
    let since = time::OffsetDateTime::now_utc();
    let mut taken = Vec::new();
    let progress = AtomicU64::default();
    for path in ["/files/plans/report-001.pdf", "/files/plans/report-002.pdf", "/files/tenders/offer-north.pdf"] {
        taken.push(take(&house, &malware, "share", path, &progress).await);
    }
    assert!(taken.iter().all(|file| file.whole), "small files are everyday work: {taken:?}");

    // In bulk: the budget ends it in the middle, and what is asked for next is refused.
    let bulk = take(&house, &malware, "share", "/files/archive/everything.zip", &progress).await;
    assert!(!bulk.whole && bulk.bytes <= BUDGET + AHEAD, "stopped at the budget: {bulk:?}");
    taken.push(bulk);
    let answer = malware.get(&house.url("share", "/files/tenders/offer-south.pdf")).await;
    refused(&answer, 429);
    let colleague = house.laptop("lap-bob", "bob").await.client(&house);
    visits(&house, &colleague, "bob").await;
    allowed(&colleague.get(&house.url("share", "/files/tenders/offer-south.pdf")).await);

    // Slowly, elsewhere; with a download and a WebSocket open when the laptop is isolated.
    taken.push(take(&house, &malware, "archive", "/files/archive/small.bin", &progress).await);
    let mut socket = join_chat(&house, &malware).await;
    socket.send(Message::text("good morning")).await.unwrap();
    let mut neighbour = join_chat(&house, &colleague).await;
    let (under_way, goes_on) = (Arc::new(AtomicU64::default()), Arc::new(Notify::new()));
    let download = spawn_take(&house, &malware, "/files/archive/survey-photos.zip", &under_way, &goes_on).await;
    eventually("half a megabyte of the download", async || (under_way.load(Ordering::Relaxed) > HALF_A_MEGABYTE).then_some(()))
        .await;
    let page = Page::read();
    page.run(&house, "## 1.").await;

    goes_on.notify_one();
    let cut = tokio::time::timeout(SOON, download).await.expect("the download ends").unwrap();
    assert!(!cut.whole, "a cut file does not look whole: {cut:?}");
    taken.push(cut);
    let closed = tokio::time::timeout(SOON, async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Close(frame))) => break frame.map(|frame| u16::from(frame.code)),
                Some(Ok(_)) => {}
                other => panic!("no farewell: {other:?}"),
            }
        }
    });
    assert_eq!(closed.await.expect("the WebSocket ends"), Some(1008));
    refused(&malware.get(&house.url("archive", "/")).await, 403);
    // Whoever has nothing to do with it feels nothing.
    neighbour.send(Message::text("still here")).await.unwrap();
    assert!(neighbour.next().await.is_some_and(|message| message.is_ok()));

    the_report_names_what_was_taken(&house, since, &taken).await;
    for chapter in ["## 2.", "## 3.", "## 4."] {
        page.run(&house, chapter).await;
    }
    assert!(std::fs::read_to_string(house.path().join("incident.html")).unwrap().contains("malware found"));
    // Suspending ended her sessions; she signs in again, on the laptop that was released.
    allowed(&house.idp.sign_in(&laptop.client(&house), &house.url("archive", "/"), "alice").await);
    // What she has had counts on.
    refused(&house.idp.sign_in(&laptop.client(&house), &house.url("share", "/"), "alice").await, 429);
}

/// A stolen password, cookie and token, and a header that claims to be somebody.
async fn what_is_stolen_is_of_no_use(house: &House, laptop: &Laptop, alice: &Client) {
    let stolen = alice.jar.copied();
    let url = |path: &str| house.url("share", path);
    let stranger = house.stranger();
    refused(&stranger.send(Method::GET, &url("/"), NAVIGATION, "").await, 403);
    refused(
        &stranger.clone().with_header("x-forwarded-user", "corp/alice").get(&url("/files/customers/addresses.csv")).await,
        403,
    );
    refused(&stranger.clone().with_cookies(stolen.copied()).get(&url("/files/customers/addresses.csv")).await, 403);

    // The thief even has a device of the house, and knows the password.
    let thief = house.laptop("lap-thief", "bob").await;
    let reply = house.idp.sign_in(&thief.client(house), &url("/"), "alice").await;
    refused(&reply, 403);
    allowed(&alice.get(&url("/")).await);
    let reply = thief.client(house).with_cookies(stolen).get(&url("/files/customers/addresses.csv")).await;
    refused(&reply, 403);
    assert_eq!(reply.json()["reason"], "credential_replayed");
    eventually("the end of the session", async || {
        house.record().lines().iter().any(|line| line["event"] == "session_ended").then_some(())
    })
    .await;
    assert_eq!(alice.get(&url("/")).await.status, 401, "the session that was shown elsewhere is over");
    let token = house.idp.token("alice", Some(laptop.thumbprint()));
    refused(&thief.client(house).with_token(&token).get(&url("/files/customers/addresses.csv")).await, 403);

    let lines = house.record().lines();
    let leaked: Vec<&Value> = lines
        .iter()
        .filter(|line| line["line"] == "access" && line["path"] == "/files/customers/addresses.csv" && line["decision"] != "deny")
        .collect();
    assert!(leaked.is_empty(), "{leaked:#?}");
}

/// A download that is in its middle until `goes_on` says so, however fast the machine is.
async fn spawn_take(
    house: &House,
    client: &Client,
    path: &str,
    progress: &Arc<AtomicU64>,
    goes_on: &Arc<Notify>,
) -> JoinHandle<Taken> {
    let (_, reply) = client.begin(Method::GET, &house.url("archive", path), &[], "").await;
    assert_eq!(reply.status(), 200);
    let (path, progress, pause) = (path.to_owned(), Arc::clone(progress), Some(Arc::clone(goes_on)));
    tokio::spawn(async move { drain(reply.into_body(), "archive", &path, &progress, pause).await })
}

/// Exactly the files that it took: whole ones to the byte; cut ones never below what the client received, and above by no more than
/// what may be on its way.
async fn the_report_names_what_was_taken(house: &House, since: time::OffsetDateTime, taken: &[Taken]) {
    let since = since.format(&time::format_description::well_known::Rfc3339).unwrap();
    let arguments = ["audit", "report", "--device", "lap-alice", "--since", &since, "--format", "json"];
    let report: Value = eventually("every end in the report", async || {
        let report: Value = serde_json::from_str(&house.must(&arguments).await).unwrap();
        (report["total"]["left"]["unknown"]["answers"] == 0).then_some(report)
    })
    .await;
    let listed = report["paths"].as_array().unwrap();
    for file in taken {
        let found: Vec<_> = listed.iter().filter(|line| line["app"] == file.app && line["path"] == *file.path).collect();
        assert_eq!(found.len(), 1, "{file:?} in {listed:#?}");
        let left = &found[0]["left"];
        let bytes = |part: &str| left[part]["bytes"].as_u64().unwrap();
        if file.whole {
            assert_eq!((bytes("whole"), bytes("cut")), (file.bytes, 0), "{file:?}: {left}");
        } else {
            assert_eq!(bytes("whole"), 0, "{file:?}: {left}");
            let stated = bytes("cut");
            assert!(stated >= file.bytes && stated <= file.bytes + ON_ITS_WAY, "{file:?}: {left}");
        }
    }
    let files: Vec<_> = listed.iter().filter(|line| line["path"].as_str().unwrap().starts_with("/files/")).collect();
    let named = |line: &&&Value| !taken.iter().any(|file| line["path"] == *file.path);
    let others: Vec<_> = files.iter().filter(named).filter(|line| line["left"]["whole"]["bytes"] != 0).collect();
    assert!(others.is_empty(), "nothing else: {others:#?}");
    assert!(
        report["events"]
            .as_array()
            .unwrap()
            .iter()
            .any(|event| event["event"] == "device_quarantined" && event["why"] == "malware found")
    );
    assert!(report["denied"].as_array().unwrap().iter().any(|line| line["policies"] == serde_json::json!(["no-bulk-export"])));
}

const BUDGET: u64 = 3_000_000;
/// What a stream may be charged ahead.
const AHEAD: u64 = 1 << 20;
/// What the gate, the kernels and the client may hold of an answer that is cut.
const ON_ITS_WAY: u64 = 4 << 20;
const HALF_A_MEGABYTE: u64 = 500_000;
const SOON: std::time::Duration = std::time::Duration::from_secs(10);
