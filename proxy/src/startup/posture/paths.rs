//! Which files and ports are the gate's own.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::config::{self, Config};
use crate::prove;

/// What the process may read, run and change.
#[derive(Debug, Default)]
pub(super) struct Paths {
    /// Files, and folders with all below them.
    pub(super) read: BTreeSet<PathBuf>,
    /// The same, to be executed too.
    pub(super) run: BTreeSet<PathBuf>,
    /// The same, to be read and changed.
    pub(super) write: BTreeSet<PathBuf>,
    /// Devices to be read and written.
    pub(super) devices: BTreeSet<PathBuf>,
    /// TCP ports to listen on.
    pub(super) ports: BTreeSet<u16>,
}

impl Paths {
    /// Those of a gate with this configuration. Links are followed now, and again whenever something is opened.
    pub(super) fn of(config: &Config, config_path: &Path) -> Self {
        let mut paths = Self::default();
        for path in config.reads.iter().map(PathBuf::as_path).chain([config_path, Path::new("/etc/resolv.conf")]) {
            paths.read.extend(places(path));
        }
        paths.read.extend(SYSTEM.iter().map(PathBuf::from));
        let environment = config::environment();
        let named = environment.iter().filter(|(name, _)| NAMING.iter().any(|naming| name == naming));
        paths.read.extend(named.flat_map(|(_, value)| places(Path::new(value))));
        paths.run.extend(config.process.readable.iter().cloned());
        paths.write.extend([config.state.clone(), config.audit.dir.clone(), folder(&config.listen.admin)]);
        paths.write.extend(config.process.writable.iter().cloned());
        paths.devices.insert("/dev/null".into());
        if let Some(command) = &config.audit.keeping.command {
            // Nobody knows what it starts in turn: whatever is installed, and what lies beside it.
            paths.run.extend(PROGRAMS.iter().map(PathBuf::from));
            paths.run.extend(places(&command.program));
        }
        if let Ok(solver) = prove::Program::find(None, &environment, prove::Limits::default()) {
            paths.run.extend(LOADERS.iter().map(PathBuf::from));
            paths.run.extend(places(&solver.path));
        }
        let listen = &config.listen;
        paths.ports.extend([Some(listen.https), listen.http, listen.metrics].into_iter().flatten().map(|address| address.port()));
        paths
    }
}

/// What is wrong with the folder of the admin socket, where an intruder who has become the gate may change everything: the
/// configuration, the policies or a key lie there.
pub(in crate::startup) fn within_reach(config: &Config, config_path: &Path) -> Option<String> {
    let folder = folder(&config.listen.admin);
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_not_there| path.to_owned());
    let reach = real(&folder);
    let mut named: Vec<&Path> = config.reads.iter().map(PathBuf::as_path).chain([config_path]).collect();
    named.retain(|path| path.starts_with(&folder) || real(path).starts_with(&reach));
    named.sort_unstable();
    let (first, others) = named.split_first()?;
    let others = match others.len() {
        0 => String::new(),
        1 => " and another".to_owned(),
        count => format!(" and {count} others"),
    };
    Some(format!(
        "{} holds {}{others}, which somebody who has broken into the gate could change, since it may write where its socket is; give \
         the socket a folder of its own",
        folder.display(),
        first.display(),
    ))
}

/// Where a file or folder may be found from now on: it is replaced by another of its name, or a link on the way to it is. So the
/// folders that it, and what it links to, lie in. The root folder would be everything: what lies there is taken alone.
fn places(path: &Path) -> BTreeSet<PathBuf> {
    let real = path.canonicalize().ok();
    let named = [Some(path.to_owned()), real].into_iter().flatten();
    named.flat_map(|path| [path.clone(), folder(&path)]).filter(|path| path != Path::new("/")).collect()
}

fn folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => path.to_owned(),
    }
}

/// What libraries read: settings of the network and its names (files that are replaced, so their folder), roots of https, time
/// zones, what is loaded at run time, and how busy the machine and the process are.
const SYSTEM: &[&str] =
    &["/dev/random", "/dev/urandom", "/etc", "/lib", "/lib32", "/lib64", "/nix/store", "/proc", "/sys", "/usr"];

/// Where installed programs are.
const PROGRAMS: &[&str] = &["/bin", "/lib", "/lib32", "/lib64", "/nix/store", "/opt", "/sbin", "/usr"];

/// Where what starts a program is.
const LOADERS: &[&str] = &["/lib", "/lib32", "/lib64", "/nix/store", "/usr/lib", "/usr/lib32", "/usr/lib64"];

/// Variables that name files for libraries.
const NAMING: &[&str] = &["SSL_CERT_FILE", "SSL_CERT_DIR", "TZDIR"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_be_replaced_and_so_may_a_link_to_it() {
        let root = tempfile::tempdir().unwrap();
        let base = root.path().canonicalize().unwrap();
        std::fs::create_dir_all(base.join("releases/41")).unwrap();
        std::fs::create_dir(base.join("etc")).unwrap();
        std::os::unix::fs::symlink("../releases/41", base.join("etc/policies")).unwrap();
        let places = places(&base.join("etc/policies"));
        let expected = ["etc/policies", "etc", "releases/41", "releases"].map(|path| base.join(path));
        assert_eq!(places, expected.into());
    }

    #[test]
    fn what_lies_in_the_root_folder_does_not_open_all_of_it() {
        assert_eq!(places(Path::new("/nonexistent.pem")), ["/nonexistent.pem".into()].into());
        assert_eq!(places(Path::new("/")), BTreeSet::new());
        assert_eq!(places(Path::new("sekisho-is-not-here.toml")), ["sekisho-is-not-here.toml".into(), ".".into()].into());
    }
}
