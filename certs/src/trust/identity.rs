//! Which device a certificate names: exactly one, from exactly one place.

use std::sync::Arc;

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

use super::refusal::CertificateRefusal;
use super::spiffe;
use crate::authority;
use crate::x509::serial_hex;

/// The part of a leaf certificate that names the device. The others are not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdSource {
    /// Our own authority's form, and only it: `spiffe://<trust domain>/device/<id>` as the only name in the subject alternative name.
    ///
    /// INVARIANT (one-uri-san): [`Authority::issue`](crate::authority::Authority::issue) writes exactly one.
    Builtin {
        /// The authority's trust domain.
        trust_domain: Arc<str>,
    },
    /// The only URI in the subject alternative name: what follows its last `/`, or the whole if it has none.
    SanUri,
    /// The only DNS name in the subject alternative name, in lower case.
    SanDns,
    /// The only common name of the subject.
    SubjectCn,
    /// The serial number, lower-case hex without leading zero octets.
    Serial,
    /// A service's SPIFFE id: the only URI in the subject alternative name, whole, of this trust domain.
    Spiffe {
        /// Whose services the authority names.
        trust_domain: Arc<str>,
    },
}

impl IdSource {
    pub(super) fn read(&self, leaf: &X509Certificate<'_>) -> Result<String, CertificateRefusal> {
        let id = match self {
            Self::Builtin { trust_domain } => builtin(leaf, trust_domain)?,
            Self::SanUri => {
                let uri = only(uris(leaf)?)?;
                // Only its end is the name; but a list that somebody wrote into one name must not end in another's.
                if !is_plain(uri) {
                    return Err(CertificateRefusal::ForeignIdentity);
                }
                last_segment(uri).to_owned()
            }
            Self::SanDns => only(dns_names(leaf)?)?.to_ascii_lowercase(),
            Self::SubjectCn => only(common_names(leaf)?)?.to_owned(),
            Self::Serial => serial(leaf)?,
            Self::Spiffe { trust_domain } => {
                let id = only(uris(leaf)?)?;
                spiffe::check(trust_domain, id)?;
                id.to_owned()
            }
        };
        if is_plain(&id) { Ok(id) } else { Err(CertificateRefusal::ForeignIdentity) }
    }
}

/// Names travel to headers, records and file names: printable ASCII, no spaces, no quotes and no separators of lists.
fn is_plain(id: &str) -> bool {
    (1..=255).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic() && !br#"",;\<>?#%*"#.contains(&byte))
}

fn only<T>(values: Vec<T>) -> Result<T, CertificateRefusal> {
    let mut values = values.into_iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        (None, _) => Err(CertificateRefusal::NoIdentity),
        (Some(_), Some(_)) => Err(CertificateRefusal::SeveralIdentities),
    }
}

fn builtin(leaf: &X509Certificate<'_>, trust_domain: &str) -> Result<String, CertificateRefusal> {
    match only(names(leaf)?)? {
        GeneralName::URI(uri) => match authority::device_of_uri(trust_domain, uri) {
            Some(id) => Ok(id.to_owned()),
            None => Err(CertificateRefusal::ForeignIdentity),
        },
        _ => Err(CertificateRefusal::ForeignIdentity),
    }
}

fn names<'c>(leaf: &'c X509Certificate<'_>) -> Result<Vec<&'c GeneralName<'c>>, CertificateRefusal> {
    let san = leaf.subject_alternative_name().map_err(|_twice_or_malformed| CertificateRefusal::Malformed)?;
    let names: Vec<_> = san.map(|san| san.value.general_names.iter().collect()).unwrap_or_default();
    // A name that cannot be read might have been the second one.
    if names.iter().any(|name| matches!(name, GeneralName::Invalid(..))) {
        return Err(CertificateRefusal::Malformed);
    }
    Ok(names)
}

fn uris<'c>(leaf: &'c X509Certificate<'_>) -> Result<Vec<&'c str>, CertificateRefusal> {
    let uri = |name: &'c GeneralName<'c>| if let GeneralName::URI(uri) = name { Some(*uri) } else { None };
    Ok(names(leaf)?.into_iter().filter_map(uri).collect())
}

fn dns_names<'c>(leaf: &'c X509Certificate<'_>) -> Result<Vec<&'c str>, CertificateRefusal> {
    let dns = |name: &'c GeneralName<'c>| if let GeneralName::DNSName(dns) = name { Some(*dns) } else { None };
    Ok(names(leaf)?.into_iter().filter_map(dns).collect())
}

fn common_names<'c>(leaf: &'c X509Certificate<'_>) -> Result<Vec<&'c str>, CertificateRefusal> {
    leaf.subject().iter_common_name().map(|name| name.as_str().map_err(|_not_text| CertificateRefusal::Malformed)).collect()
}

fn last_segment(uri: &str) -> &str {
    uri.rsplit_once('/').map_or(uri, |(_, last)| last)
}

fn serial(leaf: &X509Certificate<'_>) -> Result<String, CertificateRefusal> {
    // Negative: RFC 5280 does not allow it, and its hex would be another certificate's.
    if leaf.raw_serial().first().is_some_and(|&first| first >= 0x80) {
        return Err(CertificateRefusal::Malformed);
    }
    match serial_hex(leaf) {
        digits if digits.is_empty() => Err(CertificateRefusal::NoIdentity),
        digits => Ok(digits),
    }
}
