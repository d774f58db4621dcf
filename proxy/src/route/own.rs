//! The addresses that are ours on every host.

/// One of our own addresses: below `/.sekisho/` on every app's host, and everything at the sign-in host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OwnPath {
    /// `/` at the sign-in host.
    Home,
    /// `sign-in`
    SignIn,
    /// `callback`, and `callback/…` at the sign-in host.
    Callback,
    /// `sign-out`
    SignOut,
    /// `send-again`
    SendAgain,
    /// `whoami`
    Whoami,
    /// `enroll`
    Enroll,
    /// `devices`
    Devices,
    /// `admin/…`, at the sign-in host only.
    Admin,
    /// `jwks.json`
    Jwks,
    /// `login`, at the sign-in host only.
    Login,
    /// `posture`, at the sign-in host only.
    Posture,
    /// `backchannel-logout`, at the sign-in host only.
    BackchannelLogout,
    /// Ours, but nothing is there: 404.
    Unknown,
}

impl OwnPath {
    /// What `path` means if it is ours whatever the host: below `/.sekisho`. `gate`: at the sign-in host.
    pub(super) fn reserved(path: &str, gate: bool) -> Option<Self> {
        let name = match path.strip_prefix(RESERVED)? {
            "" => return Some(Self::Unknown),
            rest => rest.strip_prefix('/')?,
        };
        Some(match name {
            "sign-in" => Self::SignIn,
            "callback" => Self::Callback,
            // A provider's own: see `sign_in`.
            _ if gate && name.starts_with("callback/") => Self::Callback,
            "sign-out" => Self::SignOut,
            "send-again" => Self::SendAgain,
            "whoami" => Self::Whoami,
            "enroll" => Self::Enroll,
            "devices" => Self::Devices,
            _ if gate && name.starts_with("admin/") => Self::Admin,
            "jwks.json" => Self::Jwks,
            "login" if gate => Self::Login,
            "posture" if gate => Self::Posture,
            "backchannel-logout" if gate => Self::BackchannelLogout,
            _ => Self::Unknown,
        })
    }

    /// Whether it means a sign-in, a session, a certificate or the age of a fact: those need to know what time it is. Leaving, and being told who one
    /// is, do not.
    pub fn rests_on_time(self) -> bool {
        match self {
            Self::SignIn | Self::Callback | Self::SendAgain | Self::Enroll | Self::Devices | Self::Posture | Self::Admin => true,
            Self::Home | Self::SignOut | Self::Whoami | Self::Jwks | Self::Login | Self::BackchannelLogout | Self::Unknown => {
                false
            }
        }
    }

    /// The label in metrics and the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Home => "home",
            Self::SignIn => "sign_in",
            Self::Callback => "callback",
            Self::SignOut => "sign_out",
            Self::SendAgain => "send_again",
            Self::Whoami => "whoami",
            Self::Enroll => "enroll",
            Self::Devices => "devices",
            Self::Admin => "admin",
            Self::Jwks => "jwks",
            Self::Login => "login",
            Self::Posture => "posture",
            Self::BackchannelLogout => "backchannel_logout",
            Self::Unknown => "unknown",
        }
    }
}

/// The prefix of our addresses on every host.
const RESERVED: &str = "/.sekisho";
