//! Collections of hostile requests that may lie beside the project, sent to the gate byte by byte. Where they do not lie there, these
//! tests say so and pass.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::harness::{Authority, Client, Heard, House, Raw, Recorder, contains};

/// Cases are judged side by side, each lane by itself: it has an app of its own, whose recorder hears this case alone.
struct Lane {
    app: String,
    admin: String,
    recorder: Recorder,
    /// A person who is signed in at this lane's app.
    cookies: String,
}

/// One gate, and what knocks at it.
struct Street {
    house: House,
    lanes: Vec<Lane>,
    client: Client,
    token: String,
}

/// The header line that says who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Credential {
    Cookie,
    Token,
}

impl Street {
    async fn open() -> Self {
        let mut lanes = Vec::new();
        let vault = Authority::new("Vault");
        let mut plan = House::plan().file("vault.pem", &vault.pem()).set("limits", "header_timeout = \"3s\"");
        let mut sections =
            "[[device_authority]]\nname = \"vault\"\nroots = \"vault.pem\"\ndevice_id = \"san-uri\"\nadmit = \"any\"\n"
                .to_owned();
        for number in 0..LANES {
            let (app, admin, recorder) = (format!("a{number:02}.test"), format!("adm{number:02}.test"), Recorder::open().await);
            let url = recorder.url();
            sections.push_str(&format!(
                "[[app]]\nname = \"app{number}\"\nhost = \"{app}\"\nupstream = [\"{url}\"]\npublic = [\"/public/**\", \"/api/**\"]\n\
                 [[app]]\nname = \"admin{number}\"\nhost = \"{admin}\"\nupstream = [\"{url}\"]\ndevice_authorities = [\"vault\"]\n"
            ));
            plan = plan.certified_for(&app).certified_for(&admin);
            lanes.push(Lane { app, admin, recorder, cookies: String::new() });
        }
        let house = plan.set("end", &sections).open().await;
        let laptop = house.laptop("lap-7", "bob").await;
        let client = house.signed_in(&laptop, "bob").await;
        for lane in &mut lanes {
            let start = format!("https://{}:{}/app/start", lane.app, house.port());
            assert_eq!(client.browse(&start).await.text(), "ok");
            lane.cookies = client.jar.header(&lane.app, "/app").unwrap();
            lane.recorder.take();
        }
        let token = house.idp.token("bob", Some(laptop.thumbprint()));
        Self { house, lanes, client, token }
    }

    /// The case's bytes with this lane's names. Names are as long as those that they stand for: some are within counted bodies.
    fn addressed(&self, lane: &Lane, bytes: &[u8], credential: Credential) -> Vec<u8> {
        let mut text: String = bytes.iter().copied().map(char::from).collect();
        let (cookie, _) = lane.cookies.split_once('=').unwrap();
        let line = match credential {
            Credential::Cookie => format!("Cookie: {}\r\n", lane.cookies),
            Credential::Token => format!("Authorization: Bearer {}\r\n", self.token),
        };
        let dotless = lane.app.replace('.', "");
        let names = [
            ("@@AUTH@@", line.as_str()),
            ("admin.test", &lane.admin),
            ("ADMIN.TEST", &lane.admin.to_uppercase()),
            ("app.test", &lane.app),
            ("APP.TEST", &lane.app.to_uppercase()),
            ("appXtest", &format!("{}X{}", &dotless.split_at(3).0, "test")),
            ("app%2etest", &format!("{}%2e{}", &dotless.split_at(3).0, "test")),
            ("/.proxy", "/.sekisho"),
            ("X-Auth-User", "X-Forwarded-User"),
            ("X_Auth_User", "X_Forwarded_User"),
            ("__Host-session", cookie),
        ];
        for (from, to) in names {
            text = text.replace(from, to);
        }
        text.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()).collect()
    }

    fn at(&self, lane: &Lane) -> String {
        format!("https://{}:{}/", lane.app, self.house.port())
    }

    /// Runs `judge` over all cases, in lanes.
    async fn walk<C>(&self, cases: &[C], judge: impl AsyncFn(&Lane, &C)) {
        let next = Arc::new(AtomicUsize::new(0));
        let walks = self.lanes.iter().map(|lane| {
            let (next, judge) = (Arc::clone(&next), &judge);
            async move {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    judge(lane, case).await;
                }
            }
        });
        futures_util::future::join_all(walks).await;
    }
}

fn folder(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/conformance")).join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {name} is not here");
    None
}

fn json(path: &std::path::Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// What must never be, and what is only not as it is preferred.
#[derive(Debug, Default)]
struct Verdict {
    hard: Vec<String>,
    soft: Vec<String>,
}

/// As the collection's own description says.
fn judge(case: &Value, sent: &[u8], answer: &Raw, heard: &Heard) -> Verdict {
    let mut verdict = Verdict::default();
    let (hard, soft) = (&mut verdict.hard, &mut verdict.soft);
    let number = |name: &str| usize::try_from(case[name].as_u64().unwrap_or(0)).unwrap();
    let statuses = answer.statuses();
    // The head of a request whose body broke may be on its way to the app yet when the answer comes: it is the next case that hears it.
    let ours = format!("case-{}", case["id"].as_str().unwrap());
    let lines: Vec<_> = heard.lines().into_iter().filter(|line| !line.contains("/case-") || line.contains(&ours)).collect();
    let requests = lines.len();
    let expects = case["expect"].as_str().unwrap();
    if requests > number("hard_upstream_max") {
        hard.push(format!("{requests} requests at the app: {lines:?}"));
    }
    for banned in case["ban"].as_array().unwrap().iter().map(|banned| banned.as_str().unwrap()) {
        let seen = if banned.starts_with("SMUG") { lines.iter().any(|line| line.contains(banned)) } else { heard.has(banned) };
        if seen {
            hard.push(format!("{banned} at the app: {}", String::from_utf8_lossy(&heard.bytes)));
        }
    }
    if contains(&answer.bytes, b"CANARY") {
        hard.push("TRACE shows what was sent".to_owned());
    }
    if requests > number("upstream_max_requests") && expects != "abort" {
        soft.push(format!("{requests} requests at the app"));
    }
    let most = number("max_responses");
    if most > 0 && statuses.len() > most {
        let which = if expects == "abort" { &mut *soft } else { &mut *hard };
        which.push(format!("{statuses:?}"));
    }
    let preferred = case["status"].as_array().unwrap();
    if let Some(first) = statuses.first()
        && !preferred.is_empty()
        && !preferred.contains(&Value::from(*first))
    {
        soft.push(format!("{first} is none of {preferred:?}"));
    }
    if statuses.is_empty() && (!answer.closed || matches!(expects, "one" | "two")) {
        hard.push("no answer".to_owned());
    }
    if case["close_required"] == true && !answer.closed && statuses.first().is_some_and(|status| *status < 400) {
        soft.push("left open".to_owned());
    }
    if statuses.iter().any(|status| *status >= 500 && ![501, 502, 503, 505].contains(status)) {
        hard.push(format!("{statuses:?}"));
    }
    if case["verbatim"] == true && requests > 0 {
        let target = sent.split(|byte| *byte == b' ').nth(1).unwrap();
        if !contains(&heard.bytes, &[b" ", target, b" "].concat()) {
            hard.push(format!("another target: {lines:?}"));
        }
    }
    verdict
}

/// Holds: 64, 65, 66, 68, 70, 72.
#[tokio::test]
async fn raw_requests_do_what_they_may_and_no_more() {
    let Some(folder) = folder("raw-http1") else { return };
    let cases = json(&folder.join("open/manifest.json"));
    let cases: Vec<(&Value, Credential)> = cases
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|case| {
            let ways =
                if case["needs_auth"] == true { &[Credential::Cookie, Credential::Token][..] } else { &[Credential::Cookie] };
            ways.iter().map(move |way| (case, *way))
        })
        .collect();
    let street = Street::open().await;
    let verdicts = std::sync::Mutex::new(Vec::new());
    let forwarded = AtomicUsize::new(0);
    street
        .walk(&cases, async |lane, (case, credential)| {
            let raw = std::fs::read(folder.join(case["file"].as_str().unwrap())).unwrap();
            let sent = street.addressed(lane, &raw, *credential);
            let answer = street.client.raw(&street.at(lane), &sent).await;
            let heard = lane.recorder.take();
            forwarded.fetch_add(heard.heads.len(), Ordering::Relaxed);
            let verdict = judge(case, &sent, &answer, &heard);
            verdicts.lock().unwrap().push((case["id"].as_str().unwrap(), *credential, verdict, answer.statuses()));
        })
        .await;
    let verdicts = verdicts.into_inner().unwrap();
    let hard: Vec<_> = verdicts.iter().filter(|(.., verdict, _)| !verdict.hard.is_empty()).collect();
    let soft: Vec<_> = verdicts.iter().filter(|(.., verdict, _)| !verdict.soft.is_empty()).collect();
    assert!(hard.is_empty(), "{hard:#?}");
    assert!(soft.is_empty(), "{soft:#?}");
    assert!(verdicts.len() > 342 && forwarded.into_inner() > 100, "the collection was judged, and some of it reached an app");
}

/// Holds: 64, 65, 66, 68, 70, 72.
#[tokio::test]
async fn what_llhttp_must_refuse_is_refused() {
    let Some(folder) = folder("llhttp") else { return };
    let cases = json(&folder.join("cases.json"));
    let cases = cases["cases"].as_array().unwrap().iter();
    let must_fail: Vec<&Value> = cases.filter(|case| case["strict"] == true && case["expect_error"].is_string()).collect();
    assert_eq!(must_fail.len(), 63);
    // As it is, and for a host of ours, from somebody who may: then nothing but the flaw itself is in the way.
    let ways = must_fail.iter().enumerate().flat_map(|(number, case)| [(number, *case, false), (number, *case, true)]);
    let ways: Vec<(usize, &Value, bool)> = ways.collect();
    let street = Street::open().await;
    street
        .walk(&ways, async |lane, (number, case, welcome)| {
            let title = case["title"].as_str().unwrap();
            let raw = case["raw_latin1"].as_str().unwrap();
            let text = if *welcome { welcomed(raw, lane, *number) } else { raw.to_owned() };
            let sent: Vec<u8> = text.chars().filter_map(|letter| u8::try_from(u32::from(letter)).ok()).collect();
            let whole = usize::from(*welcome && BEGIN_SOUND.contains(&title));
            // Some stop in the middle: nothing more is to come. Who is served has to stay for it.
            let answer = match whole {
                0 => street.client.raw_and_no_more(&street.at(lane), &sent).await,
                _ => street.client.raw(&street.at(lane), &sent).await,
            };
            // What comes late is of another case.
            let ours = format!("\r\nx-case: {number}\r\n");
            let mut heads = lane.recorder.take().heads;
            heads.retain(|head| contains(head, ours.as_bytes()) || !contains(head, b"\r\nx-case: "));
            let served = answer.statuses().iter().filter(|status| **status < 300).count();
            assert_eq!(served, whole, "{title}: {:?} for {text:?}", answer.statuses());
            // The head of a request whose chunks are wrong may be at the app: a request is whole there with its last chunk.
            let begun = whole.max(usize::from(raw.to_ascii_lowercase().contains("transfer-encoding: chunked")));
            assert!(heads.len() <= begun, "{title}: {heads:?}");
            assert!(answer.closed || whole > 0, "{title} is left open");
        })
        .await;
}

/// The request for this lane's app, with its person's cookies, and its number.
fn welcomed(raw: &str, lane: &Lane, number: usize) -> String {
    let Some((first, rest)) = raw.split_once("\r\n") else { return raw.to_owned() };
    let host = format!("Host: {}\r\n", lane.app);
    let rest = match rest.split_once("Host: ") {
        Some((before, after)) => {
            let after = after.split_once("\r\n").map_or("", |(_host, after)| after);
            format!("{before}{host}{after}")
        }
        None => format!("{host}{rest}"),
    };
    format!("{first}\r\nX-Case: {number}\r\nCookie: {}\r\n{rest}", lane.cookies)
}

/// What is wrong with them comes after a request that is right, or is a matter of taste: an upgrade that we do not know is a plain request.
const BEGIN_SOUND: [&str; 5] = [
    "No restart when keep-alive is off (1.0)",
    "CRLF between requests, implicit `keep-alive`",
    "Setting a flag and pausing",
    "Emitting part of body and pausing",
    "Upgrade POST request",
];
/// Few cores serve all lanes; the lanes wait most of the time.
const LANES: usize = 16;
