//! Files for `curl` to use: who is asking, with which device, token or cookie.

use sekisho_certs::files;

use super::devices::Device;
use super::neighbours::Neighbours;
use super::place::{Place, SHARE_HOST};
use super::visitor::Visitor;
use crate::commands::error::CommandError;
use crate::enrol::client::{CERTIFICATE, KEY};

/// Writes them all, each 0600, into the folder `curl`.
///
/// # Errors
/// If a token cannot be signed, or a file not written.
pub(super) fn lay_out(
    place: &Place,
    neighbours: &Neighbours,
    [laptop, other]: [&Device; 2],
    alice: &Visitor,
) -> Result<(), CommandError> {
    let folder = place.file("curl");
    files::private_dir(&folder).map_err(CommandError::failed)?;
    let folder = folder.canonicalize().map_err(CommandError::failed)?;
    let write =
        |name: &str, text: String| files::write_private(&folder.join(name), text.as_bytes()).map_err(CommandError::failed);
    let quoted = |file: &str| {
        let path = folder.parent().unwrap_or(&folder).join(file);
        format!("\"{}\"", path.display().to_string().replace('\\', "\\\\").replace('"', "\\\""))
    };
    let nobody = format!("cacert = {}\n{BASICS}", quoted("tls/root.pem"));
    for device in [laptop, other] {
        let (cert, key) = (quoted(&device.file(CERTIFICATE)), quoted(&device.file(KEY)));
        write(&device.name, format!("{nobody}cert = {cert}\nkey = {key}\n"))?;
    }
    write("no-device", nobody)?;
    let bearer = |token: String| format!("Authorization: Bearer {token}\n");
    write("alice-token", bearer(neighbours.token("alice", laptop.thumbprint())?))?;
    write("alice-unbound-token", bearer(neighbours.token("alice", None)?))?;
    write("bob-token", bearer(neighbours.token("bob", other.thumbprint())?))?;
    let cookie = alice.cookies(SHARE_HOST).ok_or_else(|| CommandError::failed("signing in gave no cookie"))?;
    write("alice-cookie", format!("Cookie: {cookie}\n"))
}

/// Only what matters is shown: the answer, and its status below it.
const BASICS: &str = "silent\nshow-error\nwrite-out = \"\\nstatus %{http_code}\\n\"\n";
