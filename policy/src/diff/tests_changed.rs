//! Which tests came, went or say something else.

use std::collections::BTreeMap;

use crate::set::Source;

/// A line for each. Cases are told apart by file and name; a file that is no TOML, or has no cases, counts as one.
pub(super) fn between(old: &[Source], new: &[Source]) -> Vec<String> {
    let (old, new) = (cases(old), cases(new));
    let mut lines = Vec::new();
    for (name, case) in &new {
        match old.get(name) {
            None => lines.push(format!("test {name} is new")),
            Some(before) if before != case => lines.push(format!("test {name} says something else")),
            Some(_) => {}
        }
    }
    lines.extend(old.keys().filter(|name| !new.contains_key(*name)).map(|name| format!("test {name} is gone")));
    lines
}

fn cases(files: &[Source]) -> BTreeMap<String, toml::Value> {
    let mut found = BTreeMap::new();
    for file in files {
        let Ok(mut table) = file.text.parse::<toml::Table>() else {
            found.insert(format!("file `{}`", file.name), toml::Value::String(file.text.clone()));
            continue;
        };
        let list = match table.remove("case") {
            Some(toml::Value::Array(list)) => list,
            _ => Vec::new(),
        };
        for (number, case) in (1..).zip(list) {
            let name = match case.get("name").and_then(toml::Value::as_str) {
                Some(name) => format!("`{name}` ({})", file.name),
                None => format!("{number} ({})", file.name),
            };
            found.insert(name, case);
        }
        if !table.is_empty() {
            found.insert(format!("defaults of {}", file.name), toml::Value::Table(table));
        }
    }
    found
}
