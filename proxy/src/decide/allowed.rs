//! The proof that a request was decided.

use std::sync::Arc;

use super::basis::Basis;
use crate::contain::Hold;
use crate::identify_device::KnownDevice;
use crate::identify_user::KnownUser;
use crate::route::Routed;

/// A request that policy allowed, with whom it was allowed for. Not `Clone`; made only in `decide`, so that a permit can
/// never be paired with another request.
#[must_use]
#[derive(Debug)]
pub struct Allowed {
    request: Routed,
    permit: Permit,
}

/// Whom a request was allowed for, and by which policies.
#[derive(Clone, Debug)]
pub struct Permit {
    /// The user; `None` on public paths.
    pub user: Option<KnownUser>,
    /// The device; `None` on public paths.
    pub device: Option<KnownDevice>,
    /// What they have had of the app, and will have; `None` on public paths.
    pub usage: Option<Hold>,
    /// Ids of the policies that permitted it.
    pub policies: Arc<[Arc<str>]>,
    /// What was decided by and on; `None` if policy was not asked.
    pub basis: Option<Basis>,
}

impl Allowed {
    pub(super) fn new(request: Routed, permit: Permit) -> Self {
        Self { request, permit }
    }

    /// For the tests of later rooms, which have nobody to ask.
    #[cfg(test)]
    pub(crate) fn for_test(request: Routed, permit: Permit) -> Self {
        Self::new(request, permit)
    }

    /// The request, to look at.
    pub fn request(&self) -> &Routed {
        &self.request
    }

    /// Whom it was allowed for.
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// Takes it apart, to send it: the end of the proof.
    pub fn into_parts(self) -> (Routed, Permit) {
        (self.request, self.permit)
    }
}
