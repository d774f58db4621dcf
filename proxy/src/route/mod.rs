//! Arrives: a [`Clean`](crate::read::Clean) request. Leaves: [`Routed`], the same request with the one app it is for.
//! Refused: a host that nobody serves, a method that the app does not take. Nothing here waits.

mod routed;

pub use routed::Routed;
