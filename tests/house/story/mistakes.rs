//! Mistakes that people make with policies, each found by a command before it is live; and its twin without the mistake.

use std::path::Path;

use tokio::process::Command;

use crate::harness::{Said, run, sekisho};

const PAYROLL: &str = r#"@id("hr-on-managed-laptops")
permit (principal in Group::"hr", action in Action::"use", resource == App::"payroll")
when { context.device.owner == principal && context.device.managed };
"#;
const STAFF: &str = r#"@id("staff-use-the-wiki")
permit (principal in Group::"staff", action in Action::"use", resource == App::"wiki")
when { context.device.owner == principal };
"#;
const TESTS: &str = r#"
[[case]]
name = "HR opens payroll"
user.groups = ["hr"]
app = "payroll"
expect = "allow"

[[case]]
name = "staff use the wiki"
user.groups = ["staff"]
app = "wiki"
expect = "allow"
"#;
const CLAIM: &str = "[[proof]]\nname = \"payroll-is-for-hr\"\napp = \"payroll\"\nonly_group = \"hr\"\n";

/// Policies in a folder of their own, with tests and a claim that hold.
fn folder(at: &Path, changed: &[(&str, &str)]) {
    std::fs::create_dir_all(at.join("tests")).unwrap();
    std::fs::create_dir_all(at.join("prove")).unwrap();
    let usual = [("payroll.cedar", PAYROLL), ("staff.cedar", STAFF), ("tests/all.toml", TESTS), ("prove/never.toml", CLAIM)];
    for (name, text) in usual.iter().chain(changed) {
        std::fs::write(at.join(name), text).unwrap();
    }
}

/// `sekisho policy …` about the apps of this story.
async fn policy(at: &Path, arguments: &[&str]) -> Said {
    let mut command = Command::new(sekisho());
    command.arg("policy").args(arguments).args(["--app", "payroll=confidential", "--app", "wiki=internal"]).current_dir(at);
    run(command, "").await
}

#[tokio::test]
async fn a_typing_error_is_shown_with_its_place_and_what_was_meant() {
    let here = tempfile::tempdir().unwrap();
    folder(&here.path().join("right"), &[]);
    folder(&here.path().join("wrong"), &[("payroll.cedar", &PAYROLL.replace("device.managed", "device.manged"))]);
    let said = policy(here.path(), &["test", "--dir", "wrong"]).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    for words in ["payroll.cedar:3:", "^^^", "device.manged", "did you mean `managed`?"] {
        assert!(said.err.contains(words), "{words}: {}", said.err);
    }
    assert_eq!(policy(here.path(), &["test", "--dir", "right"]).await.code, Some(0));
}

#[tokio::test]
async fn a_permit_for_everybody_is_told_by_diff_and_refuted() {
    let here = tempfile::tempdir().unwrap();
    folder(&here.path().join("right"), &[]);
    folder(&here.path().join("wide"), &[("wide.cedar", "@id(\"wide\") permit (principal, action, resource);\n")]);
    folder(
        &here.path().join("same"),
        &[("staff.cedar", &STAFF.replace("context.device.owner == principal", "principal == context.device.owner"))],
    );
    let said = policy(here.path(), &["diff", "right", "wide", "--fail-on", "widen"]).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("`wide` is new") && said.out.contains("people of no group"), "{}", said.out);
    let said = policy(here.path(), &["prove", "--dir", "wide"]).await;
    assert!(said.code == Some(1) && said.out.contains("by `wide`"), "{said:?}");
    let said = policy(here.path(), &["diff", "right", "same", "--fail-on", "widen"]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
}

#[tokio::test]
async fn a_forgotten_test_shows() {
    let here = tempfile::tempdir().unwrap();
    folder(&here.path().join("right"), &[]);
    let (only_hr, _) = TESTS.split_once("\n[[case]]\nname = \"staff").unwrap();
    folder(&here.path().join("lacks"), &[("tests/all.toml", only_hr)]);
    let said = policy(here.path(), &["test", "--dir", "lacks", "--require-coverage"]).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("no test touches\n  staff-use-the-wiki  (nothing is allowed by it)"), "{}", said.out);
    assert_eq!(policy(here.path(), &["test", "--dir", "right", "--require-coverage"]).await.code, Some(0));
}

#[tokio::test]
async fn a_change_that_opens_payroll_is_refuted_by_a_request() {
    let here = tempfile::tempdir().unwrap();
    folder(&here.path().join("right"), &[]);
    folder(&here.path().join("opens"), &[("staff.cedar", &STAFF.replace("resource == App::\"wiki\"", "resource"))]);
    // No test says anything about it.
    assert_eq!(policy(here.path(), &["test", "--dir", "opens"]).await.code, Some(0));
    let said = policy(here.path(), &["prove", "--dir", "opens"]).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("REFUTED     payroll-is-for-hr"), "{}", said.out);
    // The request is a test that can be kept: it fails now, and not without the change.
    let case: String = said.out.lines().filter_map(|line| line.strip_prefix("    ")).map(|line| format!("{line}\n")).collect();
    for (name, code) in [("opens", 1), ("right", 0)] {
        std::fs::write(here.path().join(name).join("tests/found.toml"), &case).unwrap();
        let said = policy(here.path(), &["test", "--dir", name]).await;
        assert_eq!(said.code, Some(code), "{case}\n{said:?}");
    }
    assert_eq!(policy(here.path(), &["prove", "--dir", "right"]).await.code, Some(0));
}
