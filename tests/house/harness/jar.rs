//! A browser's cookies, as far as the tests need them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use http::HeaderMap;

/// Cookies. Clones are the same jar.
#[derive(Clone, Debug, Default)]
pub(crate) struct Jar(Arc<Mutex<BTreeMap<Key, String>>>);

/// Host, path and name.
type Key = (String, String, String);

impl Jar {
    /// Keeps and forgets what an answer of `host` says.
    pub(crate) fn take(&self, host: &str, headers: &HeaderMap) {
        let mut jar = self.0.lock().unwrap();
        for line in headers.get_all("set-cookie") {
            let line = line.to_str().unwrap();
            let mut parts = line.split(';').map(str::trim);
            let (name, value) = parts.next().unwrap().split_once('=').unwrap();
            let attributes: Vec<(String, &str)> = parts
                .map(|part| part.split_once('=').unwrap_or((part, "")))
                .map(|(key, value)| (key.to_ascii_lowercase(), value))
                .collect();
            let attribute = |name: &str| attributes.iter().find(|(key, _)| key == name).map(|(_, value)| *value);
            let path = attribute("path").filter(|path| path.starts_with('/')).unwrap_or("/");
            let key = (host.to_owned(), path.to_owned(), name.to_owned());
            let over = attribute("max-age") == Some("0") || attribute("expires").is_some_and(|when| when.contains("1970"));
            if over {
                jar.remove(&key);
            } else {
                jar.insert(key, value.to_owned());
            }
        }
    }

    /// The `Cookie` header for a request.
    pub(crate) fn header(&self, host: &str, path: &str) -> Option<String> {
        let jar = self.0.lock().unwrap();
        let below = |folder: &str| path == folder || path.starts_with(&format!("{}/", folder.trim_end_matches('/')));
        let pairs: Vec<_> = jar
            .iter()
            .filter(|((of, folder, _), _)| of == host && below(folder))
            .map(|((_, _, name), value)| format!("{name}={value}"))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// The cookies of a host, as name and value.
    pub(crate) fn of(&self, host: &str) -> Vec<(String, String)> {
        let jar = self.0.lock().unwrap();
        jar.iter().filter(|((of, _, _), _)| of == host).map(|((_, _, name), value)| (name.clone(), value.clone())).collect()
    }

    /// A jar of its own with the same cookies: what a thief carries away.
    pub(crate) fn copied(&self) -> Self {
        Self(Arc::new(Mutex::new(self.0.lock().unwrap().clone())))
    }
}
