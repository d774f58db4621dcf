//! Where the running gate's admin socket is.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::admin_client::AdminClient;
use super::error::CommandError;
use crate::config;

/// How to reach the running gate. Without any: `SEKISHO_ADMIN_SOCKET`, else `[listen] admin` of `SEKISHO_CONFIG` or of
/// `sekisho.toml` in this folder, else `/run/sekisho/admin.sock`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Reach {
    /// The gate's admin socket [default: $SEKISHO_ADMIN_SOCKET, else as $SEKISHO_CONFIG or ./sekisho.toml says, else
    /// /run/sekisho/admin.sock]
    #[arg(long, global = true, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Take the socket from `[listen] admin` of this configuration
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "socket")]
    pub config: Option<PathBuf>,
}

impl Reach {
    /// A client for it.
    ///
    /// # Errors
    /// If the configuration cannot be read.
    pub fn client(&self) -> Result<AdminClient, CommandError> {
        Ok(AdminClient::new(self.path(&config::environment(), Path::new("sekisho.toml"))?))
    }

    fn path(&self, environment: &[(OsString, OsString)], usual: &Path) -> Result<PathBuf, CommandError> {
        if let Some(path) = &self.socket {
            return Ok(path.clone());
        }
        if let Some(file) = &self.config {
            return from_config(file);
        }
        let said = |wanted: &str| {
            let found = environment.iter().find(|(name, value)| name == wanted && !value.is_empty());
            found.map(|(_, value)| PathBuf::from(value))
        };
        match (said("SEKISHO_ADMIN_SOCKET"), said("SEKISHO_CONFIG")) {
            (Some(socket), _) => Ok(socket),
            (None, Some(file)) => from_config(&file),
            (None, None) if usual.exists() => from_config(usual),
            (None, None) => Ok(PathBuf::from(DEFAULT)),
        }
    }
}

/// Reads the one setting that is needed: an operator who may use the socket need not be able to read keys and secrets.
fn from_config(file: &Path) -> Result<PathBuf, CommandError> {
    let wrong = |problem: String| CommandError::Failed(format!("{}: {problem}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    // A lever must not fail because of what somebody wrote further down and has not loaded yet.
    let table: toml::Table = match text.parse() {
        Ok(table) => table,
        Err(error) => listen_section(&text).ok_or_else(|| wrong(unreadable(&text, &error)))?,
    };
    let admin = table.get("listen").and_then(|listen| listen.get("admin"));
    match admin {
        None => Ok(PathBuf::from(DEFAULT)),
        Some(toml::Value::String(path)) => Ok(file.parent().unwrap_or(Path::new(".")).join(path)),
        Some(_) => Err(wrong("`listen.admin` is not a path".to_owned())),
    }
}

/// The `[listen]` section alone, if that can be read.
fn listen_section(text: &str) -> Option<toml::Table> {
    let lines = text.lines().skip_while(|line| line.trim() != "[listen]");
    let (first, rest) = (lines.clone().take(1), lines.skip(1).take_while(|line| !line.trim_start().starts_with('[')));
    let table: toml::Table = first.chain(rest).collect::<Vec<_>>().join("\n").parse().ok()?;
    table.contains_key("listen").then_some(table)
}

fn unreadable(text: &str, error: &toml::de::Error) -> String {
    let line = error.span().map(|span| text.get(..span.start).unwrap_or_default().lines().count().max(1));
    let place = line.map(|line| format!("line {line}: ")).unwrap_or_default();
    format!("{place}{}; mend it, or name the admin socket with --socket", error.message())
}

const DEFAULT: &str = "/run/sekisho/admin.sock";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_counts() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("sekisho.toml");
        std::fs::write(&file, "state = \"s\"\n[listen]\nadmin = \"run/admin.sock\"\n").unwrap();
        let environment = || vec![("SEKISHO_ADMIN_SOCKET".into(), "/env.sock".into())];
        let nothing = dir.path().join("none.toml");
        let path = |socket: Option<&str>, config: Option<&Path>, environment: Vec<(OsString, OsString)>| {
            Reach { socket: socket.map(PathBuf::from), config: config.map(Path::to_owned) }.path(&environment, &nothing).unwrap()
        };
        assert_eq!(path(Some("/a.sock"), None, environment()), PathBuf::from("/a.sock"));
        assert_eq!(path(None, Some(&file), environment()), dir.path().join("run/admin.sock"));
        assert_eq!(path(None, None, environment()), PathBuf::from("/env.sock"));
        assert_eq!(path(None, None, Vec::new()), PathBuf::from(DEFAULT));
        let named = vec![("SEKISHO_CONFIG".into(), file.clone().into())];
        assert_eq!(path(None, None, named), dir.path().join("run/admin.sock"));
        assert_eq!(Reach::default().path(&[], &file).unwrap(), dir.path().join("run/admin.sock"), "in its folder");
        std::fs::write(&file, "state = \"s\"\n").unwrap();
        assert_eq!(path(None, Some(&file), environment()), PathBuf::from(DEFAULT));
    }

    #[test]
    fn a_mistake_elsewhere_in_the_configuration_holds_no_lever_up() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("sekisho.toml");
        let said = |text: &str| {
            std::fs::write(&file, text).unwrap();
            Reach::default().path(&[], &file)
        };
        let listen = "[listen]\nhttps = \"0.0.0.0:443\"\nadmin = \"run/a.sock\"\n";
        let found = said(&format!("{listen}\n[sign_in]\nhost = gate\n")).unwrap();
        assert_eq!(found, dir.path().join("run/a.sock"));
        let error = said("[listen]\nadmin = run\n").unwrap_err().to_string();
        assert!(error.contains("line 2: ") && error.contains("--socket"), "{error}");
        assert!(said("[sign_in]\nhost = gate\n").is_err(), "it may stand in what cannot be read");
    }

    #[test]
    fn a_configuration_that_cannot_be_read_is_named() {
        let reach = Reach { socket: None, config: Some("/nowhere/sekisho.toml".into()) };
        let error = reach.path(&[], Path::new("none.toml")).unwrap_err();
        assert!(matches!(&error, CommandError::Failed(words) if words.starts_with("/nowhere/sekisho.toml: ")), "{error}");
    }
}
