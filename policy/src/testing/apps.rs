//! Apps that files of tests make up: so that a policy for every app with a tag can be tested whatever apps there are.

use std::collections::BTreeSet;

use toml::de::{DeTable, DeValue};

use super::reader::Reader;
use crate::action::{OWN_APP, OwnActions};
use crate::load::MAX_FILE_BYTES;
use crate::set::{App, Catalogue, Source};

/// `real` with the apps that `tests` make up under `[apps]`. Load the policies for it to run those tests. What is wrong with
/// them is told by [`Tester::read`](super::Tester::read).
pub fn catalogue(tests: &[Source], real: &Catalogue) -> Catalogue {
    let mut whole = real.clone();
    // Whether or not anybody can ask the gate itself for anything, tests can.
    if tests.iter().any(|source| source.text.contains(&format!("\"{OWN_APP}\""))) {
        let own = whole.own;
        whole = Catalogue { own, ..whole.with_own(OwnActions { self_service: true, administration: true }) };
    }
    for source in tests.iter().filter(|source| source.text.len() <= MAX_FILE_BYTES) {
        let (_, root) = Reader::open(source);
        let Some(apps) = root.as_ref().and_then(|root| root.get("apps")?.get_ref().as_table()) else { continue };
        for (name, tags) in apps {
            let known = whole.apps.iter().any(|app| app.name == *name.get_ref());
            if let (false, DeValue::Array(tags)) = (known, tags.get_ref()) {
                whole.apps.push(App::new(name.get_ref().as_ref(), tags.iter().filter_map(|tag| tag.get_ref().as_str())));
            }
        }
    }
    whole
}

/// Checks `[apps]` of one file: an app that there is cannot be another one here.
pub(super) fn check(root: &DeTable<'_>, catalogue: &Catalogue, reader: &mut Reader<'_>) {
    let Some(apps) = root.get("apps").and_then(|value| reader.table(value, "`apps`")) else { return };
    for (name, value) in apps {
        let Some(tags) = reader.texts(value) else { continue };
        let name = name.get_ref();
        let known = catalogue.apps.iter().find(|app| app.name == *name);
        if let Some(app) = known.filter(|app| app.tags != tags) {
            let message = format!("the app `{name}` has other tags: {}", shown(&app.tags));
            let help = "the configuration says what apps there are, then the first file that makes one up";
            reader.wrong_but(&value.span(), message, Some(help));
        }
    }
}

fn shown(tags: &BTreeSet<String>) -> String {
    if tags.is_empty() { "none".to_owned() } else { tags.iter().map(String::as_str).collect::<Vec<_>>().join(", ") }
}
