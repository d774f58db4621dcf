//! A folder with the files that the samples name.

use std::ffi::OsString;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, IsCa, KeyIdMethod, KeyPair,
    KeyUsagePurpose, SerialNumber,
};

use crate::clock::Timestamp;
use crate::config::{Config, Problem};

pub(super) const COMPLETE: &str = include_str!("../testdata/complete.toml");

/// A time at which the certificates of the folder are valid.
pub(super) const NOW: Timestamp = Timestamp(1_790_000_000_000);

pub(super) fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path();
    std::fs::create_dir(base.join("tls")).unwrap();
    certificate(base, "corp", &["gate.corp.example", "*.corp.example"]);
    certificate(base, "other", &["other.example"]);
    certificate(base, "old", &["*.corp.example"]);
    authority(base);
    root_of_services(base);
    private(base, "oidc-secret", b"tell nobody\n");
    private(base, "posture-token", b"0123456789abcdef0123456789abcdef\n");
    private(base, "short-token", b"0123456789abcdef\n");
    write(base, "open-secret", b"tell nobody\n");
    write(base, "tls/anybodys.key", b"not read");
    mode(&base.join("tls/anybodys.key"), 0o666);
    write(base, "jwks.json", br#"{"keys":[{"kty":"EC","crv":"P-256","kid":"1","alg":"ES256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}"#);
    write(base, "no-keys.json", br#"{"keys":[]}"#);
    write(base, "empty", b"");
    folder
}

fn certificate(base: &Path, name: &str, hosts: &[&str]) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>()).unwrap();
    validity(&mut params);
    params.not_after = rcgen::date_time_ymd(if name == "old" { 2026 } else { 2027 }, 2, 1);
    let chain = params.self_signed(&key).unwrap().pem();
    write(base, &format!("tls/{name}.pem"), chain.as_bytes());
    private(base, &format!("tls/{name}.key"), key.serialize_pem().as_bytes());
    write(base, &format!("tls/{name}-open.key"), key.serialize_pem().as_bytes());
    let half = chain.len() / 2;
    write(base, &format!("tls/{name}-half.pem"), &chain.as_bytes()[..half]);
}

fn authority(base: &Path) {
    let mut params = CertificateParams::default();
    validity(&mut params);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    write(base, "ca.pem", issuer.pem().as_bytes());
    let crl = CertificateRevocationListParams {
        this_update: rcgen::date_time_ymd(2026, 1, 1),
        next_update: rcgen::date_time_ymd(2027, 1, 1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let crl = crl.signed_by(&issuer).unwrap();
    write(base, "ca.crl", crl.pem().unwrap().as_bytes());
    write(base, "ca.crl.der", crl.der());
}

fn root_of_services(base: &Path) {
    let mut params = CertificateParams::default();
    validity(&mut params);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    write(base, "services-ca.pem", params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem().as_bytes());
}

fn validity(params: &mut CertificateParams) {
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2027, 1, 1);
}

fn write(base: &Path, name: &str, content: &[u8]) {
    std::fs::write(base.join(name), content).unwrap();
    mode(&base.join(name), 0o644);
}

pub(super) fn private(base: &Path, name: &str, content: &[u8]) {
    write(base, name, content);
    mode(&base.join(name), 0o600);
}

fn mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;

    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

pub(super) fn load(text: &str, base: &Path) -> Result<Config, Vec<Problem>> {
    load_with(text, base, &[])
}

pub(super) fn load_with(text: &str, base: &Path, variables: &[(&str, &str)]) -> Result<Config, Vec<Problem>> {
    let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    Config::parse(text, base, variables, NOW)
}

/// The problems as people read them, with the folder's name taken out.
pub(super) fn words(problems: &[Problem], base: &Path) -> Vec<String> {
    let base = format!("{}/", base.display());
    problems.iter().map(|problem| problem.to_string().replace(&base, "")).collect()
}
