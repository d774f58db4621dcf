//! Who asks, from which device: what stays the same from request to request.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// A known principal on a known device. Who asks for a public path has none: see [`PolicySet::anonymous`](crate::PolicySet::anonymous).
///
/// It holds times, not ages: ages are computed when a decision is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Who asks.
    pub principal: Principal,
    /// From which device.
    #[serde(default)]
    pub device: DeviceFacts,
    /// How they showed who they are.
    #[serde(default)]
    pub session: SessionFacts,
}

/// A person or a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Principal {
    /// A person.
    User(UserFacts),
    /// A program with a token of its own.
    Service(ServiceFacts),
}

/// A person, as the identity provider describes them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UserFacts {
    /// `provider/subject`. Never empty.
    pub id: String,
    /// The verified e-mail address.
    pub email: Option<String>,
    /// The display name.
    pub name: Option<String>,
    /// The groups that the provider named.
    pub groups: BTreeSet<String>,
    /// Further claims; a text is a set of one.
    pub claims: BTreeMap<String, BTreeSet<String>>,
}

/// A program, as the identity provider describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServiceFacts {
    /// `provider/subject`. Never empty.
    pub id: String,
    /// The client's name.
    pub name: Option<String>,
    /// Further claims; a text is a set of one.
    pub claims: BTreeMap<String, BTreeSet<String>>,
}

/// A device, as the inventory knows it. The default knows nothing good of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeviceFacts {
    /// Its name in the inventory.
    pub id: String,
    /// The person whose it is, as `provider/subject`; `None` if nobody's.
    pub owner: Option<String>,
    /// The device authority that vouches for it.
    pub authority: String,
    /// What it runs: `linux`, `macos`, `windows`, `android`, `ios` or `unknown`.
    pub platform: String,
    /// Administered by the company.
    pub managed: bool,
    /// Meant for several people.
    pub shared: bool,
    /// Where its key is: `software`, `os` or `tpm`.
    pub key_protection: String,
    /// Facts about its health. Those that the schema does not declare are left out; those of another type count as unknown.
    pub posture: BTreeMap<String, FactValue>,
    /// When they were gathered, in milliseconds since the Unix epoch; `None` if never.
    pub posture_at_ms: Option<i64>,
    /// When it was entered, in milliseconds since the Unix epoch.
    pub enrolled_at_ms: i64,
}

/// One fact about a device's health.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FactValue {
    /// Yes or no, phrased so that yes is good.
    Flag(bool),
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
}

/// How the principal showed who they are. The default knows nothing good of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SessionFacts {
    /// When the person last proved who they are, in milliseconds since the Unix epoch; `None` if unknown.
    pub authenticated_at_ms: Option<i64>,
    /// More than one factor was used.
    pub mfa: bool,
    /// Authentication context class.
    pub acr: Option<String>,
    /// Authentication methods (RFC 8176).
    pub amr: BTreeSet<String>,
    /// The identity provider's name in the configuration.
    pub provider: String,
    /// What ties the credential to the device: `session`, `certificate` or `none`.
    pub binding: String,
}

impl Default for DeviceFacts {
    fn default() -> Self {
        Self {
            id: String::new(),
            owner: None,
            authority: String::new(),
            platform: "unknown".to_owned(),
            managed: false,
            shared: false,
            key_protection: "software".to_owned(),
            posture: BTreeMap::new(),
            posture_at_ms: None,
            enrolled_at_ms: 0,
        }
    }
}

impl Default for SessionFacts {
    fn default() -> Self {
        Self {
            authenticated_at_ms: None,
            mfa: false,
            acr: None,
            amr: BTreeSet::new(),
            provider: String::new(),
            binding: "none".to_owned(),
        }
    }
}
