//! What an authority says of a device beside its name: extensions of its certificates.

use std::collections::BTreeMap;
use std::sync::Arc;

use x509_parser::certificate::X509Certificate;

/// The value of an extension, as far as it is one of a few kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExtensionValue {
    /// A BOOLEAN.
    Flag(bool),
    /// An INTEGER.
    Number(i64),
    /// A UTF8String, PrintableString or IA5String.
    Text(String),
    /// Anything else, or something that is there twice.
    Other,
}

/// The extensions that are wanted, of those that are there.
pub(super) fn read(leaf: &X509Certificate<'_>, wanted: &[Arc<str>]) -> BTreeMap<Arc<str>, ExtensionValue> {
    let mut found = BTreeMap::new();
    for extension in leaf.extensions() {
        let oid = extension.oid.to_id_string();
        let Some(name) = wanted.iter().find(|wanted| ***wanted == *oid) else { continue };
        // Of two, nobody could say which is meant.
        let value = if found.contains_key(name) { ExtensionValue::Other } else { value(extension.value) };
        found.insert(Arc::clone(name), value);
    }
    found
}

/// One value in DER, whole.
fn value(der: &[u8]) -> ExtensionValue {
    let [tag, length, content @ ..] = der else { return ExtensionValue::Other };
    // Longer ones are written in another way, and are no facts.
    if *length >= 0x80 || usize::from(*length) != content.len() {
        return ExtensionValue::Other;
    }
    match (tag, content) {
        (0x01, [0xff]) => ExtensionValue::Flag(true),
        (0x01, [0x00]) => ExtensionValue::Flag(false),
        (0x02, content) => number(content).map_or(ExtensionValue::Other, ExtensionValue::Number),
        (0x0c | 0x13 | 0x16, content) => match std::str::from_utf8(content) {
            Ok(text) => ExtensionValue::Text(text.to_owned()),
            Err(_no_text) => ExtensionValue::Other,
        },
        _ => ExtensionValue::Other,
    }
}

/// In as few octets as it takes (X.690, section 8.3.2).
fn number(content: &[u8]) -> Option<i64> {
    match content {
        [] | [0x00, 0x00..=0x7f, ..] | [0xff, 0x80..=0xff, ..] => None,
        [first, ..] if content.len() <= 8 => {
            let sign = if *first >= 0x80 { -1 } else { 0 };
            Some(content.iter().fold(sign, |number, octet| (number << 8) | i64::from(*octet)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_in_their_one_form() {
        use ExtensionValue::{Flag, Number, Other, Text};
        let cases: [(&[u8], ExtensionValue); 20] = [
            (&[1, 1, 0xff], Flag(true)),
            (&[1, 1, 0], Flag(false)),
            (&[1, 1, 1], Other),
            (&[1, 2, 0xff, 0xff], Other),
            (&[2, 1, 5], Number(5)),
            (&[2, 1, 0xfb], Number(-5)),
            (&[2, 2, 0, 0x80], Number(128)),
            (&[2, 2, 0, 5], Other),
            (&[2, 2, 0xff, 0xfb], Other),
            (&[2, 8, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Number(i64::MAX)),
            (&[2, 8, 0x80, 0, 0, 0, 0, 0, 0, 0], Number(i64::MIN)),
            (&[2, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0], Other),
            (&[2, 0], Other),
            (b"\x0c\x04gold", Text("gold".to_owned())),
            (b"\x13\x04gold", Text("gold".to_owned())),
            (b"\x0c\x05gold", Other),
            (b"\x0c\x04goldx", Other),
            (b"\x0c\x01\xff", Other),
            (b"gold", Other),
            (&[], Other),
        ];
        for (der, expected) in cases {
            assert_eq!(value(der), expected, "{der:?}");
        }
    }
}
