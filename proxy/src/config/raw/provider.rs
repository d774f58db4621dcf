//! Who vouches for people.

use crate::config::setting::{Flag, List, Text, sections};

sections! {
    /// `[[identity_provider]]`
    IdentityProvider {
        name: Text,
        issuer: Text,
        audience: Text,
        jwks_file: Text,
        client_id: Text,
        client_secret_file: Text,
        shared_secret_file: Flag,
        scopes: List<Text>,
        offline_access: Flag,
        groups_claim: Text,
        known_groups: List<Text>,
        claims: List<Text>,
        login_client_id: Text,
        login_scopes: List<Text>,
        login_resource: Text,
        service_clients: List<Text>,
        mfa_acr: List<Text>,
        mfa_acr_values: List<Text>,
        ca: Text,
        refresh: Text,
        keys_refresh: Text,
        keys_max_age: Text,
        max_token_lifetime: Text,
        hosts: List<Text>,
    }
}
