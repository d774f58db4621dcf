//! The file of a key in a TPM: `TSS2 PRIVATE KEY` in PEM, as OpenSSL's TPM providers read and write it.
//!
//! ```text
//! TPMKey ::= SEQUENCE {
//!     type       OBJECT IDENTIFIER,        -- 2.23.133.10.1.3: a key that the TPM can load
//!     emptyAuth  [0] EXPLICIT BOOLEAN,     -- it has no password
//!     parent     INTEGER,                  -- the owner's storage root
//!     pubkey     OCTET STRING,             -- TPM2B_PUBLIC
//!     privkey    OCTET STRING              -- TPM2B_PRIVATE: encrypted by the TPM, for itself
//! }
//! ```

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::der::{BOOLEAN, EXPLICIT_0, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, number, read, write};

/// A key of a TPM, in the only form in which it leaves it.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyFile {
    public: Vec<u8>,
    private: Vec<u8>,
}

/// A file that is none of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeyFile {
    /// Not the PEM that it should be.
    #[error("not a key of a TPM (`TSS2 PRIVATE KEY`)")]
    Pem,
    /// Not what should be in it, or a kind of key that is not made here: with a password, a policy, or below another key.
    #[error("a key of a TPM, but not one that `sekisho enroll` made")]
    Contents,
}

impl KeyFile {
    pub(crate) fn new(public: Vec<u8>, private: Vec<u8>) -> Self {
        Self { public, private }
    }

    /// Whether a file is meant to be one.
    pub fn is_one(text: &str) -> bool {
        text.trim_start().starts_with(BEGIN)
    }

    /// The text of the file.
    pub fn to_pem(&self) -> String {
        let octets = |contents: &[u8]| {
            let length = u16::try_from(contents.len()).unwrap_or(u16::MAX);
            write(OCTET_STRING, &[&length.to_be_bytes(), contents].concat())
        };
        let parts = [
            write(OBJECT_IDENTIFIER, &LOADABLE),
            write(EXPLICIT_0, &write(BOOLEAN, &[0xff])),
            number(&OWNER),
            octets(&self.public),
            octets(&self.private),
        ];
        let text = STANDARD.encode(write(SEQUENCE, &parts.concat()));
        let lines: String = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line) + "\n").collect();
        format!("{BEGIN}\n{lines}{END}\n")
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// [`InvalidKeyFile`].
    pub fn from_pem(text: &str) -> Result<Self, InvalidKeyFile> {
        let inner = text.trim().strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END)).ok_or(InvalidKeyFile::Pem)?;
        let joined: String = inner.split_ascii_whitespace().collect();
        let der = STANDARD.decode(joined).map_err(|_details| InvalidKeyFile::Pem)?;
        Self::from_der(&der).ok_or(InvalidKeyFile::Contents)
    }

    fn from_der(der: &[u8]) -> Option<Self> {
        let only = |(contents, rest): (_, &[u8])| rest.is_empty().then_some(contents);
        let inner = read(SEQUENCE, der).and_then(only)?;
        let (kind, rest) = read(OBJECT_IDENTIFIER, inner)?;
        let (no_password, rest) = read(EXPLICIT_0, rest)?;
        let no_password = read(BOOLEAN, no_password).and_then(only)?;
        let (parent, rest) = read(INTEGER, rest)?;
        let (public, rest) = read(OCTET_STRING, rest)?;
        let private = read(OCTET_STRING, rest).and_then(only)?;
        // True in DER is 0xff, in BER whatever is not zero.
        if kind != LOADABLE || no_password.iter().all(|&octet| octet == 0) || parent != OWNER {
            return None;
        }
        let sized = |octets: &[u8]| {
            let (length, contents) = octets.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)) == contents.len()).then(|| contents.to_vec())
        };
        Some(Self { public: sized(public)?, private: sized(private)? })
    }

    /// `TPMT_PUBLIC`.
    pub(crate) fn public(&self) -> &[u8] {
        &self.public
    }

    pub(crate) fn private(&self) -> &[u8] {
        &self.private
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyFile([redacted])")
    }
}

const BEGIN: &str = "-----BEGIN TSS2 PRIVATE KEY-----";
const END: &str = "-----END TSS2 PRIVATE KEY-----";
/// 2.23.133.10.1.3
const LOADABLE: [u8; 6] = [0x67, 0x81, 0x05, 0x0a, 0x01, 0x03];
/// `TPM_RH_OWNER`
const OWNER: [u8; 4] = [0x40, 0, 0, 1];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_as_it_was_written() {
        let file = KeyFile::new(vec![1; 86], vec![2; 190]);
        let text = file.to_pem();
        assert!(KeyFile::is_one(&text) && text.lines().all(|line| line.len() <= 64));
        assert_eq!(KeyFile::from_pem(&text), Ok(file));
    }

    #[test]
    fn what_is_not_ours_is_refused() {
        let text = KeyFile::new(vec![1; 86], vec![2; 190]).to_pem();
        for other in ["", "-----BEGIN PRIVATE KEY-----", &text.replace("TSS2 ", ""), &text.replacen('M', "!", 1)] {
            assert_eq!(KeyFile::from_pem(other), Err(InvalidKeyFile::Pem), "{other}");
        }
        let inner: String = text.lines().filter(|line| !line.starts_with('-')).collect();
        let der = STANDARD.decode(inner).unwrap();
        assert!(KeyFile::from_der(&der).is_some());
        for end in 0..der.len() {
            assert!(KeyFile::from_der(&der[..end]).is_none(), "{end}");
        }
        // Another type, a password, another parent; one octet more.
        for at in [der.iter().position(|&octet| octet == 0x03).unwrap(), 16, 20] {
            let mut other = der.clone();
            other[at] = if at == 16 { 0 } else { 0x55 };
            assert!(KeyFile::from_der(&other).is_none(), "{at}");
        }
        assert!(KeyFile::from_der(&[der.as_slice(), &[0]].concat()).is_none());
    }
}
