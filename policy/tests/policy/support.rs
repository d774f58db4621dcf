//! What the tests of policies share.

use std::path::{Path, PathBuf};

use sekisho_policy::{App, Catalogue, DeviceFacts, Identity, Principal, Problem, SessionFacts, Source, UserFacts, Verdict};

/// The time in these tests: 2026-09-21T14:13:20Z, a Monday.
pub(super) const NOW_MS: i64 = 1_790_000_000_000;

/// A path beside this crate.
pub(super) fn beside(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The policy files of a folder, in the order of their names.
pub(super) fn folder(path: &str) -> Vec<Source> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(beside(path)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "cedar"));
    files.sort();
    assert!(!files.is_empty(), "no policies in {path}");
    let read = |file: &PathBuf| Source::new(file.file_name().unwrap().to_string_lossy(), std::fs::read_to_string(file).unwrap());
    files.iter().map(read).collect()
}

/// What the quickstart has behind the gate.
pub(super) fn quickstart_catalogue() -> Catalogue {
    let apps = vec![App::new("share", ["internal", "confidential"]), App::new("chat", ["internal"])];
    let groups = ["staff", "admins", "contractors"].map(str::to_owned);
    Catalogue { apps, groups: Some(groups.into()), ..Catalogue::default() }
}

/// A person on a device of their own, signed in a minute ago, with one factor.
pub(super) fn someone(id: &str, groups: &[&str]) -> Identity {
    let groups = groups.iter().map(|&group| group.to_owned()).collect();
    Identity {
        principal: Principal::User(UserFacts { id: id.to_owned(), groups, ..UserFacts::default() }),
        device: DeviceFacts {
            id: "lap-7".to_owned(),
            owner: Some(id.to_owned()),
            authority: "house".to_owned(),
            ..DeviceFacts::default()
        },
        session: SessionFacts {
            authenticated_at_ms: Some(NOW_MS - 60_000),
            provider: "corp".to_owned(),
            binding: "session".to_owned(),
            ..SessionFacts::default()
        },
    }
}

/// The policies that decided.
pub(super) fn ids(verdict: &Verdict) -> Vec<String> {
    verdict.policies.iter().map(ToString::to_string).collect()
}

/// Problems as people read them.
pub(super) fn lines(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("{problem}\n\n")).collect()
}
