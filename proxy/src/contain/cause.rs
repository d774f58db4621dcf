//! Why an access was cut.

/// Why an access that had been allowed was cut: a closed list, for the record and for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The device was isolated.
    DeviceQuarantined,
    /// The device was taken out for good, or is no longer in the inventory.
    DeviceRetired,
    /// The device's facts changed, and what was allowed is not any more.
    DeviceChanged,
    /// The device's certificate ended, was revoked, or is no longer trusted.
    Certificate,
    /// The session was ended: by sign-out, by the provider, or by an administrator.
    SessionEnded,
    /// The session's facts changed, and what was allowed is not any more.
    SessionChanged,
    /// The session reached the end of its lifetime.
    SessionExpired,
    /// The session was not used for too long.
    SessionIdle,
    /// Facts about the person are too old: their provider cannot be reached, or has to be gone through again.
    FactsStale,
    /// The bearer token ended, or its provider no longer vouches for it.
    Token,
    /// An administrator took the person's access away.
    UserSuspended,
    /// The policies that were loaded do not allow it.
    Policies,
    /// The configuration that was loaded does not allow it: the app is gone, or takes no device of this authority.
    Configuration,
    /// A budget was used up.
    Usage,
    /// Policies allow it only for a time, which is over.
    Time,
    /// It could not be asked again: closed because unsure.
    Unsure,
}

impl Cause {
    /// Every cause, for metrics.
    pub const ALL: [Self; 16] = [
        Self::DeviceQuarantined,
        Self::DeviceRetired,
        Self::DeviceChanged,
        Self::Certificate,
        Self::SessionEnded,
        Self::SessionChanged,
        Self::SessionExpired,
        Self::SessionIdle,
        Self::FactsStale,
        Self::Token,
        Self::UserSuspended,
        Self::Policies,
        Self::Configuration,
        Self::Usage,
        Self::Time,
        Self::Unsure,
    ];

    /// The word for it in the record and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DeviceQuarantined => "device_quarantined",
            Self::DeviceRetired => "device_retired",
            Self::DeviceChanged => "device_changed",
            Self::Certificate => "certificate",
            Self::SessionEnded => "session_ended",
            Self::SessionChanged => "session_changed",
            Self::SessionExpired => "session_expired",
            Self::SessionIdle => "session_idle",
            Self::FactsStale => "facts_stale",
            Self::Token => "token",
            Self::UserSuspended => "user_suspended",
            Self::Policies => "policies",
            Self::Configuration => "configuration",
            Self::Usage => "usage",
            Self::Time => "time",
            Self::Unsure => "unsure",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_cause_has_a_word_of_its_own() {
        let words: BTreeSet<&str> = Cause::ALL.into_iter().map(Cause::as_str).collect();
        assert_eq!(words.len(), Cause::ALL.len());
    }
}
