//! The record in the words of the Open Cybersecurity Schema Framework, version 1.6.0 (<https://schema.ocsf.io/1.6.0>): one JSON
//! object per line, for systems that gather events from many products.
//!
//! Arrives: what the record tells, requests with their ends. Leaves: an event of the fitting class for each. Refused: nothing; what
//! has no class of its own is an error of the application, or a base event. Nobody waits.

mod base;
mod event;
mod request;
#[cfg(test)]
mod tests;

use serde_json::Value;

use super::format::Writer;
use crate::commands::error::CommandError;
use crate::record::read::Entry;

/// Writes entries as OCSF events.
#[derive(Debug, Default)]
pub(super) struct Ocsf;

impl Writer for Ocsf {
    fn entry(&mut self, entry: &Entry, out: &mut Vec<u8>) -> Result<(), CommandError> {
        serde_json::to_writer(&mut *out, &event_of(entry)).map_err(CommandError::failed)?;
        out.push(b'\n');
        Ok(())
    }

    fn finish(&mut self, _out: &mut Vec<u8>) {}
}

fn event_of(entry: &Entry) -> Value {
    match entry {
        Entry::Request(request) => request::event(request),
        Entry::Event(happened, place) => event::event(happened, place),
        Entry::Gap(gap, place) => event::gap(gap, place),
    }
}
