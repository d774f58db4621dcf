//! A known device, and what is left of it when one fact is taken away.

use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::{CertificateDer, UnixTime};
use sekisho_certs::authority::Authority as HouseAuthority;
use sekisho_certs::key::DeviceKey;
use sekisho_certs::trust::CertificateRefusal;

use super::{Authority, DeviceRefusal, Identifier, KnownDevice, Memory};
use crate::clock::Timestamp;
use crate::config::Admit;
use crate::inventory::{Device, DeviceStatus, Inventory, KeyProtection, Platform, foreign_device_id};
use crate::secret::Digest;
use crate::tls::ProvenLeaf;

struct Story {
    identifier: Identifier,
    generation: u64,
    inventory: Inventory,
    leaf: ProvenLeaf,
    memory: Memory,
    now: Timestamp,
}

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const LIFETIME: Duration = Duration::from_secs(90 * 86_400);

fn at(time: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_millis(time.0.unsigned_abs()))
}

fn house() -> HouseAuthority {
    let made = HouseAuthority::create("gate.example", at(NOW)).unwrap();
    HouseAuthority::load(&made.cert_pem, &made.key_pem).unwrap()
}

fn leaf_of(authority: &HouseAuthority, id: &str) -> ProvenLeaf {
    let key = DeviceKey::generate().unwrap();
    let csr = key.csr_pem("whatever").unwrap();
    let issued = authority.issue(csr.as_bytes(), id, LIFETIME, at(NOW)).unwrap();
    let der: CertificateDer<'static> = issued.certificate_der.clone();
    ProvenLeaf {
        certificate: Digest(sekisho_certs::fingerprint::certificate(&der)),
        key: Digest(key.fingerprint()),
        chain: Arc::new([der]),
    }
}

fn device(id: &str, authority: &str, leaf: &ProvenLeaf) -> Device {
    Device {
        id: id.parse().unwrap(),
        authority: authority.into(),
        status: DeviceStatus::Active,
        owner: None,
        shared: false,
        managed: true,
        platform: Platform::Linux,
        key_protection: KeyProtection::Software,
        keys: vec![leaf.key],
        enrolled_at: NOW,
        posture: std::collections::BTreeMap::new(),
        posture_at: None,
    }
}

fn story() -> Story {
    let authority = house();
    let leaf = leaf_of(&authority, "lap-7");
    let inventory = Inventory::default();
    inventory.put_device(device("lap-7", "house", &leaf));
    let identifier = Identifier::new(vec![Authority { trust: authority.trust("house").unwrap(), admit: None, services: false }]);
    Story { identifier, generation: 1, inventory, leaf, memory: Memory::default(), now: NOW }
}

impl Story {
    fn identify(&self) -> Result<KnownDevice, DeviceRefusal> {
        self.memory.identify(Some(&self.leaf), &self.identifier, self.generation, None, &self.inventory, self.now)
    }

    fn change(&self, change: impl FnOnce(&mut Device)) {
        let mut device = device("lap-7", "house", &self.leaf);
        change(&mut device);
        self.inventory.put_device(device);
    }
}

#[test]
fn a_listed_device_with_its_own_key_is_known() {
    let known = story().identify().unwrap();
    assert_eq!(known.device.id.as_str(), "lap-7");
    assert!(known.not_after > NOW);
}

#[test]
fn without_a_certificate_nothing_is_known() {
    let story = story();
    let nothing = story.memory.identify(None, &story.identifier, 1, None, &story.inventory, NOW);
    assert_eq!(nothing.unwrap_err(), DeviceRefusal::NoCertificate);
}

#[test]
fn a_change_is_seen_by_the_next_request_of_the_same_connection() {
    let story = story();
    story.identify().unwrap();
    for (status, refusal) in [
        (DeviceStatus::Pending, DeviceRefusal::Pending("lap-7".parse().unwrap())),
        (DeviceStatus::Quarantined, DeviceRefusal::Quarantined("lap-7".parse().unwrap())),
        (DeviceStatus::Retired, DeviceRefusal::Retired("lap-7".parse().unwrap())),
    ] {
        story.change(|device| device.status = status);
        assert_eq!(story.identify().unwrap_err(), refusal);
    }
    story.change(|device| device.status = DeviceStatus::Active);
    story.identify().unwrap();
}

#[test]
fn what_is_known_is_made_once_for_all_connections_and_made_again_for_a_change_only() {
    let story = story();
    let (first, other) = (story.identify().unwrap(), Memory::default());
    let ask = || other.identify(Some(&story.leaf), &story.identifier, 1, None, &story.inventory, NOW).unwrap();
    assert!(Arc::ptr_eq(&first.device, &ask().device));
    // Something else changes, and everybody looks again.
    let elsewhere = || device("lap-8", "house", &story.leaf);
    story.inventory.put_device(elsewhere());
    story.inventory.put_device(Device { status: DeviceStatus::Quarantined, ..elsewhere() });
    assert!(Arc::ptr_eq(&first.device, &ask().device));
    story.change(|device| device.shared = true);
    let (mine, theirs) = (story.identify().unwrap(), ask());
    assert!(mine.device.shared && Arc::ptr_eq(&mine.device, &theirs.device));
    assert_ne!(mine.facts, first.facts);
}

#[test]
fn a_device_that_left_the_inventory_is_not_known() {
    let story = story();
    story.identify().unwrap();
    story.inventory.drop_device(&"lap-7".parse().unwrap());
    assert_eq!(story.identify().unwrap_err(), DeviceRefusal::Unlisted("lap-7".parse().unwrap()));
}

#[test]
fn another_key_with_the_same_name_is_another_device() {
    let story = story();
    story.change(|device| device.keys = vec![Digest::of(b"another key")]);
    assert_eq!(story.identify().unwrap_err(), DeviceRefusal::OtherKey("lap-7".parse().unwrap()));
    // Our own authority's devices always have a listed key; none listed is not "any".
    story.change(|device| device.keys.clear());
    assert_eq!(story.identify().unwrap_err(), DeviceRefusal::OtherKey("lap-7".parse().unwrap()));
}

#[test]
fn the_same_name_under_another_authority_is_another_device() {
    let story = story();
    story.change(|device| device.authority = "mdm".into());
    assert_eq!(story.identify().unwrap_err(), DeviceRefusal::OtherKey("lap-7".parse().unwrap()));
}

#[test]
fn a_certificate_that_ends_while_the_connection_is_open_is_refused() {
    let mut story = story();
    story.identify().unwrap();
    story.now = NOW.plus(LIFETIME + Duration::from_secs(1));
    assert!(matches!(story.identify(), Err(DeviceRefusal::Certificate(CertificateRefusal::Expired { .. }))));
}

#[test]
fn an_authority_that_is_taken_out_vouches_no_more() {
    let mut story = story();
    story.identify().unwrap();
    story.identifier = Identifier::new(vec![Authority { trust: house().trust("house").unwrap(), admit: None, services: false }]);
    story.generation = 2;
    assert!(matches!(story.identify(), Err(DeviceRefusal::Certificate(_))));
}

#[test]
fn an_app_may_take_devices_of_some_authorities_only() {
    let story = story();
    let ask = |name: &str| {
        let taken = [Arc::from(name)].into();
        story.memory.identify(Some(&story.leaf), &story.identifier, 1, Some(&taken), &story.inventory, NOW)
    };
    ask("house").unwrap();
    assert_eq!(ask("mdm").unwrap_err(), DeviceRefusal::AuthorityNotTaken("house".into()));
}

#[test]
fn a_clock_that_steps_back_makes_the_certificate_be_looked_at_again() {
    let mut story = story();
    story.identify().unwrap();
    story.now = Timestamp(NOW.0 - 30 * 86_400_000);
    let refused = story.identify().unwrap_err();
    assert!(matches!(refused, DeviceRefusal::Certificate(CertificateRefusal::NotYetValid { .. })), "{refused:?}");
}

#[test]
fn while_the_inventory_is_out_of_date_nobody_is_known() {
    let story = story();
    story.identify().unwrap();
    story.inventory.set_behind(true);
    assert_eq!(story.identify().unwrap_err(), DeviceRefusal::InventoryBehind);
}

#[test]
fn foreign_devices_are_listed_or_entered_at_first_sight() {
    let authority = house();
    let leaf = leaf_of(&authority, "lap-7");
    let trust = || authority.trust("mdm").unwrap();
    let id = foreign_device_id("mdm", "lap-7");
    for (admit, refusal) in [
        (Admit::Listed, DeviceRefusal::Unlisted(id.clone())),
        (Admit::Any, DeviceRefusal::FirstSight { id: id.clone(), authority: "mdm".into() }),
    ] {
        let identifier = Identifier::new(vec![Authority { trust: trust(), admit: Some(admit), services: false }]);
        let inventory = Inventory::default();
        let memory = Memory::default();
        let ask = || memory.identify(Some(&leaf), &identifier, 1, None, &inventory, NOW);
        assert_eq!(ask().unwrap_err(), refusal);
        let mut listed = device(id.as_str(), "mdm", &leaf);
        listed.keys.clear();
        inventory.put_device(listed);
        assert_eq!(ask().unwrap().device.id, id);
    }
}

#[test]
fn within_its_grace_an_ended_certificate_of_a_device_in_use_can_be_renewed_and_is_good_for_nothing_else() {
    const GRACE: Duration = Duration::from_secs(30 * 86_400);
    let mut story = story();
    let renewable = |story: &Story| story.identifier.for_renewal(&story.leaf, &story.inventory, story.now, GRACE);
    assert_eq!(renewable(&story).unwrap(), story.identify().unwrap().renewable());
    story.now = NOW.plus(LIFETIME + GRACE);
    assert_eq!(renewable(&story).unwrap().device.as_str(), "lap-7");
    assert!(matches!(story.identify(), Err(DeviceRefusal::Certificate(CertificateRefusal::Expired { .. }))));
    let id = || "lap-7".parse().unwrap();
    for (status, refusal) in [
        (DeviceStatus::Pending, DeviceRefusal::Pending(id())),
        (DeviceStatus::Quarantined, DeviceRefusal::Quarantined(id())),
        (DeviceStatus::Retired, DeviceRefusal::Retired(id())),
    ] {
        story.change(|device| device.status = status);
        assert_eq!(renewable(&story), Err(refusal));
    }
    story.change(|device| device.keys.clear());
    assert!(renewable(&story).is_ok(), "whose key it is now, or was, the store knows");
    story.change(|device| device.authority = "mdm".into());
    assert_eq!(renewable(&story), Err(DeviceRefusal::OtherKey(id())));
    story.inventory.drop_device(&id());
    assert_eq!(renewable(&story), Err(DeviceRefusal::Unlisted(id())));
    story.now = story.now.plus(Duration::from_secs(1));
    assert!(matches!(renewable(&story), Err(DeviceRefusal::Certificate(CertificateRefusal::Expired { .. }))));
}

#[test]
fn only_our_own_authority_renews() {
    let story = story();
    let foreign =
        Identifier::new(vec![Authority { trust: house().trust("mdm").unwrap(), admit: Some(Admit::Listed), services: false }]);
    let refused = foreign.for_renewal(&story.leaf, &story.inventory, story.now, Duration::ZERO);
    assert_eq!(refused, Err(DeviceRefusal::Certificate(CertificateRefusal::UnknownAuthority)));
    story.inventory.set_behind(true);
    let refused = story.identifier.for_renewal(&story.leaf, &story.inventory, story.now, Duration::ZERO);
    assert_eq!(refused, Err(DeviceRefusal::InventoryBehind));
}
