//! Bad files and all that is wrong with each, in the words that people read.

use super::fixture::{folder, load, words};

/// Each file of `testdata/bad` ends with the problems that it has, as comments behind the line `# problems`.
#[test]
fn every_problem_is_named_at_once() {
    let folder = folder();
    let samples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/testdata/bad");
    let mut wrong = String::new();
    let mut seen = 0;
    for entry in std::fs::read_dir(samples).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let (_, expected) = text.split_once("\n# problems\n").expect("the problems that it has");
        let problems = words(&load(&text, folder.path()).expect_err("it has problems"), folder.path());
        let found: String = problems.iter().map(|problem| format!("# {problem}\n")).collect();
        if found != expected {
            wrong += &format!("{}\n{found}\n", path.display());
        }
        seen += 1;
    }
    assert!(wrong.is_empty(), "other problems than expected:\n{wrong}");
    assert!(seen >= 8, "samples are missing");
}
