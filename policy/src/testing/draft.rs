//! Facts as far as they are written. What is left out comes from what the case stands on, and in the end from
//! [`crate::testing::facts`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::action::Action;
use crate::facts::FactValue;
use crate::request::Weekday;

/// Declares drafts: every key may be missing, and one draft can lie over another.
macro_rules! drafts {
    ($($(#[$doc:meta])* $name:ident { $($(#[$key_doc:meta])* $key:ident: $kind:ty,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default)]
        pub(super) struct $name {
            $($(#[$key_doc])* pub(super) $key: Option<$kind>,)+
        }

        impl $name {
            /// This where it says something, `below` where it does not.
            fn fill(self, below: Self) -> Self {
                Self { $($key: self.$key.or(below.$key),)+ }
            }
        }
    )+};
}

drafts! {
    /// A person or a program.
    WhoDraft {
        program: bool,
        /// Stands on its own: what is below does not show through.
        whole: bool,
        id: String,
        email: String,
        name: String,
        groups: BTreeSet<String>,
        claims: BTreeMap<String, BTreeSet<String>>,
    }

    /// A device.
    DeviceDraft {
        /// Stands on its own: what is below does not show through.
        whole: bool,
        /// What it is where nothing is written.
        base: Base,
        id: String,
        /// `""` is nobody.
        owner: String,
        authority: String,
        platform: String,
        managed: bool,
        shared: bool,
        key_protection: String,
        posture: BTreeMap<String, FactValue>,
        posture_age: Age,
        enrolled_at: i64,
    }

    /// A session.
    SessionDraft {
        auth_age: Age,
        mfa: bool,
        acr: String,
        amr: BTreeSet<String>,
        provider: String,
        binding: String,
    }

    /// A request and its time.
    RequestDraft {
        app: String,
        action: Action,
        host: String,
        path: String,
        method: String,
        source_ip: IpAddr,
        requests_1m: u64,
        bytes_1h: u64,
        bytes_1d: u64,
        now: i64,
        local_ms: u32,
        weekday: Weekday,
    }
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub(super) who: WhoDraft,
    pub(super) device: DeviceDraft,
    pub(super) session: SessionDraft,
    pub(super) request: RequestDraft,
}

/// What a device is where nothing is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// Managed, its owner's, every flag of its posture true.
    Healthy,
    /// Nothing good is known of it.
    Unknown,
}

/// How long ago something was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    /// So many milliseconds.
    Ms(i64),
    /// Not known.
    Unknown,
}

impl Draft {
    /// This where it says something, `below` where it does not.
    pub(super) fn over(self, below: Self) -> Self {
        Self {
            who: self.who.over(below.who),
            device: self.device.over(below.device),
            session: self.session.fill(below.session),
            request: self.request.fill(below.request),
        }
    }
}

impl WhoDraft {
    pub(super) fn over(mut self, mut below: Self) -> Self {
        let other = self.program.is_some() && below.program.is_some() && self.program != below.program;
        if other || self.whole == Some(true) {
            return self;
        }
        merge(&mut self.claims, below.claims.take());
        self.fill(below)
    }
}

impl DeviceDraft {
    pub(super) fn over(mut self, mut below: Self) -> Self {
        if self.whole == Some(true) {
            return self;
        }
        merge(&mut self.posture, below.posture.take());
        self.fill(below)
    }
}

/// Adds the entries of `below` that `above` does not have.
fn merge<T>(above: &mut Option<BTreeMap<String, T>>, below: Option<BTreeMap<String, T>>) {
    for (name, value) in below.into_iter().flatten() {
        above.get_or_insert_default().entry(name).or_insert(value);
    }
}
