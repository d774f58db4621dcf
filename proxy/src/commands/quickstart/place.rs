//! Where everything is: a folder, and five ports in a row.

use std::path::{Path, PathBuf};

/// The folder and the ports of one quickstart.
#[derive(Clone, Debug)]
pub(super) struct Place {
    folder: PathBuf,
    port: u16,
}

impl Place {
    /// In `folder`, with the gate on `port` and the rest on the four ports above it.
    pub(super) fn new(folder: PathBuf, port: u16) -> Self {
        Self { folder, port }
    }

    /// The folder, as it was named.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A file in it.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A file in it, as a shell reads it.
    pub(super) fn shown(&self, name: &str) -> String {
        shell(&self.file(name))
    }

    /// The gate's admin socket.
    pub(super) fn socket(&self) -> PathBuf {
        self.folder.join("run").join("admin.sock")
    }

    /// Port of the gate.
    pub(super) fn gate_port(&self) -> u16 {
        self.port
    }

    /// Port of the demo identity provider.
    pub(super) fn provider_port(&self) -> u16 {
        self.port.saturating_add(1)
    }

    /// Port of the information-sharing app.
    pub(super) fn share_port(&self) -> u16 {
        self.port.saturating_add(2)
    }

    /// Port of the app with a WebSocket.
    pub(super) fn chat_port(&self) -> u16 {
        self.port.saturating_add(3)
    }

    /// Port of the metrics.
    pub(super) fn metrics_port(&self) -> u16 {
        self.port.saturating_add(4)
    }

    /// The gate's own address, without a slash at its end.
    pub(super) fn gate(&self) -> String {
        format!("https://{GATE_HOST}:{}", self.port)
    }

    /// An address of the information-sharing app.
    pub(super) fn share(&self, path: &str) -> String {
        format!("https://{SHARE_HOST}:{}{path}", self.port)
    }

    /// An address of the app with a WebSocket.
    pub(super) fn chat(&self, path: &str) -> String {
        format!("https://{CHAT_HOST}:{}{path}", self.port)
    }

    /// The demo provider's address, which is its issuer.
    pub(super) fn provider(&self) -> String {
        format!("https://{PROVIDER_HOST}:{}", self.provider_port())
    }
}

/// A path as a shell reads it.
pub(super) fn shell(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+@:".contains(letter);
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Host of the gate itself.
pub(super) const GATE_HOST: &str = "gate.localhost";
/// Host of the information-sharing app.
pub(super) const SHARE_HOST: &str = "share.localhost";
/// Host of the app with a WebSocket.
pub(super) const CHAT_HOST: &str = "chat.localhost";
/// Host of the demo identity provider, which is not behind the gate.
pub(super) const PROVIDER_HOST: &str = "idp.localhost";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_survive_the_shell() {
        for (path, shown) in [("a/b-c.d", "a/b-c.d"), ("a b", "'a b'"), ("it's", r"'it'\''s'"), ("$x", "'$x'")] {
            assert_eq!(shell(Path::new(path)), shown);
        }
    }
}
