//! Who vouches for devices.

use crate::config::setting::{Flag, OneOrMore, Text, sections};

sections! {
    /// `[[device_authority]]`
    DeviceAuthority {
        name: Text,
        builtin: Flag,
        certificate_lifetime: Text,
        approval: Text,
        renewal_grace: Text,
        renewal_overlap: Text,
        tpm_roots: Text,
        roots: Text,
        crl: OneOrMore,
        device_id: Text,
        names: Text,
        trust_domain: Text,
        admit: Text,
    }
}
