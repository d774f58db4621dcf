//! Who reports the state of devices, checked.

use std::sync::Arc;
use std::time::Duration;

use sekisho_certs::files::Readers;

use crate::secret::Digest;

/// Somebody who reports the state of devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostureSource {
    /// Unique name, beside each fact that it reports.
    pub name: Arc<str>,
    /// SHA-256 of the token that it shows, out of `token_file`.
    pub token: Digest,
    /// Who may read that file (`shared_token_file`).
    pub readers: Readers,
    /// How it writes its reports.
    pub format: ReportFormat,
    /// How it names devices.
    pub devices: DeviceNaming,
    /// What it may say.
    pub may_set: MaySet,
    /// For how long its word counts. Default 1 d.
    pub max_age: Duration,
}

/// How reports are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportFormat {
    /// Our own form.
    Sekisho,
    /// Results of scheduled queries, as osquery writes them; with what is taken from which.
    Osquery(Vec<QueryFact>),
}

/// What is taken from the results of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryFact {
    /// Name of the query, in its schedule.
    pub query: String,
    /// The column that has the value; `None`: whether there is a row.
    pub column: Option<String>,
    /// The fact.
    pub fact: String,
}

/// What an extension of certificates says of devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFact {
    /// Object identifier of the extension, in digits and dots.
    pub oid: Arc<str>,
    /// The fact.
    pub fact: String,
    /// The text with which it is true; `None`: the fact is what the extension says.
    pub value: Option<String>,
}

/// How a source names devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceNaming {
    /// As the inventory does.
    Id,
    /// In its own way: what that means is set for each device.
    Alias,
}

/// What a source may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaySet {
    /// Facts of the posture.
    pub posture: bool,
    /// Whether the company administers the device.
    pub managed: bool,
    /// What it runs.
    pub platform: bool,
}

/// What operators say of devices stands under this name.
pub const OPERATOR_SOURCE: &str = "operator";
/// What was said when a device was entered stands under this name.
pub const ENROLMENT_SOURCE: &str = "enrolment";
