use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::clock::Timestamp;
use crate::inventory::{Device, DeviceId, DeviceStatus, FactValue, Platform};
use crate::store::tests::{Bench, START, id, listed};
use crate::store::{Actor, DeviceError, Registrar};

const ADMIN: Actor = Actor::Operator { uid: 1000, name: None };
const HOUR: Duration = Duration::from_secs(3600);

fn mdm() -> FactSource {
    FactSource::reporter("mdm")
}

fn flags(facts: &[(&str, bool)]) -> BTreeMap<String, Option<FactValue>> {
    facts.iter().map(|&(name, flag)| (name.to_owned(), Some(FactValue::Flag(flag)))).collect()
}

fn report(device: &str, at: Timestamp, facts: &[(&str, bool)]) -> FactReport {
    FactReport { device: id(device), at, ends_at: Some(at.plus(HOUR)), facts: flags(facts), whole: false }
}

fn device(registrar: &Registrar, name: &str) -> Device {
    (*registrar.inventory().device(&id(name)).unwrap().device).clone()
}

fn flag(device: &Device, name: &str) -> Option<bool> {
    device.posture.get(name).map(|value| *value == FactValue::Flag(true))
}

async fn with_laptops(bench: &Bench, names: &[&str]) -> Registrar {
    let registrar = bench.open().await;
    for name in names {
        registrar.add_device(listed(name), &ADMIN, "").await.unwrap();
    }
    registrar.set_fact_ages([(mdm(), Some(HOUR))].into()).await.unwrap();
    registrar
}

async fn whats(registrar: &Registrar, name: &str) -> Vec<(String, String, String)> {
    let history = registrar.device_history(&id(name), 50).await.unwrap();
    history.into_iter().map(|change| (change.what, change.by, change.why)).collect()
}

#[tokio::test]
async fn what_a_source_says_is_in_effect_and_stays() {
    let bench = Bench::new();
    let registrar = with_laptops(&bench, &["lap-1", "lap-2"]).await;
    let both = vec![
        report("lap-1", START, &[("disk_encrypted", true), ("managed", false)]),
        report("lap-2", START, &[("disk_encrypted", false)]),
        report("lap-3", START, &[("disk_encrypted", true)]),
    ];
    let done = registrar.report_facts(&mdm(), both).await.unwrap();
    assert_eq!(done, [Reported::Changed, Reported::Changed, Reported::Unknown]);
    let check = |registrar: &Registrar| {
        let lap = device(registrar, "lap-1");
        assert_eq!((flag(&lap, "disk_encrypted"), lap.posture_at, lap.managed), (Some(true), Some(START), true));
        assert_eq!(flag(&device(registrar, "lap-2"), "disk_encrypted"), Some(false));
    };
    // What was said at enrolment is of the same moment as the report; the source that comes later in the alphabet counts.
    bench.clock().advance(Duration::from_millis(1));
    registrar.report_facts(&mdm(), vec![report("lap-1", START, &[("managed", true)])]).await.unwrap();
    check(&registrar);
    assert_eq!(whats(&registrar, "lap-2").await[0], ("facts changed".into(), "source:mdm".into(), "disk_encrypted=false".into()));
    let (facts, aliases) = registrar.facts_of(&id("lap-1")).await.unwrap();
    let said: Vec<(&str, &str)> = facts.iter().map(|fact| (fact.name.as_str(), fact.source.as_str())).collect();
    assert_eq!(said, [("disk_encrypted", "mdm"), ("managed", "enrolment"), ("managed", "mdm")]);
    assert_eq!(aliases, []);
    registrar.close().await.unwrap();
    drop(registrar);
    check(&bench.open().await);
}

#[tokio::test]
async fn what_is_only_confirmed_is_no_change() {
    let bench = Bench::new();
    let registrar = with_laptops(&bench, &["lap-1", "lap-2"]).await;
    let say = async |at: Timestamp| {
        let facts = [("disk_encrypted", true), ("managed", true)];
        registrar.report_facts(&mdm(), vec![report("lap-1", at, &facts), report("lap-2", at, &facts)]).await
    };
    say(START).await.unwrap();
    let (history, epoch) = (whats(&registrar, "lap-1").await, registrar.inventory().trust_epoch());
    let later = START.plus(Duration::from_secs(600));
    assert_eq!(say(later).await.unwrap(), [Reported::Confirmed; 2]);
    assert_eq!(whats(&registrar, "lap-1").await, history, "no row in the history");
    assert_eq!(registrar.inventory().trust_epoch(), epoch + 1, "once for all of them");
    for name in ["lap-1", "lap-2"] {
        assert_eq!(device(&registrar, name).posture_at, Some(later), "and whoever looks sees it");
    }
    assert_eq!(say(later).await.unwrap(), [Reported::Confirmed; 2], "the same, of the same moment");
    assert_eq!(registrar.inventory().trust_epoch(), epoch + 1, "and nothing is written for it");
    assert_eq!(say(START).await.unwrap(), [Reported::Outdated; 2], "an older word comes too late");
    assert_eq!(device(&registrar, "lap-1").posture_at, Some(later));
    registrar.close().await.unwrap();
    drop(registrar);
    assert_eq!(device(&bench.open().await, "lap-1").posture_at, Some(later));
}

#[tokio::test]
async fn what_is_too_old_is_not_there_any_more() {
    let bench = Bench::new();
    let registrar = with_laptops(&bench, &["lap-1", "lap-2"]).await;
    let later = START.plus(Duration::from_secs(600));
    let facts = [("disk_encrypted", true), ("managed", true)];
    let reports = vec![report("lap-1", START, &facts), report("lap-2", later, &facts)];
    registrar.report_facts(&mdm(), reports).await.unwrap();
    bench.clock().advance(HOUR - Duration::from_millis(1));
    assert_eq!(registrar.let_facts_end().await.unwrap(), BTreeMap::new());
    assert_eq!(flag(&device(&registrar, "lap-1"), "disk_encrypted"), Some(true));
    bench.clock().advance(Duration::from_millis(1));
    assert_eq!(registrar.let_facts_end().await.unwrap(), [("mdm".to_owned(), 2)].into());
    let lap = device(&registrar, "lap-1");
    assert_eq!((flag(&lap, "disk_encrypted"), lap.posture_at, lap.managed), (None, None, false));
    let ended = ("facts expired".into(), "system:posture".into(), "disk_encrypted of mdm, managed of mdm".into());
    assert_eq!(whats(&registrar, "lap-1").await[0], ended);
    assert_eq!(flag(&device(&registrar, "lap-2"), "disk_encrypted"), Some(true));
    let (facts, _) = registrar.facts_of(&id("lap-1")).await.unwrap();
    assert!(facts.iter().all(|fact| fact.ended == (fact.source == "mdm")), "what ended can still be looked at: {facts:?}");
    // It says it again, as it was: that is a change.
    let again = report("lap-1", START.plus(HOUR), &[("disk_encrypted", true)]);
    assert_eq!(registrar.report_facts(&mdm(), vec![again]).await.unwrap(), [Reported::Changed]);
    assert_eq!(flag(&device(&registrar, "lap-1"), "disk_encrypted"), Some(true));
}

#[tokio::test]
async fn a_source_that_is_not_configured_any_more_says_nothing() {
    let bench = Bench::new();
    let registrar = with_laptops(&bench, &["lap-1"]).await;
    registrar.report_facts(&mdm(), vec![report("lap-1", START, &[("firewall", true)])]).await.unwrap();
    registrar.set_fact_ages([(mdm(), Some(HOUR / 2))].into()).await.unwrap();
    bench.clock().advance(HOUR / 2 - Duration::from_millis(1));
    assert_eq!(registrar.let_facts_end().await.unwrap(), BTreeMap::new());
    bench.clock().advance(Duration::from_millis(1));
    assert_eq!(registrar.let_facts_end().await.unwrap(), [("mdm".to_owned(), 1)].into(), "it counts for less long now");
    let now = START.plus(HOUR / 2);
    registrar.report_facts(&mdm(), vec![report("lap-1", now, &[("firewall", true)])]).await.unwrap();
    registrar.set_fact_ages(BTreeMap::new()).await.unwrap();
    assert_eq!(registrar.let_facts_end().await.unwrap(), [("mdm".to_owned(), 1)].into(), "it is gone");
    assert_eq!(flag(&device(&registrar, "lap-1"), "firewall"), None);
}

#[tokio::test]
async fn operators_set_facts_and_take_them_back() {
    let bench = Bench::new();
    let registrar = with_laptops(&bench, &["lap-1"]).await;
    bench.clock().advance(HOUR);
    let set = |facts: BTreeMap<String, Option<FactValue>>| {
        let setting = DeviceSetting { facts, ..DeviceSetting::default() };
        let registrar = registrar.clone();
        async move { registrar.set_device(&id("lap-1"), setting, &ADMIN, "new laptop").await }
    };
    let mut facts = flags(&[("managed", false), ("screen_lock", true)]);
    facts.insert("platform".into(), Some(FactValue::Text("macos".into())));
    set(facts).await.unwrap();
    let lap = device(&registrar, "lap-1");
    assert_eq!((lap.managed, lap.platform, flag(&lap, "screen_lock")), (false, Platform::Macos, Some(true)));
    let words = "new laptop (managed=false, platform=\"macos\", screen_lock=true)";
    assert_eq!(whats(&registrar, "lap-1").await[0], ("facts changed".into(), "uid:1000".into(), words.into()));
    set([("managed".to_owned(), None), ("platform".to_owned(), None)].into()).await.unwrap();
    let lap = device(&registrar, "lap-1");
    assert_eq!((lap.managed, lap.platform), (true, Platform::Linux), "what was said when it was entered counts again");
    let error = set([("firewall".to_owned(), None)].into()).await.unwrap_err();
    assert_eq!(error.to_string(), "no operator has set `firewall` of device `lap-1`");
    let now = bench.clock().now();
    registrar.report_facts(&mdm(), vec![report("lap-1", now, &[("firewall", true)])]).await.unwrap();
    let error = set([("firewall".to_owned(), None)].into()).await.unwrap_err().to_string();
    assert!(error.ends_with("what is known of it comes from `mdm`"), "{error}");
    registrar.retire_device(&id("lap-1"), &ADMIN, "").await.unwrap();
    let error = set(flags(&[("firewall", true)])).await.unwrap_err();
    assert!(matches!(error, SettingError::Device(DeviceError::WrongStatus { status: DeviceStatus::Retired, .. })), "{error}");
    let late = registrar.report_facts(&mdm(), vec![report("lap-1", now, &[("firewall", true)])]).await.unwrap();
    assert_eq!(late, [Reported::Retired]);
}

#[tokio::test]
async fn a_name_is_one_devices_until_that_is_retired() {
    let bench = Bench::new();
    let registrar = with_laptops(&bench, &["lap-1", "lap-2"]).await;
    let serial = DeviceAlias { source: "mdm".into(), alias: "C02XL0AAJGH5".into() };
    let call = |device: &str, add: bool| {
        let names = vec![serial.clone()];
        let (aliases, no_aliases) = if add { (names, Vec::new()) } else { (Vec::new(), names) };
        let (registrar, device) = (registrar.clone(), id(device));
        let setting = DeviceSetting { aliases, no_aliases, ..DeviceSetting::default() };
        async move { registrar.set_device(&device, setting, &ADMIN, "").await }
    };
    let found = || async { registrar.devices_called(&mdm(), vec![serial.alias.clone(), "other".into()]).await.unwrap() };
    call("lap-1", true).await.unwrap();
    assert_eq!(found().await, [(serial.alias.clone(), id("lap-1"))].into());
    assert_eq!(whats(&registrar, "lap-1").await[0].2, "mdm calls it \"C02XL0AAJGH5\"");
    let error = call("lap-2", true).await.unwrap_err().to_string();
    assert!(error.contains("is what `mdm` calls device `lap-1`"), "{error}");
    assert!(call("lap-2", false).await.unwrap_err().to_string().contains("does not call device `lap-2`"));
    registrar.retire_device(&id("lap-1"), &ADMIN, "").await.unwrap();
    call("lap-2", true).await.unwrap();
    assert_eq!(found().await, [(serial.alias.clone(), id("lap-2"))].into());
    call("lap-2", false).await.unwrap();
    assert_eq!(found().await, BTreeMap::new());
}

#[tokio::test]
async fn a_whole_report_takes_back_what_it_does_not_say() {
    let bench = Bench::new();
    let registrar = with_laptops(&bench, &["lap-1"]).await;
    let certificate = FactSource::certificate("mdm");
    let whole = |facts: &[(&str, bool)]| FactReport { whole: true, ..report("lap-1", START, facts) };
    registrar.report_facts(&mdm(), vec![report("lap-1", START, &[("screen_lock", true)])]).await.unwrap();
    let first = vec![whole(&[("firewall", true), ("disk_encrypted", true)])];
    assert_eq!(registrar.report_facts(&certificate, first).await.unwrap(), [Reported::Changed]);
    assert_eq!(registrar.report_facts(&certificate, vec![whole(&[("firewall", true)])]).await.unwrap(), [Reported::Changed]);
    let lap = device(&registrar, "lap-1");
    let names: Vec<&str> = lap.posture.keys().map(String::as_str).collect();
    assert_eq!(names, ["firewall", "screen_lock"], "and of nobody else");
}

#[tokio::test]
async fn many_devices_are_told_of_at_once() {
    let bench = Bench::new();
    let registrar = with_laptops(&bench, &["lap-1"]).await;
    let all: Vec<FactReport> = (0..1000).map(|number| report(&format!("lap-{number}"), START, &[("firewall", true)])).collect();
    let done = registrar.report_facts(&mdm(), all).await.unwrap();
    assert_eq!(done.len(), 1000);
    let known: Vec<usize> = (0..1000).filter(|&at| done[at] == Reported::Changed).collect();
    assert_eq!(known, [1]);
    let _known_as: DeviceId = id("lap-1");
}
