//! What was written is read back: by itself, with the whole table, and by a later version.

use proptest::prelude::*;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use sqlx::{Connection as _, SqliteConnection};

use super::error::StoreError;
use super::open::MIGRATIONS;
use super::pieces;
use super::rows::{self, CookieRow, DeviceRow, Names, SessionRow};
use super::tests::Bench;
use crate::inventory::samples::{self, key};
use crate::inventory::{Device, DeviceId, DeviceStatus, Owner};

async fn empty() -> SqliteConnection {
    let mut db = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    MIGRATIONS.run(&mut db).await.unwrap();
    db
}

async fn all(db: &mut SqliteConnection) -> Result<Vec<Device>, StoreError> {
    let (mut devices, mut names) = (Vec::new(), Names::default());
    pieces::each(db, rows::DEVICES, |piece| {
        for row in rows::read::<Vec<DeviceRow<'_>>>(piece)? {
            devices.push(row.read(&mut names)?);
        }
        Ok(())
    })
    .await?;
    Ok(devices)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn nothing_of_a_device_is_lost(device in samples::any_device()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut db = empty().await;
            rows::put_device(&mut db, &device).await.unwrap();
            prop_assert_eq!(rows::device(&mut db, device.id.as_str()).await.unwrap(), Some(device.clone()));
            prop_assert_eq!(all(&mut db).await.unwrap(), vec![device]);
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn a_table_of_many_pieces_comes_whole_and_in_order() {
    let mut db = empty().await;
    assert_eq!(all(&mut db).await.unwrap(), []);
    let device = samples::device("lap-0", DeviceStatus::Active);
    rows::put_device(&mut db, &device).await.unwrap();
    // 2048 rows are two whole pieces.
    for (more, count) in [(2047, 2048), (2048, 2049)] {
        let copy = format!(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {more}) \
             INSERT OR IGNORE INTO devices SELECT 'lap-' || i, authority, status, owner_provider, owner_subject, owner_email, shared, \
             managed, platform, key_protection, enrolled_at, posture, posture_at FROM n, devices WHERE id = 'lap-0'"
        );
        sqlx::query(sqlx::AssertSqlSafe(copy)).execute(&mut db).await.unwrap();
        let read: Vec<String> = all(&mut db).await.unwrap().into_iter().map(|device| device.id.to_string()).collect();
        assert_eq!(read, (0..count).map(|number| format!("lap-{number}")).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn keys_are_found_in_the_index_alone() {
    let mut db = empty().await;
    let plan = format!("EXPLAIN QUERY PLAN {}", rows::DEVICES);
    let steps: Vec<(i64, i64, i64, String)> =
        sqlx::query_as(sqlx::AssertSqlSafe(plan)).bind(0).bind(1).fetch_all(&mut db).await.unwrap();
    let words: Vec<&str> = steps.iter().map(|step| step.3.as_str()).collect();
    assert!(words.iter().any(|step| step.contains("device_keys USING COVERING INDEX device_keys_of")), "{words:?}");
    assert!(words.iter().any(|step| step.contains("devices USING INTEGER PRIMARY KEY")), "rows come as they lie: {words:?}");
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_named() {
    let mut db = empty().await;
    rows::put_device(&mut db, &samples::device("lap-1", DeviceStatus::Active)).await.unwrap();
    for (spoilt, problem) in [
        ("UPDATE devices SET posture = 'spoilt'", "device lap-1: its posture is not JSON"),
        ("UPDATE devices SET posture = '{}', platform = 'abacus'", "device lap-1: unknown platform"),
        ("UPDATE devices SET platform = 'linux'; UPDATE device_keys SET fingerprint = 'abc'", "keys of device lap-1: "),
    ] {
        sqlx::raw_sql(spoilt).execute(&mut db).await.unwrap();
        for told in [all(&mut db).await.map(drop), rows::device(&mut db, "lap-1").await.map(drop)] {
            let told = told.unwrap_err().to_string();
            assert!(told.contains(problem), "{told}");
        }
    }
    let session = rows::read::<SessionRow<'_>>(r#"["s1", 5, null, 0, "{}"]"#).unwrap().read().unwrap_err().to_string();
    assert!(session.contains("session s1: "), "{session}");
    let cookie = rows::read::<CookieRow<'_>>(r#"["abc", "s1", "wiki.corp.example"]"#).unwrap().read().err().unwrap().to_string();
    assert!(cookie.contains("cookie of session s1: "), "{cookie}");
    assert!(rows::read::<DeviceRow<'_>>("[]").is_err());
}

#[tokio::test]
async fn what_an_earlier_version_wrote_is_taken_over() {
    let bench = Bench::new();
    drop(bench.open().await);
    let path = bench.path().join("sekisho.db");
    for journal in ["", "-wal", "-shm"] {
        drop(std::fs::remove_file(bench.path().join(format!("sekisho.db{journal}"))));
    }
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    MIGRATIONS.run_to(2, &pool).await.unwrap();
    let mut device = samples::device("lap-1", DeviceStatus::Quarantined);
    device.owner = Some(Owner::Email("\"ana\"\\@corp.example".to_owned()));
    device.keys = vec![key("new"), key("older"), key("first")];
    rows::put_device(&mut pool.acquire().await.unwrap(), &device).await.unwrap();
    sqlx::raw_sql("INSERT INTO changes VALUES (1, 'device', 'lap-1', 'added', 5, 'uid:1', ''); UPDATE feed SET last = 1")
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();

    let registrar = bench.open().await;
    let id: DeviceId = "lap-1".parse().unwrap();
    assert_eq!(*registrar.inventory().device(&id).unwrap().device, device);
    let released = registrar.release_device(&id, &super::Actor::System("test"), "").await.unwrap();
    assert_eq!(released.device.keys, device.keys);
}
