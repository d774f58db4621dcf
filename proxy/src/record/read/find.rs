//! One request, by its id.

use std::path::PathBuf;

use super::access::{AccessLine, UnfitLine};
use super::facts::{self, FactsLine};
use super::folder::{ReadError, RecordFolder};
use super::head::{LineKind, request};
use crate::record::line::Access;
use crate::record::sets::SetError;
use crate::secret::Digest;
use sekisho_policy::{AskedFor, KeptSet, Query};

/// What the record says of a request that policy was asked about.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its `access` line.
    pub access: Access,
    /// The file that it stands in, and the line, counted from 1.
    pub place: (PathBuf, u64),
    /// How many `access` lines have this id. More than one is never written.
    pub times: u64,
    /// The question, with the facts of that moment.
    pub query: Query,
    /// The policy set of that moment.
    pub set: KeptSet,
}

/// The decision on a request cannot be made again.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The record cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// No `access` line has this id.
    #[error("{}: no request has the id `{id}`; it stands on every page and in `X-Request-Id`, and has 32 digits", .folder.display())]
    NoSuchRequest {
        /// The folder.
        folder: PathBuf,
        /// The id.
        id: String,
    },
    /// Policy was not asked.
    #[error("policy was not asked about this request: it was answered with {status} `{reason}` before that")]
    NotAsked {
        /// The status of the answer.
        status: u16,
        /// The word for why.
        reason: String,
    },
    /// The line does not say what was asked.
    #[error("{}:{number}: {source}", .file.display())]
    Unfit {
        /// The file.
        file: PathBuf,
        /// The line.
        number: u64,
        /// What is wrong.
        source: UnfitLine,
    },
    /// There is no `facts` line of this hash, or it was changed.
    #[error("the facts {hash} are not in {}, or were changed after they were written", .file.display())]
    FactsMissing {
        /// Where they should be.
        file: PathBuf,
        /// Their hash.
        hash: String,
    },
    /// The facts cannot be understood.
    #[error("the facts of this request cannot be understood; they may be of another version of Sekisho")]
    FactsUnreadable,
    /// The policy set cannot be had.
    #[error(transparent)]
    Set(#[from] SetError),
}

/// Finds the request of this id, with the policies and the facts of its moment.
///
/// # Errors
/// [`FindError`].
pub fn find(folder: &RecordFolder, id: &str) -> Result<Found, FindError> {
    let (access, place, times) = access_of(folder, id)?;
    let unfit = |source| FindError::Unfit { file: place.0.clone(), number: place.1, source };
    // Read again, borrowed: one way from a line to its question.
    let text = serde_json::to_vec(&access).map_err(|_never| unfit(UnfitLine("line")))?;
    let line = AccessLine::parse(&text).map_err(|_never| unfit(UnfitLine("line")))?;
    let Some(question) = line.question().map_err(unfit)? else {
        return Err(FindError::NotAsked { status: access.status, reason: access.reason.clone() });
    };
    let set = access.policy_set.as_deref().unwrap_or_default();
    let set: Digest = set.parse().map_err(|_no_hash| unfit(UnfitLine("policy_set")))?;
    let who = match line.facts().map_err(unfit)? {
        None => None,
        Some(hashes) => Some(identity_of(folder, &place.0, hashes)?),
    };
    let query = Query { who, request: AskedFor::from(&question) };
    let set = folder.sets().fetch(&set)?;
    Ok(Found { access, place, times, query, set })
}

fn access_of(folder: &RecordFolder, id: &str) -> Result<(Access, (PathBuf, u64), u64), FindError> {
    let mut lines = folder.lines()?;
    let mut found: Option<(Access, (PathBuf, u64))> = None;
    let mut times = 0;
    while let Some(line) = lines.next_line()? {
        if line.kind != LineKind::Access || request(line.text) != Some(id.as_bytes()) {
            continue;
        }
        let Ok(access) = serde_json::from_slice::<Access>(line.text) else { continue };
        if access.request == id {
            times += 1;
            found.get_or_insert((access, (line.segment.path.clone(), line.number)));
        }
    }
    let missing = || FindError::NoSuchRequest { folder: folder.dir().to_owned(), id: id.to_owned() };
    found.map(|(access, place)| (access, place, times)).ok_or_else(missing)
}

fn identity_of(
    folder: &RecordFolder,
    file: &std::path::Path,
    (device, session): (&str, &str),
) -> Result<sekisho_policy::Identity, FindError> {
    let mut lines = folder.lines()?;
    let (mut device_json, mut session_json) = (None, None);
    while let Some(line) = lines.next_line()? {
        if line.kind != LineKind::Facts {
            continue;
        }
        let Some(facts) = FactsLine::parse(line.text) else { continue };
        if facts.hash == device {
            device_json = Some(facts.json.to_owned());
        } else if facts.hash == session {
            session_json = Some(facts.json.to_owned());
        }
        if device_json.is_some() && session_json.is_some() {
            break;
        }
    }
    let missing = |hash: &str| FindError::FactsMissing { file: file.to_owned(), hash: hash.to_owned() };
    let device = device_json.ok_or_else(|| missing(device))?;
    let session = session_json.ok_or_else(|| missing(session))?;
    facts::identity(&device, &session).ok_or(FindError::FactsUnreadable)
}
