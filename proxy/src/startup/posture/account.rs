//! Whose process it is.

use rustix::process::{getegid, geteuid};

use super::standing::{Layer, Standing};

/// How it stands.
///
/// # Errors
/// In words, if it is root and was not told that it may be.
pub(super) fn judge(allow_root: bool) -> Result<Standing, String> {
    if geteuid().is_root() && !allow_root {
        return Err(
            "the gate was started as root, which it never needs: give it an account of its own (`User=` of a systemd unit \
                    or `USER` of a container; AmbientCapabilities=CAP_NET_BIND_SERVICE lets it listen on ports below 1024), or, \
                    if it has to be root, write `allow_root = true` in [process]"
                .to_owned(),
        );
    }
    Ok(look())
}

/// How it stands.
pub(super) fn look() -> Standing {
    if geteuid().is_root() {
        return Standing::missing(Layer::Account, "it runs as root; give it an account of its own");
    }
    Standing::in_force(Layer::Account, format!("uid {}, gid {}", geteuid().as_raw(), getegid().as_raw()))
}
