//! Cedar's own published cases, put to the compiled conditions: hand-written ones, and those that Cedar's fuzzing found worth
//! keeping. Their schemas are not ours, so nothing is known beforehand here: every path is looked up in the case's context and
//! entities, and scopes are conditions like others. What is tested is what each kind of node means.
//!
//! The cases are not part of this project: without `../shared` beside it, the tests say that they skip.

mod case;
mod store;

use std::path::{Path, PathBuf};
use std::process::Command;

use self::case::{Tally, run};

#[test]
fn hand_written_cases_come_out_as_published() {
    let Some(home) = home() else { return };
    let mut tally = Tally::default();
    for folder in ["decimal", "example_use_cases", "ip", "multi"] {
        for file in cases(&home.join("tests").join(folder)) {
            run(&home, &file, &mut tally);
        }
    }
    println!("hand-written: {tally}");
    assert!(tally.requests >= 70 && tally.compiled == tally.policies, "{tally}");
}

/// One in sixteen: all of them take a while.
#[test]
fn some_of_the_corpus_comes_out_as_published() {
    corpus("0", 3_000);
}

/// All of them: `cargo test --release -p sekisho-policy --lib -- --ignored --nocapture published`.
#[test]
#[ignore = "62,472 requests take minutes"]
fn all_of_the_corpus_comes_out_as_published() {
    corpus("", 60_000);
}

fn corpus(prefix: &str, least: usize) {
    let Some(home) = home() else { return };
    let to = std::env::temp_dir().join(format!("sekisho-published-{}-{prefix}", std::process::id()));
    std::fs::create_dir_all(&to).unwrap();
    let unpacked = Command::new("tar")
        .arg("xzf")
        .arg(home.join("corpus-tests.tar.gz"))
        .arg("-C")
        .arg(&to)
        .args(["--wildcards", &format!("*/{prefix}*")])
        .status();
    assert!(unpacked.unwrap().success());
    let mut tally = Tally::default();
    for file in cases(&to.join("corpus-tests")) {
        run(&to, &file, &mut tally);
    }
    std::fs::remove_dir_all(&to).unwrap();
    println!("corpus: {tally}");
    assert!(tally.requests >= least && tally.compiled * 10 >= tally.policies * 9, "{tally}");
}

fn home() -> Option<PathBuf> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance/cedar-integration-tests");
    let found = home.is_dir().then_some(home);
    if found.is_none() {
        println!("skipped: Cedar's published cases are not beside this project");
    }
    found
}

fn cases(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| {
        let name = file.to_string_lossy();
        name.ends_with(".json") && !name.ends_with(".entities.json")
    });
    files.sort();
    assert!(!files.is_empty());
    files
}
