//! A checkpoint: where all chains stood at one moment, signed together.

use serde::{Deserialize, Serialize};

use super::keys::{PublicKeys, SigningKey};
use super::signed::{self, SignatureError};
use crate::clock::Timestamp;
use crate::record::chain::ChainHash;
use crate::record::heads::ChainHead;
use crate::secret::Digest;

/// A line of `checkpoints.jsonl`. Whoever keeps one elsewhere can show later that nothing before it was changed or taken away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Counts them from 1, without gaps.
    pub checkpoint: u64,
    /// RFC 3339, UTC.
    pub at: String,
    /// Id of the key that signed it.
    pub key: String,
    /// The last line of each chain, by the chain's name.
    pub heads: Vec<ChainHead>,
    /// Segments that were deleted since the checkpoint before; their summaries stay and say why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deleted: Vec<String>,
    /// Hash of the checkpoint's line before, without its end; zeros for the first.
    pub previous: ChainHash,
}

/// A line is not a checkpoint of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// It has another form.
    #[error("this is not a checkpoint: {0}")]
    NotACheckpoint(String),
    /// Nobody whom we know signed it.
    #[error("checkpoint {number}: {error}")]
    Signature {
        /// Which it says it is.
        number: u64,
        /// What is wrong.
        error: SignatureError,
    },
}

impl CheckpointError {
    /// The key that it names, if that is not known.
    pub(in crate::record) fn unknown_key(&self) -> Option<&str> {
        match self {
            Self::Signature { error: SignatureError::UnknownKey(key), .. } => Some(key),
            Self::Signature { .. } | Self::NotACheckpoint(_) => None,
        }
    }
}

impl Checkpoint {
    /// Reads a line without checking who signed it.
    ///
    /// # Errors
    /// [`CheckpointError::NotACheckpoint`].
    pub fn read(line: &[u8]) -> Result<Self, CheckpointError> {
        serde_json::from_slice(line).map_err(|error| CheckpointError::NotACheckpoint(error.to_string()))
    }

    /// What the next one has as `previous`.
    pub fn hash(line: &[u8]) -> ChainHash {
        ChainHash(Digest::of(line).0)
    }

    /// The line, without its end.
    pub(in crate::record) fn sign(&self, key: &SigningKey) -> Option<String> {
        signed::sign(self, key)
    }

    /// When it was made.
    pub fn time(&self) -> Option<Timestamp> {
        super::summary::time(&self.at)
    }
}

/// Whether a line, given without its end, is a checkpoint that one of `keys` signed.
///
/// # Errors
/// [`CheckpointError`].
pub fn verify_checkpoint(line: &[u8], keys: &PublicKeys) -> Result<Checkpoint, CheckpointError> {
    let checkpoint = Checkpoint::read(line)?;
    match signed::check(line, &checkpoint.key, keys) {
        Ok(()) => Ok(checkpoint),
        Err(error) => Err(CheckpointError::Signature { number: checkpoint.checkpoint, error }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_the_form_that_others_rely_on() {
        let dir = tempfile::tempdir().unwrap();
        let key = SigningKey::open(dir.path(), dir.path()).unwrap();
        let tip =
            ChainHead { chain: "0".into(), segment: "access-0000000000001-7-0.jsonl".into(), seq: 3, head: ChainHash::default() };
        let checkpoint = Checkpoint {
            checkpoint: 1,
            at: Timestamp(0).to_string(),
            key: key.id().to_owned(),
            heads: vec![tip],
            deleted: Vec::new(),
            previous: ChainHash::default(),
        };
        let line = checkpoint.sign(&key).unwrap();
        let zeros = "A".repeat(43);
        let start = format!(
            r#"{{"checkpoint":1,"at":"1970-01-01T00:00:00.000Z","key":"{}","heads":[{{"chain":"0","segment":"access-0000000000001-7-0.jsonl","seq":3,"head":"{zeros}"}}],"previous":"{zeros}","signature":""#,
            key.id()
        );
        assert!(line.starts_with(&start), "{line}");
        let keys = PublicKeys::read(dir.path()).unwrap();
        assert_eq!(verify_checkpoint(line.as_bytes(), &keys), Ok(checkpoint));
        let forged = line.replace("\"seq\":3", "\"seq\":4");
        assert!(matches!(
            verify_checkpoint(forged.as_bytes(), &keys),
            Err(CheckpointError::Signature { number: 1, error: SignatureError::Forged(_) })
        ));
        assert!(matches!(
            verify_checkpoint(line.as_bytes(), &PublicKeys::default()),
            Err(CheckpointError::Signature { error: SignatureError::UnknownKey(_), .. })
        ));
        assert!(matches!(verify_checkpoint(b"{}", &keys), Err(CheckpointError::NotACheckpoint(_))));
    }
}
