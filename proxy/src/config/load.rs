//! From a file to settings.

use std::ffi::OsString;
use std::path::Path;

use super::checked::Config;
use super::problem::{At, Problem};
use super::setting::{Section as _, Setting as _};
use super::{check, document, environment, raw};
use crate::clock::Timestamp;
use crate::secret::Digest;

impl Config {
    /// Reads the file at `path`, lays the `SEKISHO_…` variables over it, and checks the whole. Relative paths in the file
    /// begin at its folder. A server certificate that is not valid `now` is a problem.
    ///
    /// # Errors
    /// Every problem that was found, in the order of the file.
    pub fn load<I>(path: &Path, variables: I, now: Timestamp) -> Result<Self, Vec<Problem>>
    where
        I: IntoIterator<Item = (OsString, OsString)>,
    {
        let text = std::fs::read_to_string(path)
            .map_err(|error| vec![Problem::new(&At::default(), format!("{} cannot be read: {error}", path.display()))])?;
        let base = path.parent().unwrap_or(Path::new("."));
        let config = Self::parse(&text, base, variables, now)?;
        Ok(Self { hash: Digest::of(text.as_bytes()), policies: config.policies.of_file(path), ..config })
    }

    /// As [`Config::load`], with the text at hand. Relative paths begin at `base`.
    ///
    /// # Errors
    /// Every problem that was found, in the order of the text.
    pub fn parse<I>(text: &str, base: &Path, variables: I, now: Timestamp) -> Result<Self, Vec<Problem>>
    where
        I: IntoIterator<Item = (OsString, OsString)>,
    {
        let mut problems = Vec::new();
        let mut document = document::parse(text, &mut problems);
        if !problems.is_empty() {
            // What is not TOML has lost some of its keys: to call them missing would mislead.
            return Err(problems);
        }
        let secrets = environment::lay_over(&mut document, variables, &mut problems);
        let root = raw::Root::read(&document, At::default(), &mut problems).unwrap_or_else(|| raw::Root::absent(""));
        check::check(&root, &secrets, base.to_path_buf(), now, problems)
    }
}
