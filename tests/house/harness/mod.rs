//! What tells the stories: a house that is built in a line or two, and everything that comes to its gate.

mod app;
mod authority;
mod browser;
mod client;
mod form;
mod gate;
mod hand;
mod idp;
mod jar;
mod laptop;
mod liar;
mod metrics;
mod pockets;
mod port;
mod program;
mod raw;
mod record;
mod recorder;
mod signer;
mod town;

pub(crate) use app::{App, Speaks};
pub(crate) use authority::{Authority, Identity};
pub(crate) use browser::Browser;
pub(crate) use client::{Client, NAVIGATION, Reply};
pub(crate) use form::{Form, plain};
pub(crate) use gate::{House, POLICIES, Plan, Said, allowed, eventually, private, refused, run};
pub(crate) use hand::{Attempt, Hand, Over, openssl, openssl_get};
pub(crate) use idp::{BY_HAND, HOST as IDP_HOST, Kind, people};
pub(crate) use laptop::Laptop;
pub(crate) use liar::{ACCESS_TOKEN, CONFIDENTIAL, Liar, Page, now};
pub(crate) use port::ReservedPort;
pub(crate) use program::{Program, sekisho, tool};
pub(crate) use raw::Raw;
pub(crate) use recorder::{Heard, Recorder, contains, ok};
pub(crate) use signer::{Signer, changed, encode, hmac_signed, jwks};
pub(crate) use town::{Town, WITHDRAWN, authority_lines};
