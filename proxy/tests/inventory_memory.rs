//! What devices and sessions take of memory for as long as the gate runs: as many bytes as were asked of the allocator, which rounds
//! them up.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::sync::Arc;
use std::time::Duration;

use sekisho::clock::Clock;
use sekisho::inventory::{ClaimValue, Owner, Platform, Session, SessionId, UserId};
use sekisho::secret::{Digest, Sealer};
use sekisho::store::{Actor, FromProvider, NewDevice, Registrar};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

/// Bytes that a gate keeps which has so many of them, with this posture: an SQL expression, of `i`.
fn kept(devices: usize, sessions: usize, posture: &str) -> i64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let open = async || {
        let sealer = Arc::new(Sealer::open_or_create(folder.path()).unwrap());
        Registrar::open(folder.path(), sealer, Clock::system()).await.unwrap()
    };
    runtime.block_on(async {
        first_of_each(&open().await).await;
        let options = SqliteConnectOptions::new().filename(folder.path().join("sekisho.db"));
        let pool = SqlitePool::connect_with(options).await.unwrap();
        for copy in [more_devices(devices, posture), more_sessions(sessions)] {
            sqlx::raw_sql(sqlx::AssertSqlSafe(copy)).execute(&pool).await.unwrap();
        }
        pool.close().await;
    });
    let mut registrar = None;
    let taken = allocation_counter::measure(|| registrar = Some(runtime.block_on(open())));
    let counts = registrar.unwrap().inventory().counts();
    assert_eq!((counts.devices_active, counts.sessions, counts.cookies), (devices + 1, sessions + 1, sessions));
    taken.bytes_current
}

async fn first_of_each(registrar: &Registrar) {
    let user = UserId { provider: "corp".into(), subject: "person-0000".into() };
    let new = NewDevice {
        id: "laptop-0000".parse().unwrap(),
        authority: "fleet".into(),
        owner: Some(Owner::User(user.clone())),
        shared: false,
        managed: true,
        platform: Platform::Linux,
        keys: vec![Digest::of(b"key")],
    };
    let device = registrar.add_device(new, &Actor::System("test"), "").await.unwrap();
    let now = Clock::system().now();
    let session = Session {
        id: SessionId("session-0000".into()),
        user,
        service: false,
        device: device.device.id.clone(),
        email: Some("person-0000@corp.example".into()),
        name: Some("Somebody at work".into()),
        groups: ["staff", "engineering", "on-call"].into_iter().collect(),
        claims: [("role", ClaimValue::Text("admin".to_owned()))].into_iter().collect(),
        authenticated_at: now,
        acr: Some("urn:mace:incommon:iap:silver".into()),
        amr: ["pwd", "otp"].into_iter().collect(),
        mfa: true,
        created_at: now,
        expires_at: now.plus(Duration::from_secs(3600)),
    };
    registrar.start_session(session, FromProvider::default(), "").await.unwrap();
    registrar.close().await.unwrap();
}

fn more_devices(count: usize, posture: &str) -> String {
    let columns = "shared, managed, platform, key_protection, enrolled_at";
    format!(
        "INSERT INTO devices (id, authority, status, owner_provider, owner_subject, {columns}, posture, posture_at) {} \
         SELECT printf('laptop-%04d', i), authority, status, owner_provider, printf('person-%04d', i), {columns}, {posture}, 1000 + i \
         FROM n, devices WHERE id = 'laptop-0000'; \
         INSERT INTO device_keys (authority, fingerprint, device, rank) {0} \
         SELECT 'fleet', printf('%064x', i), printf('laptop-%04d', i), 0 FROM n;",
        numbers(count)
    )
}

fn more_sessions(count: usize) -> String {
    // Everybody is in a team of their own as well.
    format!(
        "INSERT INTO sessions (id, provider, subject, device, expires_at, last_used, facts) {} \
         SELECT printf('session-%04d', i), provider, printf('person-%04d', i), device, expires_at, last_used, \
         replace(replace(facts, '-0000', printf('-%04d', i)), 'on-call', printf('team-%04d', i)) \
         FROM n, sessions WHERE id = 'session-0000'; \
         INSERT INTO cookies (token, session, host, made_at) {0} \
         SELECT printf('%064x', i), printf('session-%04d', i), 'wiki.corp.example', 0 FROM n;",
        numbers(count)
    )
}

fn numbers(count: usize) -> String {
    format!("WITH RECURSIVE n (i) AS (SELECT 1 WHERE {count} > 0 UNION ALL SELECT i + 1 FROM n WHERE i < {count})")
}

#[test]
fn a_device_fits_into_250_bytes_and_a_session_into_a_kilobyte() {
    // Tables of the live state are as full as they are with a million.
    let (devices, sessions) = (4_000, 4_000);
    let nothing = kept(0, 0, "'{}'");
    let device = (kept(devices, 0, "'{}'") - nothing) / 4_000;
    let session = (kept(0, sessions, "'{}'") - nothing) / 4_000;
    println!("{device} bytes for each device, {session} for each session");
    assert!((100..220).contains(&device), "{device}");
    // Every combination of flags, and a version that many have: kept once for all who have the same.
    let flags = "json_object('disk_encrypted', json(iif(i & 1, 'true', 'false')), 'firewall', json(iif(i & 2, 'true', 'false')), \
        'os_up_to_date', json(iif(i & 4, 'true', 'false')), 'screen_lock', json(iif(i & 8, 'true', 'false')))";
    let versions = format!("json_set({flags}, '$.os_version', printf('14.%d', i % 30))");
    // A number that no two have in common is the dear case: whoever declares such a fact pays for it.
    let numbers = format!("json_set({flags}, '$.free_bytes', 1000000 + i)");
    let of = |posture: &str| (kept(devices, 0, posture) - nothing) / 4_000;
    let (flags, versions, numbers) = (of(flags), of(&versions), of(&numbers));
    println!("{flags} bytes for each device with flags, {versions} with a version too, {numbers} with a number of its own");
    assert!((100..220).contains(&flags), "{flags}");
    assert!((100..400).contains(&versions), "{versions}");
    assert!((400..1500).contains(&numbers), "{numbers}");
    assert!((300..900).contains(&session), "{session}");
}
