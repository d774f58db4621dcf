//! Requests that began before somebody followed the record. When one ends, the file that its first line stands in is read once, and
//! with it is known what else of that file is still under way.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::filter::{Filter, Sieve};
use super::folder::{ReadError, RecordFolder, SegmentFile};
use super::head::{LineKind, head, request};
use super::requests::{Place, Request};
use super::segment::{SegmentReader, Step};
use crate::clock::Timestamp;
use crate::record::line::{Access, End, Start};

/// What of earlier files was looked at.
#[derive(Debug)]
pub(super) struct Begun {
    /// From when on everything was seen.
    since: Timestamp,
    /// Files that were read: what fits and had not ended is known. So each is read once at most.
    looked: HashSet<String>,
}

/// The end of a request that began earlier.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) end: End,
    segment: Arc<SegmentFile>,
    began: Timestamp,
}

impl Begun {
    pub(super) fn before(since: Timestamp) -> Self {
        Self { since, looked: HashSet::new() }
    }

    /// `end`, if its request began earlier.
    pub(super) fn is_older(&self, end: End, segment: &Arc<SegmentFile>) -> Option<Ended> {
        let at = end.at.parse::<jiff::Timestamp>().ok()?.as_millisecond();
        let began = Timestamp(at.saturating_sub(i64::try_from(end.ms).ok()?));
        (began.0 < self.since.0).then(|| Ended { end, segment: Arc::clone(segment), began })
    }

    /// Those that fit and were under way when following began, of the files that have the first lines of `ended`.
    ///
    /// # Errors
    /// [`ReadError`], when a file cannot be read.
    pub(super) fn look(
        &mut self,
        folder: &RecordFolder,
        ended: &[Ended],
        filter: &Filter,
        sieve: &Sieve,
    ) -> Result<HashMap<Box<[u8]>, Request>, ReadError> {
        let mut open = HashMap::new();
        for Ended { segment, began, .. } in ended {
            let of_chain = |file: &&SegmentFile| file.chain == segment.chain && file.process == segment.process;
            let files: Vec<&SegmentFile> = folder.segments().iter().filter(of_chain).collect();
            let first = files.partition_point(|file| file.started <= *began).saturating_sub(1);
            // What an app thought about for long stands in the file after it.
            for file in files.into_iter().skip(first).take(2) {
                if !self.looked.contains(file.name())
                    && let Some(reader) = file.open()?
                {
                    self.looked.insert(file.name().to_owned());
                    self.read(&Arc::new(file.clone()), reader, filter, sieve, &mut open)?;
                }
            }
        }
        Ok(open)
    }

    fn read(
        &self,
        segment: &Arc<SegmentFile>,
        mut reader: SegmentReader,
        filter: &Filter,
        sieve: &Sieve,
        open: &mut HashMap<Box<[u8]>, Request>,
    ) -> Result<(), ReadError> {
        let (since, over) = (self.since.to_string(), self.since.minus(SLACK).to_string());
        loop {
            match reader.step().map_err(|source| segment.failed(source))? {
                Step::Line => {}
                Step::TooLong => continue,
                Step::Torn | Step::Damaged | Step::End => return Ok(()),
            }
            let text = reader.line();
            let Some((kind, at)) = head(text) else { continue };
            let earlier = |than: &str| at.as_slice() < than.as_bytes();
            let place = || Place { segment: Arc::clone(segment), number: reader.number() };
            match kind {
                LineKind::Start if earlier(&since) && sieve.passes_early(text) => {
                    if let Ok(start) = serde_json::from_slice::<Start>(text)
                        && filter.fits_start(&start)
                    {
                        open.insert(start.request.as_bytes().into(), Request::new(None, Some(start), place()));
                    }
                }
                LineKind::Access if earlier(&since) => {
                    let begun = request(text).and_then(|id| open.remove(id));
                    if (begun.is_some() || sieve.passes(text))
                        && let Ok(access) = serde_json::from_slice::<Access>(text)
                        && filter.fits(&access)
                    {
                        let mut request = begun.unwrap_or_else(|| Request::new(None, None, place()));
                        let id = access.request.as_bytes().into();
                        (request.access, request.may_run) = (Some(access), true);
                        open.insert(id, request);
                    }
                }
                LineKind::End if earlier(&over) => {
                    request(text).and_then(|id| open.remove(id));
                }
                _ => {}
            }
        }
    }
}

/// Lines are written in batches: one whose time is earlier by more was there when following began.
const SLACK: Duration = Duration::from_secs(10);
