//! Laws of the change feed, on random histories.

use std::sync::Arc;

use proptest::prelude::*;
use sqlx::SqlitePool;

use super::follow::Follower;
use super::tests::{Bench, picture};
use super::{Actor, FromProvider, NewDevice, Registrar, SessionsOf};
use crate::clock::Timestamp;
use crate::contain::Levers;
use crate::inventory::samples::{self, key, user};
use crate::inventory::{DeviceId, Inventory, Platform, SessionId};

/// Something that somebody does; most of it is refused at times.
#[derive(Clone, Debug)]
enum Deed {
    Add(u8),
    Quarantine(u8),
    Release(u8),
    Retire(u8),
    Begin {
        session: u8,
        user: u8,
        device: u8,
    },
    Cookie {
        session: u8,
        host: u8,
    },
    End(u8),
    EndOf(u8),
    EndOn(u8),
    Suspend(u8),
    Resume(u8),
    /// The other node looks at the feed.
    Follow,
}

fn deed() -> impl Strategy<Value = Deed> {
    let n = || 0..3u8;
    prop_oneof![
        3 => n().prop_map(Deed::Add),
        1 => n().prop_map(Deed::Quarantine),
        1 => n().prop_map(Deed::Release),
        1 => n().prop_map(Deed::Retire),
        4 => (0..6u8, n(), n()).prop_map(|(session, user, device)| Deed::Begin { session, user, device }),
        4 => (0..6u8, n()).prop_map(|(session, host)| Deed::Cookie { session, host }),
        2 => (0..6u8).prop_map(Deed::End),
        1 => n().prop_map(Deed::EndOf),
        1 => n().prop_map(Deed::EndOn),
        1 => n().prop_map(Deed::Suspend),
        1 => n().prop_map(Deed::Resume),
        2 => Just(Deed::Follow),
    ]
}

fn device(n: u8) -> DeviceId {
    format!("lap-{n}").parse().unwrap()
}

fn session(n: u8) -> SessionId {
    SessionId(format!("s{n}").into())
}

/// Does it; a refusal is as good as a success here.
async fn perform(registrar: &Registrar, deed: &Deed) {
    let by = Actor::System("test");
    match deed {
        Deed::Add(n) => {
            let new = NewDevice {
                id: device(*n),
                authority: "mdm".into(),
                owner: None,
                shared: false,
                managed: false,
                platform: Platform::Linux,
                keys: vec![key(&format!("k{n}"))],
            };
            drop(registrar.add_device(new, &by, "").await);
        }
        Deed::Quarantine(n) => drop(registrar.quarantine_device(&device(*n), &by, "").await),
        Deed::Release(n) => drop(registrar.release_device(&device(*n), &by, "").await),
        Deed::Retire(n) => drop(registrar.retire_device(&device(*n), &by, "").await),
        Deed::Begin { session: s, user: u, device: d } => {
            let facts = samples::session(&format!("s{s}"), &format!("u{u}"), device(*d).as_str(), Timestamp(0));
            drop(registrar.start_session(facts, FromProvider::default(), "").await);
        }
        Deed::Cookie { session: s, host } => {
            let host = format!("app{host}.example").parse().unwrap();
            drop(registrar.issue_app_cookie(&session(*s), &host).await);
        }
        Deed::End(n) => drop(registrar.end_sessions(&SessionsOf::One(session(*n)), &by, "").await),
        Deed::EndOf(n) => drop(registrar.end_sessions(&SessionsOf::User(user(&format!("u{n}"))), &by, "").await),
        Deed::EndOn(n) => drop(registrar.end_sessions(&SessionsOf::Device(device(*n)), &by, "").await),
        Deed::Suspend(n) => drop(registrar.suspend_user(&user(&format!("u{n}")), &by, "").await),
        Deed::Resume(n) => drop(registrar.resume_user(&user(&format!("u{n}")), &by, "").await),
        Deed::Follow => {}
    }
}

/// What a node sees that began with nothing and applied the whole feed.
async fn replayed(pool: SqlitePool) -> Vec<String> {
    let inventory = Arc::new(Inventory::default());
    Follower::at_the_beginning(pool, Arc::clone(&inventory)).catch_up(std::time::Instant::now()).await.unwrap();
    picture(&inventory)
}

/// What a node sees that loads the state now.
async fn loaded(pool: SqlitePool) -> Vec<String> {
    let inventory = Arc::new(Inventory::default());
    Follower::start(pool, Arc::clone(&inventory), Levers::default()).await.unwrap();
    picture(&inventory)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn replaying_loading_and_following_see_the_same(deeds in prop::collection::vec(deed(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let bench = Bench::new();
            let registrar = bench.open().await;
            let other = Arc::new(Inventory::default());
            let follower = Follower::start(registrar.pool().clone(), Arc::clone(&other), Levers::default()).await.unwrap();
            for deed in &deeds {
                perform(&registrar, deed).await;
                if matches!(deed, Deed::Follow) {
                    follower.catch_up(std::time::Instant::now()).await.unwrap();
                    prop_assert_eq!(picture(&other), picture(registrar.inventory()));
                }
            }
            let live = picture(registrar.inventory());
            follower.catch_up(std::time::Instant::now()).await.unwrap();
            prop_assert_eq!(picture(&other), live.clone());
            prop_assert_eq!(replayed(registrar.pool().clone()).await, live.clone());
            prop_assert_eq!(loaded(registrar.pool().clone()).await, live);
            Ok(())
        })?;
    }
}
