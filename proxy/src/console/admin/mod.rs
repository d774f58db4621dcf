//! Arrives: operators' commands, as HTTP/1.1 over a Unix socket, and what administrators ask for at the gate's host, once policy let it
//! through. Leaves: what they ask for, changed and in effect, as JSON. Refused: who may not open the socket (the kernel sees to it), and
//! whatever makes no sense, with words. If the client goes away, a change that was begun is finished.
//!
//! Whoever can open the socket can stop and let in every device. The peer's user id is stored with each change.

mod administrators;
mod answer;
mod break_glass;
mod device_facts;
mod devices;
mod groups;
mod oneself;
mod people;
mod routes;
mod serve;
mod sessions;
mod socket;
mod state;
mod table;
pub mod wire;

pub use answer::{Answer, Refused};
pub use groups::{group_id, group_name};
pub use routes::{Request, answer};
pub use serve::{NOT_RECORDED, serve};
pub use socket::{AdminListener, AdminSocketError, bind, make_folder};
pub use state::{AdminState, CaCertificate, Reload, ReloadReport};
pub use table::{NotSought, ROUTES, Row, Sought, seek};
