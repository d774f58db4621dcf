//! `docs/threats.md` is made here: of the threat table, and of what is said above tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::catalogue::{SECTIONS, Section, Threat};

/// Numbers of threats, each with the tests that hold it, by file and name.
type Held = BTreeMap<u16, BTreeSet<String>>;

#[test]
fn the_threat_table_is_in_the_manual() {
    let document = render(SECTIONS, &held());
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/threats.md");
    if std::env::var_os("REWRITE_THREATS").is_some() {
        std::fs::write(&file, &document).unwrap();
    }
    let there = std::fs::read_to_string(&file).unwrap_or_default();
    let differs = there.lines().zip(document.lines()).find(|(there, here)| there != here);
    assert!(there == document, "docs/threats.md is not what the tests say; its head says how to write it anew: {differs:#?}");
}

#[test]
fn every_threat_is_held_by_a_test_or_cannot_be() {
    let held = held();
    let known: BTreeMap<u16, &Threat> = threats().map(|threat| (threat.number, threat)).collect();
    assert_eq!(known.len(), threats().count(), "a number stands twice");
    for (number, tests) in &held {
        assert!(known.contains_key(number), "{tests:?} hold {number}, which is in no section of the table");
    }
    for (number, threat) in known {
        let is_held = held.contains_key(&number);
        assert!(!is_held || threat.no_test.is_none(), "{number} has a test and a reason why it has none");
        assert!(is_held || threat.no_test.is_some(), "nothing holds {number}: {}", threat.title);
    }
}

fn threats() -> impl Iterator<Item = &'static Threat> {
    SECTIONS.iter().flat_map(|section| section.threats)
}

/// What the tests say about themselves.
fn held() -> Held {
    let house = Path::new(env!("CARGO_MANIFEST_DIR")).join("house");
    let mut held = Held::new();
    for folder in ["hostile", "story"] {
        for file in files(&house.join(folder)) {
            let name = file.strip_prefix(&house).unwrap().to_str().unwrap();
            read(name, &std::fs::read_to_string(&file).unwrap(), &mut held);
        }
    }
    held
}

/// All below a folder, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries.into_iter().flat_map(|entry| if entry.is_dir() { files(&entry) } else { vec![entry] }).collect()
}

/// Finds doc lines of numbers, and the test below each.
fn read(file: &str, source: &str, held: &mut Held) {
    let mut waiting: Vec<u16> = Vec::new();
    let mut is_test = false;
    for line in source.lines().map(str::trim) {
        if let Some(numbers) = line.strip_prefix(MARK) {
            let numbers = numbers.trim().strip_suffix('.').unwrap_or_else(|| panic!("{file}: no full stop: {line}"));
            for number in numbers.split(',') {
                let number: Option<u16> = number.trim().parse().ok();
                waiting.push(number.unwrap_or_else(|| panic!("{file}: not numbers: {line}")));
            }
        } else if line.starts_with("#[") {
            is_test |= line.contains("test");
        } else if let Some(name) = line.split_once("fn ").and_then(|(_, rest)| rest.split(['(', '<']).next()) {
            if line.starts_with("//") || waiting.is_empty() {
                is_test = false;
                continue;
            }
            assert!(is_test, "{file}: {name} says what it holds and is no test");
            for number in waiting.drain(..) {
                held.entry(number).or_default().insert(format!("`{file}` {name}"));
            }
            is_test = false;
        }
    }
    assert!(waiting.is_empty(), "{file}: no test below the last line of numbers");
}

fn render(sections: &[Section], held: &Held) -> String {
    let mut text = HEAD.to_owned();
    for section in sections {
        let _ = write!(text, "\n## {}\n\n{COLUMNS}", section.title);
        for threat in section.threats {
            let tests =
                held.get(&threat.number).map(|tests| tests.iter().map(|test| link(test)).collect::<Vec<_>>().join("<br>"));
            let by = tests.or_else(|| threat.no_test.map(|reason| format!("no test: {reason}")));
            let cells =
                [&threat.number.to_string(), threat.title, threat.references, threat.answer, by.as_deref().unwrap_or("open")];
            let _ = writeln!(text, "| {} |", cells.map(|cell| cell.replace('|', "\\|")).join(" | "));
        }
    }
    text
}

/// A test as readers follow it: its name in words, to its file.
fn link(test: &str) -> String {
    let (file, name) = test.strip_prefix('`').and_then(|rest| rest.split_once("` ")).unwrap();
    format!("[{}](../tests/house/{file})", name.replace('_', " "))
}

/// Before the numbers.
const MARK: &str = "/// Holds:";

const COLUMNS: &str =
    "| No. | Threat | Published as | What the gate does | Tests that hold it |\n| --- | --- | --- | --- | --- |\n";

const HEAD: &str = "# Threats\n\n\
    Other proxies and sign-in libraries were shipped with flaws, and reports of them are public. This page lists what those reports describe, one\n\
    kind of flaw a row, and what this gate does where they went wrong. Each row ends with tests, which send what the reports describe to the\n\
    real program, over TLS; follow one to read what is sent. A row that no test can show says why instead.\n\n\
    A row says that this kind of flaw was tried and did not work in the ways that its tests try. It does not say that no other way is left.\n\n\
    **Against whom.** Strangers on the network; people with a stolen password, cookie or token; enrolled devices that carry malware;\n\
    pages of other sites in a person's browser; providers and apps that misbehave.\n\n\
    **Not against.** Nothing here holds off:\n\n\
    - who has root on the gate's machine, the key of its device authority, or the identity provider: they have what these can give\n\
    - who sits at an unlocked device of somebody who is signed in: they are that person on that device, as far as policies allow\n\
    - who reaches an app past the gate: let apps listen only where the gate can reach them\n\
    - a flood that fills the line before the gate\n\n\
    **How to read it.** A number is a name, to speak of a row by: it never changes, and gaps between numbers mean nothing. \"Published as\" names\n\
    reports (CVE, GHSA, RUSTSEC), kinds of weakness (CWE) or the part of a specification that was broken; all of them about other software.\n\
    What counts as a flaw here, and where to report one, is in [SECURITY.md](../SECURITY.md).\n\n\
    <!-- Made by a test, of the table in `tests/house/hostile/catalogue.rs` and of the `/// Holds: …` lines above tests. Do not edit or\n\
    merge by hand; write it anew with `REWRITE_THREATS=1 cargo nextest run -p sekisho-tests the_threat_table`. -->\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_test_can_show_has_a_reason_instead() {
        const THREATS: &[Threat] =
            &[Threat { number: 4, title: "T", references: "R", answer: "A|B", no_test: None }.without_test("nobody can ask")];
        let text = render(&[Section { title: "S", threats: THREATS }], &Held::new());
        assert!(text.ends_with("| 4 | T | R | A\\|B | no test: nobody can ask |\n"), "{text}");
    }

    #[test]
    fn a_test_is_a_link_to_its_file() {
        const THREATS: &[Threat] = &[Threat { number: 4, title: "T", references: "R", answer: "A", no_test: None }];
        let held = Held::from([(4, BTreeSet::from(["`hostile/a.rs` one_and_two".to_owned(), "`story/b.rs` three".to_owned()]))]);
        let text = render(&[Section { title: "S", threats: THREATS }], &held);
        let row = "| 4 | T | R | A | [one and two](../tests/house/hostile/a.rs)<br>[three](../tests/house/story/b.rs) |\n";
        assert!(text.ends_with(row), "{text}");
    }

    #[test]
    fn numbers_belong_to_the_test_below() {
        let mut held = Held::new();
        let source = "/// Holds: 4, 6.\n/// And more words.\n#[tokio::test]\nasync fn one() {}\nfn helper() {}\n\
             #[test]\n/// Holds: 6.\nfn two() {}\n";
        read("hostile/a.rs", source, &mut held);
        let tests = |number: u16| held[&number].iter().map(String::as_str).collect::<Vec<_>>();
        assert_eq!(tests(4), ["`hostile/a.rs` one"]);
        assert_eq!(tests(6), ["`hostile/a.rs` one", "`hostile/a.rs` two"]);
    }

    #[test]
    #[should_panic(expected = "is no test")]
    fn what_is_no_test_holds_nothing() {
        read("hostile/a.rs", "/// Holds: 4.\nfn helper() {}\n", &mut Held::new());
    }
}
