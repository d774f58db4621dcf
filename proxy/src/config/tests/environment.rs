//! The environment goes over the file, and what it says wrongly is a problem of its own.

use std::collections::BTreeSet;

use super::complete::LEAST;
use super::fixture::{COMPLETE, folder, load_with, words};
use crate::config::environment;

#[test]
fn every_variable_is_for_one_setting() {
    let settings = environment::settings();
    let names: BTreeSet<&str> = settings.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names.len(), settings.len());
    for known in ["SEKISHO_STATE", "SEKISHO_LISTEN_HTTPS", "SEKISHO_SIGN_IN_SESSION_LIFETIME", "SEKISHO_LIMITS_H2_STREAMS"] {
        assert!(names.contains(known), "{known}");
    }
}

#[test]
fn the_environment_goes_over_the_file() {
    let folder = folder();
    let variables = [
        ("SEKISHO_STATE", "/elsewhere"),
        ("SEKISHO_CORES", "7"),
        ("SEKISHO_LISTEN_HTTPS", "127.0.0.1:9443"),
        ("SEKISHO_AUDIT_DIR", "lines"),
        ("SEKISHO_LOG", "debug"),
        ("PATH", "/bin"),
    ];
    let config = load_with(LEAST, folder.path(), &variables).unwrap();
    assert_eq!(config.state, std::path::Path::new("/elsewhere"));
    assert_eq!(config.cores, 7);
    assert_eq!(config.listen.https.to_string(), "127.0.0.1:9443");
    assert_eq!(config.audit.dir, folder.path().join("lines"));
    let without = load_with(LEAST, folder.path(), &[]).unwrap();
    assert_eq!(without.listen.https.to_string(), "0.0.0.0:443");
}

#[test]
fn a_client_secret_comes_by_the_environment() {
    let folder = folder();
    let text = COMPLETE
        .replace("client_secret_file = \"oidc-secret\"\nshared_secret_file = true\n", "")
        .replace("\"corp\"", "\"corp-2\"");
    let secret = ("SEKISHO_IDENTITY_PROVIDER_CORP_2_CLIENT_SECRET", "s3cret");
    let config = load_with(&text, folder.path(), &[secret]).unwrap();
    let client = config.identity_providers[0].client.as_ref().unwrap();
    assert_eq!(client.secret.as_ref().unwrap().expose(), "s3cret");
    let config = load_with(&text, folder.path(), &[]).unwrap();
    assert!(config.identity_providers[0].client.as_ref().unwrap().secret.is_none());
}

#[test]
fn what_the_environment_says_wrongly_is_named() {
    let folder = folder();
    let variables = [
        ("SEKISHO_LISTEN_HTTP", "80"),
        ("SEKISHO_CORES", "many"),
        ("SEKISHO_STAET", "/x"),
        ("SEKISHO_APP_WIKI_HOST", "x"),
        ("SEKISHO_IDENTITY_PROVIDER_NOBODY_CLIENT_SECRET", "s3cret"),
        ("SEKISHO_IDENTITY_PROVIDER_CORP_CLIENT_SECRET", "s3cret"),
    ];
    let problems = words(&load_with(COMPLETE, folder.path(), &variables).unwrap_err(), folder.path());
    assert_eq!(
        problems,
        [
            "identity_provider[0].client_secret_file (line 33): the secret is also given by SEKISHO_IDENTITY_PROVIDER_CORP_CLIENT_SECRET; \
             give it in one place",
            "SEKISHO_CORES: it has to be a whole number",
            "SEKISHO_STAET: no setting has this name; did you mean SEKISHO_STATE?",
            "SEKISHO_APP_WIKI_HOST: no setting has this name; only single values outside of lists can be set by the environment",
            "listen.http (SEKISHO_LISTEN_HTTP): \"80\" is not an IP address with a port; write it as \"0.0.0.0:80\" or \"[::]:80\"",
            "SEKISHO_IDENTITY_PROVIDER_NOBODY_CLIENT_SECRET: no [[identity_provider]] with a client_id has this name",
        ]
    );
    assert!(problems.iter().all(|problem| !problem.contains("s3cret")));
}

#[cfg(unix)]
#[test]
fn a_value_that_is_not_text_is_named() {
    use std::os::unix::ffi::OsStringExt as _;

    let folder = folder();
    let variables = [("SEKISHO_STATE".into(), std::ffi::OsString::from_vec(vec![0xff]))];
    let problems = crate::config::Config::parse(LEAST, folder.path(), variables, super::fixture::NOW).unwrap_err();
    assert_eq!(words(&problems, folder.path()), ["SEKISHO_STATE: its value is not UTF-8"]);
}
