//! Arrives: a [`Clean`](crate::read::Clean) request. Leaves: [`Routed`], the same request with the one app it is for; or
//! [`OwnRequest`], for one of our own addresses. Refused: a host that nobody serves or that this connection is not for, a method
//! that the app does not take. Nothing here waits, so a client that goes away is not noticed.

mod own;
mod page;
mod routed;
mod router;
mod standing;

pub use own::OwnPath;
pub use routed::Routed;
pub use router::{OwnRequest, Placed, RouteOutcome, RouteRefusal, Router, Unrouted};
pub use standing::Standing;
