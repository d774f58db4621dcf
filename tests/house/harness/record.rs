//! The record, read as an auditor reads it.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::gate::eventually;

/// The folder of the record.
pub(crate) struct Record {
    folder: PathBuf,
}

impl Record {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Everything as text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        gather(&self.folder, &mut text);
        text
    }

    /// All lines that are whole.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.text().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The `access` lines for a path, as they are now.
    pub(crate) fn access(&self, path: &str) -> Vec<Value> {
        let mut lines = self.lines();
        lines.retain(|line| line["line"] == "access" && line["path"] == path);
        // Each core has a file of its own; the times put them in order.
        lines.sort_by_key(|line| line["at"].as_str().map(str::to_owned));
        lines
    }

    /// The only `access` line for a path. It is there as soon as the answer is, so this does not wait.
    pub(crate) fn only_access(&self, path: &str) -> Value {
        let mut lines = self.access(path);
        assert_eq!(lines.len(), 1, "access lines for {path}: {:#?}", self.lines());
        lines.remove(0)
    }

    /// Waits for the `end` line of a request.
    pub(crate) async fn end_of(&self, request: &Value) -> Value {
        eventually("an end line", async || {
            self.lines().into_iter().find(|line| line["line"] == "end" && line["request"] == *request)
        })
        .await
    }
}

fn unpacked(path: &Path) -> std::io::Result<Vec<u8>> {
    zstd::decode_all(std::fs::File::open(path)?)
}

fn gather(folder: &Path, text: &mut String) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in &paths {
        if path.is_dir() {
            gather(path, text);
        } else if path.extension().is_some_and(|extension| extension == "jsonl") {
            // Beside the lines lie the policy sets that they name. A file that was packed meanwhile is there as such.
            let content = std::fs::read(path).or_else(|_gone| unpacked(&path.with_extension("jsonl.zst"))).unwrap();
            text.push_str(&String::from_utf8_lossy(&content));
        } else if path.extension().is_some_and(|extension| extension == "zst") && !paths.contains(&path.with_extension("")) {
            text.push_str(&String::from_utf8_lossy(&unpacked(path).unwrap()));
        }
    }
}
