//! `docs/configuration.md` says what the reader does: its examples load, its keys are the keys, its defaults are the defaults.

use std::collections::{BTreeMap, BTreeSet};

use super::complete::LEAST;
use super::fixture::{folder, load, private, words};
use crate::config::raw::Root;
use crate::config::setting::{Setting as _, Shape};

const PAGE: &str = include_str!("../../../../docs/configuration.md");

/// Pages with configuration in them, and how many blocks they have at least.
const PAGES: &[(&str, usize)] = &[
    (PAGE, 4),
    (include_str!("../../../../docs/administration.md"), 1),
    (include_str!("../../../../docs/devices.md"), 3),
    (include_str!("../../../../docs/sign-in.md"), 4),
    (include_str!("../../../../docs/protect-your-app.md"), 4),
    (include_str!("../../../../docs/people.md"), 1),
    (include_str!("../../../../docs/providers.md"), 7),
    (include_str!("../../../../docs/posture.md"), 2),
    (include_str!("../../../../docs/record.md"), 3),
    (include_str!("../../../../docs/terminal.md"), 3),
    (include_str!("../../../../README.md"), 1),
];

/// What a section needs in order to stand, and a place to write its other keys.
const SECTIONS: &str = "
[[identity_provider]]
name = 'corp'
issuer = 'https://login.corp.example'
client_id = 'sekisho'
[[device_authority]]
name = 'house'
builtin = true
[[device_authority]]
name = 'mdm'
roots = 'ca.pem'
device_id = 'san-uri'
[[posture_source]]
name = 'mdm'
token_file = 'posture-token'
[[app]]
name = 'wiki'
host = 'wiki.corp.example'
upstream = ['https://10.0.0.5']
[app.client_certificate]
chain = 'tls/corp.pem'
key = 'tls/corp.key'
[app.timeouts]
[app.health]
path = '/'
[enrolment]
[admin]
[policies]
[audit]
[limits]
[process]
";

#[test]
fn every_example_loads() {
    let folder = folder();
    let base = folder.path();
    for (from, to) in [
        ("ca.pem", "mdm-ca.pem"),
        ("ca.crl", "mdm.crl"),
        ("ca.crl", "issuing.crl"),
        ("ca.pem", "app-ca.pem"),
        ("ca.pem", "tpm-makers.pem"),
    ] {
        std::fs::copy(base.join(from), base.join(to)).unwrap();
    }
    for kind in ["pem", "key"] {
        std::fs::copy(base.join(format!("tls/corp.{kind}")), base.join(format!("tls/gate.{kind}"))).unwrap();
    }
    private(base, "mdm-token", b"fedcba9876543210fedcba9876543210\n");
    private(base, "fleet-token", b"0123456789abcdef0123456789abcdef\n");
    private(base, "partner-secret", b"tell nobody\n");
    for (page, least) in PAGES {
        let blocks: Vec<&str> = page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
        assert!(blocks.len() >= *least, "examples are missing");
        for block in blocks {
            let text = if block.contains("[listen]") { block.to_owned() } else { format!("{LEAST}{block}") };
            if let Err(problems) = load(&text, base) {
                panic!("{:#?} in\n{block}", words(&problems, base));
            }
        }
    }
}

#[test]
fn every_key_has_its_row() {
    let mut known = BTreeMap::new();
    gather(Root::SHAPE, "", false, &mut known);
    let documented: BTreeMap<String, BTreeSet<String>> = sections()
        .map(|(heading, rows)| (heading, rows.into_iter().map(|row| row[0].trim_matches('`').to_owned()).collect()))
        .collect();
    assert_eq!(documented, known);
}

#[test]
fn every_default_is_what_is_taken() {
    let folder = folder();
    let template = format!("{LEAST}{SECTIONS}");
    let without = format!("{:?}", load(&template, folder.path()).unwrap());
    let mut compared = 0;
    for (heading, rows) in sections() {
        for row in rows {
            let default = row[1].split(", or ").next().unwrap();
            let Some(default) = default.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) else { continue };
            if default.starts_with(|first: char| first.is_ascii_alphabetic()) && default.parse::<bool>().is_err() {
                continue; // The name of another key.
            }
            let line = format!("{} = {default}", row[0].trim_matches('`'));
            let with = planted(&template, &heading, &line);
            let same = with.iter().any(|text| load(text, folder.path()).is_ok_and(|config| format!("{config:?}") == without));
            assert!(same, "{heading}: {line} is not the default");
            compared += 1;
        }
    }
    assert!(compared > 30, "only {compared} defaults were compared");
}

/// The text with the line below each such heading, one at a time; in place of the same key where it is there already.
fn planted(template: &str, heading: &str, line: &str) -> Vec<String> {
    if heading.is_empty() {
        return vec![format!("{line}\n{template}")];
    }
    let heading = format!("\n{heading}\n");
    let places = template.match_indices(&heading).map(|(at, _)| at + heading.len());
    let split = places.map(|at| template.split_at(at));
    split.map(|(before, after)| format!("{before}{line}\n{after}")).collect()
}

/// Headings and the cells of their tables. The beginning of the file has an empty heading.
fn sections() -> impl Iterator<Item = (String, Vec<Vec<String>>)> {
    PAGE.split("\n#").filter_map(|section| {
        let heading = section.lines().next()?.trim_start_matches('#').trim().trim_matches('`');
        let heading = if heading == "The beginning of the file" { "" } else { heading };
        let rows: Vec<Vec<String>> = section.lines().filter(|line| line.starts_with("| `")).map(cells).collect();
        (!rows.is_empty()).then(|| (heading.to_owned(), rows))
    })
}

fn cells(line: &str) -> Vec<String> {
    let cells: Vec<String> = line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    assert_eq!(cells.len(), 4, "{line}");
    cells
}

/// The keys under each heading that are not headings themselves.
fn gather(shape: Shape, path: &str, list: bool, found: &mut BTreeMap<String, BTreeSet<String>>) {
    let (keys, list) = match shape {
        Shape::Table(keys) => (keys, list),
        Shape::List(Shape::Table(keys)) => (*keys, true),
        _ => return,
    };
    let heading = match (path.is_empty(), list) {
        (true, _) => String::new(),
        (false, true) => format!("[[{path}]]"),
        (false, false) => format!("[{path}]"),
    };
    for (name, shape) in keys {
        if matches!(shape, Shape::Table(_) | Shape::List(Shape::Table(_))) {
            let inner = if path.is_empty() { (*name).to_owned() } else { format!("{path}.{name}") };
            gather(*shape, &inner, false, found);
        } else {
            found.entry(heading.clone()).or_default().insert((*name).to_owned());
        }
    }
}
