//! The gate itself.

use crate::config::raw::{App, DeviceAuthority, IdentityProvider, PostureSource};
use crate::config::setting::{Flag, List, Number, Text, sections};

sections! {
    /// The whole file.
    Root {
        state: Text,
        cores: Number,
        time_zone: Text,
        max_fact_age: Text,
        listen: Listen,
        sign_in: SignIn,
        server_certificate: List<ServerCertificate>,
        identity_provider: List<IdentityProvider>,
        device_authority: List<DeviceAuthority>,
        posture_source: List<PostureSource>,
        enrolment: Enrolment,
        admin: Admin,
        app: List<App>,
        policies: Policies,
        audit: Audit,
        limits: Limits,
        process: Process,
    }

    /// `[listen]`
    Listen {
        https: Text,
        http: Text,
        metrics: Text,
        metrics_hosts: List<Text>,
        admin: Text,
        admin_group: Text,
        proxy_protocol_from: List<Text>,
        public_port: Number,
    }

    /// `[sign_in]`
    SignIn {
        host: Text,
        session_lifetime: Text,
        idle_timeout: Text,
        end_stolen_sessions: Flag,
    }

    /// `[enrolment]`
    Enrolment {
        self_service: Flag,
        devices_per_person: Number,
        invitations_per_person: Number,
    }

    /// `[admin]`
    Admin {
        api: Flag,
    }

    /// `[[server_certificate]]`
    ServerCertificate {
        chain: Text,
        key: Text,
        shared_key: Flag,
    }

    /// `[policies]`
    Policies {
        dir: Text,
        text: Text,
        candidate: Text,
    }

    /// `[audit]`
    Audit {
        dir: Text,
        sync: Text,
        sync_interval: Text,
        rotate_size: Text,
        rotate_after: Text,
        checkpoint_lines: Number,
        checkpoint_every: Text,
        checkpoint_command: List<Text>,
        checkpoint_syslog: Text,
        checkpoint_url: Text,
        checkpoint_ca: Text,
        compress: Flag,
        keep_for: Text,
        keep_size: Text,
    }

    /// `[limits]`
    Limits {
        connections: Number,
        connections_per_address: Number,
        handshakes_per_address: Number,
        requests: Number,
        requests_per_address: Number,
        requests_per_device: Number,
        requests_per_user: Number,
        handshake_timeout: Text,
        header_timeout: Text,
        idle_timeout: Text,
        drain_timeout: Text,
        head: Text,
        headers: Number,
        target: Text,
        body: Text,
        body_rate: Text,
        body_timeout: Text,
        h2_streams: Number,
        usage_accounts: Number,
    }

    /// `[process]`
    Process {
        landlock: Text,
        readable: List<Text>,
        writable: List<Text>,
        allow_root: Flag,
    }
}
