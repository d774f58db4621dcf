//! Arrives: a TCP connection. Leaves: the socket, the client's address, and a slot that counts it. Refused: connections above a
//! limit, balancers that do not say whom they speak for. If the client goes away, the slot is free again.

mod limiter;
mod listener;
mod proxy_protocol;

pub use limiter::{Limiter, Shed, Slot};
pub use listener::{UNSENT, drain, is_free, listen};
pub use proxy_protocol::{ProxyProtocolError, Said, parse as parse_proxy_protocol, read as read_proxy_protocol};
