//! What stands beside and behind the gate: the demo provider and two small apps, each on a port of its own on loopback.

use std::fmt::Display;
use std::net::{Ipv4Addr, TcpListener as PlainListener};
use std::sync::Arc;
use std::time::Duration;

use sekisho_examples::idp::{Client, Mint, Provider, Settings, demo_people};
use sekisho_examples::{chat, share};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::furnish::Furniture;
use super::place::Place;
use crate::commands::error::CommandError;

/// The provider and the apps, running.
#[derive(Debug)]
pub(super) struct Neighbours {
    provider: Arc<Provider>,
    stop: watch::Sender<bool>,
    running: JoinSet<()>,
}

/// Their listeners, all bound.
#[derive(Debug)]
pub(super) struct Doors {
    provider: TcpListener,
    share: TcpListener,
    chat: TcpListener,
}

impl Doors {
    /// Binds them, and makes sure that the gate's own ports are free.
    ///
    /// # Errors
    /// Every port that somebody else has.
    pub(super) fn open(place: &Place) -> Result<Self, CommandError> {
        let mut busy = Vec::new();
        // The gate shares its port between its cores, and would share it with another gate as well: ask for it alone first.
        drop(bind(place.gate_port(), "the gate", &mut busy));
        let provider = bind(place.provider_port(), "the demo provider", &mut busy);
        let share = bind(place.share_port(), "the information-sharing app", &mut busy);
        let chat = bind(place.chat_port(), "the app with a WebSocket", &mut busy);
        drop(bind(place.metrics_port(), "metrics", &mut busy));
        if let (Some(provider), Some(share), Some(chat), true) = (provider, share, chat, busy.is_empty()) {
            let listen = |listener| TcpListener::from_std(listener).map_err(CommandError::failed);
            return Ok(Self { provider: listen(provider)?, share: listen(share)?, chat: listen(chat)? });
        }
        Err(CommandError::failed(format!(
            "{}\nAnother quickstart may be running. Five ports in a row are needed: choose others with --port",
            busy.join("\n")
        )))
    }
}

impl Neighbours {
    /// Starts them all.
    ///
    /// # Errors
    /// If the provider cannot make its key.
    pub(super) fn start(doors: Doors, place: &Place, furniture: &Furniture) -> Result<Self, CommandError> {
        let client = Client {
            id: CLIENT_ID.to_owned(),
            secret: furniture.client_secret.expose().clone(),
            redirect_uris: vec![format!("{}/.sekisho/callback", place.gate())],
            post_logout_redirect_uris: vec![format!("{}/.sekisho/sign-out", place.gate())],
        };
        let settings = Settings {
            issuer: place.provider(),
            clients: vec![client],
            people: demo_people(),
            tls: Arc::clone(&furniture.provider_tls),
        };
        let provider = Provider::new(settings).map_err(CommandError::failed)?;
        let (stop, stopping) = watch::channel(false);
        let told = || {
            let mut stopping = stopping.clone();
            // A sender that is gone tells the same.
            async move { drop(stopping.wait_for(|stop| *stop).await) }
        };
        let mut running = JoinSet::new();
        let serving = Arc::clone(&provider).serve(doors.provider, told());
        running.spawn(async move { tell("the demo provider", serving.await) });
        let serving = share::serve(doors.share, share::Settings::default(), told());
        running.spawn(async move { tell("the information-sharing app", serving.await) });
        let serving = chat::serve(doors.chat, chat::Settings::default(), told());
        running.spawn(async move { tell("the app with a WebSocket", serving.await) });
        Ok(Self { provider, stop, running })
    }

    /// An access token for `person`, as an API client would hold it: bound to a certificate, or to nothing.
    ///
    /// # Errors
    /// If it cannot be signed.
    pub(super) fn token(&self, person: &str, certificate: Option<[u8; 32]>) -> Result<String, CommandError> {
        let mint = Mint { person, audience: CLIENT_ID, lifetime: TOKEN_LIFETIME, certificate };
        self.provider.mint(&mint).map_err(CommandError::failed)
    }

    /// Ends them all.
    pub(super) async fn stop(mut self) {
        let _all_gone = self.stop.send(true);
        while self.running.join_next().await.is_some() {}
    }
}

fn bind(port: u16, whose: &str, busy: &mut Vec<String>) -> Option<PlainListener> {
    // Sockets of an earlier run that wait for their end do not count: the standard library sets SO_REUSEADDR.
    let bound = PlainListener::bind((Ipv4Addr::LOCALHOST, port)).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map_err(|error| busy.push(format!("cannot listen on 127.0.0.1:{port} for {whose}: {error}"))).ok()
}

fn tell(who: &str, ended: Result<(), impl Display>) {
    if let Err(error) = ended {
        tracing::error!(%error, "{who} ended");
    }
}

/// The gate's name at the provider, and the audience of tokens.
const CLIENT_ID: &str = "sekisho";
/// A working day: what was printed in the morning can be pasted in the afternoon.
const TOKEN_LIFETIME: Duration = Duration::from_secs(8 * 3600);
