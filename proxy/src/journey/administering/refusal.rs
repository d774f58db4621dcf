//! Why nothing was done for an administrator, before policy was asked.

use http::StatusCode;

/// A request below `/.sekisho/admin/` that is not as it has to be. Its words are for whoever wrote the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdministeringRefusal {
    /// A token that anybody could show who has it.
    #[error("whoever administers shows a session of this device, or a token that is bound to its certificate")]
    Unbound,
    /// A page of another site, or one that does not say where it is from.
    #[error("a change with a session's cookie has to come from a page of the gate's own host, and say so")]
    CrossSite,
    /// It is done at the admin socket, and nowhere else.
    #[error("this is done at the gate's admin socket, and nowhere else")]
    SocketOnly,
    /// Its body is something else than JSON.
    #[error("what is asked for here is JSON, and says so")]
    NotJson,
}

impl AdministeringRefusal {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Unbound, Self::CrossSite, Self::SocketOnly, Self::NotJson];

    /// Status of the answer.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Unbound | Self::CrossSite | Self::SocketOnly => StatusCode::FORBIDDEN,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }

    /// Its word in the record and in problem JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unbound => "admin_unbound",
            Self::CrossSite => "admin_cross_site",
            Self::SocketOnly => "admin_socket_only",
            Self::NotJson => "admin_not_json",
        }
    }

    /// What can be done now.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Unbound => "Sign in on this device, or get a token that is bound to its certificate.",
            Self::CrossSite => {
                "Send the gate's own address as `Origin`. If you did not send this, a page of another site did: tell your security team."
            }
            Self::SocketOnly => "Use the command `sekisho` on the machine that the gate runs on.",
            Self::NotJson => "Send `Content-Type: application/json`; where there is nothing to say, send `{}`.",
        }
    }
}
