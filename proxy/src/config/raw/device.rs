//! Who vouches for devices.

use crate::config::setting::{Flag, List, OneOrMore, Text, sections};

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
        certificate_fact: List<CertificateFact>,
    }

    /// `[[device_authority.certificate_fact]]`
    CertificateFact {
        oid: Text,
        fact: Text,
        value: Text,
    }

    /// `[[posture_source]]`
    PostureSource {
        name: Text,
        token_file: Text,
        shared_token_file: Flag,
        format: Text,
        devices: Text,
        may_set: List<Text>,
        max_age: Text,
        fact: List<QueryFact>,
    }

    /// `[[posture_source.fact]]`
    QueryFact {
        query: Text,
        column: Text,
        fact: Text,
    }
}
