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
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| wrong(error.message().to_owned()))?;
    let admin = table.get("listen").and_then(|listen| listen.get("admin"));
    match admin {
        None => Ok(PathBuf::from(DEFAULT)),
        Some(toml::Value::String(path)) => Ok(file.parent().unwrap_or(Path::new(".")).join(path)),
        Some(_) => Err(wrong("`listen.admin` is not a path".to_owned())),
    }
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
    fn a_configuration_that_cannot_be_read_is_named() {
        let reach = Reach { socket: None, config: Some("/nowhere/sekisho.toml".into()) };
        let error = reach.path(&[], Path::new("none.toml")).unwrap_err();
        assert!(matches!(&error, CommandError::Failed(words) if words.starts_with("/nowhere/sekisho.toml: ")), "{error}");
    }
}
