use std::collections::BTreeSet;
use std::sync::Arc;

use super::samples::{device, key, session, user};
use super::*;
use crate::clock::Timestamp;
use crate::config::Host;
use crate::secret::Digest;

fn host(name: &str) -> Host {
    name.parse().unwrap()
}

#[test]
fn whoever_looks_after_a_change_sees_it() {
    let inventory = Inventory::default();
    inventory.put_device(device("lap-1", DeviceStatus::Active));
    let id: DeviceId = "lap-1".parse().unwrap();
    let before = inventory.device(&id).unwrap();
    assert!(Arc::ptr_eq(&before, &inventory.device(&id).unwrap()), "all who have it share it");
    let mut renewed = device("lap-1", DeviceStatus::Quarantined);
    renewed.keys = vec![key("new")];
    inventory.put_device(renewed.clone());
    let after = inventory.device_again(&before).unwrap();
    assert!(Arc::ptr_eq(&after, &inventory.device(&id).unwrap()));
    assert!(Arc::ptr_eq(&after, &inventory.device_again(&after).unwrap()));
    assert_eq!((&*before.device, &*after.device), (&device("lap-1", DeviceStatus::Active), &renewed));
    assert_ne!(before.facts(), after.facts());
    inventory.drop_device(&id);
    assert!(inventory.device(&id).is_none() && inventory.device_again(&after).is_none(), "although somebody still has it");
    assert!(inventory.device(&"lap-2".parse().unwrap()).is_none());
}

#[test]
fn all_devices_can_be_looked_through() {
    let inventory = Inventory::default();
    let names: BTreeSet<String> = (0..100).map(|number| format!("lap-{number}")).collect();
    inventory.expect_devices(names.len());
    names.iter().for_each(|name| drop(inventory.put_device(device(name, DeviceStatus::Active))));
    assert_eq!(inventory.device_names(|known| known.map(str::to_owned).collect::<BTreeSet<_>>()), names);
    let mut seen = BTreeSet::new();
    inventory.each_device(|live| assert!(seen.insert(live.device.id.to_string())));
    assert_eq!(seen, names);
}

#[test]
fn the_epoch_moves_with_what_is_taken_away() {
    let inventory = Inventory::default();
    // Whoever follows is told of the same.
    let moved = |change: &dyn Fn() -> Option<Moved>| {
        let before = inventory.trust_epoch();
        let told = change();
        let moved = inventory.trust_epoch() != before;
        assert_eq!(told.is_some(), moved, "{told:?}");
        moved
    };
    assert!(!moved(&|| inventory.put_device(device("lap-1", DeviceStatus::Active))), "a new device changes no earlier judgement");
    assert!(!moved(&|| inventory.put_device(device("lap-1", DeviceStatus::Active))), "nothing changed");
    assert!(moved(&|| inventory.put_device(device("lap-1", DeviceStatus::Quarantined))));
    let begun = session("s1", "ana", "lap-1", Timestamp(0));
    assert!(!moved(&|| inventory.put_session(begun.clone(), SessionUse::begun(Timestamp(0)))));
    let mut fewer = begun.clone();
    fewer.groups = Texts::default();
    assert!(moved(&|| inventory.put_session(fewer.clone(), SessionUse::begun(Timestamp(0)))));
    assert!(moved(&|| inventory.drop_session(&begun.id)));
    assert!(moved(&|| inventory.set_suspended(&user("ana"), true)));
    assert!(!moved(&|| inventory.set_suspended(&user("ana"), true)));
    assert!(moved(&|| inventory.set_suspended(&user("ana"), false)));
}

#[test]
fn ending_a_session_ends_all_its_cookies_and_no_other() {
    let inventory = Inventory::default();
    for name in ["s1", "s2"] {
        inventory.put_session(session(name, "ana", "lap-1", Timestamp(0)), SessionUse::begun(Timestamp(0)));
        for app in ["wiki", "files"] {
            let token = Digest::of(format!("{name} {app}").as_bytes());
            inventory.put_cookie(token, &SessionId(name.into()), host(&format!("{app}.corp.example")));
        }
    }
    let (held, _) = inventory.session_by_token(&Digest::of(b"s1 wiki")).unwrap();
    inventory.drop_session(&SessionId("s1".into()));
    assert!(held.ended(), "whoever holds it can see it");
    assert!(inventory.session_by_token(&Digest::of(b"s1 wiki")).is_none());
    assert!(inventory.session_by_token(&Digest::of(b"s1 files")).is_none());
    let (_, files) = inventory.session_by_token(&Digest::of(b"s2 files")).unwrap();
    assert_eq!(files, host("files.corp.example"));
    assert_eq!(inventory.counts().cookies, 2);
}

#[test]
fn new_facts_reach_every_cookie_and_keep_the_last_use() {
    let inventory = Inventory::default();
    let begun = session("s1", "ana", "lap-1", Timestamp(0));
    inventory.put_session(begun.clone(), SessionUse::begun(Timestamp(0)));
    inventory.put_cookie(Digest::of(b"t"), &begun.id, host("wiki.corp.example"));
    let before = inventory.session(&begun.id).unwrap();
    before.touch(Timestamp(77));
    let mut more = begun.clone();
    more.groups = ["hr", "staff"].into_iter().collect();
    inventory.put_session(more.clone(), SessionUse::begun(Timestamp(0)));
    let (live, _) = inventory.session_by_token(&Digest::of(b"t")).unwrap();
    assert_eq!(*live.session, more);
    assert_ne!(live.facts, before.facts);
    assert_eq!(live.last_used(), Timestamp(77));
    inventory.drop_session(&begun.id);
    assert!(before.ended() && live.ended(), "the end is seen through earlier facts too");
}

#[test]
fn a_cookie_without_its_session_opens_nothing() {
    let inventory = Inventory::default();
    inventory.put_cookie(Digest::of(b"t"), &SessionId("gone".into()), host("wiki.corp.example"));
    assert!(inventory.session_by_token(&Digest::of(b"t")).is_none());
}

#[test]
fn devices_are_counted_by_status() {
    let inventory = Inventory::default();
    inventory.put_device(device("a", DeviceStatus::Pending));
    inventory.put_device(device("b", DeviceStatus::Active));
    inventory.put_device(device("a", DeviceStatus::Active));
    inventory.put_device(device("b", DeviceStatus::Retired));
    inventory.put_device(device("c", DeviceStatus::Quarantined));
    inventory.drop_device(&"c".parse().unwrap());
    let counts = inventory.counts();
    assert_eq!((counts.devices_pending, counts.devices_active, counts.devices_quarantined, counts.devices_retired), (0, 1, 0, 1));
}

#[test]
fn equal_facts_have_equal_hashes() {
    let a = LiveDevice::new(device("a", DeviceStatus::Active));
    assert_eq!(a.facts(), LiveDevice::new(device("a", DeviceStatus::Active)).facts());
    assert_ne!(a.facts(), LiveDevice::new(device("a", DeviceStatus::Pending)).facts());
}

#[test]
fn a_user_is_provider_and_subject() {
    let ana: UserId = "corp/ana/2".parse().unwrap();
    assert_eq!((ana.provider.as_ref(), ana.subject.as_ref()), ("corp", "ana/2"));
    for wrong in ["", "corp", "corp/", "/ana"] {
        assert!(wrong.parse::<UserId>().is_err(), "{wrong}");
    }
}
