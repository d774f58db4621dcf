//! Rows as types, and types as rows.

mod attestation;
mod break_glass;
mod cookie;
mod device;
mod fact;
mod person;
mod renewal;
mod session;
mod text;

pub(super) use attestation::{attestations, others_in_tpm, put_attestation, settle_protection};
pub(super) use break_glass::break_glass;
pub(super) use cookie::{COOKIES, CookieRow, cookie};
pub(super) use device::{DEVICES, DeviceRow, device, put_device};
pub(super) use fact::{
    aliases_of, called, devices_of_ending_facts, drop_alias, drop_fact, end_facts, facts_of, next_end, put_alias, put_fact,
    put_posture_at,
};
pub(super) use person::{is_administrator, suspended, suspended_by_address};
pub(super) use renewal::{devices_of_leaving_keys, is_former, key_holder, keys_left, next_leave, put_renewal, successor};
pub(super) use session::{SESSIONS, SessionRow, session};
pub(super) use text::{Names, read};
