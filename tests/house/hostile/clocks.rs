//! The time of day is set under a gate that runs: libfaketime stands between the real binary and the system's clock, and a file in the
//! house's folder says by how much it lies. The clock that nobody can set is left as it is.

use std::time::Duration;

use http::Method;
use http_body_util::BodyExt as _;

use crate::harness::{Client, House, Laptop, Plan, Reply, allowed, eventually, refused};

/// A gate whose time of day a test can set, and who uses it.
struct Scene {
    house: House,
    laptop: Laptop,
    alice: Client,
    /// With a token in place of a session.
    program: Client,
}

impl Scene {
    async fn of(plan: Plan) -> Self {
        // What the loader does not find it leaves out, with a word in the log that nobody reads.
        let mut libraries = std::fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path().join(LIBRARY));
        let library = libraries.find(|path| path.exists()).expect("no libfaketime: run `tests/install` first");
        let words = format!(
            "export LD_PRELOAD={} FAKETIME_TIMESTAMP_FILE=$PWD/{FILE} FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1 NO_FAKE_STAT=1",
            library.display()
        );
        let house = plan.wiki("public = [\"/open\"]").file(FILE, "+0").limited(&words).open().await;
        let laptop = house.laptop("lap-7", "alice").await;
        let alice = house.signed_in(&laptop, "alice").await;
        let program = laptop.client(&house).with_token(&house.idp.token("alice", Some(laptop.thumbprint())));
        allowed(&program.get(&house.url("wiki", "/program")).await);
        Self { house, laptop, alice, program }
    }

    /// Sets the gate's time of day so far from the true one.
    fn set(&self, by: &str) {
        // Never half a file.
        self.house.write("next", by);
        std::fs::rename(self.house.path().join("next"), self.house.path().join(FILE)).unwrap();
    }

    async fn metric(&self, name: &str) -> f64 {
        self.house.metrics().await.sum(name, &[])
    }

    /// What rests on time is refused, and everything says why.
    async fn is_closed(&self) {
        let wiki = |path: &str| self.house.url("wiki", path);
        // The first request sees it; nobody waits for a beat of the gate's own.
        closed(&self.alice.get(&wiki("/closed")).await);
        closed(&self.program.get(&wiki("/closed")).await);
        closed(&self.laptop.client(&self.house).get(&self.house.url("gate", "/.sekisho/sign-in")).await);
        eventually("the metric", async || (self.metric("sekisho_clock_unsure").await == 1.0).then_some(())).await;
        let (status, text) = self.house.operators_page("/readyz").await.unwrap();
        assert!(status == 503 && text.contains("the clock has jumped"), "{status}: {text}");
        // What does not rest on it goes on.
        allowed(&self.house.stranger().get(&wiki("/open")).await);
    }

    /// Waits until `client` gets another answer than that.
    async fn decided(&self, client: &Client, patience: Duration) -> Reply {
        let asked = async {
            loop {
                let reply = client.get(&self.house.url("wiki", "/again")).await;
                if reply.status != 503 {
                    return reply;
                }
                closed(&reply);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(patience, asked).await.expect("the clock is believed again")
    }

    /// The words of these events, in their order. A day and an hour are what is that long within a few seconds.
    fn told(&self, event: &str) -> Vec<String> {
        let lines = self.house.record().lines().into_iter().filter(|line| line["event"] == event);
        let words = lines.map(|line| line["detail"].as_str().unwrap().to_owned());
        words.map(|words| said(&words).unwrap_or(words)).collect()
    }
}

fn said(words: &str) -> Option<String> {
    let [verb, seconds, "s", direction] = words.split(' ').collect::<Vec<_>>()[..] else { return None };
    let length = match seconds.parse::<i32>().ok()? {
        86_397..=86_403 => "a day",
        3_597..=3_603 => "an hour",
        _ => return None,
    };
    Some(format!("{verb} {length} {direction}"))
}

#[track_caller]
fn closed(reply: &Reply) {
    refused(reply, 503);
    assert_eq!(reply.json()["reason"], "clock_unsure", "{}", reply.shown());
}

#[tokio::test]
async fn a_clock_that_jumps_closes_what_rests_on_time_until_it_is_back() {
    let began = now_ms();
    let scene = Scene::of(House::plan()).await;
    let wiki = |path: &str| scene.house.url("wiki", path);
    // A day ahead every session and every token has expired; an hour back no token has begun.
    for (number, by) in ["+1d", "-1h"].into_iter().enumerate() {
        let (_, flow) = scene.alice.begin(Method::GET, &wiki(&format!("/flood/{number}")), &[], "").await;
        let mut flow = flow.into_body();
        flow.frame().await.unwrap().unwrap();
        scene.set(by);
        scene.is_closed().await;
        let cut = async { while flow.frame().await.expect("it does not look whole").is_ok() {} };
        tokio::time::timeout(Duration::from_secs(10), cut).await.expect("what is under way is cut");
        assert_eq!(scene.house.record().only_access(&format!("/flood/{number}"))["status"], 200);
        scene.set("+0");
        for client in [&scene.alice, &scene.program] {
            allowed(&scene.decided(client, Duration::from_secs(20)).await);
        }
        eventually("the metric", async || (scene.metric("sekisho_clock_unsure").await == 0.0).then_some(())).await;
        assert_eq!(scene.house.operators_page("/readyz").await.unwrap().0, 200);
    }
    assert!(scene.metric("sekisho_clock_behind_seconds").await < 1.0);
    eventually("both are in the record", async || (scene.told("clock_sure").len() == 2).then_some(())).await;
    assert_eq!(scene.told("clock_unsure"), ["jumped a day ahead", "jumped an hour back"]);
    assert_eq!(scene.told("clock_sure"), ["came back", "came back"]);
    assert!(!scene.house.wiki.has_seen("/closed"));
    // The record has the time that was believed.
    let ended = now_ms();
    for line in scene.house.record().lines() {
        let Some(at) = line["at"].as_str() else { continue };
        let at = time::OffsetDateTime::parse(at, &time::format_description::well_known::Rfc3339).unwrap();
        assert!((began..=ended).contains(&(at.unix_timestamp_nanos() / 1_000_000)), "{line}");
    }
}

#[tokio::test]
#[ignore = "takes half a minute: a clock that stays where it jumped to is believed after that time"]
async fn a_clock_that_stays_where_it_jumped_to_is_believed_in_the_end() {
    let stays = async |by: &str, words: &str| {
        let scene = Scene::of(House::plan().set("sign_in", "session_lifetime = \"20s\"")).await;
        scene.set(by);
        scene.is_closed().await;
        // Her session was over while the gate did not know the time; back is no way to have it again.
        refused(&scene.decided(&scene.alice, Duration::from_secs(90)).await, 401);
        assert_eq!(scene.told("clock_sure"), [words]);
        scene
    };
    let (ahead, back) = tokio::join!(stays("+1d", "stays a day ahead"), stays("-1h", "stays an hour back"));
    // A day later the token has expired as well. An hour back it has not: the gate's time goes on from where it was.
    refused(&ahead.program.get(&ahead.house.url("wiki", "/later")).await, 401);
    assert_eq!(ahead.house.record().only_access("/later")["reason"], "token_expired");
    allowed(&back.program.get(&back.house.url("wiki", "/later")).await);
    assert!(ahead.metric("sekisho_clock_behind_seconds").await < 1.0);
    let behind = back.metric("sekisho_clock_behind_seconds").await;
    assert!((3_500.0..3_700.0).contains(&behind), "{behind}");
}

fn now_ms() -> i128 {
    time::OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000
}

/// Below a folder of `/usr/lib`.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";
const FILE: &str = "time-of-day";
