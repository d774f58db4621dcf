//! The house's import rule, held by reading the sources: who may know whom.
//!
//! The foundation knows only itself. A room knows the foundation and the output types of earlier rooms. What comes last may know
//! everything. Nobody goes in circles, no child reaches up into its parent's `mod.rs`, and `policy` and `certs` know neither each
//! other nor the proxy.

mod imports;
mod manifests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use imports::{Import, imports};

const FOUNDATION: &[&str] = &["clock", "secret", "config", "store", "inventory", "contain", "outbound"];
/// In their order. `sign_in` is the other half of `identify_user`, and knows its insides.
const ROOMS: &[&str] =
    &["accept", "tls", "read", "route", "identify_device", "identify_user", "sign_in", "decide", "forward", "record"];
const LAST: &[&str] = &["enrol", "intake", "console", "journey", "prove", "commands", "startup"];

/// Where a module stands: what it may know stands lower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Foundation,
    Room(usize),
    Last,
}

/// A source file of the proxy.
struct Source {
    /// `config`, `read`, …: the module right under the crate's root.
    room: String,
    /// `read/guard/chunk.rs`.
    file: String,
    imports: Vec<Import>,
}

fn place(room: &str) -> Option<Place> {
    if FOUNDATION.contains(&room) {
        return Some(Place::Foundation);
    }
    if LAST.contains(&room) {
        return Some(Place::Last);
    }
    ROOMS.iter().position(|known| *known == room).map(Place::Room)
}

/// What is wrong with one import; `None` if nothing is.
fn judge(source: &Source, import: &Import, modules: &BTreeSet<String>) -> Option<String> {
    let Source { room, file, .. } = source;
    let [to, rest @ ..] = import.path.as_slice() else { return None };
    let target = place(to)?;
    let own = place(room)?;
    if to == room {
        // `crate::read::chunk::…` from within `read` is a sibling; `crate::read::Clean` is the parent's mod.rs.
        let is_mod = file == &format!("{room}/mod.rs") || file == &format!("{room}.rs");
        let reaches_up = !is_mod && rest.first().is_some_and(|next| !modules.contains(&format!("{room}/{next}")));
        return reaches_up.then(|| format!("{file}: {import} reaches up into its own mod.rs"));
    }
    let allowed = match own {
        Place::Foundation => target == Place::Foundation,
        Place::Room(number) => target == Place::Foundation || target < Place::Room(number),
        Place::Last => true,
    };
    if !allowed {
        return Some(format!("{file}: {import} comes later, or stands beside it"));
    }
    if own == Place::Last || (room == "sign_in" && to == "identify_user") {
        return None;
    }
    let deep = rest.len() > 1 && rest.first().is_some_and(|next| modules.contains(&format!("{to}/{next}")));
    if deep {
        return Some(format!("{file}: {import} reaches into the insides of {to}"));
    }
    let between_rooms = matches!((own, target), (Place::Room(_), Place::Room(_)));
    let is_type = rest.last().is_some_and(|name| name.starts_with(char::is_uppercase));
    (between_rooms && !is_type).then(|| format!("{file}: {import} is no output type of {to}"))
}

/// Modules that import each other, directly or by way of others.
fn circles(known: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut circles = Vec::new();
    for start in known.keys() {
        let mut seen = BTreeSet::new();
        let mut next: Vec<&String> = known[start].iter().collect();
        while let Some(room) = next.pop() {
            if seen.insert(room) {
                next.extend(known.get(room).into_iter().flatten());
            }
        }
        if seen.contains(start) {
            circles.push(format!("{start} imports itself by way of others"));
        }
    }
    circles
}

fn problems(sources: &[Source], modules: &BTreeSet<String>) -> Vec<String> {
    let mut problems: Vec<String> =
        sources.iter().flat_map(|source| source.imports.iter().filter_map(|import| judge(source, import, modules))).collect();
    let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources {
        if place(&source.room).is_none() {
            problems.push(format!("{} has no place in the house", source.room));
        }
        let targets = source
            .imports
            .iter()
            .filter_map(|import| import.path.first())
            .filter(|to| place(to).is_some() && **to != source.room);
        known.entry(source.room.clone()).or_default().extend(targets.cloned());
    }
    problems.extend(circles(&known));
    problems
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every Rust file below `folder`, without tests.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && name != "tests" {
            found.extend(files(&path));
        } else if name.ends_with(".rs") && name != "tests.rs" {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Whether the parent declares the module for tests only.
fn is_for_tests(root: &Path, module: &str) -> bool {
    let Some((parent, name)) = module.rsplit_once('/') else { return false };
    let texts = [root.join(parent).join("mod.rs"), root.join(format!("{parent}.rs"))];
    let declared = texts.iter().filter_map(|path| std::fs::read_to_string(path).ok()).collect::<String>();
    ["mod", "pub mod", "pub(crate) mod", "pub(super) mod"]
        .iter()
        .any(|how| declared.contains(&format!("#[cfg(test)]\n{how} {name};")))
}

fn proxy() -> (Vec<Source>, BTreeSet<String>) {
    let root = workspace().join("proxy/src");
    let mut modules = BTreeSet::new();
    let mut sources = Vec::new();
    for path in files(&root) {
        let file = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        let module = file.trim_end_matches(".rs").trim_end_matches("/mod").to_owned();
        if matches!(module.as_str(), "lib" | "main") || is_for_tests(&root, &module) {
            continue;
        }
        let imports = imports(&std::fs::read_to_string(&path).unwrap(), &module);
        modules.insert(module.clone());
        sources.push(Source { room: module.split('/').next().unwrap().to_owned(), file, imports });
    }
    (sources, modules)
}

#[test]
fn every_room_keeps_to_its_place() {
    let (sources, modules) = proxy();
    assert!(sources.len() > 20, "the sources were not found");
    let problems = problems(&sources, &modules);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// The rule itself: each way to break it is noticed, each way to keep it is not.
#[test]
fn what_breaks_the_rule_is_noticed() {
    let modules: BTreeSet<String> =
        ["read", "read/chunk", "read/clean", "route", "config", "config/host", "journey", "decide"].map(str::to_owned).into();
    for (file, text, wrong) in [
        ("route/mod.rs", "use crate::read::Clean;", None),
        ("route/mod.rs", "use crate::config::{Host, unit::size};", None),
        ("read/chunk.rs", "use super::clean::Clean;", None),
        ("read/chunk.rs", "use crate::read::clean::Clean;", None),
        ("read/mod.rs", "pub use self::clean::Clean;", None),
        ("journey/mod.rs", "use crate::decide::ask;", None),
        ("route/mod.rs", "// use crate::decide::Allowed;", None),
        ("route/mod.rs", "#[cfg(test)] mod tests { use crate::decide::Allowed; }", None),
        ("read/mod.rs", "use crate::route::Routed;", Some("comes later")),
        ("config/mod.rs", "use crate::{clock::Clock, read::Clean};", Some("comes later")),
        ("read/mod.rs", "fn f() -> crate::route::Routed {}", Some("comes later")),
        ("route/mod.rs", "use crate::read::clean::Clean;", Some("insides")),
        ("route/mod.rs", "use crate::read::read_it;", Some("no output type")),
        ("read/chunk.rs", "use super::Clean;", Some("reaches up")),
        ("read/chunk.rs", "use crate::read::Clean;", Some("reaches up")),
        ("decide/mod.rs", "use crate::journey::Refusal;", Some("comes later")),
        ("attic/mod.rs", "", Some("no place")),
    ] {
        let module = file.trim_end_matches(".rs").trim_end_matches("/mod");
        let imports = imports(text, module);
        let source = Source { room: module.split('/').next().unwrap().to_owned(), file: file.to_owned(), imports };
        let found = problems(&[source], &modules);
        match wrong {
            None => assert!(found.is_empty(), "{file}: {text}: {found:?}"),
            Some(words) => assert!(found.iter().any(|problem| problem.contains(words)), "{file}: {text}: {found:?}"),
        }
    }
}

#[test]
fn circles_are_found() {
    let knows = |from: &str, to: &[&str]| (from.to_owned(), to.iter().map(|&name| name.to_owned()).collect());
    assert!(circles(&BTreeMap::from([knows("a", &["b"]), knows("b", &["c"]), knows("c", &[])])).is_empty());
    assert_eq!(circles(&BTreeMap::from([knows("a", &["b"]), knows("b", &["c"]), knows("c", &["a"])])).len(), 3);
}

/// `docs/architecture.md` names the folders that exist, all of them, and is short.
#[test]
fn the_page_about_the_house_names_its_rooms() {
    let page = std::fs::read_to_string(workspace().join("docs/architecture.md")).unwrap();
    assert!(page.lines().count() < 100, "too long to be read");
    let cells = page.lines().filter(|line| line.starts_with("| `")).filter_map(|line| line.split('|').nth(1));
    let named: BTreeSet<&str> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    let mut rooms: BTreeSet<String> = proxy().0.into_iter().map(|source| source.room).collect();
    rooms.insert("journey".to_owned());
    for room in &rooms {
        assert!(page.contains(&format!("`{room}`")), "docs/architecture.md does not name `{room}`");
    }
    for name in named {
        let exists = rooms.contains(name) || (name.ends_with('/') && workspace().join(name).is_dir());
        assert!(exists, "docs/architecture.md names `{name}`, which is not there");
    }
}
