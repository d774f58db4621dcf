//! The summary of a finished segment. It stays when the segment is deleted, so that the chain can be followed over the hole.

use serde::{Deserialize, Serialize};

use super::keys::{PublicKeys, SigningKey};
use super::signed::{self, SignatureError};
use crate::clock::Timestamp;
use crate::record::chain::ChainHash;
use crate::record::name::SegmentName;

/// `SEGMENT.summary.json`, such as `access-….jsonl.summary.json`: what a finished segment has in it, signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Name of the segment's file, without `.zst` if it is packed.
    pub summary: String,
    /// The chain that it is a part of.
    pub chain: String,
    /// The earliest time that stands in a line. RFC 3339, UTC.
    pub first_at: String,
    /// The latest.
    pub last_at: String,
    /// Number of the first line in the chain.
    pub first_seq: u64,
    /// Number of the last line.
    pub last_seq: u64,
    /// Hash of the line before the first; zeros if there is none.
    pub first_previous: ChainHash,
    /// Hash of the last line.
    pub last_hash: ChainHash,
    /// How many there are.
    pub lines: u64,
    /// How large it is, not compressed.
    pub bytes: u64,
    /// Whether its last line is a `close`; a segment that a crash ended has none.
    pub closed: bool,
    /// SHA-256 of the whole file, not compressed, hex.
    pub sha256: String,
    /// When the segment was deleted. RFC 3339, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_because: Option<Because>,
    /// Id of the key that signed it.
    pub key: String,
}

/// Why a segment was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Because {
    /// Its last line was older than `keep_for`.
    Age,
    /// The record was larger than `keep_size`.
    Size,
}

/// A file is not a summary of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SummaryError {
    /// It has another form.
    #[error("this is not the summary of a segment: {0}")]
    NotASummary(String),
    /// Nobody whom we know signed it.
    #[error("the summary of {segment}: {error}")]
    Signature {
        /// Which segment it says it is about.
        segment: String,
        /// What is wrong.
        error: SignatureError,
    },
}

impl SummaryError {
    /// The key that it names, if that is not known.
    pub(in crate::record) fn unknown_key(&self) -> Option<&str> {
        match self {
            Self::Signature { error: SignatureError::UnknownKey(key), .. } => Some(key),
            Self::Signature { .. } | Self::NotASummary(_) => None,
        }
    }
}

impl Summary {
    /// Reads a file's content without checking who signed it.
    ///
    /// # Errors
    /// [`SummaryError::NotASummary`].
    pub fn read(text: &[u8]) -> Result<Self, SummaryError> {
        serde_json::from_slice(text).map_err(|error| SummaryError::NotASummary(error.to_string()))
    }

    /// The name of its file.
    pub fn file_name(segment: &str) -> String {
        format!("{segment}{SUFFIX}")
    }

    /// The segment that a file with this name is about.
    pub fn segment_of(file_name: &str) -> Option<&str> {
        file_name.strip_suffix(SUFFIX).filter(|segment| SegmentName::parse(segment).is_some())
    }

    /// The earliest and the latest time in the segment.
    pub fn span(&self) -> Option<(Timestamp, Timestamp)> {
        Some((time(&self.first_at)?, time(&self.last_at)?))
    }

    /// The file's content.
    pub(in crate::record) fn sign(&self, key: &SigningKey) -> Option<String> {
        let mut text = signed::sign(self, key)?;
        text.push('\n');
        Some(text)
    }
}

/// Whether the content of a file is a summary that one of `keys` signed.
///
/// # Errors
/// [`SummaryError`].
pub fn verify_summary(text: &[u8], keys: &PublicKeys) -> Result<Summary, SummaryError> {
    let line = text.strip_suffix(b"\n").unwrap_or(text);
    let summary = Summary::read(line)?;
    match signed::check(line, &summary.key, keys) {
        Ok(()) => Ok(summary),
        Err(error) => Err(SummaryError::Signature { segment: summary.summary, error }),
    }
}

/// A time as the record has it.
pub(super) fn time(at: &str) -> Option<Timestamp> {
    at.parse::<jiff::Timestamp>().ok().map(|time| Timestamp(time.as_millisecond()))
}

const SUFFIX: &str = ".summary.json";

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(key: &SigningKey) -> Summary {
        Summary {
            summary: "access-0000000000001-7-0.jsonl".into(),
            chain: "0".into(),
            first_at: Timestamp(1).to_string(),
            last_at: Timestamp(2).to_string(),
            first_seq: 1,
            last_seq: 2,
            first_previous: ChainHash::default(),
            last_hash: ChainHash([7; 32]),
            lines: 2,
            bytes: 300,
            closed: true,
            sha256: "ab".into(),
            deleted_at: None,
            deleted_because: None,
            key: key.id().to_owned(),
        }
    }

    #[test]
    fn it_comes_back_as_it_was_signed_and_a_changed_one_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let key = SigningKey::open(dir.path(), dir.path()).unwrap();
        let keys = PublicKeys::read(dir.path()).unwrap();
        let whole = summary(&key);
        assert_eq!(whole.span(), Some((Timestamp(1), Timestamp(2))));
        let deleted =
            Summary { deleted_at: Some(Timestamp(9).to_string()), deleted_because: Some(Because::Age), ..whole.clone() };
        for summary in [whole, deleted] {
            let text = summary.sign(&key).unwrap();
            assert_eq!(verify_summary(text.as_bytes(), &keys), Ok(summary));
            let forged = text.replace("\"lines\":2", "\"lines\":3");
            assert!(matches!(verify_summary(forged.as_bytes(), &keys), Err(SummaryError::Signature { .. })));
        }
        assert!(matches!(verify_summary(b"[]", &keys), Err(SummaryError::NotASummary(_))));
    }

    #[test]
    fn its_name_leads_to_its_segment() {
        let name = Summary::file_name("access-1-2-0.jsonl");
        assert_eq!(Summary::segment_of(&name), Some("access-1-2-0.jsonl"));
        for other in ["access-1-2-0.jsonl", ".access-1-2-0.jsonl.summary.json.new", "x.summary.json"] {
            assert_eq!(Summary::segment_of(other), None);
        }
    }
}
