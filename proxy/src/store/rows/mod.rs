//! Rows as types, and types as rows.

mod cookie;
mod device;
mod person;
mod session;
mod text;

pub(super) use cookie::{COOKIES, CookieRow, cookie};
pub(super) use device::{DEVICES, DeviceRow, device, key_holder, put_device};
pub(super) use person::suspended;
pub(super) use session::{SESSIONS, SessionRow, session};
pub(super) use text::{Names, read};
