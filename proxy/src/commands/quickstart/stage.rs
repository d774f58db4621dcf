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
