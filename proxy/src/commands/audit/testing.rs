//! Records made by hand.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::record::read::RecordFolder;

/// Files of a record, by their names.
#[derive(Clone, Debug, Default)]
pub(in crate::commands::audit) struct Story {
    files: Vec<(String, String)>,
    requests: u32,
}

/// A request that is being told.
#[derive(Clone, Debug)]
pub(in crate::commands::audit) struct Told {
    pub(in crate::commands::audit) file: usize,
    pub(in crate::commands::audit) id: String,
    pub(in crate::commands::audit) at: Timestamp,
}

impl Story {
    /// Begins a file of this chain; `follows` is the number of the one before.
    pub(in crate::commands::audit) fn file(&mut self, at: &str, process: u32, chain: &str, follows: Option<usize>) -> usize {
        let at = time(at);
        let name = format!("access-{:013}-{process}-{chain}.jsonl", at.0);
        let follows: Vec<Value> =
            follows.map(|file| json!({ "segment": self.files[file].0, "seq": 1, "chain": "x" })).into_iter().collect();
        self.files.push((name, String::new()));
        let file = self.files.len() - 1;
        self.line(
            file,
            "open",
            &at.to_string(),
            &json!({ "process": process, "core": chain, "follows": follows, "repaired": [] }),
        );
        file
    }

    /// Writes a line.
    pub(in crate::commands::audit) fn line(&mut self, file: usize, kind: &str, at: &str, fields: &Value) {
        let (_, text) = &mut self.files[file];
        let at = time(at);
        write!(text, "{{\"line\":\"{kind}\",\"at\":\"{at}\"").unwrap();
        for (name, value) in fields.as_object().unwrap() {
            write!(text, ",\"{name}\":{value}").unwrap();
        }
        text.push_str("}\n");
    }

    /// An `access` line, of a request of lap-7 and ana to the wiki unless `fields` say otherwise.
    pub(in crate::commands::audit) fn access(&mut self, file: usize, at: &str, fields: &Value) -> Told {
        self.requests += 1;
        let id = format!("{:032x}", self.requests);
        let mut all = json!({
            "client": "192.0.2.7:50001", "connection": 1, "device": "lap-7", "user": "corp/ana", "session": "s-1",
            "app": "wiki", "method": "GET", "host": "wiki.example", "path": "/", "protocol": "HTTP/1.1", "decision": "allow",
            "reason": "permitted", "policies": ["staff"], "status": 200,
        });
        let all = all.as_object_mut().unwrap();
        for (name, value) in fields.as_object().unwrap() {
            all.insert(name.clone(), value.clone());
        }
        all.retain(|_, value| !value.is_null());
        // The id comes first, as in the record.
        let mut text = format!("{{\"line\":\"access\",\"at\":\"{}\",\"request\":\"{id}\"", time(at));
        for (name, value) in all.iter() {
            write!(text, ",\"{name}\":{value}").unwrap();
        }
        self.files[file].1.push_str(&format!("{text}}}\n"));
        Told { file, id, at: time(at) }
    }

    /// Its `start` line, of one that `fields` tell of.
    pub(in crate::commands::audit) fn start(&mut self, file: usize, at: &str, path: &str) -> String {
        self.requests += 1;
        let id = format!("{:032x}", self.requests);
        let fields = json!({ "device": "lap-7", "user": "corp/ana", "session": "s-1", "app": "wiki", "method": "POST", "host": "wiki.example", "path": path, "policies": [] });
        let mut text = format!("{{\"line\":\"start\",\"at\":\"{}\",\"request\":\"{id}\"", time(at));
        for (name, value) in fields.as_object().unwrap() {
            write!(text, ",\"{name}\":{value}").unwrap();
        }
        self.files[file].1.push_str(&format!("{text}}}\n"));
        id
    }

    /// Its `progress` line.
    pub(in crate::commands::audit) fn progress(&mut self, told: &Told, at: &str, sent: u64, received: u64) {
        let text = format!(
            "{{\"line\":\"progress\",\"at\":\"{}\",\"request\":\"{}\",\"sent\":{sent},\"received\":{received}}}\n",
            time(at),
            told.id
        );
        self.files[told.file].1.push_str(&text);
    }

    /// Its `end` line.
    pub(in crate::commands::audit) fn end(&mut self, told: &Told, at: &str, sent: u64, received: u64, ending: &str) {
        let over = time(at);
        let ms = over.0 - told.at.0;
        let cause = if ending == "cut" { ",\"cause\":\"device_quarantined\"" } else { "" };
        let text = format!(
            "{{\"line\":\"end\",\"at\":\"{over}\",\"request\":\"{}\",\"sent\":{sent},\"received\":{received},\"ms\":{ms},\"ending\":\"{ending}\"{cause}}}\n",
            told.id
        );
        self.files[told.file].1.push_str(&text);
    }

    /// A whole request, with its end a second later.
    pub(in crate::commands::audit) fn whole(&mut self, file: usize, at: &str, sent: u64, fields: &Value) -> Told {
        let told = self.access(file, at, fields);
        let later = Timestamp(told.at.0 + 1000).to_string();
        self.end(&told, &later, sent, 0, "complete");
        told
    }

    /// The folder, written.
    pub(in crate::commands::audit) fn write_to(&self, dir: &Path) -> RecordFolder {
        for (name, text) in &self.files {
            std::fs::write(dir.join(name), text).unwrap();
        }
        RecordFolder::open(dir).unwrap()
    }
}

/// `11:02:03` of 20 November 2026, or RFC 3339.
pub(in crate::commands::audit) fn time(text: &str) -> Timestamp {
    let text = if text.contains('T') { text.to_owned() } else { format!("2026-11-20T{text}Z") };
    Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}
