//! Who says something about a device.

use std::fmt;
use std::sync::Arc;

use crate::config::{ENROLMENT_SOURCE, OPERATOR_SOURCE};

/// Who says something about a device: its name beside each fact.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FactSource(Arc<str>);

impl FactSource {
    /// Operators, with `sekisho device set`.
    pub fn operator() -> Self {
        Self(OPERATOR_SOURCE.into())
    }

    /// What was said when the device was entered, kept once somebody says otherwise.
    pub(super) fn enrolment() -> Self {
        Self(ENROLMENT_SOURCE.into())
    }

    /// The `[[posture_source]]` of this name, which is none of the others.
    pub fn reporter(name: &str) -> Self {
        Self(name.into())
    }

    /// Certificates of this device authority.
    pub fn certificate(authority: &str) -> Self {
        Self(format!("{CERTIFICATE}{authority}").into())
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

/// No name in the configuration has a colon.
const CERTIFICATE: &str = "certificate:";
