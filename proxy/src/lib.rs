//! Sekisho: a zero-trust access proxy. A known device and a known user, decided on every request.
//!
//! The rooms follow the way of a request: `accept`, `tls`, `read`, `route`, `identify_device`, `identify_user`, `decide`,
//! `forward`, `record`. `journey` is the hallway that knows their order. Under them lie `clock`, `secret`, `config`, `store`,
//! `inventory`, `contain` and `outbound`.

pub mod clock;
pub mod secret;

pub mod config;
pub mod contain;
pub mod inventory;
pub mod outbound;
pub mod store;

pub mod accept;
pub mod decide;
pub mod forward;
pub mod identify_device;
pub mod identify_user;
pub mod read;
pub mod record;
pub mod route;
pub mod sign_in;
pub mod tls;

pub mod console;
pub mod enrol;
pub mod intake;
pub mod journey;

pub mod prove;
pub mod startup;

pub mod commands;
