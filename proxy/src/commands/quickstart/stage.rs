//! Everything that runs in a quickstart, set up in its order and taken down again.

use rustls::RootCertStore;
use tokio::net::UnixStream;

use super::devices::{Device, Workshop};
use super::furnish::{Furniture, furnish};
use super::neighbours::{Doors, Neighbours};
use super::place::Place;
use super::props;
use super::sign_in::{person, until_signed_in};
use super::visitor::Visitor;
use crate::clock::Clock;
use crate::commands::admin_client::AdminClient;
use crate::commands::error::CommandError;
use crate::commands::output::note;
use crate::startup::{self, Running};

/// The gate, what stands beside it, and two devices on which their owners have signed in.
#[derive(Debug)]
pub(super) struct Stage {
    /// Where everything is.
    pub(super) place: Place,
    /// The demo provider and the apps.
    pub(super) neighbours: Neighbours,
    /// The administrator.
    pub(super) admin: AdminClient,
    /// Alice's device.
    pub(super) laptop: Device,
    /// Bob's device.
    pub(super) other: Device,
    /// Alice on her device, signed in.
    pub(super) alice: Visitor,
    /// Bob on his, signed in.
    pub(super) bob: Visitor,
    /// What somebody should know about how it was set up.
    pub(super) notes: Vec<String>,
    furniture: Furniture,
    gate: Running,
}

impl Stage {
    /// Sets everything up.
    ///
    /// # Errors
    /// Whatever is in the way, in words.
    pub(super) async fn set(place: Place, clock: &Clock) -> Result<Self, CommandError> {
        // First what may be in use by another quickstart: nothing of it must be touched.
        let doors = Doors::open(&place)?;
        if UnixStream::connect(place.socket()).await.is_ok() {
            let folder = place.shown("");
            return Err(CommandError::failed(format!(
                "a gate runs from {folder} already: stop it, or choose another folder with --state"
            )));
        }
        note(&format!("Setting up a gate in {} …\n", place.shown("")));
        let mut furniture = furnish(&place, clock)?;
        let neighbours = Neighbours::start(doors, &place, &furniture)?;
        let config = place.file("sekisho.toml");
        let gate = startup::start(&config, clock.clone()).await.map_err(|error| {
            let path = config.display();
            CommandError::failed(format!("the gate did not start from {path}:\n{}", error.to_string().trim_end()))
        })?;
        let admin = AdminClient::new(place.socket());
        let mut workshop = Workshop { place: &place, admin: &admin, clock, notes: std::mem::take(&mut furniture.notes) };
        let laptop = workshop.device("laptop", &person("alice")?.email).await?;
        let other = workshop.device("other-laptop", &person("bob")?.email).await?;
        let notes = workshop.notes;
        let alice = laptop.visitor(furniture.trusted()?)?;
        let bob = other.visitor(furniture.trusted()?)?;
        until_signed_in(&alice, &place, "alice").await?;
        until_signed_in(&bob, &place, "bob").await?;
        props::lay_out(&place, &neighbours, [&laptop, &other], &alice)?;
        Ok(Self { place, neighbours, admin, laptop, other, alice, bob, notes, furniture, gate })
    }

    /// Only the root of this quickstart.
    ///
    /// # Errors
    /// Hardly: it is a certificate.
    pub(super) fn trusted(&self) -> Result<RootCertStore, CommandError> {
        self.furniture.trusted()
    }

    /// Loads configuration and policies again.
    pub(super) async fn reload(&self) {
        self.gate.reload().await;
    }

    /// Takes everything down.
    pub(super) async fn strike(self) {
        self.gate.stop().await;
        self.neighbours.stop().await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    async fn stage(dir: &std::path::Path, clock: &Clock) -> Stage {
        for port in (20_000..40_000).step_by(5).skip(usize::try_from(std::process::id() % 3000).unwrap()) {
            if let Ok(stage) = Stage::set(Place::new(dir.join("state"), port), clock).await {
                return stage;
            }
        }
        panic!("no five ports in a row are free");
    }

    /// Asks until the answer is as wanted; the clock goes on meanwhile.
    async fn until(stage: &Stage, clock: &Clock, wanted: (u16, Option<&str>)) {
        let asked = async {
            loop {
                let answer = stage.alice.get(&stage.place.share("/")).await.unwrap();
                if (answer.status.as_u16(), answer.reason().as_deref()) == wanted {
                    return;
                }
                clock.advance(Duration::from_millis(250));
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), asked).await.unwrap_or_else(|_late| panic!("never {wanted:?}"));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_clock_that_jumps_closes_what_rests_on_time_until_it_can_be_believed() {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::manual(Clock::system().now());
        let stage = stage(dir.path(), &clock).await;
        let share = stage.place.share("/");
        let nobody = Visitor::new(stage.trusted().unwrap(), None).unwrap();
        until(&stage, &clock, (200, None)).await;

        // By this the session has expired long ago, but nobody believes it.
        clock.jump(100 * HOUR_MS);
        let answer = stage.alice.get(&share).await.unwrap();
        assert_eq!(
            (answer.status.as_u16(), answer.reason().as_deref()),
            (503, Some("clock_unsure")),
            "the first request sees it"
        );
        let sign_in = nobody.get(&stage.place.share("/.sekisho/sign-in")).await.unwrap();
        assert_eq!(sign_in.reason().as_deref(), Some("clock_unsure"));
        let whoami = nobody.get(&stage.place.share("/.sekisho/whoami")).await.unwrap();
        assert_eq!(whoami.status.as_u16(), 200, "what does not rest on time goes on");
        let status: crate::console::admin::wire::Status = stage.admin.get("/v1/status").await.unwrap();
        assert_eq!(status.not_ready.as_deref(), Some("the clock has jumped"));

        clock.jump(-100 * HOUR_MS);
        until(&stage, &clock, (200, None)).await;
        let audit = stage.place.file("audit");
        stage.strike().await;
        let files = std::fs::read_dir(audit).unwrap().map(|entry| entry.unwrap().path());
        // A finished file may be packed by now.
        let text: String = files
            .filter_map(|path| {
                let (name, bytes) = (path.display().to_string(), std::fs::read(&path).unwrap_or_default());
                let plain = name.ends_with("-control.jsonl").then(|| bytes.clone());
                let packed = || name.ends_with("-control.jsonl.zst").then(|| zstd::decode_all(bytes.as_slice()).unwrap());
                Some(String::from_utf8(plain.or_else(packed)?).unwrap())
            })
            .collect();
        let events: Vec<&str> = ["gate_started", "clock_unsure", "clock_sure", "gate_stopped"]
            .into_iter()
            .filter(|kind| text.matches(&format!("\"event\":\"{kind}\"")).count() == 1)
            .collect();
        assert_eq!(events, ["gate_started", "clock_unsure", "clock_sure", "gate_stopped"], "{text}");
    }
}
