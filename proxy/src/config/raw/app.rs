//! What stands behind the gate.

use crate::config::setting::{Flag, List, Text, sections};

sections! {
    /// `[[app]]`
    App {
        name: Text,
        host: Text,
        upstream: List<Text>,
        tags: List<Text>,
        public: List<Text>,
        cors_preflight: Text,
        allowed_origins: List<Text>,
        cross_site: Text,
        ca: Text,
        client_certificate: ClientCertificate,
        protocol: Text,
        timeouts: Timeouts,
        health: Health,
        methods: List<Text>,
        device_authorities: List<Text>,
        pass_authorization: Flag,
        assertion: Flag,
        max_body: Text,
        rate_limit: Text,
    }

    /// `[app.client_certificate]`
    ClientCertificate {
        chain: Text,
        key: Text,
        shared_key: Flag,
    }

    /// `[app.timeouts]`
    Timeouts {
        connect: Text,
        first_byte: Text,
        idle: Text,
    }

    /// `[app.health]`
    Health {
        path: Text,
        interval: Text,
        timeout: Text,
    }
}
