use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::clock::{Clock, Timestamp};
use crate::config::Host;
use crate::inventory::samples::{self, key, user};
use crate::inventory::{DeviceId, DeviceStatus, LiveSession, Owner, Platform, SessionId, SessionOver};
use crate::secret::{Digest, Sealer, Secret};

pub(super) const START: Timestamp = Timestamp(1_800_000_000_000);
const HOUR: Duration = Duration::from_secs(3600);
pub(super) const ADMIN: Actor = Actor::Operator { uid: 1000, name: None };

pub(super) struct Bench {
    state: tempfile::TempDir,
    clock: Clock,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self { state: tempfile::tempdir().unwrap(), clock: Clock::manual(START) }
    }

    pub(super) fn path(&self) -> &Path {
        self.state.path()
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(super) async fn try_open(&self) -> Result<Registrar, StoreError> {
        let sealer = Arc::new(Sealer::open_or_create(self.path())?);
        Registrar::open(self.path(), sealer, self.clock.clone()).await
    }

    pub(super) async fn open(&self) -> Registrar {
        self.try_open().await.unwrap()
    }

    /// Opens the state as it would be found after `kill -9` now: the files are copied while the first one still runs.
    async fn copy_as_after_a_kill(&self) -> Self {
        let copy = Self { state: tempfile::tempdir().unwrap(), clock: self.clock.clone() };
        for entry in fs::read_dir(self.path()).unwrap().map(Result::unwrap) {
            fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
        }
        copy
    }
}

impl Registrar {
    /// From now on the store takes no tokens, or takes them again.
    pub(crate) async fn takes_tokens(&self, takes: bool) {
        let sql = match takes {
            true => "DROP TRIGGER full",
            false => "CREATE TRIGGER full BEFORE UPDATE OF kept ON sessions BEGIN SELECT RAISE(FAIL, 'full'); END",
        };
        sqlx::query(sql).execute(self.pool()).await.unwrap();
    }
}

pub(super) fn id(text: &str) -> DeviceId {
    text.parse().unwrap()
}

fn host(name: &str) -> Host {
    name.parse().unwrap()
}

pub(super) fn listed(name: &str) -> NewDevice {
    NewDevice {
        id: id(name),
        authority: "mdm".into(),
        owner: Some(Owner::User(user("ana"))),
        shared: false,
        managed: true,
        platform: Platform::Linux,
        keys: vec![key(name)],
    }
}

fn invite() -> Invite {
    Invite {
        authority: "house".into(),
        owner: Some(Owner::Email("ana@corp.example".to_owned())),
        shared: false,
        managed: true,
        device: None,
    }
}

fn enrolment(name: &str) -> Enrolment {
    Enrolment { id: id(name), key: key(name), platform: Platform::Linux, tpm: None, status: DeviceStatus::Pending }
}

async fn device_in_use(registrar: &Registrar, name: &str) {
    registrar.add_device(listed(name), &ADMIN, "").await.unwrap();
}

async fn begin(registrar: &Registrar, name: &str, subject: &str, device: &str) -> Arc<LiveSession> {
    registrar.start_session(samples::session(name, subject, device, START), FromProvider::default(), "sign-in").await.unwrap()
}

async fn cookie(registrar: &Registrar, session: &str, app: &str) -> Digest {
    let token = registrar.issue_app_cookie(&SessionId(session.into()), &host(app)).await.unwrap();
    Digest::of(token.expose().as_bytes())
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let bench = Bench::new();
    let registrar = bench.open().await;
    device_in_use(&registrar, "lap-1").await;
    device_in_use(&registrar, "lap-2").await;
    registrar.quarantine_device(&id("lap-2"), &ADMIN, "odd traffic").await.unwrap();
    begin(&registrar, "s1", "ana", "lap-1").await;
    let wiki = cookie(&registrar, "s1", "wiki.corp.example").await;
    registrar.suspend_user(&user("bob"), &ADMIN, "left").await.unwrap();
    let before = picture(registrar.inventory());
    registrar.close().await.unwrap();
    drop(registrar);

    let registrar = bench.open().await;
    assert_eq!(picture(registrar.inventory()), before);
    let (live, for_host) = registrar.inventory().session_by_token(&wiki).unwrap();
    assert_eq!((live.session.user.clone(), for_host), (user("ana"), host("wiki.corp.example")));
    let quarantined = registrar.inventory().device(&id("lap-2")).unwrap();
    assert_eq!((quarantined.device.status, &*quarantined.device.keys), (DeviceStatus::Quarantined, &[key("lap-2")][..]));
    assert!(registrar.inventory().is_suspended(&user("bob")));
    let history = registrar.device_history(&id("lap-2"), 10).await.unwrap();
    let told: Vec<_> = history.iter().map(|change| (change.what.as_str(), change.by.as_str(), change.why.as_str())).collect();
    assert_eq!(told, [("quarantined", "uid:1000", "odd traffic"), ("added", "uid:1000", "")]);
}

#[tokio::test]
async fn a_kill_in_the_middle_loses_nothing_that_was_reported_as_done() {
    let bench = Bench::new();
    let registrar = bench.open().await;
    device_in_use(&registrar, "lap-1").await;
    begin(&registrar, "s1", "ana", "lap-1").await;
    // A transaction that is open at that moment has not happened.
    let mut turn = registrar.begin(super::actor::Note::new(&ADMIN, "")).await.unwrap();
    sqlx::query("DELETE FROM sessions").execute(turn.writing.db()).await.unwrap();
    let copy = bench.copy_as_after_a_kill().await;
    let revived = copy.open().await;
    assert_eq!(picture(revived.inventory()), picture(registrar.inventory()));
    assert_eq!(revived.inventory().counts().sessions, 1);
    drop(turn);
}

#[tokio::test]
async fn two_processes_do_not_share_a_state_folder() {
    let bench = Bench::new();
    let first = bench.open().await;
    assert!(matches!(bench.try_open().await, Err(StoreError::InUse { .. })));
    drop(first);
    bench.open().await;
}

#[tokio::test]
async fn a_code_lets_one_device_in() {
    let bench = Bench::new();
    let registrar = bench.open().await;
    let issued = registrar.invite(invite(), HOUR, &ADMIN, "new laptop").await.unwrap();
    assert_eq!(registrar.invitation(&issued.code).await.unwrap(), issued.invitation);
    let live = registrar.enrol(&issued.code, enrolment("lap-1"), "").await.unwrap();
    assert_eq!(live.device.status, DeviceStatus::Pending);
    assert_eq!(live.device.owner, Some(Owner::Email("ana@corp.example".to_owned())));

    let again = registrar.enrol(&issued.code, enrolment("lap-2"), "").await;
    assert!(matches!(again, Err(InvitationError::Used { device }) if device == id("lap-1")));
    assert!(matches!(registrar.invitation(&issued.code).await, Err(InvitationError::Used { .. })));
    assert!(registrar.inventory().device(&id("lap-2")).is_none());
    let guessed = InviteCode::generate().unwrap();
    assert!(matches!(registrar.enrol(&guessed, enrolment("lap-2"), "").await, Err(InvitationError::Unknown)));
}

#[tokio::test]
async fn of_many_at_once_one_gets_in() {
    let bench = Bench::new();
    let registrar = bench.open().await;
    let issued = registrar.invite(invite(), HOUR, &ADMIN, "").await.unwrap();
    let tries = (0..12).map(|n| {
        let (registrar, code) = (registrar.clone(), issued.code.clone());
        async move { registrar.enrol(&code, enrolment(&format!("lap-{n}")), "").await }
    });
    let results = futures_util::future::join_all(tries).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert!(results.iter().filter_map(|r| r.as_ref().err()).all(|e| matches!(e, InvitationError::Used { .. })));
    assert_eq!(registrar.inventory().counts().devices_pending, 1);
}

#[tokio::test]
async fn a_code_ends() {
    let bench = Bench::new();
    let registrar = bench.open().await;
    let issued = registrar.invite(invite(), HOUR, &ADMIN, "").await.unwrap();
    bench.clock.advance(HOUR - Duration::from_millis(1));
    assert!(registrar.invitation(&issued.code).await.is_ok());
    bench.clock.advance(Duration::from_millis(1));
    let late = registrar.enrol(&issued.code, enrolment("lap-1"), "").await;
    assert!(matches!(late, Err(InvitationError::Expired { at }) if at == START.plus(HOUR)));
    for lifetime in [Duration::ZERO, Duration::from_secs(59), Duration::from_secs(31 * 24 * 3600)] {
        assert!(matches!(registrar.invite(invite(), lifetime, &ADMIN, "").await, Err(InvitationError::Lifetime)));
    }
}

#[tokio::test]
async fn a_failed_enrolment_leaves_the_code_as_it_was() {
    let bench = Bench::new();
    let registrar = bench.open().await;
    device_in_use(&registrar, "lap-1").await;
    let issued = registrar.invite(invite(), HOUR, &ADMIN, "").await.unwrap();
    let taken = registrar.enrol(&issued.code, enrolment("lap-1"), "").await;
    assert!(matches!(taken, Err(InvitationError::Device(DeviceError::IdTaken { .. }))));
    registrar.enrol(&issued.code, enrolment("lap-2"), "").await.unwrap();

    let other = registrar.invite(invite(), HOUR, &ADMIN, "").await.unwrap();
    let same_key = Enrolment { id: id("lap-3"), ..enrolment("lap-2") };
    let taken = registrar.enrol(&other.code, same_key, "").await;
    assert!(matches!(taken, Err(InvitationError::Device(DeviceError::KeyTaken { holder })) if holder == id("lap-2")));
}

#[tokio::test]
async fn codes_are_not_in_the_database() {
    let bench = Bench::new();
    let registrar = bench.open().await;
    let issued = registrar.invite(invite(), HOUR, &ADMIN, "").await.unwrap();
    device_in_use(&registrar, "lap-1").await;
    let provided = FromProvider { kept: Some(Secret::new(b"refresh-token-of-ana".to_vec())), ..FromProvider::default() };
    registrar.start_session(samples::session("s1", "ana", "lap-1", START), provided, "").await.unwrap();
    let token = registrar.issue_app_cookie(&SessionId("s1".into()), &host("wiki.corp.example")).await.unwrap();
    let code = issued.code.expose();
    let plain_code = code.expose().replace('-', "");
    for entry in fs::read_dir(bench.path()).unwrap().map(Result::unwrap) {
        let bytes = fs::read(entry.path()).unwrap();
        for secret in [code.expose().as_str(), &plain_code, token.expose(), "refresh-token-of-ana"] {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} is in {}", entry.path().display());
        }
    }
    let back = registrar.kept_with(&SessionId("s1".into())).await.unwrap().unwrap();
    assert_eq!(back.expose(), b"refresh-token-of-ana");
}

#[tokio::test]
async fn a_pending_device_is_let_in_by_its_own_fingerprint_only() {
    let bench = Bench::new();
    let registrar = bench.open().await;
    let issued = registrar.invite(invite(), HOUR, &ADMIN, "").await.unwrap();
    registrar.enrol(&issued.code, enrolment("lap-1"), "").await.unwrap();
    let other = registrar.approve_device(&id("lap-1"), key("somebody else's"), &ADMIN, "").await;
    assert!(matches!(other, Err(DeviceError::WrongKey { .. })));
    assert_eq!(registrar.inventory().device(&id("lap-1")).unwrap().device.status, DeviceStatus::Pending);
    let live = registrar.approve_device(&id("lap-1"), key("lap-1"), &ADMIN, "").await.unwrap();
    assert_eq!(live.device.status, DeviceStatus::Active);
}

#[tokio::test]
async fn only_transitions_that_make_sense_are_made() {
    use DeviceStatus::{Active, Pending, Quarantined, Retired};
    let bench = Bench::new();
    let registrar = bench.open().await;
    for (n, from) in [Pending, Active, Quarantined, Retired].into_iter().enumerate() {
        for (step, allowed) in [
            ("approve", from == Pending),
            ("quarantine", from == Active),
            ("release", from == Quarantined),
            ("retire", from != Retired),
        ] {
            let name = format!("{step}-{n}");
            let issued = registrar.invite(invite(), HOUR, &ADMIN, "").await.unwrap();
            let status = if from == Pending { Pending } else { Active };
            registrar.enrol(&issued.code, Enrolment { status, ..enrolment(&name) }, "").await.unwrap();
            let device = id(&name);
            match from {
                Quarantined => drop(registrar.quarantine_device(&device, &ADMIN, "").await.unwrap()),
                Retired => drop(registrar.retire_device(&device, &ADMIN, "").await.unwrap()),
                Pending | Active => {}
            }
            let result = match step {
                "approve" => registrar.approve_device(&device, key(&name), &ADMIN, "").await,
                "quarantine" => registrar.quarantine_device(&device, &ADMIN, "").await,
                "release" => registrar.release_device(&device, &ADMIN, "").await,
                _ => registrar.retire_device(&device, &ADMIN, "").await,
            };
            match result {
                Ok(_) => assert!(allowed, "{step} of a {from} device"),
                Err(DeviceError::WrongStatus { status, .. }) => assert!(!allowed && status == from, "{step} of a {from} device"),
                Err(other) => panic!("{step} of a {from} device: {other}"),
            }
        }
    }
}

#[tokio::test]
async fn an_id_is_never_given_again() {
    let bench = Bench::new();
    let registrar = bench.open().await;
    device_in_use(&registrar, "lap-1").await;
    registrar.retire_device(&id("lap-1"), &ADMIN, "").await.unwrap();
    let again = registrar.add_device(NewDevice { keys: vec![key("new")], ..listed("lap-1") }, &ADMIN, "").await;
    assert!(matches!(again, Err(DeviceError::IdTaken { status: DeviceStatus::Retired, .. })));
    let invited = registrar.invite(Invite { device: Some(id("lap-1")), ..invite() }, HOUR, &ADMIN, "").await;
    assert!(matches!(invited, Err(InvitationError::Device(DeviceError::IdTaken { .. }))));
}

#[tokio::test]
async fn unknown_names_come_with_near_ones() {
    let bench = Bench::new();
    let registrar = bench.open().await;
    device_in_use(&registrar, "lap-1").await;
    let error = registrar.quarantine_device(&id("lap1"), &ADMIN, "").await.unwrap_err();
    assert_eq!(error.to_string(), "no device is called `lap1`; did you mean `lap-1`?");
    begin(&registrar, "s1", "ana", "lap-1").await;
    let error = registrar.find_user("anna@corp.example").await.unwrap_err();
    assert!(error.to_string().ends_with("did you mean `ana@corp.example`?"), "{error}");
    assert_eq!(registrar.find_user("ana@CORP.example").await.unwrap(), user("ana"));
    assert_eq!(registrar.find_user("corp/zoe").await.unwrap(), user("zoe"));
}

#[tokio::test]
async fn first_sight_enters_a_device_once() {
    let bench = Bench::new();
    let registrar = bench.open().await;
    let mdm: Arc<str> = "mdm".into();
    let live = registrar.admit_at_first_sight(&mdm, &id("lap-1"), Platform::Unknown).await.unwrap();
    assert_eq!(live.device.status, DeviceStatus::Active);
    registrar.quarantine_device(&id("lap-1"), &ADMIN, "").await.unwrap();
    let again = registrar.admit_at_first_sight(&mdm, &id("lap-1"), Platform::Unknown).await.unwrap();
    assert_eq!(again.device.status, DeviceStatus::Quarantined, "coming back does not release it");
    let other: Arc<str> = "other".into();
    let foreign = registrar.admit_at_first_sight(&other, &id("lap-1"), Platform::Unknown).await;
    assert!(matches!(foreign, Err(DeviceError::IdTaken { .. })), "another authority cannot speak for its devices");
}

#[tokio::test]
async fn a_session_needs_a_device_in_use_and_a_person_who_is_not_suspended() {
    let bench = Bench::new();
    let registrar = bench.open().await;
    device_in_use(&registrar, "lap-1").await;
    let start = async |name: &str, device: &str| {
        registrar.start_session(samples::session(name, "ana", device, START), FromProvider::default(), "").await.map(|_| ())
    };
    start("s1", "lap-1").await.unwrap();
    assert!(matches!(start("s1", "lap-1").await, Err(SessionError::Taken(_))));
    assert!(matches!(start("s2", "lap-9").await, Err(SessionError::DeviceNotInUse { status: "unknown", .. })));
    registrar.quarantine_device(&id("lap-1"), &ADMIN, "").await.unwrap();
    assert!(matches!(start("s2", "lap-1").await, Err(SessionError::DeviceNotInUse { status: "quarantined", .. })));
    registrar.release_device(&id("lap-1"), &ADMIN, "").await.unwrap();
    registrar.suspend_user(&user("ana"), &ADMIN, "").await.unwrap();
    assert!(matches!(start("s2", "lap-1").await, Err(SessionError::Suspended(_))));
    registrar.resume_user(&user("ana"), &ADMIN, "").await.unwrap();
    start("s2", "lap-1").await.unwrap();
}

#[tokio::test]
async fn the_first_sign_in_with_the_right_address_makes_the_owner() {
    let bench = Bench::new();
    let registrar = bench.open().await;
    registrar
        .add_device(NewDevice { owner: Some(Owner::Email("ana@corp.example".to_owned())), ..listed("lap-1") }, &ADMIN, "")
        .await
        .unwrap();
    let owner = || registrar.inventory().device(&id("lap-1")).unwrap().device.owner.clone().unwrap();
    begin(&registrar, "s1", "bob", "lap-1").await;
    assert_eq!(owner(), Owner::Email("ana@corp.example".to_owned()));
    let mut unverified = samples::session("s2", "ana", "lap-1", START);
    unverified.email = None;
    registrar.start_session(unverified, FromProvider::default(), "").await.unwrap();
    assert_eq!(owner(), Owner::Email("ana@corp.example".to_owned()));
    begin(&registrar, "s3", "ana", "lap-1").await;
    assert_eq!(owner(), Owner::User(user("ana")));
    let mut heir = samples::session("s4", "zoe", "lap-1", START);
    heir.email = Some("ana@corp.example".into());
    registrar.start_session(heir, FromProvider::default(), "").await.unwrap();
    assert_eq!(owner(), Owner::User(user("ana")), "an address that is given to somebody else does not take the device along");
}

#[tokio::test]
async fn each_way_to_end_sessions_ends_exactly_those() {
    let bench = Bench::new();
    let registrar = bench.open().await;
    for device in ["lap-1", "lap-2", "lap-3"] {
        device_in_use(&registrar, device).await;
    }
    for (name, subject, device) in [
        ("s1", "ana", "lap-1"),
        ("s2", "ana", "lap-2"),
        ("s3", "bob", "lap-2"),
        ("s4", "bob", "lap-3"),
        ("s5", "zoe", "lap-3"),
        ("s6", "zoe", "lap-3"),
    ] {
        begin(&registrar, name, subject, device).await;
    }
    let wiki = cookie(&registrar, "s1", "wiki.corp.example").await;
    let left = || {
        let mut names: Vec<_> = registrar.inventory().sessions().iter().map(|live| live.session.id.to_string()).collect();
        names.sort();
        names.join(" ")
    };
    registrar.end_sessions(&SessionsOf::One(SessionId("s6".into())), &ADMIN, "").await.unwrap();
    assert_eq!(left(), "s1 s2 s3 s4 s5");
    registrar.end_sessions(&SessionsOf::User(user("ana")), &ADMIN, "").await.unwrap();
    assert_eq!(left(), "s3 s4 s5");
    assert!(registrar.inventory().session_by_token(&wiki).is_none());
    registrar.end_sessions(&SessionsOf::Device(id("lap-2")), &ADMIN, "").await.unwrap();
    assert_eq!(left(), "s4 s5");
    registrar.suspend_user(&user("bob"), &ADMIN, "").await.unwrap();
    assert_eq!(left(), "s5");
    registrar.retire_device(&id("lap-3"), &ADMIN, "").await.unwrap();
    assert_eq!(left(), "");
    let gone = registrar.end_sessions(&SessionsOf::One(SessionId("s6".into())), &ADMIN, "").await;
    assert!(matches!(gone, Err(SessionError::Unknown { .. })));
    let late = registrar.issue_app_cookie(&SessionId("s1".into()), &host("wiki.corp.example")).await;
    assert!(matches!(late, Err(SessionError::Unknown { .. })), "a session that ended gives no cookie");
}

#[tokio::test]
async fn the_last_use_survives_a_restart() {
    let bench = Bench::new();
    let registrar = bench.open().await;
    device_in_use(&registrar, "lap-1").await;
    begin(&registrar, "used", "ana", "lap-1").await;
    begin(&registrar, "unused", "ana", "lap-1").await;
    bench.clock.advance(HOUR / 2);
    registrar.inventory().session(&SessionId("used".into())).unwrap().touch(bench.clock.now());
    registrar.save_use().await.unwrap();
    let copy = bench.copy_as_after_a_kill().await;
    let revived = copy.open().await;
    bench.clock.advance(HOUR / 2);
    let usable = |name: &str| revived.inventory().session(&SessionId(name.into())).unwrap().usable(bench.clock.now(), HOUR);
    assert_eq!(usable("used"), Ok(()));
    assert_eq!(usable("unused"), Err(SessionOver::Idle));

    revived.purge(HOUR).await.unwrap();
    assert!(revived.inventory().session(&SessionId("unused".into())).is_none());
    bench.clock.advance(12 * HOUR);
    let live = revived.inventory().session(&SessionId("used".into())).unwrap();
    live.touch(Timestamp(bench.clock.now().0 - 1));
    assert_eq!(
        live.usable(bench.clock.now(), HOUR),
        Err(SessionOver::Expired),
        "use does not make it live longer than its lifetime"
    );
}

#[tokio::test]
async fn sessions_and_cookies_left_behind_are_bounded() {
    let bench = Bench::new();
    let registrar = bench.open().await;
    device_in_use(&registrar, "lap-1").await;
    for n in 0..20 {
        bench.clock.advance(Duration::from_secs(1));
        let session = samples::session(&format!("s{n:02}"), "ana", "lap-1", bench.clock.now());
        registrar.start_session(session, FromProvider::default(), "").await.unwrap();
    }
    assert_eq!(registrar.inventory().counts().sessions, 16);
    assert!(registrar.inventory().session(&SessionId("s19".into())).is_some());
    assert!(registrar.inventory().session(&SessionId("s03".into())).is_none());
    let mut tokens = Vec::new();
    for _ in 0..6 {
        tokens.push(cookie(&registrar, "s19", "wiki.corp.example").await);
    }
    let open: Vec<bool> = tokens.iter().map(|token| registrar.inventory().session_by_token(token).is_some()).collect();
    assert_eq!(open, [false, false, true, true, true, true]);
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_leave_a_change_half_done() {
    let bench = Bench::new();
    let registrar = bench.open().await;
    device_in_use(&registrar, "lap-1").await;
    for _ in 0..20 {
        let device = id("lap-1");
        let mut call = Box::pin(registrar.quarantine_device(&device, &ADMIN, ""));
        assert!(futures_util::poll!(call.as_mut()).is_pending());
        drop(call);
        // Whoever comes next waits for its turn behind the change that nobody waits for any more.
        registrar.release_device(&device, &ADMIN, "").await.unwrap();
    }
    let history = registrar.device_history(&id("lap-1"), 100).await.unwrap();
    assert_eq!(history.iter().filter(|change| change.what == "quarantined").count(), 20);
}

#[tokio::test]
async fn the_feed_has_no_gaps_and_a_gap_means_loading_again() {
    let bench = Bench::new();
    let registrar = bench.open().await;
    for n in 0..5 {
        device_in_use(&registrar, &format!("lap-{n}")).await;
        drop(registrar.add_device(listed("lap-0"), &ADMIN, "").await.unwrap_err());
    }
    let seqs: Vec<i64> = feed::after(registrar.pool(), 0).await.unwrap().iter().map(|change| change.seq).collect();
    assert_eq!(seqs, [1, 2, 3, 4, 5]);

    // As another node would do it, with changes that were trimmed before this one saw them.
    sqlx::query("UPDATE devices SET status = 'quarantined' WHERE id = 'lap-1'").execute(registrar.pool()).await.unwrap();
    sqlx::query("DELETE FROM device_keys WHERE device = 'lap-2'").execute(registrar.pool()).await.unwrap();
    sqlx::query("DELETE FROM devices WHERE id = 'lap-2'").execute(registrar.pool()).await.unwrap();
    sqlx::query("UPDATE feed SET last = 9").execute(registrar.pool()).await.unwrap();
    device_in_use(&registrar, "lap-9").await;
    let inventory = registrar.inventory();
    assert_eq!(inventory.device(&id("lap-1")).unwrap().device.status, DeviceStatus::Quarantined);
    assert!(inventory.device(&id("lap-2")).is_none());
}

#[tokio::test]
async fn what_cannot_be_read_back_closes_until_it_can() {
    let bench = Bench::new();
    let registrar = bench.open().await;
    device_in_use(&registrar, "lap-1").await;
    // The row is spoilt in the same moment in which the change is made.
    sqlx::raw_sql(
        "CREATE TRIGGER spoil AFTER UPDATE ON devices WHEN NEW.status = 'quarantined' BEGIN \
         UPDATE devices SET posture = 'spoilt' WHERE id = NEW.id; END",
    )
    .execute(registrar.pool())
    .await
    .unwrap();
    let told = registrar.quarantine_device(&id("lap-1"), &ADMIN, "").await.unwrap_err();
    assert!(matches!(told, DeviceError::Store(StoreError::Behind(_))), "{told}");
    assert!(registrar.inventory().is_behind(), "decisions are refused");
    sqlx::raw_sql("DROP TRIGGER spoil; UPDATE devices SET posture = '{}'").execute(registrar.pool()).await.unwrap();
    let recovered = async {
        while registrar.inventory().is_behind() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), recovered).await.unwrap();
    assert_eq!(registrar.inventory().device(&id("lap-1")).unwrap().device.status, DeviceStatus::Quarantined);
}

#[tokio::test]
async fn state_that_others_could_use_is_refused() {
    let bench = Bench::new();
    drop(bench.open().await);
    let db = bench.path().join("sekisho.db");
    assert_eq!(fs::metadata(&db).unwrap().permissions().mode() & 0o7777, 0o600);
    fs::set_permissions(&db, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(bench.try_open().await, Err(StoreError::Exposed { mode: 0o644, .. })));
    fs::set_permissions(&db, fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(bench.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(bench.try_open().await, Err(StoreError::Exposed { mode: 0o777, .. })));
    fs::set_permissions(bench.path(), fs::Permissions::from_mode(0o750)).unwrap();
    bench.open().await;
}

#[tokio::test]
async fn a_damaged_database_is_named_so() {
    let bench = Bench::new();
    bench.open().await.close().await.unwrap();
    let db = bench.path().join("sekisho.db");
    let mut bytes = fs::read(&db).unwrap();
    bytes[..100].fill(0x5a);
    fs::write(&db, &bytes).unwrap();
    let error = bench.try_open().await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt(_)), "{error:?}");
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_left_alone() {
    let bench = Bench::new();
    let registrar = bench.open().await;
    sqlx::raw_sql("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (99, 'later', 1, x'00', 0)")
        .execute(registrar.pool())
        .await
        .unwrap();
    registrar.close().await.unwrap();
    drop(registrar);
    assert!(matches!(bench.try_open().await, Err(StoreError::Newer(99))));
}

#[tokio::test]
async fn another_secret_key_is_noticed_at_start() {
    let bench = Bench::new();
    bench.open().await.close().await.unwrap();
    fs::remove_file(bench.path().join("secret.key")).unwrap();
    assert!(matches!(bench.try_open().await, Err(StoreError::WrongKey)));
}

#[tokio::test]
async fn a_full_disk_refuses_the_change_and_recovers() {
    let bench = Bench::new();
    let registrar = bench.open().await;
    device_in_use(&registrar, "lap-1").await;
    // SQLite's own bound on the file, on every connection of the pool, stands for the disk.
    let bound = async |pages: &str| {
        let mut connections = Vec::new();
        for _ in 0..4 {
            let mut connection = registrar.pool().acquire().await.unwrap();
            sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"))).execute(&mut *connection).await.unwrap();
            connections.push(connection);
        }
    };
    bound("1").await; // at once raised to the present size
    let posture = "x".repeat(64 * 1024);
    let error = registrar.suspend_user(&user(&posture), &ADMIN, "").await.unwrap_err();
    assert!(matches!(error, PersonError::Store(StoreError::Full)), "{error:?}");
    assert!(!registrar.inventory().is_suspended(&user(&posture)));
    assert!(!registrar.inventory().is_behind());
    bound("1000000").await;
    registrar.suspend_user(&user(&posture), &ADMIN, "").await.unwrap();
    assert!(registrar.inventory().is_suspended(&user(&posture)));
}

#[tokio::test]
async fn purging_keeps_what_is_needed() {
    let bench = Bench::new();
    let registrar = bench.open().await;
    device_in_use(&registrar, "lap-1").await;
    let unused = registrar.invite(invite(), HOUR, &ADMIN, "").await.unwrap();
    let used = registrar.invite(invite(), HOUR, &ADMIN, "").await.unwrap();
    registrar.enrol(&used.code, enrolment("lap-2"), "").await.unwrap();
    bench.clock.advance(Duration::from_secs(500 * 24 * 3600));
    let before = picture(registrar.inventory());
    registrar.purge(HOUR).await.unwrap();
    assert_eq!(picture(registrar.inventory()), before);
    assert!(matches!(registrar.invitation(&unused.code).await, Err(InvitationError::Unknown)));
    assert!(
        matches!(registrar.invitation(&used.code).await, Err(InvitationError::Used { .. })),
        "shown again, it is still known"
    );
    assert_eq!(feed::after(registrar.pool(), 0).await.unwrap().len(), 1, "only the newest change is left");
    device_in_use(&registrar, "lap-3").await;
}

#[test]
fn addresses_are_compared_in_one_form() {
    assert_eq!(canonical_email(" Ana@Corp.Example "), Some("Ana@corp.example".to_owned()));
    for wrong in ["", "ana", "@corp", "ana@", "a@b@c", "a b@c", "a@b\nc"] {
        assert_eq!(canonical_email(wrong), None, "{wrong:?}");
    }
}

/// All of the live state that can be compared.
pub(super) fn picture(inventory: &crate::inventory::Inventory) -> Vec<String> {
    let mut all = Vec::new();
    inventory.each_device(|live| all.push(format!("{:?}", live.device)));
    all.extend(inventory.sessions().iter().map(|live| format!("{:?} last used {}", live.session, live.last_used())));
    all.extend(inventory.cookie_tokens().iter().map(|token| {
        let (live, host) = inventory.session_by_token(token).unwrap();
        format!("cookie {token} -> {} {host}", live.session.id)
    }));
    all.extend(inventory.suspended_users().iter().map(|user| format!("suspended {user}")));
    all.push(format!("{:?}", inventory.counts()));
    all.sort();
    all
}
