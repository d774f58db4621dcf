//! Pages of the manual that are walks: each command is typed in, in order, in a house whose people do meanwhile what the page says, and
//! prints what the page shows. `…` on the page stands for anything: alone on a line, for any lines.

mod devices;
mod people;
mod policies;

use std::path::Path;

use tokio::process::Command;

use crate::harness::{House, Said, run, sekisho};

/// A command, and the lines that the page shows below it.
pub(super) type Shown = (String, Vec<String>);

pub(super) fn page(name: &str) -> String {
    std::fs::read_to_string(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs")).join(name)).unwrap()
}

/// The language of each block of a text, and what is in it.
pub(super) fn blocks(text: &str) -> Vec<(&str, &str)> {
    text.split("\n```").skip(1).step_by(2).map(|block| block.split_once('\n').unwrap()).collect()
}

/// Every command that a text tells people to type.
pub(super) fn commands(text: &str) -> Vec<Shown> {
    blocks(text).into_iter().filter(|(language, _)| *language == "console").flat_map(|(_, block)| typed(block)).collect()
}

/// The commands of one block.
pub(super) fn typed(block: &str) -> Vec<Shown> {
    let mut commands: Vec<Shown> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command.to_owned(), Vec::new())),
            (None, Some((_, shown))) => shown.push(line.to_owned()),
            (None, None) => panic!("a console block begins with `$ `: {block}"),
        }
    }
    commands
}

/// Types a line in a shell, beside the configuration of the house, as somebody at home in `home`; `input` on its standard input.
pub(super) async fn type_in(house: &House, home: &Path, line: &str, input: &str) -> Said {
    let programs = sekisho().canonicalize().unwrap().parent().unwrap().display().to_string();
    let mut command = Command::new("bash");
    command
        .args(["-c", &format!("PATH={programs}:$PATH; {line} 2>&1")])
        // As the gate of the house, which may be in a container.
        .env("SEKISHO_PROCESS_ALLOW_ROOT", "true")
        .env("SEKISHO_ADMIN_SOCKET", house.path().join("run/admin.sock"))
        .env("HOME", home)
        .current_dir(house.path());
    run(command, input).await
}

/// What was printed is what the page shows.
#[track_caller]
pub(super) fn shows(line: &str, said: &Said, shown: &[String]) {
    let came: Vec<String> = said.out.lines().map(str::to_owned).collect();
    assert!(same(&came, shown), "$ {line}\n{}\n--- the page shows\n{}", said.out, shown.join("\n"));
    // What fails says so, and in what it exits with too.
    let complains = said.out.lines().any(|line| line.starts_with("sekisho:"));
    assert_eq!(said.code == Some(0), !complains, "$ {line}\n{said:?}");
}

/// The enrolment code that an invitation shows.
fn code(out: &str) -> String {
    let code = out.split_whitespace().find(|word| word.len() > 40 && word.contains('.') && word.contains('-'));
    code.unwrap_or_else(|| panic!("no code: {out}")).to_owned()
}

/// Whether lines are those of the page.
pub(super) fn same(came: &[String], shown: &[String]) -> bool {
    match (came, shown) {
        ([], []) => true,
        (_, [first, rest @ ..]) if first.trim() == "…" => (0..=came.len()).any(|skipped| same(&came[skipped..], rest)),
        ([line, lines @ ..], [first, rest @ ..]) => same_line(line, first) && same(lines, rest),
        _ => false,
    }
}

fn same_line(came: &str, shown: &str) -> bool {
    match shown.split_once('…') {
        None => came.trim_end() == shown.trim_end(),
        Some((before, after)) => {
            let rest = came.strip_prefix(before);
            rest.is_some_and(|rest| {
                rest.char_indices().any(|(at, _)| same_line(rest.get(at..).unwrap_or_default(), after)) || same_line("", after)
            })
        }
    }
}

#[test]
fn what_a_page_shows_is_compared_line_by_line() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let came = "reloaded\n  at 18:01: 2 policies\n  more\nend\n";
    for (shown, expected) in [
        ("reloaded\n  at 18:01: 2 policies\n  more\nend\n", true),
        ("reloaded\n…\nend\n", true),
        ("reloaded\n  at …: 2 policies\n…\n", true),
        ("…", true),
        ("reloaded\n  at …: 3 policies\n…\n", false),
        ("reloaded\nend\n", false),
        ("reloaded\n…\nfin\n", false),
    ] {
        assert_eq!(same(&lines(came), &lines(shown)), expected, "{shown}");
    }
}
