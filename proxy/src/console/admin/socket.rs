//! The admin socket's file: made with its final mode and group before anybody can open it, and never taken from a live gate.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

use super::groups::group_id;
use crate::secret::{NoRandomness, bytes};

/// The socket, listening. Dropping it removes the file, if it is still ours.
#[derive(Debug)]
pub struct AdminListener {
    pub(super) socket: UnixListener,
    path: PathBuf,
    inode: (u64, u64),
}

/// The admin socket cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum AdminSocketError {
    /// Another gate answers there.
    #[error("another gate listens on {0}: stop it, or give this one its own `listen.admin`")]
    InUse(PathBuf),
    /// Something else lies there.
    #[error("{0} is there and is not a socket: remove it, or choose another `listen.admin`")]
    NotASocket(PathBuf),
    /// Nobody knows the group.
    #[error("no group `{0}` in /etc/group; for a group of a directory service, write its number in `listen.admin_group`")]
    NoGroup(String),
    /// Only root and members may give a file to a group.
    #[error("the gate may not give {path} to group `{group}`: run it as a member of that group")]
    NotAMember {
        /// The socket.
        path: PathBuf,
        /// The group.
        group: String,
    },
    /// The system refuses.
    #[error("cannot listen on {path}: {source}")]
    System {
        /// The socket, or its folder.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// No randomness for a name.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// Listens on `path`, mode 0660, of `group` if one is named. A socket that nobody listens on any more is replaced.
///
/// # Errors
/// [`AdminSocketError`].
pub fn bind(path: &Path, group: Option<&str>) -> Result<AdminListener, AdminSocketError> {
    let gid = gid(group)?;
    let folder = folder(path);
    make(folder, gid)?;
    refuse_what_is_alive(path)?;
    // Made in a folder that only we can enter, then moved to its place when its mode is right.
    let [a, b, c, d] = bytes::<4>()?;
    let workshop = folder.join(format!(".admin-{a:02x}{b:02x}{c:02x}{d:02x}"));
    DirBuilder::new().mode(0o700).create(&workshop).map_err(system(&workshop))?;
    let made = listen(&workshop.join("s"), path, group, gid);
    // On success it is empty; on failure a socket may be left in it.
    fs::remove_file(workshop.join("s")).or_else(not_there).map_err(system(&workshop))?;
    fs::remove_dir(&workshop).map_err(system(&workshop))?;
    made
}

/// Makes the folder of the socket at `path`, if it is not there: for its owner, and for `group` if one is named.
///
/// # Errors
/// [`AdminSocketError`].
pub fn make_folder(path: &Path, group: Option<&str>) -> Result<(), AdminSocketError> {
    make(folder(path), gid(group)?)
}

fn gid(group: Option<&str>) -> Result<Option<u32>, AdminSocketError> {
    group.map(|name| group_id(name).ok_or_else(|| AdminSocketError::NoGroup(name.to_owned()))).transpose()
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn listen(draft: &Path, path: &Path, group: Option<&str>, gid: Option<u32>) -> Result<AdminListener, AdminSocketError> {
    let socket = UnixListener::bind(draft).map_err(system(path))?;
    if let Some(gid) = gid {
        chown(draft, None, Some(gid)).map_err(|source| match source.kind() {
            io::ErrorKind::PermissionDenied => {
                AdminSocketError::NotAMember { path: path.to_owned(), group: group.unwrap_or_default().to_owned() }
            }
            _ => AdminSocketError::System { path: path.to_owned(), source },
        })?;
    }
    fs::set_permissions(draft, Permissions::from_mode(0o660)).map_err(system(path))?;
    let facts = fs::metadata(draft).map_err(system(path))?;
    fs::rename(draft, path).map_err(system(path))?;
    Ok(AdminListener { socket, path: path.to_owned(), inode: (facts.dev(), facts.ino()) })
}

fn make(folder: &Path, gid: Option<u32>) -> Result<(), AdminSocketError> {
    if folder.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o750).create(folder).map_err(system(folder))?;
    match gid {
        // Without this the group could open the socket, but not reach it.
        Some(gid) => chown(folder, None, Some(gid)).map_err(system(folder)),
        None => Ok(()),
    }
}

fn refuse_what_is_alive(path: &Path) -> Result<(), AdminSocketError> {
    let facts = match fs::symlink_metadata(path) {
        Ok(facts) => facts,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(system(path)(error)),
    };
    if !facts.file_type().is_socket() {
        return Err(AdminSocketError::NotASocket(path.to_owned()));
    }
    match UnixStream::connect(path) {
        Ok(_answered) => Err(AdminSocketError::InUse(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) => Err(system(path)(error)),
    }
}

fn not_there(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

fn system(path: &Path) -> impl FnOnce(io::Error) -> AdminSocketError {
    let path = path.to_owned();
    move |source| AdminSocketError::System { path, source }
}

impl Drop for AdminListener {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|facts| (facts.dev(), facts.ino()) == self.inode);
        if ours {
            // Left behind, it would be replaced by the next start.
            drop(fs::remove_file(&self.path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[tokio::test]
    async fn the_folder_and_the_socket_have_their_modes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/sekisho/admin.sock");
        let listener = bind(&path, None).unwrap();
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o660, 0o750));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing else is left there");
        drop(listener);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_live_socket_is_left_alone_and_a_stale_one_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.sock");
        let first = bind(&path, None).unwrap();
        assert!(matches!(bind(&path, None), Err(AdminSocketError::InUse(_))));
        assert!(UnixStream::connect(&path).is_ok(), "the first one still listens");
        // As after kill -9: the file stays, nobody listens.
        let aside = dir.path().join("aside");
        fs::rename(&path, &aside).unwrap();
        drop(first);
        fs::rename(&aside, &path).unwrap();
        assert!(UnixStream::connect(&path).is_err());
        let _second = bind(&path, None).unwrap();
        assert!(UnixStream::connect(&path).is_ok());
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_is_not_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.sock");
        fs::write(&path, "precious").unwrap();
        assert!(matches!(bind(&path, None), Err(AdminSocketError::NotASocket(_))));
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }

    #[tokio::test]
    async fn an_unknown_group_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let made = bind(&dir.path().join("admin.sock"), Some("no-such-group"));
        assert!(matches!(made, Err(AdminSocketError::NoGroup(name)) if name == "no-such-group"));
    }

    #[tokio::test]
    async fn a_path_that_is_too_long_is_refused_with_nothing_left_behind() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("x".repeat(120));
        assert!(matches!(bind(&folder.join("admin.sock"), None), Err(AdminSocketError::System { .. })));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    }
}
