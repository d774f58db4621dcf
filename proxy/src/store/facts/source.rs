//! Who says something about a device.

use std::fmt;
use std::sync::Arc;

/// Who says something about a device: its name beside each fact.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FactSource(Arc<str>);

impl FactSource {
    /// Operators, with `sekisho device set`.
    pub fn operator() -> Self {
        Self(OPERATOR.into())
    }

    /// What was said when the device was entered, kept once somebody says otherwise.
    pub(super) fn enrolment() -> Self {
        Self(ENROLMENT.into())
    }

    /// The `[[posture_source]]` of this name, which is none of the others: see [`is_taken`](Self::is_taken).
    pub fn reporter(name: &str) -> Self {
        Self(name.into())
    }

    /// Certificates of this device authority.
    pub fn certificate(authority: &str) -> Self {
        Self(format!("{CERTIFICATE}{authority}").into())
    }

    /// Whether a posture source cannot be called so, as somebody else is.
    pub fn is_taken(name: &str) -> bool {
        [OPERATOR, ENROLMENT].contains(&name) || name.starts_with(CERTIFICATE)
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FactSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const OPERATOR: &str = "operator";
const ENROLMENT: &str = "enrolment";
const CERTIFICATE: &str = "certificate:";
