//! Devices and sessions in the gate's state folder, before it starts. One of each is made as the gate itself makes them; the others
//! are copies of these rows under other names, since a million sign-ins one by one would take an hour.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sekisho::clock::Clock;
use sekisho::inventory::{ClaimValue, DeviceId, Platform, Session, SessionId, UserId, foreign_device_id};
use sekisho::secret::{Digest, Sealer};
use sekisho::store::{Actor, FromProvider, NewDevice, Registrar};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use super::keys::{DEVICES, user};
use super::setup::{AUTHORITY, PROVIDER, Size};

/// Fills the state folder. Writes header lines with the cookies of those sessions that are on devices with certificates: those of
/// device N on lines N, N + 32, and so on.
pub(crate) fn fill(state: &Path, size: Size, cookies: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let session = first_ones(state).await;
        let options = SqliteConnectOptions::new().filename(state.join("sekisho.db"));
        let pool = SqlitePool::connect_with(options).await.unwrap();
        more_devices(&pool, size.devices).await;
        let lines = more_sessions(&pool, &session, size).await;
        // What was copied has its place in the feed as well.
        run(&pool, "UPDATE feed SET last = (SELECT max(seq) FROM changes)").await;
        pool.close().await;
        super::place::private(cookies, &lines);
    });
}

/// The devices that have certificates, and a session on the first.
async fn first_ones(state: &Path) -> Session {
    let clock = Clock::system();
    std::fs::create_dir_all(state).unwrap();
    let sealer = Arc::new(Sealer::open_or_create(state).unwrap());
    let registrar = Registrar::open(state, sealer, clock.clone()).await.unwrap();
    for number in 0..DEVICES {
        let new = NewDevice {
            id: device(number),
            authority: AUTHORITY.into(),
            owner: Some(sekisho::inventory::Owner::User(person(number))),
            shared: false,
            managed: true,
            platform: Platform::Linux,
            keys: Vec::new(),
        };
        registrar.add_device(new, &Actor::System("compare"), "").await.unwrap();
    }
    let now = clock.now();
    let session = Session {
        id: SessionId("session-000000".into()),
        user: person(0),
        service: false,
        device: device(0),
        email: Some(format!("{}@corp.example", user(0)).into()),
        name: Some("Somebody at work".into()),
        groups: ["staff", "engineering"].into_iter().collect(),
        claims: [("role", ClaimValue::Text("admin".to_owned()))].into_iter().collect(),
        authenticated_at: now,
        acr: None,
        amr: ["pwd", "otp"].into_iter().collect(),
        mfa: true,
        created_at: now,
        expires_at: now.plus(Duration::from_secs(12 * 3600)),
    };
    registrar.start_session(session.clone(), FromProvider::default(), "").await.unwrap();
    registrar.close().await.unwrap();
    session
}

async fn more_devices(pool: &SqlitePool, count: usize) {
    let further = count.saturating_sub(DEVICES);
    if further == 0 {
        return;
    }
    let pattern = device(0);
    let numbers = format!("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {further})");
    let columns =
        "authority, status, owner_provider, shared, managed, platform, key_protection, enrolled_at, posture, posture_at";
    run(
        pool,
        &format!(
            "INSERT INTO devices (id, owner_subject, {columns}) {numbers} \
             SELECT printf('laptop-%07d', i), printf('person-%07d', i), {columns} FROM n, devices WHERE id = '{pattern}'"
        ),
    )
    .await;
    run(
        pool,
        &format!(
            "INSERT INTO device_keys (authority, fingerprint, device, rank) {numbers} \
             SELECT '{AUTHORITY}', printf('%064x', i), printf('laptop-%07d', i), 0 FROM n"
        ),
    )
    .await;
    run(
        pool,
        &format!(
            "INSERT INTO changes (seq, kind, id, what, at, \"by\", why) {numbers} \
             SELECT (SELECT max(seq) FROM changes) + i, kind, printf('laptop-%07d', i), what, at, \"by\", why \
             FROM n, changes WHERE kind = 'device' AND changes.id = '{pattern}'"
        ),
    )
    .await;
}

/// Gives the header lines.
async fn more_sessions(pool: &SqlitePool, first: &Session, size: Size) -> String {
    let (mut lines, mut writing) = (String::new(), pool.begin().await.unwrap());
    for number in 0..size.sessions {
        let ours = number < DEVICES * SESSIONS_A_DEVICE;
        let laptop = (number % size.devices.saturating_sub(DEVICES).max(1)) + 1;
        let session = Session {
            id: SessionId(format!("session-{number:06}").into()),
            user: if ours {
                person(number)
            } else {
                UserId { provider: PROVIDER.into(), subject: format!("person-{number:07}").into() }
            },
            device: if ours { device(number) } else { format!("laptop-{laptop:07}").parse().unwrap() },
            email: Some(format!("person-{number:07}@corp.example").into()),
            ..first.clone()
        };
        if number > 0 {
            sqlx::query(
                "INSERT INTO sessions (id, provider, subject, device, expires_at, last_used, facts, kept, sid) \
                 SELECT ?, provider, ?, ?, expires_at, last_used, ?, kept, sid FROM sessions WHERE id = ?",
            )
            .bind(&*session.id.0)
            .bind(&*session.user.subject)
            .bind(session.device.as_str())
            .bind(session.facts_json())
            .bind(&*first.id.0)
            .execute(&mut *writing)
            .await
            .unwrap();
        }
        let token = sekisho::secret::token().unwrap();
        sqlx::query("INSERT INTO cookies (token, session, host, made_at) VALUES (?, ?, ?, ?)")
            .bind(Digest::of(token.as_bytes()).to_string())
            .bind(&*session.id.0)
            .bind(super::setup::host(1))
            .bind(session.created_at.0)
            .execute(&mut *writing)
            .await
            .unwrap();
        if ours {
            let _ = writeln!(lines, "Cookie: __Host-sekisho={token}");
        }
    }
    writing.commit().await.unwrap();
    lines
}

async fn run(pool: &SqlitePool, statement: &str) {
    sqlx::query(sqlx::AssertSqlSafe(statement)).execute(pool).await.unwrap();
}

fn person(number: usize) -> UserId {
    UserId { provider: PROVIDER.into(), subject: user(number).into() }
}

fn device(number: usize) -> DeviceId {
    foreign_device_id(AUTHORITY, &format!("device-{}", number % DEVICES))
}

/// As many as one person may have on one device.
const SESSIONS_A_DEVICE: usize = 16;
