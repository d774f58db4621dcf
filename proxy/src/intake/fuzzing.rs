//! Parts of this room alone, for the fuzz targets. The gate itself does not use it.

use std::collections::BTreeMap;

use super::judge::judge;
use super::{osquery, wire};
use crate::clock::Timestamp;
use crate::config::{PostureSource, ReportFormat};
use crate::decide::KnownFacts;
use crate::inventory::FactValue;

/// A part of a push that would be taken: of which device, of when, until when it counts, and what.
pub type Taken = (String, [Timestamp; 2], BTreeMap<String, Option<FactValue>>);

/// What would be taken of a push by `source`; `None` if it is refused whole.
pub fn taken(body: &[u8], source: &PostureSource, known: &KnownFacts, now: Timestamp) -> Option<Vec<Taken>> {
    let items = match &source.format {
        ReportFormat::Sekisho => wire::read(body),
        ReportFormat::Osquery(facts) => osquery::read(body, facts, known),
    };
    let fit = |item: wire::Item| {
        let fit = judge(&item, source, known, now).ok()?;
        Some((item.device, [fit.at, fit.ends_at], fit.facts))
    };
    Some(items.ok()?.into_iter().filter_map(fit).collect())
}
