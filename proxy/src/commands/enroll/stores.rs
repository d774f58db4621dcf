//! Where browsers on Linux look for a person's certificates.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::commands::nss::Database;

/// A browser's database.
#[derive(Clone, Debug)]
pub(super) struct Store {
    /// Whose it is, for people.
    pub(super) browser: String,
    pub(super) database: Database,
}

/// Every database of the person whose home this is; for browsers that are installed and were never started, where they will look. `path`
/// is where programs are found.
pub(super) fn stores(home: &Path, path: Option<&OsStr>) -> Vec<Store> {
    let shared = home.join(".pki/nssdb");
    let installed = || {
        let folders: Vec<PathBuf> = std::env::split_paths(path.unwrap_or_default()).collect();
        CHROMIUMS.iter().any(|name| folders.iter().any(|folder| folder.join(name).is_file()))
    };
    let mut found = Vec::new();
    if shared.join("cert9.db").is_file() || installed() {
        found.push(store("Chromium, Chrome and their like".to_owned(), shared.clone()));
    }
    for (place, browser) in BOXED {
        if home.join(place).is_dir() {
            found.push(store((*browser).to_owned(), home.join(place).join(".pki/nssdb")));
        }
    }
    for (place, browser) in FIREFOXES {
        let folder = home.join(place);
        let Ok(list) = fs::read_to_string(folder.join("profiles.ini")) else { continue };
        for Profile { name, path } in profiles(&list) {
            let path = folder.join(path);
            if path.is_dir() {
                found.push(store(format!("{browser}, profile {name}"), path));
            }
        }
    }
    if found.is_empty() {
        // Whatever is installed later looks there, most likely.
        found.push(store("Chromium, Chrome and their like".to_owned(), shared));
    }
    found
}

fn store(browser: String, folder: PathBuf) -> Store {
    Store { browser, database: Database::at(folder) }
}

/// A Firefox profile.
#[derive(Debug, PartialEq, Eq)]
struct Profile<'a> {
    name: &'a str,
    /// From the list's folder; absolute where it lies elsewhere.
    path: &'a str,
}

/// The profiles that a `profiles.ini` names.
fn profiles(list: &str) -> Vec<Profile<'_>> {
    let mut found = Vec::new();
    for section in list.split("\n[").filter(|section| section.trim_start_matches('[').starts_with("Profile")) {
        let value = |key: &str| section.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='));
        if let Some(path) = value("Path").filter(|path| !path.is_empty()) {
            found.push(Profile { name: value("Name").unwrap_or(path), path });
        }
    }
    found
}

/// Programs that look into the home's own database.
const CHROMIUMS: &[&str] = &[
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "brave-browser",
    "microsoft-edge",
    "microsoft-edge-stable",
    "vivaldi-stable",
];
/// Homes of browsers that are kept apart.
const BOXED: &[(&str, &str)] = &[
    ("snap/chromium/current", "Chromium (Snap)"),
    (".var/app/org.chromium.Chromium", "Chromium (Flatpak)"),
    (".var/app/com.google.Chrome", "Chrome (Flatpak)"),
    (".var/app/com.brave.Browser", "Brave (Flatpak)"),
    (".var/app/com.microsoft.Edge", "Edge (Flatpak)"),
];
/// Where Firefox has its list of profiles.
const FIREFOXES: &[(&str, &str)] = &[
    (".mozilla/firefox", "Firefox"),
    (".config/mozilla/firefox", "Firefox"),
    ("snap/firefox/common/.mozilla/firefox", "Firefox (Snap)"),
    (".var/app/org.mozilla.firefox/.mozilla/firefox", "Firefox (Flatpak)"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn browsers(home: &Path, path: Option<&OsStr>) -> Vec<(String, PathBuf)> {
        let below = |store: Store| {
            let folder = store.database.folder().strip_prefix(home).unwrap().to_owned();
            (store.browser, folder)
        };
        stores(home, path).into_iter().map(below).collect()
    }

    #[test]
    fn a_home_without_browsers_gets_the_usual_place_and_one_with_firefox_alone_does_not() {
        let home = tempfile::tempdir().unwrap();
        let usual = ("Chromium, Chrome and their like".to_owned(), PathBuf::from(".pki/nssdb"));
        assert_eq!(browsers(home.path(), None), vec![usual.clone()]);
        let list = "[Install4F96D1932A9F858E]\nDefault=abc.default-esr\n\n[Profile1]\nName=work\nIsRelative=1\nPath=abc.work\n\n\
                    [Profile0]\nName=gone\nIsRelative=1\nPath=abc.gone\n\n[General]\nVersion=2\n";
        fs::create_dir_all(home.path().join(".mozilla/firefox/abc.work")).unwrap();
        fs::write(home.path().join(".mozilla/firefox/profiles.ini"), list).unwrap();
        let firefox = ("Firefox, profile work".to_owned(), PathBuf::from(".mozilla/firefox/abc.work"));
        assert_eq!(browsers(home.path(), None), vec![firefox.clone()]);
        let programs = home.path().join("bin");
        fs::create_dir_all(&programs).unwrap();
        fs::write(programs.join("chromium"), "").unwrap();
        assert_eq!(browsers(home.path(), Some(programs.as_os_str())), [usual.clone(), firefox.clone()]);
        fs::create_dir_all(home.path().join("snap/chromium/current")).unwrap();
        let boxed = ("Chromium (Snap)".to_owned(), PathBuf::from("snap/chromium/current/.pki/nssdb"));
        assert_eq!(browsers(home.path(), Some(programs.as_os_str())), [usual, boxed, firefox]);
    }

    #[test]
    fn profiles_lie_beside_their_list_or_elsewhere() {
        let list = "[Profile0]\r\nName=default\r\nIsRelative=0\r\nPath=/srv/firefox\r\n\r\n[Profile1]\r\nPath=x.y\r\n[Profile2]\r\nName=none\r\n";
        let found = [Profile { name: "default", path: "/srv/firefox" }, Profile { name: "x.y", path: "x.y" }];
        assert_eq!(profiles(list), found);
        assert_eq!(profiles(""), []);
        assert_eq!(profiles("Path=x\n[General]\nPath=y\n"), []);
    }
}
