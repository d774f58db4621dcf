//! One-time enrolment codes: 125 random bits that a person can type.

use std::str::FromStr;

use crate::secret::{Digest, NoRandomness, Secret, bytes};

/// A one-time code, such as `7K2QF-9M0XT-…` (five groups of five, Crockford's base32). Only its hash is stored.
#[derive(Clone, Debug)]
pub struct InviteCode(Secret<String>);

/// The text is not a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an enrolment code: five groups of five letters and digits")]
pub struct InvalidCode;

impl InviteCode {
    /// A new one.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn generate() -> Result<Self, NoRandomness> {
        let random = bytes::<SYMBOLS>()?;
        Ok(Self(Secret::new(random.iter().map(|byte| symbol(*byte)).collect())))
    }

    /// The text to hand to the person, in groups. Whoever reads it can enrol a device.
    pub fn expose(&self) -> Secret<String> {
        let plain = self.0.expose();
        let mut grouped = String::with_capacity(plain.len() + SYMBOLS / GROUP);
        for (at, letter) in plain.chars().enumerate() {
            if at > 0 && at % GROUP == 0 {
                grouped.push('-');
            }
            grouped.push(letter);
        }
        Secret::new(grouped)
    }

    /// What is stored and looked up. A code has 125 random bits, so a plain hash cannot be guessed back.
    pub fn digest(&self) -> Digest {
        Digest::of(self.0.expose().as_bytes())
    }
}

impl FromStr for InviteCode {
    type Err = InvalidCode;

    /// Reads what a person typed: case, hyphens and blanks do not count; `O` is 0, `I` and `L` are 1.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > 4 * SYMBOLS {
            return Err(InvalidCode);
        }
        let mut plain = String::with_capacity(SYMBOLS);
        for letter in text.chars().filter(|letter| !matches!(letter, '-' | ' ' | '\t' | '\n' | '\r')) {
            let letter = match letter.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            };
            if !letter.is_ascii() || !ALPHABET.contains(&(letter as u8)) || plain.len() == SYMBOLS {
                return Err(InvalidCode);
            }
            plain.push(letter);
        }
        if plain.len() == SYMBOLS { Ok(Self(Secret::new(plain))) } else { Err(InvalidCode) }
    }
}

/// Five bits of a random byte as a symbol; the alphabet has exactly 32, so none is likelier.
pub(super) fn symbol(byte: u8) -> char {
    ALPHABET.get(usize::from(byte & 31)).copied().unwrap_or(b'0').into()
}

const SYMBOLS: usize = 25;
const GROUP: usize = 5;
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_printed_is_read_back_however_it_is_typed() {
        let code = InviteCode::generate().unwrap();
        let text = code.expose().expose().clone();
        assert_eq!(text.len(), 29);
        let sloppy = format!(" {} ", text.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l"));
        assert_eq!(sloppy.parse::<InviteCode>().unwrap().digest(), code.digest());
        assert_ne!(InviteCode::generate().unwrap().digest(), code.digest());
    }

    #[test]
    fn anything_else_is_refused() {
        let whole = "A".repeat(25);
        assert!(whole.parse::<InviteCode>().is_ok());
        for wrong in ["", "A", &"A".repeat(24), &"A".repeat(26), &"U".repeat(25), &"é".repeat(25), &format!("{whole}.x")] {
            assert_eq!(wrong.parse::<InviteCode>().map(|_| ()), Err(InvalidCode), "{wrong}");
        }
    }

    #[test]
    fn it_does_not_print() {
        assert_eq!(format!("{:?}", "A".repeat(25).parse::<InviteCode>().unwrap()), "InviteCode([redacted])");
    }
}
