//! One key has one successor, whoever asks, however often and in whatever order.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::tests::Bench;
use super::*;
use crate::inventory::samples::{key, user};
use crate::inventory::{DeviceId, DeviceStatus, KeyFingerprint, KeyProtection, Owner, Platform};

const OVERLAP: Duration = Duration::from_secs(7 * 24 * 3600);
const ADMIN: Actor = Actor::Operator { uid: 1000, name: None };

fn lap() -> DeviceId {
    "lap-1".parse().unwrap()
}

/// `lap-1` with the key `k0`, in use.
async fn device(registrar: &Registrar) {
    let new = NewDevice {
        id: lap(),
        authority: "house".into(),
        owner: Some(Owner::User(user("ana"))),
        shared: false,
        managed: true,
        platform: Platform::Linux,
        keys: vec![key("k0")],
    };
    registrar.add_device(new, &ADMIN, "").await.unwrap();
}

fn renewal(old: KeyFingerprint, new: KeyFingerprint) -> Renewal {
    Renewal {
        device: lap(),
        authority: "house".into(),
        key: old,
        successor: new,
        tpm: None,
        overlap: OVERLAP,
        from: "192.0.2.7".parse().unwrap(),
    }
}

async fn renew(registrar: &Registrar, old: &str, new: &str) -> Result<Renewed, RenewalError> {
    registrar.renew_key(renewal(key(old), key(new))).await
}

fn keys(registrar: &Registrar) -> Vec<KeyFingerprint> {
    registrar.inventory().device(&lap()).unwrap().device.keys.clone()
}

fn status(registrar: &Registrar) -> DeviceStatus {
    registrar.inventory().device(&lap()).unwrap().device.status
}

async fn history(registrar: &Registrar) -> Vec<(String, String)> {
    let changes = registrar.device_history(&lap(), 20).await.unwrap();
    changes.into_iter().map(|change| (change.what, change.by)).collect()
}

#[tokio::test]
async fn the_device_of_somebody_suspended_is_not_renewed_and_a_copy_is_found_all_the_same() {
    let bench = Bench::new();
    let registrar = bench.open().await;
    device(&registrar).await;
    registrar.suspend_user(&user("ana"), &ADMIN, "").await.unwrap();
    assert!(matches!(renew(&registrar, "k0", "k1").await, Err(RenewalError::OwnerSuspended)));
    assert_eq!(keys(&registrar), [key("k0")]);
    registrar.resume_user(&user("ana"), &ADMIN, "").await.unwrap();
    assert!(matches!(renew(&registrar, "k0", "k1").await, Ok(Renewed::First(_))));
    registrar.suspend_user(&user("ana"), &ADMIN, "").await.unwrap();
    assert!(matches!(renew(&registrar, "k0", "k1").await, Err(RenewalError::OwnerSuspended)), "nor answered again");
    assert!(matches!(renew(&registrar, "k0", "k2").await, Ok(Renewed::Copied)));
    assert_eq!(status(&registrar), DeviceStatus::Quarantined);
}

#[tokio::test]
async fn a_new_key_stands_beside_the_old_one_which_leaves_in_time_and_is_known_ever_after() {
    let bench = Bench::new();
    let registrar = bench.open().await;
    device(&registrar).await;
    assert!(
        matches!(renew(&registrar, "k0", "k1").await, Ok(Renewed::First(live)) if live.device.keys == [key("k1"), key("k0")])
    );
    registrar.let_keys_leave().await.unwrap();
    assert_eq!(keys(&registrar), [key("k1"), key("k0")], "not yet");
    assert!(!registrar.is_former_key(&lap(), key("k0")).await.unwrap());
    // A restart in between changes nothing.
    registrar.close().await.unwrap();
    drop(registrar);
    let registrar = bench.open().await;
    bench.clock().advance(OVERLAP);
    registrar.let_keys_leave().await.unwrap();
    assert_eq!(keys(&registrar), [key("k1")]);
    assert!(registrar.is_former_key(&lap(), key("k0")).await.unwrap());
    assert!(!registrar.is_former_key(&lap(), key("k1")).await.unwrap());
    assert!(!registrar.is_former_key(&lap(), key("never")).await.unwrap());
    let told = [("old key left", "system:upkeep"), ("renewed", "device:lap-1"), ("added", "uid:1000")];
    assert_eq!(history(&registrar).await, told.map(|(what, by)| (what.to_owned(), by.to_owned())));
}

#[tokio::test]
async fn no_device_has_more_than_two_keys() {
    let bench = Bench::new();
    let registrar = bench.open().await;
    device(&registrar).await;
    for (old, new) in [("k0", "k1"), ("k1", "k2"), ("k2", "k3")] {
        assert!(matches!(renew(&registrar, old, new).await, Ok(Renewed::First(_))));
        assert_eq!(keys(&registrar), [key(new), key(old)]);
    }
    let without = Renewal { overlap: Duration::ZERO, ..renewal(key("k3"), key("k4")) };
    assert!(matches!(registrar.renew_key(without).await, Ok(Renewed::First(_))));
    assert_eq!(keys(&registrar), [key("k4")]);
}

#[tokio::test]
async fn who_lost_the_answer_gets_it_again_for_as_long_as_the_new_key_is_the_newest() {
    let bench = Bench::new();
    let registrar = bench.open().await;
    device(&registrar).await;
    renew(&registrar, "k0", "k1").await.unwrap();
    assert!(matches!(renew(&registrar, "k0", "k1").await, Ok(Renewed::Again(_))));
    bench.clock().advance(OVERLAP);
    registrar.let_keys_leave().await.unwrap();
    assert!(matches!(renew(&registrar, "k0", "k1").await, Ok(Renewed::Again(_))), "though the old one has left");
    renew(&registrar, "k1", "k2").await.unwrap();
    // Whoever had k1 went on from there: this is somebody else.
    assert!(matches!(renew(&registrar, "k0", "k1").await, Ok(Renewed::Copied)));
    assert_eq!(status(&registrar), DeviceStatus::Quarantined);
}

#[tokio::test]
async fn a_second_new_key_isolates_the_device_and_says_why() {
    for left in [false, true] {
        let bench = Bench::new();
        let registrar = bench.open().await;
        device(&registrar).await;
        renew(&registrar, "k0", "k1").await.unwrap();
        if left {
            bench.clock().advance(OVERLAP);
            registrar.let_keys_leave().await.unwrap();
        }
        assert!(matches!(renew(&registrar, "k0", "k2").await, Ok(Renewed::Copied)));
        assert_eq!(status(&registrar), DeviceStatus::Quarantined);
        assert!(!keys(&registrar).contains(&key("k2")));
        let changes = registrar.device_history(&lap(), 2).await.unwrap();
        let [quarantined, copied] = &changes[..] else { panic!("{changes:?}") };
        assert_eq!((copied.what.as_str(), quarantined.what.as_str()), ("copied", "quarantined"));
        assert!(copied.by == "system:renewal" && quarantined.by == copied.by && copied.why.contains("192.0.2.7"), "{copied:?}");
        // It is isolated: neither of the two goes on.
        for (old, new) in [("k1", "k3"), ("k0", "k1")] {
            let refused = renew(&registrar, old, new).await;
            assert!(matches!(refused, Err(RenewalError::NotInUse(DeviceStatus::Quarantined))), "{refused:?}");
        }
    }
}

#[tokio::test]
async fn nobody_renews_with_a_key_that_was_enrolled_or_for_another_device() {
    let bench = Bench::new();
    let registrar = bench.open().await;
    device(&registrar).await;
    renew(&registrar, "k0", "k1").await.unwrap();
    for taken in ["k1", "k0"] {
        assert!(matches!(renew(&registrar, "k1", taken).await, Err(RenewalError::KeyTaken)), "{taken}");
    }
    assert!(matches!(renew(&registrar, "never", "k2").await, Err(RenewalError::OtherKey)));
    let foreign = Renewal { authority: "mdm".into(), ..renewal(key("k1"), key("k2")) };
    assert!(matches!(registrar.renew_key(foreign).await, Err(RenewalError::OtherKey)));
    let nobody = Renewal { device: "lap-9".parse().unwrap(), ..renewal(key("k1"), key("k2")) };
    assert!(matches!(registrar.renew_key(nobody).await, Err(RenewalError::Device(DeviceError::Unknown { .. }))));
    // Keys are never given again, to nobody, even when they have left.
    bench.clock().advance(OVERLAP);
    registrar.let_keys_leave().await.unwrap();
    let again = NewDevice {
        id: "lap-2".parse().unwrap(),
        authority: "house".into(),
        owner: None,
        shared: false,
        managed: false,
        platform: Platform::Linux,
        keys: vec![key("k0")],
    };
    let refused = registrar.add_device(again, &ADMIN, "").await;
    assert!(matches!(refused, Err(DeviceError::KeyTaken { holder }) if holder == lap()));
    assert!(matches!(renew(&registrar, "k1", "k0").await, Err(RenewalError::KeyTaken)));
}

#[tokio::test]
async fn a_key_that_nobody_has_proved_to_be_in_a_tpm_is_not_said_to_be() {
    let bench = Bench::new();
    let registrar = bench.open().await;
    device(&registrar).await;
    renew(&registrar, "k0", "k1").await.unwrap();
    let in_tpm = Renewal { tpm: Some(key("ek")), ..renewal(key("k1"), key("k2")) };
    let Ok(Renewed::First(live)) = registrar.renew_key(in_tpm).await else { panic!("first") };
    assert_eq!(live.device.key_protection, KeyProtection::Software, "the old one is in use beside it, and is not");
}

/// What a device does, with its folder as the client keeps it.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Asks, and gets the answer.
    Renew,
    /// Asks, and the answer is lost; the new key is kept for the next time.
    Lose,
    /// Makes its new key, and is killed before it asks.
    Prepare,
    /// The overlap passes.
    Wait,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![3 => Just(Step::Renew), 2 => Just(Step::Lose), 1 => Just(Step::Prepare), 1 => Just(Step::Wait)]
}

/// A folder with a key, and perhaps the one that comes next.
#[derive(Clone, Debug)]
struct Folder {
    holder: &'static str,
    made: u32,
    current: KeyFingerprint,
    pending: Option<KeyFingerprint>,
}

impl Folder {
    fn first() -> Self {
        Self { holder: "original", made: 0, current: key("k0"), pending: None }
    }

    /// The same files in other hands.
    fn copy(&self) -> Self {
        Self { holder: "copy", ..self.clone() }
    }

    fn next(&mut self) -> KeyFingerprint {
        let (made, holder) = (&mut self.made, self.holder);
        *self.pending.get_or_insert_with(|| {
            *made += 1;
            key(&format!("{holder}-{made}"))
        })
    }

    async fn take(&mut self, step: Step, bench: &Bench, registrar: &Registrar) {
        match step {
            Step::Wait => {
                bench.clock().advance(OVERLAP);
                registrar.let_keys_leave().await.unwrap();
            }
            Step::Prepare => drop(self.next()),
            Step::Renew | Step::Lose => {
                let next = self.next();
                let outcome = registrar.renew_key(renewal(self.current, next)).await;
                if matches!((step, outcome), (Step::Renew, Ok(Renewed::First(_) | Renewed::Again(_)))) {
                    self.current = next;
                    self.pending = None;
                }
            }
        }
    }
}

fn run(test: impl AsyncFnOnce(&Bench, &Registrar) -> Result<(), TestCaseError>) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let bench = Bench::new();
        let registrar = bench.open().await;
        device(&registrar).await;
        test(&bench, &registrar).await
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn one_holder_is_never_isolated_whatever_is_lost(steps in prop::collection::vec(step(), 1..24)) {
        run(async |bench, registrar| {
            let mut folder = Folder::first();
            for step in steps {
                folder.take(step, bench, registrar).await;
                prop_assert_eq!(status(registrar), DeviceStatus::Active, "{:?} {:?}", step, folder);
                prop_assert!(keys(registrar).len() <= 2);
            }
            folder.take(Step::Renew, bench, registrar).await;
            prop_assert!(keys(registrar).first() == Some(&folder.current), "it gets on");
            Ok(())
        })?;
    }

    #[test]
    fn two_holders_of_one_folder_end_in_quarantine_whoever_comes_first(
        before in prop::collection::vec(step(), 0..5),
        steps in prop::collection::vec((step(), any::<bool>()), 0..16),
        last in any::<bool>(),
    ) {
        run(async |bench, registrar| {
            let mut original = Folder::first();
            for step in before {
                original.take(step, bench, registrar).await;
            }
            let mut copy = original.copy();
            for (step, copied) in steps {
                let who = if copied { &mut copy } else { &mut original };
                who.take(step, bench, registrar).await;
            }
            // Both go on as devices do. A new key that was copied before it was sent is what they still have in common.
            for _ in 0..2 {
                let (first, second) = if last { (&mut original, &mut copy) } else { (&mut copy, &mut original) };
                first.take(Step::Renew, bench, registrar).await;
                second.take(Step::Renew, bench, registrar).await;
            }
            prop_assert_eq!(status(registrar), DeviceStatus::Quarantined, "{:?} {:?}", original, copy);
            Ok(())
        })?;
    }
}

mod used_codes {
    use super::*;
    use crate::store::used_codes::COUNTS;

    const HOUR: Duration = Duration::from_secs(3600);

    async fn used(registrar: &Registrar, status: DeviceStatus) -> InviteCode {
        let invite = Invite { authority: "house".into(), owner: None, shared: true, managed: false, device: None };
        let code = registrar.invite(invite, HOUR, &ADMIN, "").await.unwrap().code;
        let enrolment = Enrolment { id: lap(), key: key("k0"), platform: Platform::Linux, tpm: None, status };
        registrar.enrol(&code, enrolment, "").await.unwrap();
        code
    }

    async fn shown(registrar: &Registrar, code: &InviteCode, with: &str) -> Option<DeviceStatus> {
        let shown = registrar.code_shown_again(code, key(with), "192.0.2.7".parse().unwrap()).await.unwrap();
        shown.map(|shown| shown.status)
    }

    #[tokio::test]
    async fn shown_with_another_key_it_isolates_the_device_that_it_made_once() {
        let bench = Bench::new();
        let registrar = bench.open().await;
        let code = used(&registrar, DeviceStatus::Active).await;
        assert_eq!(shown(&registrar, &code, "k0").await, None, "the device itself");
        renew(&registrar, "k0", "k1").await.unwrap();
        bench.clock().advance(OVERLAP);
        registrar.let_keys_leave().await.unwrap();
        assert_eq!(shown(&registrar, &code, "k0").await, None, "the device itself, by the key that it had then");
        assert_eq!(shown(&registrar, &code, "k1").await, None);
        assert_eq!(shown(&registrar, &code, "other").await, Some(DeviceStatus::Quarantined));
        let changes = registrar.device_history(&lap(), 2).await.unwrap();
        let told: Vec<_> = changes.iter().map(|change| (change.what.as_str(), change.by.as_str())).collect();
        assert_eq!(told, [("quarantined", "system:enrolment"), ("code shown again", "system:enrolment")]);
        assert!(changes[0].why.contains("192.0.2.7") && changes[0].why.contains(&key("other").to_string()), "{changes:?}");
        // Somebody has looked into it, and has the last word.
        registrar.release_device(&lap(), &ADMIN, "").await.unwrap();
        assert_eq!(shown(&registrar, &code, "another").await, None);
        assert_eq!(status(&registrar), DeviceStatus::Active);
    }

    #[tokio::test]
    async fn a_device_that_waits_for_approval_is_taken_out_for_good() {
        let bench = Bench::new();
        let registrar = bench.open().await;
        let code = used(&registrar, DeviceStatus::Pending).await;
        assert_eq!(shown(&registrar, &code, "other").await, Some(DeviceStatus::Retired));
        let approved = registrar.approve_device(&lap(), key("k0"), &ADMIN, "").await;
        assert!(
            matches!(approved, Err(DeviceError::WrongStatus { .. })),
            "releasing or approving it would let it in: {approved:?}"
        );
    }

    #[tokio::test]
    async fn a_code_that_was_not_used_or_ended_long_ago_does_nothing() {
        let bench = Bench::new();
        let registrar = bench.open().await;
        let code = used(&registrar, DeviceStatus::Active).await;
        assert_eq!(shown(&registrar, &InviteCode::generate().unwrap(), "other").await, None);
        let invite = Invite { authority: "house".into(), owner: None, shared: true, managed: false, device: None };
        let unused = registrar.invite(invite, HOUR, &ADMIN, "").await.unwrap().code;
        assert_eq!(shown(&registrar, &unused, "other").await, None);
        bench.clock().advance(HOUR + COUNTS);
        assert_eq!(shown(&registrar, &code, "other").await, None);
        assert_eq!(status(&registrar), DeviceStatus::Active);
    }

    #[tokio::test]
    async fn until_then_it_does() {
        let bench = Bench::new();
        let registrar = bench.open().await;
        let code = used(&registrar, DeviceStatus::Active).await;
        bench.clock().advance(HOUR + COUNTS - Duration::from_millis(1));
        assert_eq!(shown(&registrar, &code, "other").await, Some(DeviceStatus::Quarantined));
    }
}

#[tokio::test]
async fn of_many_renewals_at_once_one_is_the_first_and_the_rest_is_a_copy() {
    let bench = Bench::new();
    let registrar = bench.open().await;
    device(&registrar).await;
    let registrar = Arc::new(registrar);
    let tries = (0..8).map(|number| {
        let registrar = Arc::clone(&registrar);
        async move { renew(&registrar, "k0", &format!("new-{number}")).await }
    });
    let outcomes = futures_util::future::join_all(tries).await;
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Ok(Renewed::First(_)))).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Ok(Renewed::Copied))).count(), 1);
    assert_eq!(status(&registrar), DeviceStatus::Quarantined);
}
