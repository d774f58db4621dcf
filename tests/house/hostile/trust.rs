//! Trust that changes under connections that are open and answers that are under way.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use time::OffsetDateTime;

use crate::harness::{Hand, Identity, Over, Town, authority_lines, eventually};

/// A device with two connections that stay open, and an answer under way on each of two more.
struct Held {
    name: &'static str,
    host: &'static str,
    token: String,
    http1: http1::SendRequest<Full<Bytes>>,
    http2: http2::SendRequest<Full<Bytes>>,
    flows: Vec<(String, Incoming)>,
}

impl Held {
    /// Connects as `identity` to an app's host, and begins to download from it.
    async fn by(town: &Town, name: &'static str, host: &'static str, identity: &Identity) -> Self {
        let hand = Hand::new(town.house.port(), &rustls::version::TLS13);
        hand.show(Some(identity));
        let connect = async |over| TokioIo::new(hand.connect(Some(host), over).await.unwrap());
        let over_http1 = async || {
            let (sender, connection) = http1::handshake(connect(Over::Http1).await).await.unwrap();
            tokio::spawn(connection);
            sender
        };
        let over_http2 = async || {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), connect(Over::Http2).await).await.unwrap();
            tokio::spawn(connection);
            sender
        };
        let token = town.credentials()[0].1.to_owned();
        let mut held = Self { name, host, token, http1: over_http1().await, http2: over_http2().await, flows: Vec::new() };
        assert_eq!(held.statuses().await, [Some(200), Some(200)], "{name}");
        let path = |over| format!("/events/{name}/{over}");
        let flow = over_http1().await.send_request(held.request(Version::HTTP_11, &path(1))).await.unwrap();
        held.flows.push((path(1), flow.into_body()));
        // On the connection that is asked again later, and on one of its own.
        let mut other = over_http2().await;
        for (number, sender) in [(2, &mut held.http2.clone()), (3, &mut other)] {
            let flow = sender.send_request(held.request(Version::HTTP_2, &path(number))).await.unwrap();
            held.flows.push((path(number), flow.into_body()));
        }
        for (path, flow) in &mut held.flows {
            assert!(more(flow).await.is_some_and(|frame| frame.is_ok()), "{path} has begun");
        }
        held
    }

    fn request(&self, version: Version, path: &str) -> Request<Full<Bytes>> {
        let request = Request::get(match version {
            Version::HTTP_2 => format!("https://{}{path}", self.host),
            _ => path.to_owned(),
        });
        let request = if version == Version::HTTP_2 { request } else { request.header("host", self.host) };
        request.version(version).header("authorization", &self.token).body(Full::new(Bytes::new())).unwrap()
    }

    /// What the connections that are open answer now; `None` for one that has been closed.
    async fn statuses(&mut self) -> [Option<u16>; 2] {
        let path = format!("/next/{}", self.name);
        let first = self.request(Version::HTTP_11, &path);
        let second = self.request(Version::HTTP_2, &path);
        let http1 = async {
            self.http1.ready().await.ok()?;
            let reply = self.http1.send_request(first).await.ok()?;
            let status = reply.status().as_u16();
            reply.into_body().collect().await.ok()?;
            Some(status)
        };
        let http2 = async {
            self.http2.ready().await.ok()?;
            Some(self.http2.send_request(second).await.ok()?.status().as_u16())
        };
        let both = async { [http1.await, http2.await] };
        tokio::time::timeout(Duration::from_secs(20), both).await.expect("an answer or an end")
    }

    /// What is under way breaks off, and the record says why; the next request on what is open is refused.
    async fn ends(mut self, town: &Town, cause: &str, status: u16) {
        for (path, mut flow) in std::mem::take(&mut self.flows) {
            loop {
                match more(&mut flow).await {
                    Some(Ok(_)) => {}
                    Some(Err(_)) => break,
                    None => panic!("{path} ended as if it were whole"),
                }
            }
            let request = town.house.record().only_access(&path)["request"].clone();
            let end = town.house.record().end_of(&request).await;
            assert_eq!((&end["ending"], &end["cause"]), (&"cut".into(), &cause.into()), "{path}: {end}");
        }
        let path = format!("/next/{}", self.name);
        let before = town.house.wiki.seen().iter().filter(|seen| seen.path() == path).count();
        // HTTP/1.1: idle while it happened, so still open. HTTP/2: its streams may have gone with their connection.
        let [http1, http2] = self.statuses().await;
        assert_eq!(http1, Some(status), "{}", self.name);
        assert!(http2.is_none_or(|http2| http2 == status), "{}: {http2:?}", self.name);
        let after = town.house.wiki.seen().iter().filter(|seen| seen.path() == path).count();
        assert_eq!(before, after, "{}: nothing more reached the app", self.name);
    }

    /// Nothing has happened to it.
    async fn goes_on(&mut self, town: &Town) {
        town.house.wiki.tell();
        for (path, flow) in &mut self.flows {
            assert!(more(flow).await.is_some_and(|frame| frame.is_ok()), "{path} goes on");
        }
        assert_eq!(self.statuses().await, [Some(200), Some(200)], "{}", self.name);
    }
}

async fn more(flow: &mut Incoming) -> Option<Result<(), hyper::Error>> {
    let frame = tokio::time::timeout(Duration::from_secs(20), flow.frame()).await.expect("more, or an end");
    frame.map(|frame| frame.map(drop))
}

/// Holds: 35.
#[tokio::test]
async fn a_list_that_names_a_certificate_cuts_what_it_has_under_way() {
    let town = Town::open().await;
    let held = Held::by(&town, "withdrawn", "admin.test", &town.a.device("urn:town:device/a1", 11, 30)).await;
    let mut other = Held::by(&town, "other", "admin.test", &town.a.device("urn:town:device/a2", 12, 30)).await;
    // Nobody asks for it: files that the configuration names are looked at.
    town.house.write("a.crl", &town.a.withdrawn(&[11], 10));
    held.ends(&town, "certificate", 403).await;
    other.goes_on(&town).await;
    // What is half written withdraws nothing and lets nobody back in.
    let list = town.a.withdrawn(&[11, 12], 10);
    town.house.write("a.crl", list.get(..list.len() / 2).unwrap());
    eventually("the bad list is noticed", async || {
        (town.house.metrics().await.sum("sekisho_config_last_reload_successful", &[]) == 0.0).then_some(())
    })
    .await;
    other.goes_on(&town).await;
    let withdrawn = town.a.device("urn:town:device/a1", 11, 30);
    assert_eq!(town.admits(Some(&withdrawn), "/withdrawn").await.reason(), "certificate_revoked");
    town.house.write("a.crl", &list);
    other.ends(&town, "certificate", 403).await;
}

/// Holds: 30, 31, 35.
#[tokio::test]
async fn what_ends_by_itself_ends_what_rests_on_it() {
    let town =
        Town::with(|plan| plan.app_at("also", "also.wild.test", "upstream = [\"{wiki}\"]\ndevice_authorities = [\"b\"]")).await;
    let soon = || OffsetDateTime::now_utc() + time::Duration::seconds(6);
    let mut stays = Held::by(&town, "stays", "admin.test", &town.a.device("urn:town:device/a9", 19, 30)).await;
    // A list, a certificate, and an authority between: each good for a few seconds more.
    town.house.write("b.crl", &town.b.withdrawn_with(&[], |list| list.next_update = soon()));
    town.house.must(&["reload"]).await;
    let by_list = Held::by(&town, "list", "admin2.test", &town.b.device("urn:town:device/b1", 21, 30)).await;
    let leaf = town.a.device_with("urn:town:device/a1", |leaf| leaf.not_after = soon());
    let by_leaf = Held::by(&town, "leaf", "admin.test", &leaf).await;
    let began = OffsetDateTime::now_utc();
    by_leaf.ends(&town, "certificate", 403).await;
    by_list.ends(&town, "certificate", 503).await;
    assert!(OffsetDateTime::now_utc() - began < time::Duration::seconds(20));
    stays.goes_on(&town).await;
}

/// Holds: 30.
#[tokio::test]
async fn an_authority_that_is_taken_away_takes_its_devices_along() {
    let mut town = Town::open().await;
    let admin = Held::by(&town, "roots", "admin.test", &town.a.device("urn:town:device/a1", 11, 30)).await;
    let mut other = Held::by(&town, "b", "admin2.test", &town.b.device("urn:town:device/b1", 11, 30)).await;
    // The same authority with another root: its devices are strangers. Reading roots again takes a reload.
    let successor = crate::harness::Authority::new("Authority A, renewed");
    town.house.write("roots-a.pem", &successor.pem());
    town.house.write("a.crl", &successor.withdrawn(&[], 10));
    town.house.must(&["reload"]).await;
    admin.ends(&town, "certificate", 403).await;
    other.goes_on(&town).await;
    let renewed = Held::by(&town, "renewed", "admin.test", &successor.device("urn:town:device/a2", 12, 30)).await;
    // An app that takes them no more; then no authority at all.
    town.house.change("device_authorities = [\"a\"]", "device_authorities = [\"b\"]");
    town.house.must(&["reload"]).await;
    renewed.ends(&town, "configuration", 403).await;
    other.goes_on(&town).await;
    town.house.change("device_authorities = [\"b\"]", "");
    town.house.change(&authority_lines("b"), "");
    town.house.must(&["reload"]).await;
    other.ends(&town, "certificate", 403).await;
}
