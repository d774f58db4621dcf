//! Where the solver is.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A solver that can be started.
#[derive(Clone, Debug)]
pub struct Program {
    /// The file.
    pub path: PathBuf,
    /// How long it may take.
    pub limits: Limits,
}

/// How long proofs may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For one question.
    pub each: Duration,
    /// For everything.
    pub total: Duration,
}

/// There is no solver.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SolverMissing {
    /// None was named, and there is none on the path.
    #[error(
        "there is no solver: `cvc5` is not on the PATH; on Debian, `apt-get install cvc5`; or name one with --solver or {VARIABLE}"
    )]
    NotInstalled,
    /// The one that was named cannot be started.
    #[error("there is no solver: {path} is not a file that can be run; on Debian, `apt-get install cvc5` brings one")]
    NotThere {
        /// What was named.
        path: PathBuf,
    },
}

/// The environment variable that names the solver.
pub(super) const VARIABLE: &str = "SEKISHO_SOLVER";

impl Default for Limits {
    fn default() -> Self {
        Self { each: Duration::from_secs(10), total: Duration::from_secs(20) }
    }
}

impl Program {
    /// The solver that `named` names; else the one that [`VARIABLE`] names; else `cvc5` on the path.
    ///
    /// # Errors
    /// [`SolverMissing`].
    pub fn find(named: Option<&Path>, environment: &[(OsString, OsString)], limits: Limits) -> Result<Self, SolverMissing> {
        let variable = |name: &str| environment.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let named = named.map(Path::to_owned).or_else(|| variable(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from));
        if let Some(path) = named {
            return if can_run(&path) { Ok(Self { path, limits }) } else { Err(SolverMissing::NotThere { path }) };
        }
        let folders = variable("PATH").unwrap_or_default();
        let path =
            std::env::split_paths(&folders).map(|folder| folder.join("cvc5")).find(|path| path.is_absolute() && can_run(path));
        path.map(|path| Self { path, limits }).ok_or(SolverMissing::NotInstalled)
    }
}

fn can_run(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_is_taken_and_nothing_else() {
        let path = |value: &str| vec![(OsString::from("PATH"), OsString::from(value))];
        let limits = Limits::default();
        let missing = Program::find(Some(Path::new("/nonexistent/cvc5")), &path("/usr/bin:/bin"), limits);
        assert!(matches!(missing, Err(SolverMissing::NotThere { .. })));
        assert!(matches!(Program::find(None, &path("/nonexistent"), limits), Err(SolverMissing::NotInstalled)));
        // A folder that is not absolute would be somebody else's on another day.
        assert!(matches!(Program::find(None, &path(".:"), limits), Err(SolverMissing::NotInstalled)));
        let mut named = path("/nonexistent");
        named.push((VARIABLE.into(), "/bin/sh".into()));
        assert_eq!(Program::find(None, &named, limits).unwrap().path, Path::new("/bin/sh"));
        // Neither a folder nor a file that is not for running.
        assert!(Program::find(Some(Path::new("/etc")), &named, limits).is_err());
        assert!(Program::find(Some(Path::new("/etc/passwd")), &named, limits).is_err());
    }
}
