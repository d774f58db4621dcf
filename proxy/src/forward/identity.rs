//! Facts about the user as header values.
//!
//! `X-Forwarded-User` is `provider/subject`, the name that policies and the record use: subjects are unique only within one
//! provider. `X-Forwarded-Email` is the verified address. `X-Forwarded-Groups` is the groups in order, joined by commas. In each of
//! them (in each single group), `%`, `,`, everything that is not ASCII and a space at either end are percent-encoded byte by
//! byte (RFC 3986, section 2.1), so that a group's name can neither end early nor become two, and an app gets the exact text
//! back by splitting at commas, then decoding. A control character fails the request: it is nobody's name.

use http::HeaderValue;

use super::error::ForwardError;
use crate::inventory::Session;

/// The header values that name a user.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) user: HeaderValue,
    pub(super) email: Option<HeaderValue>,
    /// `None` if the user is in no group.
    pub(super) groups: Option<HeaderValue>,
}

impl Identity {
    /// # Errors
    /// [`ForwardError::IdentityUnfit`] if one of the facts has a control character.
    pub(super) fn of(session: &Session) -> Result<Self, ForwardError> {
        let mut user = String::with_capacity(64);
        encode(&mut user, &session.user.to_string())?;
        let email = match &session.email {
            None => None,
            Some(address) => {
                let mut text = String::with_capacity(address.len());
                encode(&mut text, address)?;
                Some(value(text)?)
            }
        };
        let mut groups = String::new();
        for group in session.groups.iter() {
            if !groups.is_empty() {
                groups.push(',');
            }
            encode(&mut groups, group)?;
        }
        let groups = if session.groups.is_empty() { None } else { Some(value(groups)?) };
        Ok(Self { user: value(user)?, email, groups })
    }
}

fn value(text: String) -> Result<HeaderValue, ForwardError> {
    HeaderValue::try_from(text).map_err(|_invalid| ForwardError::IdentityUnfit)
}

fn encode(out: &mut String, text: &str) -> Result<(), ForwardError> {
    if text.chars().any(char::is_control) {
        return Err(ForwardError::IdentityUnfit);
    }
    let last = text.len().saturating_sub(1);
    for (position, byte) in text.bytes().enumerate() {
        let at_an_end = position == 0 || position == last;
        let plain = byte.is_ascii_graphic() && byte != b'%' && byte != b',';
        if plain || (byte == b' ' && !at_an_end) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(hex_digit(byte >> 4)));
            out.push(char::from(hex_digit(byte & 15)));
        }
    }
    Ok(())
}

fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'A' + nibble - 10 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(text: &str) -> Result<String, ForwardError> {
        let mut out = String::new();
        encode(&mut out, text).map(|()| out)
    }

    fn decoded(text: &str) -> String {
        let mut bytes = Vec::new();
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            if byte == b'%' {
                let pair = [rest.next().unwrap(), rest.next().unwrap()];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&pair).unwrap(), 16).unwrap());
            } else {
                bytes.push(byte);
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn ordinary_names_stay_as_they_are() {
        for text in ["corp/ana", "ana@corp.example", "HR Managers", "a|b;c=d"] {
            assert_eq!(encoded(text).unwrap(), text);
        }
    }

    #[test]
    fn a_comma_in_a_groups_name_makes_no_second_group() {
        assert_eq!(encoded("staff,admin").unwrap(), "staff%2Cadmin");
    }

    #[test]
    fn control_characters_fail_the_request() {
        for text in ["a\r\nX-Role: admin", "a\rX", "a\0", "a\u{85}b", "\u{7f}"] {
            assert_eq!(encoded(text), Err(ForwardError::IdentityUnfit), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_list_of_groups_comes_back_whole(groups in proptest::collection::vec("\\PC{1,12}", 1..5)) {
            let line = groups.iter().map(|group| encoded(group).unwrap()).collect::<Vec<_>>().join(",");
            prop_assert!(HeaderValue::try_from(line.as_str()).is_ok());
            let back: Vec<String> = line.split(',').map(decoded).collect();
            prop_assert_eq!(back, groups);
        }
    }
}
