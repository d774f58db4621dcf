//! A device's certificate gets to where browsers look for it, and older ones leave.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::harness::{House, Laptop, Said, private, run};

/// A home with a Firefox profile whose database has this primary password, if any, and one of Chromium.
async fn home(house: &House, name: &str, primary: Option<&str>) -> PathBuf {
    let home = house.path().join(name);
    let profile = home.join(".mozilla/firefox/x1.work");
    std::fs::create_dir_all(&profile).unwrap();
    let list = "[Profile0]\nName=work\nIsRelative=1\nPath=x1.work\nDefault=1\n\n[General]\nStartWithLastProfile=1\nVersion=2\n";
    std::fs::write(home.join(".mozilla/firefox/profiles.ini"), list).unwrap();
    if let Some(primary) = primary {
        private(&home.join("primary"), &format!("{primary}\n"));
        let file = home.join("primary").display().to_string();
        assert_eq!(certutil(&profile, &["-N", "-f", &file]).await.code, Some(0));
    }
    let shared = home.join(".pki/nssdb");
    std::fs::create_dir_all(&shared).unwrap();
    assert_eq!(certutil(&shared, &["-N", "--empty-password"]).await.code, Some(0));
    home
}

async fn certutil(database: &Path, arguments: &[&str]) -> Said {
    let mut command = Command::new("certutil");
    command.args(arguments).args(["-d", &format!("sql:{}", database.display())]);
    run(command, "").await
}

/// Ids of keys, each with the name of its certificate.
async fn keys(database: &Path, further: &[&str]) -> Vec<(String, String)> {
    let said = certutil(database, &[&["-K"], further].concat()).await;
    let lines = said.out.lines().filter_map(|line| line.split_once('>').map(|(_, rest)| rest));
    let words = lines.map(|rest| rest.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    words.map(|words| (words[1].clone(), words[2].clone())).collect()
}

async fn certificates(database: &Path) -> usize {
    let said = certutil(database, &["-L"]).await;
    said.out.lines().filter(|line| line.starts_with("CN=lap-7 ")).count()
}

/// All files below a folder, and links.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .flat_map(|entry| if entry.file_type().unwrap().is_dir() { files(&entry.path()) } else { vec![entry.path()] })
        .collect()
}

/// A device, not approved: nobody has to be asked to install its certificate.
async fn laptop(house: &House) -> Laptop {
    Laptop::enrol(house, "lap-7", "alice").await
}

#[tokio::test]
async fn every_browser_gets_it_and_the_next_one_takes_its_place() {
    let house = House::open().await;
    let laptop = laptop(&house).await;
    laptop.approve(&house).await;
    let home = home(&house, "home", None).await;
    let databases = [home.join(".pki/nssdb"), home.join(".mozilla/firefox/x1.work")];
    let said = laptop.installs(&home, &[]).await;
    assert!(said.code == Some(0) && said.out.matches(": installed (").count() == 2, "{said:?}");
    let mut first = Vec::new();
    for database in &databases {
        let found = keys(database, &[]).await;
        assert!(found.len() == 1 && found[0].1 == "CN=lap-7", "{found:?}");
        assert!(
            certutil(database, &["-L"]).await.out.lines().any(|line| line.starts_with("CN=lap-7 ") && line.ends_with("u,u,u"))
        );
        first.push(found[0].0.clone());
    }
    assert!(first[0] == first[1]);
    for name in ["device.p12", "device.p12.password", ".install"] {
        assert!(!laptop.folder.join(name).exists(), "{name} was for browsers, and they have it");
    }
    // The same once more changes nothing.
    assert_eq!(laptop.installs(&home, &[]).await.code, Some(0));
    assert_eq!(keys(&databases[0], &[]).await, [(first[0].clone(), "CN=lap-7".to_owned())]);
    assert_eq!(certificates(&databases[0]).await, 1);

    // Renewed, the older key and certificate leave the browsers, and what is not the device's stays.
    let other = Laptop::enrol(&house, "lap-9", "alice").await;
    assert_eq!(other.installs(&home, &[]).await.code, Some(0));
    let mut command = Command::new(crate::harness::sekisho());
    command.args(["enroll", "--renew", "--force", "--install", "--json", "--out"]).arg(&laptop.folder).env("HOME", &home);
    let said = run(command, "").await;
    let told: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert!(said.code == Some(0) && told["renewed"] == true && told["browsers"][1]["installed"] == true, "{said:?}");
    let packed: Vec<_> = files(&laptop.folder).into_iter().filter(|path| path.to_string_lossy().contains("p12")).collect();
    assert!(packed.is_empty(), "every browser has it, and these are left: {packed:?}");
    for database in &databases {
        let mut found = keys(database, &[]).await;
        found.sort_by(|one, other| one.1.cmp(&other.1));
        assert!(found.len() == 2 && found[0].1 == "CN=lap-7" && found[1].1 == "CN=lap-9", "{found:?}");
        assert_ne!(found[0].0, first[0], "the key is the new one");
        assert_eq!(certificates(database).await, 1);
    }
}

#[tokio::test]
async fn a_primary_password_is_needed_where_there_is_one_and_only_the_right_one_opens() {
    let house = House::open().await;
    let laptop = laptop(&house).await;
    let home = home(&house, "home", Some("correct horse")).await;
    let firefox = home.join(".mozilla/firefox/x1.work");
    let said = laptop.installs(&home, &[]).await;
    assert!(said.code == Some(1) && said.out.contains("Chromium, Chrome and their like: installed"), "{said:?}");
    assert!(said.err.contains("not every browser"), "{said:?}");
    assert!(said.out.contains("profile work: not installed") && said.out.contains("--nss-password-file"), "{said:?}");
    assert!(laptop.folder.join("device.p12").exists(), "not everybody has it");
    private(&home.join("wrong"), "battery staple\n");
    let file = |name: &str| home.join(name).display().to_string();
    let said = laptop.installs(&home, &["--nss-password-file", &file("wrong")]).await;
    assert!(said.out.contains("profile work: not installed"), "{said:?}");
    let said = laptop.installs(&home, &["--nss-password-file", &file("primary")]).await;
    assert!(said.code == Some(0) && said.out.contains("profile work: installed"), "{said:?}");
    assert_eq!(keys(&firefox, &["-f", &file("primary")]).await.len(), 1);
}

#[tokio::test]
async fn a_new_key_that_a_browser_did_not_get_is_tried_again_every_time_until_it_has_it() {
    let house = House::open().await;
    let laptop = laptop(&house).await;
    laptop.approve(&house).await;
    let home = home(&house, "home", Some("correct horse")).await;
    let firefox = home.join(".mozilla/firefox/x1.work");
    let primary = home.join("primary").display().to_string();
    let renews = async |further: &[&str]| {
        let mut command = Command::new(crate::harness::sekisho());
        command.args(["enroll", "--renew", "--install", "--out"]).arg(&laptop.folder).args(further).env("HOME", &home);
        run(command, "").await
    };
    let said = renews(&["--force"]).await;
    assert!(said.code == Some(1) && said.out.contains("Renewed") && said.out.contains("profile work: not installed"), "{said:?}");
    // As a timer does, every day: there is nothing to renew, and still something to do.
    let said = renews(&[]).await;
    assert!(said.code == Some(1) && said.out.contains("Nothing to renew"), "{said:?}");
    assert!(said.out.contains("profile work: not installed") && said.err.contains("not every browser"), "{said:?}");
    assert!(laptop.folder.join("device.p12").exists());
    let said = renews(&["--nss-password-file", &primary]).await;
    assert!(said.code == Some(0) && said.out.contains("profile work: installed"), "{said:?}");
    assert_eq!(keys(&firefox, &["-f", &primary]).await.len(), 1);
    let packed: Vec<_> = files(&laptop.folder).into_iter().filter(|path| path.to_string_lossy().contains("p12")).collect();
    assert!(packed.is_empty(), "every browser has it, and these are left: {packed:?}");
    // Then there is nothing to do.
    let said = renews(&["--json"]).await;
    let told: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert!(said.code == Some(0) && told["renewed"] == false && told["browsers"].is_null(), "{said:?}");
}

#[tokio::test]
async fn a_key_that_is_called_like_the_device_and_is_not_its_own_is_left_alone() {
    let house = House::open().await;
    let laptop = laptop(&house).await;
    laptop.approve(&house).await;
    let home = home(&house, "home", None).await;
    let databases = [home.join(".pki/nssdb"), home.join(".mozilla/firefox/x1.work")];
    assert_eq!(certutil(&databases[1], &["-N", "--empty-password"]).await.code, Some(0));
    // A key for mail by the friendly name of the device; and a device of the same name at somebody else's gate.
    private(&home.join("noise"), "not random, and for nothing else than this");
    let noise = home.join("noise").display().to_string();
    let mut others = Vec::new();
    for (database, name, subject) in [(&databases[0], "lap-7", "CN=Ana"), (&databases[1], "CN=lap-7", "CN=lap-7")] {
        let made = ["-S", "-x", "-k", "ec", "-q", "nistp256", "-m", "7", "-t", "u,u,u", "-z", &noise, "-n", name, "-s", subject];
        let said = certutil(database, &made).await;
        assert_eq!(said.code, Some(0), "{said:?}");
        others.push(keys(database, &[]).await[0].0.clone());
    }
    let mut before: Vec<String> = Vec::new();
    for renews in [&[][..], &["--renew", "--force"]] {
        let mut command = Command::new(crate::harness::sekisho());
        command.args(["enroll", "--install", "--out"]).arg(&laptop.folder).args(renews).env("HOME", &home);
        let said = run(command, "").await;
        assert!(said.code == Some(0) && said.out.matches("left alone").count() == 2, "{said:?}");
        let mut own = Vec::new();
        for (database, other) in databases.iter().zip(&others) {
            let mut found: Vec<String> = keys(database, &[]).await.into_iter().map(|(id, _)| id).collect();
            found.retain(|id| id != other);
            assert!(keys(database, &[]).await.iter().any(|(id, _)| id == other), "it is gone: {said:?}");
            assert!(found.len() == 1 && !before.contains(&found[0]), "the device has its new key, and that only: {found:?}");
            own.extend(found);
        }
        before = own;
    }
    // Both certificates of others are there, too.
    assert!(certutil(&databases[0], &["-L", "-n", "lap-7"]).await.out.contains("CN=Ana"));
    let said = certutil(&databases[1], &["-L", "-n", "CN=lap-7"]).await;
    assert!(said.out.contains("Issuer: \"CN=lap-7\""), "{said:?}");
}

#[tokio::test]
async fn what_cannot_be_installed_says_why_and_the_device_is_enrolled_all_the_same() {
    let house = House::open().await;
    let laptop = laptop(&house).await;
    // Without NSS' tools.
    let empty = house.path().join("empty");
    std::fs::create_dir_all(&empty).unwrap();
    let mut command = Command::new(crate::harness::sekisho());
    command.args(["enroll", "--install", "--out"]).arg(&laptop.folder).env("HOME", &empty).env("PATH", &empty);
    let said = run(command, "").await;
    assert!(said.code == Some(3) && said.out.contains("libnss3-tools") && said.err.contains("--install"), "{said:?}");
    assert!(laptop.folder.join("device.pem").exists() && laptop.folder.join("device.p12").exists());
    // A database that is none.
    let home = home(&house, "home", None).await;
    std::fs::remove_dir_all(home.join(".mozilla")).unwrap();
    std::fs::write(home.join(".pki/nssdb/cert9.db"), "no database").unwrap();
    let said = laptop.installs(&home, &[]).await;
    assert!(said.code == Some(3) && said.out.contains("not installed: certutil"), "{said:?}");
    // A folder without a device, and one with files that do not belong together.
    let mut command = Command::new(crate::harness::sekisho());
    command.args(["enroll", "--install", "--out"]).arg(&empty).env("HOME", &home);
    let said = run(command, "").await;
    assert!(said.code == Some(3) && said.err.contains("has no device's certificate"), "{said:?}");
    // Nobody's home.
    let mut command = Command::new(crate::harness::sekisho());
    command.args(["enroll", "--install", "--out"]).arg(&laptop.folder).env_remove("HOME");
    let said = run(command, "").await;
    assert!(said.code == Some(3) && said.err.contains("HOME"), "{said:?}");
    let mode = std::fs::metadata(&laptop.folder).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o700);
}
