//! The text that an administrator hands to a person: what the gate knows them by, and what they know the gate by.

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls_pki_types::CertificateDer;
use sekisho_certs::fingerprint;

use crate::secret::{Digest, Secret};
use crate::store::InviteCode;

/// A one-time code with a pin of the gate's key: `7K2QF-9M0XT-ABCDE-FGHJK-MNPQR.<pin>`.
///
/// The pin is the SHA-256 of the public key (DER `SubjectPublicKeyInfo`) of the gate's server certificate, or of the authority
/// that issued it, in unpadded base64url. With it the device knows the gate before it sends the code, whatever public authorities
/// say and however the network lies.
#[derive(Clone, Debug)]
pub struct EnrolmentCode {
    /// The random part, which only the gate may see.
    pub code: InviteCode,
    /// The gate's key.
    pub pin: Digest,
}

/// The text is not an enrolment code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEnrolmentCode {
    /// The random part is wrong.
    #[error(
        "not an enrolment code: five groups of five letters and digits are needed, then a dot and 43 characters; was all of it copied?"
    )]
    Code,
    /// The pin is not there.
    #[error("the second part of the enrolment code is missing: after the five groups, a dot and 43 characters follow")]
    NoPin,
    /// The pin is wrong.
    #[error("the second part of the enrolment code is damaged: a dot and 43 characters are needed; was all of it copied?")]
    Pin,
}

impl EnrolmentCode {
    /// The text to hand over. Whoever reads it can enrol a device.
    pub fn expose(&self) -> Secret<String> {
        Secret::new(format!("{}.{}", self.code.expose().expose(), self.pin.to_base64url()))
    }
}

impl FromStr for EnrolmentCode {
    type Err = InvalidEnrolmentCode;

    /// Reads what a person pasted. Blanks around the two parts do not count.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (code, pin) = text.trim().split_once('.').ok_or_else(|| {
            if text.parse::<InviteCode>().is_ok() { InvalidEnrolmentCode::NoPin } else { InvalidEnrolmentCode::Code }
        })?;
        let code = code.parse().map_err(|_malformed| InvalidEnrolmentCode::Code)?;
        let bytes = URL_SAFE_NO_PAD.decode(pin.trim()).map_err(|_malformed| InvalidEnrolmentCode::Pin)?;
        let pin = bytes.try_into().map_err(|_length| InvalidEnrolmentCode::Pin)?;
        Ok(Self { code, pin: Digest(pin) })
    }
}

/// The pin of a gate that shows this certificate at its sign-in host: the fingerprint of the certificate's own key.
pub fn pin_of(leaf: &CertificateDer<'_>) -> Option<Digest> {
    fingerprint::public_key(leaf).ok().map(Digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> EnrolmentCode {
        EnrolmentCode { code: InviteCode::generate().unwrap(), pin: Digest::of(b"gate") }
    }

    #[test]
    fn what_was_printed_is_read_back() {
        let sample = sample();
        let text = sample.expose().expose().clone();
        assert_eq!(text.len(), 29 + 1 + 43);
        let (code, pin) = text.split_once('.').unwrap();
        for spelling in [text.clone(), format!("  {text}\n"), format!("{}.{pin}", code.to_lowercase()), format!("{code} . {pin}")]
        {
            let read: EnrolmentCode = spelling.parse().unwrap();
            assert_eq!((read.code.digest(), read.pin), (sample.code.digest(), sample.pin), "{spelling}");
        }
    }

    #[test]
    fn what_is_not_whole_says_which_part_is_wrong() {
        let text = sample().expose().expose().clone();
        let (code, pin) = text.split_once('.').unwrap();
        for (wrong, refusal) in [
            (String::new(), InvalidEnrolmentCode::Code),
            (code.to_owned(), InvalidEnrolmentCode::NoPin),
            (code.get(1..).unwrap().to_owned(), InvalidEnrolmentCode::Code),
            (format!("{}.{pin}", code.get(1..).unwrap()), InvalidEnrolmentCode::Code),
            (format!("{code}."), InvalidEnrolmentCode::Pin),
            (format!("{code}.{}", pin.get(1..).unwrap()), InvalidEnrolmentCode::Pin),
            (format!("{text}A"), InvalidEnrolmentCode::Pin),
            (format!("{text}.x"), InvalidEnrolmentCode::Pin),
        ] {
            assert_eq!(wrong.parse::<EnrolmentCode>().map(drop), Err(refusal), "{wrong}");
        }
    }

    #[test]
    fn it_does_not_print() {
        let printed = format!("{:?}", sample());
        assert!(printed.contains("[redacted]"), "{printed}");
    }
}
