//! All accounts as a text, for the next start.
//!
//! The first line says what this is, when it was taken and how far the record was written by then; then one line for each account
//! and one for each stream under way; the last has the SHA-256 of all before it.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::account::{Account, Counts, Holder};
use super::ledger::Usage;
use crate::clock::Timestamp;
use crate::inventory::{DeviceId, UserId};
use crate::secret::Digest;

/// How far each chain of the record was written: its name, and the number of its last line.
pub type Heads = BTreeMap<String, u64>;

/// What was in a snapshot beside accounts.
#[derive(Debug)]
pub struct Restored {
    /// When it was taken.
    pub at: Timestamp,
    /// How far the record was written by then: lines after that are to be told to a [`Rebuild`](super::Rebuild).
    pub heads: Heads,
    pub(super) streams: HashMap<[u8; 16], Under>,
}

/// A stream that was under way.
#[derive(Clone, Debug)]
pub(super) struct Under {
    pub(super) account: std::sync::Arc<Account>,
    /// Bytes of it that are in the account.
    pub(super) counted: u64,
    /// Bytes that were still to come, if that was declared.
    pub(super) owed: Option<u64>,
    pub(super) tunnel: bool,
}

/// A text is no snapshot of usage, or not a whole one.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It was changed or cut off after it was written, or never was one.
    #[error("its content is not what was written: the checksum differs or is missing")]
    Changed,
    /// Another version of the gate wrote it.
    #[error("it is of version {0}, which this gate does not know")]
    Version(u32),
    /// The checksum is right, and it makes no sense all the same.
    #[error("line {number} makes no sense: {why}")]
    Senseless {
        /// Which line, counted from 1.
        number: usize,
        /// Why.
        why: String,
    },
}

#[derive(Serialize, Deserialize)]
struct First {
    sekisho_usage: u32,
    at: Timestamp,
    record: Heads,
}

/// An account, if it has `requests`; a stream, if it has `stream`.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    whose: Option<(String, String, DeviceId, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shared: Option<usize>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    requests: Vec<(u64, u64)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    hour: Vec<(u64, u64)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    day: Vec<(u64, u64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stream: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    tunnel: bool,
    #[serde(default, skip_serializing_if = "is_zero")]
    counted: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owed: Option<u64>,
}

impl Restored {
    /// Without a snapshot: all that the record has since `at` is to be told.
    pub fn nothing(at: Timestamp) -> Self {
        Self { at, heads: Heads::new(), streams: HashMap::new() }
    }
}

impl Usage {
    /// All of it as it is now. `heads` is how far the record was written *before* this was called.
    ///
    /// # Errors
    /// If a name cannot be written as JSON, which none of ours is.
    pub fn snapshot(&self, now: Timestamp, heads: &Heads) -> Result<Vec<u8>, serde_json::Error> {
        // Streams before accounts: what they spend in between is in the accounts twice rather than not at all.
        let streams = self.streams.all();
        let mut text = Vec::new();
        write(&First { sekisho_usage: VERSION, at: now, record: heads.clone() }, &mut text)?;
        for stream in streams {
            let line = Line {
                stream: Some(hex(&stream.of.request)),
                tunnel: stream.of.tunnel,
                counted: stream.spent(),
                owed: stream.owed(),
                ..self.named(&stream.account)
            };
            write(&line, &mut text)?;
        }
        let mut outcome = Ok(());
        self.each(now, |account| {
            let Counts { requests, hour, day } = account.counts(now);
            let line = Line { requests, hour, day, ..self.named(account) };
            if let Err(error) = write(&line, &mut text) {
                outcome = Err(error);
            }
        });
        outcome?;
        let seal = Digest::of(&text);
        text.extend_from_slice(format!("{{\"sha256\":\"{seal}\"}}\n").as_bytes());
        Ok(text)
    }

    /// Takes the accounts of a snapshot, into a ledger that has none yet.
    ///
    /// If the clock says that it was taken in the future, it counts as taken now: windows do not slide while time goes back.
    ///
    /// # Errors
    /// [`SnapshotError`]; nothing was taken then.
    pub fn restore(&self, text: &[u8], now: Timestamp) -> Result<Restored, SnapshotError> {
        let content = unsealed(text)?;
        let mut lines = content.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).enumerate();
        let senseless = |number: usize, why: String| SnapshotError::Senseless { number: number + 1, why };
        let (number, first) = lines.next().ok_or(SnapshotError::Changed)?;
        let First { sekisho_usage: version, at, record: heads } =
            serde_json::from_slice(first).map_err(|error| senseless(number, error.to_string()))?;
        if version != VERSION {
            return Err(SnapshotError::Version(version));
        }
        let read: Result<Vec<(usize, Line)>, _> = lines
            .map(|(number, line)| match serde_json::from_slice(line) {
                Ok(line) => Ok((number, line)),
                Err(error) => Err(senseless(number, error.to_string())),
            })
            .collect();
        let read = read?;
        let mut restored = Restored { at, heads, streams: HashMap::new() };
        let earlier_ms = at.0.saturating_sub(now.0).max(0);
        let mut known = Vec::with_capacity(read.len());
        for (number, mut line) in read {
            let account = match (line.whose.take(), line.shared) {
                (Some((provider, subject, device, app)), None) => {
                    let user = UserId { provider: provider.into(), subject: subject.into() };
                    self.restored(Ok(Holder { user, device, app: app.into() }))
                }
                (None, Some(shared)) => self.restored(Err(shared)),
                _ => None,
            };
            let account = account.ok_or_else(|| senseless(number, "it does not say whose it is".to_owned()))?;
            let stream = match &line.stream {
                None => None,
                Some(id) => Some(unhex(id).ok_or_else(|| senseless(number, format!("`{id}` is no request's id")))?),
            };
            known.push((account, stream, line));
        }
        for (account, stream, line) in known {
            match stream {
                Some(request) => {
                    let under = Under { account, counted: line.counted, owed: line.owed, tunnel: line.tunnel };
                    restored.streams.insert(request, under);
                }
                None => {
                    let counts = Counts { requests: line.requests, hour: line.hour, day: line.day };
                    account.add_counts(&counts, earlier_ms, now);
                }
            }
        }
        self.count();
        Ok(restored)
    }

    fn named(&self, account: &Account) -> Line {
        match &account.holder {
            Some(Holder { user, device, app }) => {
                let whose = (user.provider.to_string(), user.subject.to_string(), device.clone(), app.to_string());
                Line { whose: Some(whose), ..Line::default() }
            }
            None => Line { shared: self.number_of(account), ..Line::default() },
        }
    }
}

/// The content of a text whose last line has its SHA-256.
fn unsealed(text: &[u8]) -> Result<&[u8], SnapshotError> {
    let whole = text.strip_suffix(b"\"}\n").ok_or(SnapshotError::Changed)?;
    let (rest, hex) = whole.split_last_chunk::<64>().ok_or(SnapshotError::Changed)?;
    let content = rest.strip_suffix(b"{\"sha256\":\"").ok_or(SnapshotError::Changed)?;
    let written: Digest = str::from_utf8(hex).ok().and_then(|hex| hex.parse().ok()).ok_or(SnapshotError::Changed)?;
    if Digest::of(content) == written { Ok(content) } else { Err(SnapshotError::Changed) }
}

fn write(line: &impl Serialize, text: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    serde_json::to_writer(&mut *text, line)?;
    text.push(b'\n');
    Ok(())
}

fn hex(id: &[u8; 16]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A request's id from its 32 digits.
pub(super) fn unhex(text: &str) -> Option<[u8; 16]> {
    let fits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    fits.then(|| u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)).flatten()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

const VERSION: u32 = 1;
